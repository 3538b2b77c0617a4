//! Records that are gone from Kafka, through the program itself: what stops, what goes on, and the
//! deliberate way behind a gap. Figures are counted here by hand.

use odometer::log::kafka::{KafkaProducer, KafkaTopics, Record};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::rig::{Place, Service, admin, brokers, create_topic, tool, until, wait_for};

const KEY: &str = "odometer-demo-key";
/// Key of the operator.
pub const OPERATOR: &str = "an-operator-of-tests";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.yaml");
const USAGE: &str = "/api/v1/customers/customer_tokyo/current_usage\
                     ?external_subscription_id=subscription_tokyo";

/// A service with the example catalogue and an operator.
pub fn serve(place: &Place, brokers: &str, settings: &[&str]) -> Service {
    let mut command = place.program_at(brokers, &["serve"]);
    command.args(["--set", &format!("catalog.file={CATALOG}")]);
    command.args(["--set", &format!("http.operator_key={OPERATOR}")]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    Service::start(command)
}

/// Units of the API calls, as the service has them now.
pub fn calls(service: &Service) -> String {
    let (status, body) = until("the account is back", || {
        let (status, body) = service.get(USAGE, Some(KEY));
        (status != 503).then_some((status, body))
    });
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let charges = body["customer_usage"]["charges_usage"].as_array().unwrap();
    let of_calls = charges.iter().find(|c| c["billable_metric"]["code"] == "api_calls").unwrap();
    of_calls["units"].as_str().unwrap().to_owned()
}

/// Waits until so many API calls count.
#[track_caller]
pub fn reach(service: &Service, units: &str) {
    until(units, || (calls(service) == units).then_some(()));
}

/// An API call of the subscription in Tokyo.
#[allow(clippy::disallowed_methods)] // events happen on the clock of the service under test
pub fn call(transaction: &str) -> Value {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    json!({"organization_id": "demo", "external_subscription_id": "subscription_tokyo",
           "transaction_id": transaction, "code": "api_calls", "timestamp": now.as_secs()})
}

/// Writes a record to a partition.
pub fn write(brokers: &str, topic: &str, partition: i32, payload: &str) {
    let properties = [("bootstrap.servers".to_owned(), brokers.to_owned())];
    let producer = KafkaProducer::connect(&properties).unwrap();
    let record = Record {
        topic,
        partition: Some(partition),
        key: None,
        payload: Some(payload.as_bytes()),
        timestamp_ms: None,
        headers: &[],
    };
    producer.send(&record).unwrap().wait().unwrap();
}

/// Writes one call a transaction.
fn publish(place: &Place, partition: i32, transactions: &[&str]) {
    for transaction in transactions {
        write(brokers(), &place.events, partition, &call(transaction).to_string());
    }
}

/// Deletes the records of a partition before an offset.
fn delete_before(topic: &str, partition: i32, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    wait_for(admin().delete_records(&list, &AdminOptions::new())).unwrap();
}

/// Runs a command of the operator: whether it has succeeded, and what it has printed.
pub fn operate(place: &Place, arguments: &[&str]) -> (bool, String) {
    let mut command = place.program(arguments);
    command.args(["--set", &format!("http.operator_key={OPERATOR}")]);
    let output = command.output().unwrap();
    let told = if output.status.success() { &output.stdout } else { &output.stderr };
    (output.status.success(), String::from_utf8_lossy(told).into_owned())
}

/// Accepts a gap.
pub fn accept(place: &Place, partition: &str, from: &str, url: Option<&str>) -> (bool, String) {
    let mut arguments = vec!["gap", "accept", &place.events, partition];
    arguments.extend(["--from-offset", from, "--by", "tests", "--note", "counted by hand"]);
    arguments.extend(url.into_iter().flat_map(|url| ["--url", url]));
    operate(place, &arguments)
}

/// What `/readyz` says of a partition, once it says so.
#[track_caller]
pub fn stopped(service: &Service, place: &Place, partition: i32, reason: &str) -> String {
    let name = format!("stopped {}-{partition}", place.events);
    until(&format!("{name}: {reason}"), || {
        let (status, body) = service.get("/readyz", None);
        let body: Value = serde_json::from_str(&body).unwrap();
        let told = body["detail"][&name].as_str()?.to_owned();
        (status == 503 && told.starts_with(reason)).then_some(told)
    })
}

/// Waits until everything is read.
#[track_caller]
pub fn ready(service: &Service) {
    until("the service is ready", || (service.get("/readyz", None).0 == 200).then_some(()));
}

/// The header of an answer that says how old its figures are.
pub fn lag(service: &Service) -> i64 {
    let request = ureq::get(format!("{}{USAGE}", service.url));
    let answer = request.header("Authorization", format!("Bearer {KEY}")).call().unwrap();
    answer.headers()["odometer-lag-ms"].to_str().unwrap().parse().unwrap()
}

#[test]
fn records_that_left_while_nobody_read_stop_one_partition_until_the_gap_is_accepted() {
    let place = Place::new("gap-stopped", 2);
    publish(&place, 0, &["a", "b", "c"]);
    publish(&place, 1, &["d", "e"]);
    let service = serve(&place, brokers(), &[]);
    reach(&service, "5.0");
    assert!(service.terminate().0.success());
    publish(&place, 0, &["lost", "f"]);
    publish(&place, 1, &["g"]);
    delete_before(&place.events, 0, 4);

    let mut service = serve(&place, brokers(), &[]);
    service.skip_lines();
    let told = stopped(&service, &place, 0, "offset_gone");
    assert!(told.contains("expected offset 3, available 4 to 5"), "{told}");
    reach(&service, "6.0"); // the other partition goes on
    assert!(lag(&service) > 0, "the answer says that it is not the newest");
    let sample = |name: &str, rest: &str| {
        service.metric(&format!("{name}{{topic=\"{}\",partition=\"0\"{rest}}}", place.events))
    };
    assert_eq!(sample("odometer_partition_next_offset", ""), 3);
    assert_eq!(sample("odometer_partition_available_offset", ",end=\"low\""), 4);
    assert_eq!(sample("odometer_partition_available_offset", ",end=\"high\""), 5);
    assert_eq!(service.metric("odometer_partition_stops_total{reason=\"offset_gone\"}"), 1);

    let url = service.url.clone();
    for (partition, from) in [("0", "3"), ("0", "6"), ("1", "3"), ("7", "0")] {
        let (accepted, told) = accept(&place, partition, from, Some(&url));
        assert!(!accepted, "{partition} from {from}: {told}");
    }
    assert_eq!(calls(&service), "6.0", "what is refused changes nothing");
    let (accepted, told) = accept(&place, "0", "4", Some(&url));
    assert!(accepted, "{told}");
    reach(&service, "7.0");
    ready(&service);
    assert_eq!(service.metric("odometer_gap_records_total"), 1);
    publish(&place, 0, &["h"]);
    reach(&service, "8.0");
    assert!(!accept(&place, "0", "4", Some(&url)).0, "a gap is accepted once");

    service.kill();
    let service = serve(&place, brokers(), &[]);
    ready(&service);
    assert_eq!(calls(&service), "8.0");
    assert_eq!(service.metric("odometer_gap_records_total"), 1);
    assert!(service.terminate().0.success());
    let (listed, told) = operate(&place, &["gap", "list"]);
    assert!(listed, "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let gap = &told["accepted"][0];
    assert_eq!((&gap["expected_offset"], &gap["from_offset"]), (&json!(3), &json!(4)));
    assert_eq!((&gap["by"], &gap["note"]), (&json!("tests"), &json!("counted by hand")));
}

#[test]
fn records_that_leave_under_a_reader_stop_it_and_a_stopped_store_takes_the_decision_too() {
    let place = Place::new("gap-running", 2);
    publish(&place, 0, &["a", "b"]);
    let service = serve(&place, brokers(), &[]);
    reach(&service, "2.0");
    ready(&service);
    service.signal("STOP");
    publish(&place, 0, &["lost", "lost too", "c"]);
    publish(&place, 1, &["d"]);
    delete_before(&place.events, 0, 4);
    service.signal("CONT");
    // A fetch that was under way may have brought the records all the same: then nothing is lost.
    let told = until("the partition stops or has it all", || {
        let (status, body) = service.get("/readyz", None);
        let all = calls(&service) == "6.0";
        (all || (status == 503 && body.contains("offset_gone"))).then_some(body)
    });
    if !told.contains("offset_gone") {
        return;
    }
    reach(&service, "3.0");
    assert!(told.contains("expected offset 2, available 4 to 5"), "{told}");
    assert!(lag(&service) > 0);
    assert!(service.terminate().0.success());
    let (accepted, told) = accept(&place, "0", "4", None);
    assert!(accepted, "{told}");
    let service = serve(&place, brokers(), &[]);
    reach(&service, "4.0");
    ready(&service);
}

#[test]
fn a_topic_that_was_made_anew_is_another_one_until_somebody_says_so() {
    let place = Place::new("gap-recreated", 2);
    publish(&place, 0, &["a", "b"]);
    publish(&place, 1, &["c"]);
    let service = serve(&place, brokers(), &[]);
    reach(&service, "3.0");
    ready(&service);
    wait_for(admin().delete_topics(&[&place.events], &AdminOptions::new())).unwrap();
    create_topic(&place.events, 2);
    // Known transactions and a new one, at the offsets that were read before.
    publish(&place, 0, &["a", "b", "new"]);
    let told = stopped(&service, &place, 0, "topic_recreated");
    assert!(told.contains("expected offset 2"), "{told}");
    stopped(&service, &place, 1, "topic_recreated");
    assert_eq!(calls(&service), "3.0", "reads go on");
    assert!(lag(&service) > 0);

    let url = service.url.clone();
    let (accepted, told) = accept(&place, "0", "0", Some(&url));
    assert!(accepted, "{told}");
    reach(&service, "4.0");
    stopped(&service, &place, 1, "topic_recreated");
    service.kill();
    let service = serve(&place, brokers(), &[]);
    stopped(&service, &place, 1, "topic_recreated");
    assert_eq!(calls(&service), "4.0");
    let (accepted, told) = accept(&place, "1", "0", Some(&service.url));
    assert!(accepted, "{told}");
    ready(&service);
    publish(&place, 1, &["c", "late"]);
    reach(&service, "5.0");
    assert!(service.terminate().0.success());
    let apart = |stage: &str| {
        let verified = place.program(&["verify", "--log", "--json"]).output().unwrap();
        let found: Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert!(verified.status.success() && found["sound"] == true, "{stage}: {found}");
        let apart = found["log"]["not_comparable"].as_array().unwrap().clone();
        let own = apart.into_iter().filter_map(|apart| {
            let name = apart["partition"].as_str()?.rsplit_once('-')?.0 == place.events;
            name.then(|| apart["reason"].as_str().unwrap().to_owned())
        });
        own.collect::<Vec<_>>()
    };
    let reasons = apart("both topics have had these offsets");
    assert!(reasons.len() == 2 && reasons[0].contains("topic_recreated"), "{reasons:?}");
    wait_for(admin().delete_topics(&[&place.events], &AdminOptions::new())).unwrap();
    create_topic(&place.events, 2);
    let reasons = apart("a third topic of the name");
    assert!(reasons.len() == 2 && reasons[0].contains("topic id"), "{reasons:?}");
}

/// A second cluster, which ends with this process.
fn other_cluster() -> String {
    let owner = std::process::id().to_string();
    let name = format!("other-{owner}");
    let output =
        tool("dev/kafka").args(["start", "--name", &name, "--owner", &owner]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn brokers_of_another_cluster_are_not_read_and_not_written_to() {
    let place = Place::new("gap-cluster", 1);
    publish(&place, 0, &["a"]);
    let service = serve(&place, brokers(), &[]);
    reach(&service, "1.0");
    assert!(service.terminate().0.success());

    let other = other_cluster();
    let there: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &other).create().unwrap();
    let topics = [&place.events, &place.dead_letters];
    for topic in topics {
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
        wait_for(there.create_topics([&new], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
    }
    for transaction in ["x", "y"] {
        write(&other, &place.events, 0, &call(transaction).to_string());
    }
    let service = serve(&place, &other, &[]);
    stopped(&service, &place, 0, "other_cluster");
    assert_eq!(calls(&service), "1.0", "reads go on");
    let tax = json!({"tax": {"name": "T", "code": "t", "rate": "5"}});
    let (status, body, _) = service.post("/api/v1/taxes", KEY, &tax);
    assert_eq!(status, 503, "{body}");
    service.kill();
    let properties = vec![("bootstrap.servers".to_owned(), other)];
    let found = KafkaTopics::connect(&properties)
        .unwrap()
        .describe(std::slice::from_ref(&place.catalog), std::time::Duration::from_secs(30));
    assert!(found.is_err(), "no catalogue was begun there");

    let service = serve(&place, brokers(), &[]);
    ready(&service);
    publish(&place, 0, &["b"]);
    reach(&service, "2.0");
}
