//! The main job through the program itself, on real Kafka, with producers written with other
//! clients.

use std::time::{SystemTime, UNIX_EPOCH};

use odometer::log::kafka::{KafkaProducer, Record};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminOptions;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::rig::{PATIENCE, Place, Script, Service, admin, brokers, create_topic, until, wait_for};

const KEY: &str = "odometer-demo-key";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.yaml");

/// A service with the example catalogue.
fn serve(place: &Place) -> Service {
    let mut command = place.program(&["serve"]);
    command.args(["--set", &format!("catalog.file={CATALOG}")]);
    Service::start(command)
}

/// The usage of a subscription once the offsets are reached: status and text.
fn usage(service: &Service, subscription: &str, offsets: &str) -> (u16, String) {
    let path = format!(
        "/api/v1/customers/customer_tokyo/current_usage?external_subscription_id={subscription}\
         &min_offset={offsets}&wait=60000"
    );
    service.get(&path, Some(KEY))
}

/// Units of the API calls of the subscription in Tokyo, once the offsets are reached.
#[track_caller]
fn calls(service: &Service, subscription: &str, offsets: &str) -> String {
    let (status, body) = usage(service, subscription, offsets);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let charges = body["customer_usage"]["charges_usage"].as_array().unwrap();
    let of_calls = charges.iter().find(|c| c["billable_metric"]["code"] == "api_calls").unwrap();
    of_calls["units"].as_str().unwrap().to_owned()
}

/// Publishes with a client of another language and returns the offsets from which it is visible.
#[track_caller]
fn publish(runner: &str, script: &str, place: &Place, prefix: &str, events: &[&str]) -> String {
    let mut arguments = vec!["--brokers", brokers(), "--topic", &place.events];
    arguments.extend(["--organization", "demo", "--prefix", prefix]);
    for event in events {
        arguments.extend(["--event", event]);
    }
    let told = Script::start(runner, script, &arguments).finish();
    told["offsets"].as_str().unwrap().to_owned()
}

/// One API call in Tokyo, now.
#[allow(clippy::disallowed_methods)] // events happen on the clock of the service under test
fn call(transaction: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    format!(
        "{{\"organization_id\":\"demo\",\"external_subscription_id\":\"subscription_tokyo\",\
         \"transaction_id\":\"{transaction}\",\"code\":\"api_calls\",\"timestamp\":{now},\
         \"properties\":{{}}}}"
    )
}

fn write(place: &Place, partition: i32, transactions: &[&str]) {
    let properties = [("bootstrap.servers".to_owned(), brokers().to_owned())];
    let producer = KafkaProducer::connect(&properties).unwrap();
    for transaction in transactions {
        let payload = call(transaction);
        let record = Record {
            topic: &place.events,
            partition: Some(partition),
            key: None,
            payload: Some(payload.as_bytes()),
            timestamp_ms: None,
            headers: &[],
        };
        producer.send(&record).unwrap().wait().unwrap();
    }
}

