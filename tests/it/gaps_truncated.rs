//! A broker whose data came back from an older copy of its disk: the same topic, by its id too,
//! with fewer records than were read of it.

use std::path::Path;
use std::process::Command;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value as Json, json};

use crate::gaps::{accept, call, calls, lag, reach, ready, serve, stopped, write};
use crate::rig::{Place, tool, wait_for};

fn kafka(command: &str, folder: &Path) -> String {
    let owner = std::process::id().to_string();
    let mut kafka = tool("dev/kafka");
    kafka.arg(command).arg("--data").arg(folder);
    if command == "start" {
        kafka.args(["--owner", &owner]);
    }
    let output = kafka.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn create(brokers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    wait_for(admin.create_topics([&new], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
}

#[test]
fn a_log_that_ends_before_what_was_read_of_it_stops_until_that_is_accepted() {
    let place = Place::new("gap-truncated", 1);
    let folder = place.path("broker");
    let publish = |brokers: &str, transactions: &[&str]| {
        for transaction in transactions {
            write(brokers, &place.events, 0, &call(transaction).to_string());
        }
    };
    let brokers = kafka("start", &folder);
    create(&brokers, &place.events);
    create(&brokers, &place.dead_letters);
    publish(&brokers, &["a", "b"]);
    let service = serve(&place, &brokers, &[]);
    reach(&service, "2.0");
    assert!(service.terminate().0.success());
    kafka("stop", &folder);
    copy(&folder.join("data"), &place.path("older"));

    let brokers = kafka("start", &folder);
    publish(&brokers, &["c", "d", "e"]);
    let service = serve(&place, &brokers, &[]);
    reach(&service, "5.0");
    assert!(service.terminate().0.success());
    kafka("stop", &folder);
    std::fs::remove_dir_all(folder.join("data")).unwrap();
    copy(&place.path("older"), &folder.join("data"));

    let brokers = kafka("start", &folder);
    let service = serve(&place, &brokers, &[]);
    let told = stopped(&service, &place, 0, "offset_beyond_end");
    assert!(told.contains("expected offset 5, available 0 to 2"), "{told}");
    assert_eq!(calls(&service), "5.0", "reads go on");
    assert!(lag(&service) > 0, "the answer says that it is not the newest");
    // Records at offsets that were read, one of them under a transaction that is known.
    publish(&brokers, &["c", "f", "g"]);
    stopped(&service, &place, 0, "offset_beyond_end");
    assert_eq!(calls(&service), "5.0");
    let (accepted, told) = accept(&place, "0", "2", Some(&service.url));
    assert!(accepted, "{told}");
    reach(&service, "7.0");
    ready(&service);
    assert!(service.terminate().0.success());

    let verified = place.program_at(&brokers, &["verify", "--log", "--json"]).output().unwrap();
    let found: Json = serde_json::from_slice(&verified.stdout).unwrap();
    assert!(verified.status.success(), "{found}");
    assert_eq!(found["sound"], json!(true));
    let apart = found["log"]["not_comparable"].as_array().unwrap();
    let events = apart.iter().find(|a| a["partition"] == format!("{}-0", place.events)).unwrap();
    assert!(events["reason"].as_str().unwrap().contains("offset_beyond_end"), "{events}");
    kafka("stop", &folder);
}
