//! Events over HTTP through the program itself, on real Kafka, beside a producer that writes to
//! Kafka directly.

use odometer::log::kafka::{KafkaProducer, Record};
use serde_json::{Value, json};

use crate::rig::{Place, Service, brokers, until};

const KEY: &str = "odometer-demo-key";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.yaml");
const EVENTS: &str = "/api/v1/events";

fn serve(place: &Place) -> Service {
    let mut command = place.program(&["serve"]);
    command.args(["--set", &format!("catalog.file={CATALOG}")]);
    Service::start(command)
}

fn call(transaction: &str) -> Value {
    json!({"transaction_id": transaction, "external_subscription_id": "subscription_tokyo",
           "code": "api_calls"})
}

/// Sends an event; a service that is still reading its log is asked again.
fn post(service: &Service, transaction: &str) -> (u16, String, Option<String>) {
    until("the service takes events", || {
        let answer = service.post(EVENTS, KEY, &json!({ "event": call(transaction) }));
        (answer.0 != 503).then_some(answer)
    })
}

/// Units of the API calls, without waiting for anything.
fn calls(service: &Service) -> String {
    let path = "/api/v1/customers/customer_tokyo/current_usage\
                ?external_subscription_id=subscription_tokyo";
    let (status, body) = until("the account is back", || {
        let (status, body) = service.get(path, Some(KEY));
        (status != 503).then_some((status, body))
    });
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let charges = body["customer_usage"]["charges_usage"].as_array().unwrap();
    let of_calls = charges.iter().find(|c| c["billable_metric"]["code"] == "api_calls").unwrap();
    of_calls["units"].as_str().unwrap().to_owned()
}

/// Writes an event to the topic that producers share, and waits until it is applied.
fn write(place: &Place, service: &Service, transaction: &str, next: u64) {
    let properties = [("bootstrap.servers".to_owned(), brokers().to_owned())];
    let producer = KafkaProducer::connect(&properties).unwrap();
    let mut event = call(transaction);
    event["organization_id"] = json!("demo");
    event["timestamp"] = json!(0);
    let payload = event.to_string();
    let record = Record {
        topic: &place.events,
        partition: Some(0),
        key: None,
        payload: Some(payload.as_bytes()),
        timestamp_ms: None,
        headers: &[],
    };
    producer.send(&record).unwrap().wait().unwrap();
    let path = format!(
        "/api/v1/customers/customer_tokyo/current_usage\
         ?external_subscription_id=subscription_tokyo&min_offset={}-0:{next}&wait=60000",
        place.events
    );
    assert_eq!(service.get(&path, Some(KEY)).0, 200);
}

#[test]
fn events_are_accepted_once_whichever_way_they_come() {
    let place = Place::new("http-events", 1);
    let service = serve(&place);
    let (status, body, position) = post(&service, "first");
    assert_eq!(status, 200, "{body}");
    assert_eq!(position, Some(format!("{}-http-0:0", place.events)));
    assert_eq!(calls(&service), "1.0", "the next read has it");
    let batch = json!({"events": [call("second"), call("third")]});
    let (status, body, position) = service.post(&format!("{EVENTS}/batch"), KEY, &batch);
    assert_eq!(status, 200, "{body}");
    assert_eq!(position, Some(format!("{}-http-0:1", place.events)), "one record");
    assert_eq!(calls(&service), "3.0");
    // A copy on another topic that comes later does not count, and an id from there is taken.
    write(&place, &service, "first", 1);
    write(&place, &service, "foreign", 2);
    assert_eq!(calls(&service), "3.0");
    let (status, body, _) = post(&service, "foreign");
    assert_eq!(status, 422, "{body}");

    // What was answered is in the log, and its ids are known again before any is accepted.
    service.kill();
    let service = serve(&place);
    for id in ["first", "second", "third"] {
        let (status, body, _) = post(&service, id);
        assert_eq!(status, 422, "{id}: {body}");
        assert!(body.contains("value_already_exist"), "{body}");
    }
    assert_eq!(calls(&service), "3.0");
    let (status, body) = service.get(&format!("{EVENTS}/second"), Some(KEY));
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"external_subscription_id\":\"subscription_tokyo\""), "{body}");
}