#[test]
fn what_others_publish_is_answered_a_moment_later_and_kept() {
    let place = Place::new("e2e", 3);
    let service = serve(&place);
    let python = ("dev/python", "producers/publish.py");
    let node = ("dev/node", "producers/publish.js");
    let first = ["subscription_tokyo:api_calls", "subscription_tokyo:storage_gb:gb=1.5"];
    let after_first = publish(python.0, python.1, &place, "one", &first);
    assert_eq!(calls(&service, "subscription_tokyo", &after_first), "1.0");
    let second = ["subscription_tokyo:api_calls", "subscription_tokyo:storage_gb:gb=2.25"];
    let after_second = publish(node.0, node.1, &place, "two", &second);
    let (status, body) = usage(&service, "subscription_tokyo", &after_second);
    assert_eq!(status, 200, "{body}");
    assert_body(&body);
    // The same transactions once more are duplicates.
    let again = publish(python.0, python.1, &place, "one", &first);
    assert_eq!(usage(&service, "subscription_tokyo", &again), (200, body.clone()));

    // Events of a subscription that nobody knows yet count as soon as it appears.
    let early = publish(node.0, node.1, &place, "early", &["subscription_osaka:api_calls"]);
    assert_eq!(usage(&service, "subscription_osaka", &early).0, 405);
    let text = std::fs::read_to_string(CATALOG).unwrap();
    let osaka = "      - external_id: subscription_osaka\n        external_customer_id: \
                 customer_tokyo\n        plan_code: starter\n        subscription_at: 2024-01-01\n";
    std::fs::write(place.path("more.yaml"), format!("{}\n{osaka}", text.trim_end())).unwrap();
    let file = place.path("more.yaml");
    let applied = place.program(&["catalog", "apply", file.to_str().unwrap()]).output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    until("the new subscription is known", || {
        (usage(&service, "subscription_osaka", &early).0 == 200).then_some(())
    });
    assert_eq!(calls(&service, "subscription_osaka", &early), "1.0");

    // One store, one process.
    let second = place.program(&["serve"]).output().unwrap();
    let told = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{told}");
    assert!(told.contains("is in use") && told.contains("hint: "), "{told}");

    let (status, lines) = service.terminate();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    let told = |message: &str| lines.iter().find(|line| line["message"] == message);
    assert_eq!(told("shutting down").unwrap()["cause"], "SIGTERM");
    assert!(told("stopped").is_some());

    // All of it was in the last checkpoint: nothing is read again.
    let service = Service::start(place.program(&["serve"]));
    assert_eq!(usage(&service, "subscription_tokyo", &again), (200, body));
    assert_eq!(calls(&service, "subscription_osaka", &early), "1.0");
    assert_eq!(service.metric("odometer_records_consumed_total"), 0);
}

/// The exact text, but for the dates, which depend on the day of the test.
#[track_caller]
fn assert_body(body: &str) {
    let parsed: Value = serde_json::from_str(body).unwrap();
    let date = |name: &str| parsed["customer_usage"][name].as_str().unwrap().to_owned();
    let (from, to, issued) = (date("from_datetime"), date("to_datetime"), date("issuing_date"));
    // Midnight in Tokyo.
    assert!(from.ends_with("T15:00:00Z") && to.ends_with("T14:59:59Z"), "{from} {to}");
    assert_eq!(to[..10], issued);
    let charge = |units: &str, cents: u32, charge: &str, metric: &str| {
        format!(
            "{{\"units\":\"{units}\",\"total_aggregated_units\":\"{units}\",\"events_count\":2,\
             \"amount_cents\":{cents},\"amount_currency\":\"EUR\",\"pricing_unit_details\":null,\
             \"charge\":{{{charge},\"charge_model\":\"standard\",\"invoice_display_name\":null}},\
             \"billable_metric\":{{{metric}}},\"filters\":[],\"grouped_usage\":[],\
             \"presentation_breakdowns\":[]}}"
        )
    };
    let calls = charge(
        "2.0",
        0,
        "\"lago_id\":\"6c92ba7e-9c66-5d5b-afb6-aea672198f85\",\"code\":\"api_calls\"",
        "\"lago_id\":\"8978b92e-e610-571d-a6c3-609eac65c1dc\",\"name\":\"API calls\",\
         \"code\":\"api_calls\",\"aggregation_type\":\"count_agg\"",
    );
    let storage = charge(
        "3.75",
        38,
        "\"lago_id\":\"8eff801e-a616-5335-a2cf-3004eeabc425\",\"code\":\"storage_gb\"",
        "\"lago_id\":\"161243d9-0bea-5169-85a7-c1a0f99c766e\",\"name\":\"Storage\",\
         \"code\":\"storage_gb\",\"aggregation_type\":\"sum_agg\"",
    );
    let expected = format!(
        "{{\"customer_usage\":{{\"from_datetime\":\"{from}\",\"to_datetime\":\"{to}\",\
         \"issuing_date\":\"{issued}\",\"currency\":\"EUR\",\"amount_cents\":38,\
         \"total_amount_cents\":46,\"taxes_amount_cents\":8,\"lago_invoice_id\":null,\
         \"charges_usage\":[{calls},{storage}]}}}}"
    );
    assert_eq!(body, expected);
}

