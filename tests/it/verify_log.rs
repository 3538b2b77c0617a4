//! `odometer verify --log`: the ledger against the topics, through the program itself on real
//! Kafka.

use std::path::Path;

use odometer::log::kafka::{KafkaProducer, Record};
use odometer::store::SlotHead;
use odometer::store::keys::{Family, Key, MetaKey};
use rocksdb::{DB, Options};
use serde_json::{Value as Json, json};

use crate::rig::{Place, Service, brokers, until};

const PARTITIONS: i32 = 2;

/// Writes events with these transactions, on the partition that each is given with, and something
/// that is no event.
fn write(place: &Place, events: &[(i32, u32)]) {
    let properties = [("bootstrap.servers".to_owned(), brokers().to_owned())];
    let producer = KafkaProducer::connect(&properties).unwrap();
    for (partition, transaction) in events {
        let event = json!({
            "organization_id": "org",
            "external_subscription_id": format!("sub-{}", transaction % 7),
            "transaction_id": transaction.to_string(),
            "code": "calls",
            "timestamp": 1_710_504_000 + transaction,
        });
        for payload in [event.to_string().as_bytes(), b"{".as_slice()] {
            let record = Record {
                topic: &place.events,
                partition: Some(*partition),
                key: None,
                payload: Some(payload),
                timestamp_ms: Some(1_710_504_000_000 - i64::from(*partition)),
                headers: &[],
            };
            producer.send(&record).unwrap().wait().unwrap();
        }
    }
}

fn verify(place: &Place) -> (bool, Json, String) {
    let output = place.program(&["verify", "--log", "--json"]).output().unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Json::Null);
    (output.status.success(), json, String::from_utf8(output.stderr).unwrap())
}

/// The next offset of the last partition, which has most records, raised by so many in every slot.
fn pretend_applied(folder: &Path, more: i64) {
    let names = Family::ALL.map(Family::name).into_iter().chain(["default"]);
    let db = DB::open_cf(&Options::default(), folder, names).unwrap();
    let meta = db.cf_handle(Family::Meta.name()).unwrap();
    for slot in 0..u8::MAX {
        let key = Key::Meta(MetaKey::Head(slot)).to_bytes();
        let Some(value) = db.get_cf(meta, &key).unwrap() else { break };
        let mut head = SlotHead::from_bytes(&value).unwrap();
        let source = head.sources.iter_mut().max_by_key(|source| source.next_offset).unwrap();
        source.next_offset += more;
        db.put_cf(meta, key, head.to_bytes()).unwrap();
    }
}

#[test]
fn the_ledger_is_compared_with_the_topic() {
    let place = Place::new("verify-log", PARTITIONS);
    // Copies come on the other partition, so that either may be the one that counts.
    let events: Vec<(i32, u32)> = (0..200)
        .map(|n| (n % 2, n))
        .chain((50..90).map(|n| (1 - n % 2, n)))
        .map(|(p, n)| (p, u32::try_from(n).unwrap()))
        .collect();
    write(&place, &events);
    let service = Service::start(place.program(&["serve"]));
    until("the log is read", || (service.get("/readyz", None).0 == 200).then_some(()));
    let (sound, _, error) = verify(&place);
    assert!(!sound && error.contains("in use"), "a service has it open: {error}");
    let (status, _) = service.terminate();
    assert!(status.success());

    let (sound, found, error) = verify(&place);
    assert!(sound, "{found} {error}");
    assert_eq!((&found["sound"], &found["events"]), (&json!(true), &json!(200)));
    assert_eq!(found["log"]["records"], json!(2 * events.len()));

    // An event that the slots say they have applied, and is not there.
    write(&place, &[(PARTITIONS - 1, 900)]);
    pretend_applied(&place.path("data"), 2);
    let (sound, found, error) = verify(&place);
    assert!(!sound, "{found}");
    let differences = found["differences"].as_array().unwrap();
    let offsets = differences.iter().find(|found| found["kind"] == "offsets").unwrap();
    assert_eq!(offsets["what"], "the event is not in the store", "{found} {error}");
    assert!(offsets["place"].as_str().unwrap().starts_with(&place.events), "{offsets}");
}
