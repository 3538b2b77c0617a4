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
/// An organisation with that key.
const ORGANIZATION: &str = "
organizations:
  - external_id: acme
    name: Acme
    api_keys:
      - sha256: f6a3793baedef58938740b4dc02c4c3f43ef154d62bc83239aaf4416cc4e5e8d
";
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

/// A request for a subscription of a customer to the plan `p`, from the first of the month on.
fn subscription(external_id: &str, customer: &str) -> Json {
    json!({"subscription": {"external_id": external_id, "external_customer_id": customer,
        "plan_code": "p", "subscription_at": "2024-03-01T00:00:00Z"}})
}

#[test]
fn what_is_sold_over_http_is_what_usage_is_priced_with() {
    let now = Instant::from_seconds(1_709_618_828);
    let mut service = TestService::start(now, &[]);
    let settings = settings_of(&[]).unwrap();
    apply_text(&service.running().service, &settings, ORGANIZATION).unwrap();
    let ok = |service: &TestService, method: &str, path: &str, body: Json| {
        let (status, answer) = send(service.running(), method, path, &body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    };
    let metric = json!({"billable_metric": {"name": "GB", "code": "gb",
        "aggregation_type": "sum_agg", "field_name": "gb"}});
    let metric = ok(&service, "POST", "billable_metrics", metric);
    let charge = |amount: &str| {
        json!({"billable_metric_id": metric["billable_metric"]["lago_id"],
            "charge_model": "standard", "properties": {"amount": amount}})
    };
    let plan = json!({"plan": {"name": "P", "code": "p", "interval": "monthly",
        "amount_cents": 0, "amount_currency": "EUR", "pay_in_advance": false,
        "charges": [charge("2")]}});
    ok(&service, "POST", "plans", plan);
    ok(&service, "POST", "customers", json!({"customer": {"external_id": "acme"}}));
    ok(&service, "POST", "subscriptions", subscription("s", "acme"));
    service.append(&[json!({"organization_id": "acme", "external_subscription_id": "s",
        "transaction_id": "t", "code": "gb", "timestamp": 1_709_618_000,
        "properties": {"gb": "3"}})
    .to_string()]);
    let total = |service: &TestService| {
        let query = [("external_subscription_id".to_owned(), "s".to_owned())];
        let answer = service.current_usage(KEY, "acme", &query);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["customer_usage"]["total_amount_cents"].clone()
    };
    assert_eq!(total(&service), 600);
    ok(&service, "PUT", "plans/p/charges/gb", json!({"charge": charge("5")}));
    assert_eq!(total(&service), 1500);
    let tax = json!({"tax": {"name": "VAT", "code": "vat", "rate": 20,
        "applied_to_organization": true}});
    ok(&service, "POST", "taxes", tax);
    assert_eq!(total(&service), 1800);
    // A subscription points at the plan, so its code stays: also after a restart.
    let code = json!({"plan": {"code": "q", "name": "Q"}});
    for _ in 0..2 {
        let changed = ok(&service, "PUT", "plans/p", code.clone());
        assert_eq!(changed["plan"]["code"], "p");
        assert_eq!(changed["plan"]["name"], "Q");
        service.restart();
    }
    assert_eq!(total(&service), 1800);
    let listed = ok(&service, "GET", "customers", Json::Null);
    assert_eq!(listed["customers"][0]["external_id"], "acme");
    assert_eq!(listed["meta"]["total_count"], 1);
    ok(&service, "DELETE", "customers/acme", Json::Null);
    let gone = get(service.running(), "customers/acme/current_usage");
    assert_eq!((gone.0, &gone.1["code"]), (404, &json!("customer_not_found")));
    assert_eq!(get(service.running(), "customers").1["meta"]["total_count"], 0);
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
    let plan = json!({"plan": {"name": "P", "code": "p", "interval": "monthly",
        "amount_cents": 0, "amount_currency": "EUR", "pay_in_advance": false}});
    assert_eq!(send(&a, "POST", "plans", &plan).0, 200);
    settle([&a, &b]);
    for round in 0..ROUNDS {
        // One external id for two customers, of whom only one gets it.
        let id = format!("s{round}");
        let create = |running, customer| {
            send(running, "POST", "subscriptions", &subscription(&id, customer))
        };
        let answers = race(|| create(&a, "x"), || create(&b, "y"));
        let mut statuses = answers.each_ref().map(|(status, _)| *status);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422], "{answers:?}");
        let lost = answers.iter().find(|(status, _)| *status == 422).unwrap();
        assert_eq!(lost.1["error_details"], json!({"external_id": ["value_already_exist"]}));
        settle([&a, &b]);
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
