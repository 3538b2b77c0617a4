//! Changes of the catalogue over HTTP, against running services: on the embedded log, and on two
//! instances that write to one Kafka topic at the same time.

use std::sync::Barrier;
use std::thread::scope;

use odometer::cli::serve::Running;
use odometer::cli::settings_of;
use odometer::config::Settings;
use odometer::core::instant::Instant;
use odometer::runtime::catalog_apply::apply_text;
use odometer::runtime::clock::Clock;
use serde_json::{Value as Json, json};

use crate::rig::{Place, brokers};
use crate::service::{PATIENCE, TestService, wait_until};

const KEY: &str = "odometer-demo-key";
const ORGANIZATION: &str = "organizations:\n  - external_id: acme\n    name: Acme\n    api_keys:\n      \
    - sha256: f6a3793baedef58938740b4dc02c4c3f43ef154d62bc83239aaf4416cc4e5e8d\n";
/// Rounds in which both instances want the same.
const ROUNDS: usize = 20;

/// Sends a request and returns status and body.
fn send(running: &Running, method: &str, path: &str, body: &Json) -> (u16, Json) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{}/api/v1/{path}", running.address))
        .header("Authorization", format!("Bearer {KEY}"))
        .body(if body.is_null() { String::new() } else { body.to_string() })
        .unwrap();
    let mut response = agent.run(request).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap())
}

fn get(running: &Running, path: &str) -> (u16, Json) {
    send(running, "GET", path, &Json::Null)
}

fn tax(code: &str, name: &str) -> Json {
    json!({"tax": {"code": code, "name": name, "rate": 20}})
}

#[test]
fn changes_are_read_at_once_and_outlive_a_crash() {
    let now = Instant::from_seconds(1_709_618_828);
    let mut service = TestService::start(now, &[]);
    let settings = settings_of(&[]).unwrap();
    apply_text(&service.running().service, &settings, ORGANIZATION).unwrap();
    let (status, created) = send(service.running(), "POST", "taxes", &tax("vat", "VAT"));
    assert_eq!((status, &created["tax"]["created_at"]), (200, &json!("2024-03-05T06:07:08Z")));
    assert_eq!(get(service.running(), "taxes/vat"), (200, created.clone()));
    let version = service.running().service.shared.catalogue.version();
    let (status, same) = send(service.running(), "PUT", "taxes/vat", &tax("vat", "VAT"));
    assert_eq!((status, same), (200, created.clone()));
    assert_eq!(service.running().service.shared.catalogue.version(), version, "nothing to write");
    service.crash();
    assert_eq!(get(service.running(), "taxes/vat"), (200, created));
    let (status, _) = send(service.running(), "POST", "taxes", &tax("vat", "again"));
    assert_eq!(status, 422);
    let (status, _) = send(service.running(), "DELETE", "taxes/vat", &Json::Null);
    assert_eq!(status, 200);
    assert_eq!(get(service.running(), "taxes/vat").0, 404);
    service.stop();
}

/// An instance on the topics of a place, with a store of its own.
fn instance(place: &Place, name: &str) -> (Running, Settings) {
    let folder = place.path(name);
    let pairs = [
        ("kafka.brokers", brokers()),
        ("kafka.events_topics", place.events.as_str()),
        ("kafka.catalog_topic", place.catalog.as_str()),
        ("kafka.dead_letter_topic", place.dead_letters.as_str()),
        ("store.path", folder.to_str().unwrap()),
        ("http.listen", "127.0.0.1:0"),
        ("log.level", "off"),
    ];
    let settings = settings_of(&pairs).unwrap();
    (Running::start(&settings, Clock::System).unwrap(), settings)
}

/// What both are answered when they ask at the same moment.
fn race<T: Send>(first: impl FnOnce() -> T + Send, second: impl FnOnce() -> T + Send) -> [T; 2] {
    let gate = Barrier::new(2);
    scope(|threads| {
        let other = threads.spawn(|| {
            gate.wait();
            second()
        });
        gate.wait();
        let mine = first();
        [mine, other.join().unwrap()]
    })
}

fn settle(instances: [&Running; 2]) {
    let version = |running: &Running| running.service.shared.catalogue.version();
    let newest = instances.map(version).into_iter().max().unwrap();
    wait_until("both instances to be as far", || {
        instances.iter().all(|running| version(running) >= newest)
    });
}

#[test]
fn two_instances_on_one_topic_never_both_win() {
    let place = Place::new("commands", 1);
    let ((a, settings), (b, _)) = (instance(&place, "a"), instance(&place, "b"));
    apply_text(&a.service, &settings, ORGANIZATION).unwrap();
    settle([&a, &b]);
    for round in 0..ROUNDS {
        // The same code twice: one is first, and the other is told as if it had come later.
        let code = format!("code{round}");
        let create = |running, name| send(running, "POST", "taxes", &tax(&code, name));
        let answers = race(|| create(&a, "a"), || create(&b, "b"));
        let mut statuses = answers.each_ref().map(|(status, _)| *status);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422], "{answers:?}");
        let lost = answers.iter().find(|(status, _)| *status == 422).unwrap();
        assert_eq!(lost.1["error_details"], json!({"code": ["value_already_exist"]}));
        let won = answers.iter().find(|(status, _)| *status == 200).unwrap();
        settle([&a, &b]);
        let path = format!("taxes/{code}");
        for running in [&a, &b] {
            assert_eq!(get(running, &path), (200, won.1.clone()));
        }
        // Different members of one object: both come into force.
        let change = |running, body: Json| send(running, "PUT", &path, &json!({"tax": body}));
        let answers = race(
            || change(&a, json!({"name": "changed"})),
            || change(&b, json!({"description": "changed"})),
        );
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
        settle([&a, &b]);
        let (_, changed) = get(&a, &path);
        assert_eq!(changed, get(&b, &path).1);
        let members = (&changed["tax"]["name"], &changed["tax"]["description"]);
        assert_eq!(members, (&json!("changed"), &json!("changed")));
        // Only one of them deletes it.
        let delete = |running| send(running, "DELETE", &path, &Json::Null).0;
        let mut statuses = race(|| delete(&a), || delete(&b));
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404]);
    }
    let ignored = |running: &Running| {
        let text = running.metrics.encode();
        let sum = text.lines().filter(|line| line.contains("catalog") && line.contains("stale"));
        sum.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    assert!(ignored(&a) > 0, "no two records ever met:\n{}", a.metrics.encode());
    a.stop("the test").unwrap();
    b.stop("the test").unwrap();
}