#[test]
fn a_topic_that_was_created_again_is_not_read() {
    let place = Place::new("again", 1);
    let service = serve(&place);
    write(&place, 0, &["a"]);
    assert_eq!(calls(&service, "subscription_tokyo", &format!("{}-0:1", place.events)), "1.0");
    assert!(service.terminate().0.success());
    wait_for(admin().delete_topics(&[&place.events], &AdminOptions::new())).unwrap();
    create_topic(&place.events, 1);
    // The log has a record at the known offset; it is another one.
    write(&place, 0, &["b", "c"]);
    let service = Service::start(place.program(&["serve"]));
    let at = format!("{}-0:1", place.events);
    assert_eq!(calls(&service, "subscription_tokyo", &at), "1.0", "reads go on");
    let (status, body) = service.get("/readyz", None);
    assert_eq!(status, 503);
    assert!(body.contains("topic_recreated"), "{body}");
    let (status, lines) = service.terminate();
    assert!(status.success());
    let stopped = lines.iter().find(|line| line["message"] == "partition stopped").unwrap();
    assert_eq!((&stopped["reason"], &stopped["offset"]), (&"topic_recreated".into(), &1.into()));
}

#[test]
fn records_that_are_gone_stop_their_partition_and_no_other() {
    let place = Place::new("gone", 2);
    let at = |partition: i32, next: i64| format!("{}-{partition}:{next}", place.events);
    let service = serve(&place);
    write(&place, 0, &["a", "b"]);
    write(&place, 1, &["c"]);
    let both = format!("{},{}", at(0, 2), at(1, 1));
    assert_eq!(calls(&service, "subscription_tokyo", &both), "3.0");
    assert!(service.terminate().0.success());

    write(&place, 0, &["lost", "d"]);
    write(&place, 1, &["e"]);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&place.events, 0, Offset::Offset(3)).unwrap();
    wait_for(admin().delete_records(&list, &AdminOptions::new())).unwrap();

    let service = Service::start(place.program(&["serve"]));
    // Nothing is skipped: the partition stands at the record that is gone.
    assert_eq!(calls(&service, "subscription_tokyo", &at(1, 2)), "4.0");
    let stops = "odometer_partition_stops_total{reason=\"offset_gone\"}";
    assert_eq!(service.metric(stops), 1);
    let reading = |partition: i32| {
        let labels = format!("topic=\"{}\",partition=\"{partition}\"", place.events);
        service.metric(&format!("odometer_partition_reading{{{labels}}}"))
    };
    assert_eq!((reading(0), reading(1)), (0, 1));
    assert_eq!(service.get("/readyz", None).0, 503);
    let (status, lines) = service.terminate();
    assert!(status.success());
    let stopped = lines.iter().find(|line| line["message"] == "partition stopped").unwrap();
    assert_eq!(stopped["reason"], "offset_gone");
    assert_eq!((&stopped["partition"], &stopped["offset"]), (&0.into(), &2.into()));
    assert!(stopped["hint"].as_str().unwrap().contains("nothing is skipped"));
}

#[test]
fn aborted_transactions_count_nothing_and_hold_nothing_up() {
    let place = Place::new("aborted", 1);
    let service = serve(&place);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("transactional.id", &place.events)
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    let send = |transactions: &[&str]| {
        producer.begin_transaction().unwrap();
        for transaction in transactions {
            let payload = call(transaction);
            let record = BaseRecord::<(), str>::to(&place.events).partition(0).payload(&payload);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    };
    send(&["a"]);
    producer.commit_transaction(PATIENCE).unwrap();
    send(&["b", "c"]);
    producer.abort_transaction(PATIENCE).unwrap();
    send(&["b"]);
    producer.commit_transaction(PATIENCE).unwrap();
    send(&["d"]);
    producer.abort_transaction(PATIENCE).unwrap();
    // Five records and four markers. The last marker may still be on its way: the service waits.
    let all = format!("{}-0:9", place.events);
    assert_eq!(calls(&service, "subscription_tokyo", &all), "2.0");
    assert!(service.terminate().0.success());
    // The holes are no gap after a restart either.
    let service = Service::start(place.program(&["serve"]));
    send(&["e"]);
    producer.commit_transaction(PATIENCE).unwrap();
    let all = format!("{}-0:11", place.events);
    assert_eq!(calls(&service, "subscription_tokyo", &all), "3.0");
}
