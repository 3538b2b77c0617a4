//! Lifetime usage over the real service: what was used before, what past usage lists, what runs.

use odometer::log::embedded::EVENTS_TOPIC;
use serde_json::{Value as Json, json};

use crate::ingestion::{ACME, at, lasting};
use crate::past_usage::{used, windows};
use crate::past_usage_windows::{end, subscribe, with_plans};
use crate::service::TestService;

const PATH: &str = "/api/v1/subscriptions/sub/lifetime_usage";

fn lifetime(service: &TestService, query: &str) -> Json {
    let end = service.end();
    let path = format!("{PATH}?wait=10000&min_offset={EVENTS_TOPIC}-0:{end}{query}");
    let answer = service.get(ACME, &path);
    assert_eq!((answer.status, answer.tag.as_ref()), (200, None), "{}", answer.body);
    assert_eq!(answer.offsets, Some(format!("{EVENTS_TOPIC}-0:{end}")));
    answer.json()["lifetime_usage"].clone()
}

/// Historical, invoiced and current.
fn figures(service: &TestService, query: &str) -> [i64; 3] {
    let shown = lifetime(service, query);
    let names = [
        "external_historical_usage_amount_cents",
        "invoiced_usage_amount_cents",
        "current_usage_amount_cents",
    ];
    names.map(|name| shown[name].as_i64().unwrap())
}

fn set(service: &TestService, cents: i64) {
    let body = json!({"lifetime_usage": {"external_historical_usage_amount_cents": cents}});
    let answer = service.send(("PUT", ACME, PATH), &[], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let shown = answer.json();
    assert_eq!(shown["lifetime_usage"]["external_historical_usage_amount_cents"], cents);
}

#[test]
fn what_was_used_before_since_and_now_adds_up_over_changes_of_plan() {
    let mut service = with_plans("2025-03-05T10:00:00Z");
    subscribe(&service, "plan-20", &json!({}));
    used(&service, "t1", "2025-03-10T00:00:00Z", 1);
    lasting(&mut service, |service| assert_eq!(figures(service, ""), [0, 0, 200]));
    set(&service, 5_000);
    lasting(&mut service, |service| assert_eq!(figures(service, ""), [5_000, 0, 200]));
    service.set_clock(at("2025-04-10T12:00:00Z"));
    subscribe(&service, "plan-21", &json!({}));
    used(&service, "t2", "2025-04-05T00:00:00Z", 10);
    used(&service, "t3", "2025-04-11T00:00:00Z", 100);
    // The row that was upgraded is shown with the same figures, but nothing runs in it.
    lasting(&mut service, |service| {
        assert_eq!(figures(service, ""), [5_000, 2_200, 30_000]);
        assert_eq!(figures(service, "&status=terminated"), [5_000, 2_200, 0]);
    });
    set(&service, 6_000);
    let shown = lifetime(&service, "");
    assert_eq!(shown["from_datetime"], "2025-03-05T10:00:00Z");
    assert_eq!(shown["to_datetime"], "2025-04-10T12:00:00Z");
    service.set_clock(at("2025-05-01T00:00:00Z"));
    used(&service, "t4", "2025-03-11T00:00:00Z", 1_000);
    let sum: i64 = windows(&service).iter().map(|(_, _, cents)| cents).sum();
    assert_eq!(sum, 232_200);
    lasting(&mut service, |service| assert_eq!(figures(service, ""), [6_000, sum, 0]));
    end(&service, "");
    let gone = service.get(ACME, PATH);
    assert_eq!((gone.status, gone.json()["code"].as_str()), (404, Some("subscription_not_found")));
    assert_eq!(figures(&service, "&subscription_status=terminated"), [6_000, sum, 0]);
    // A subscription of its own under the same id has a life of its own.
    service.set_clock(at("2025-05-02T00:00:00Z"));
    subscribe(&service, "plan-20", &json!({}));
    used(&service, "t5", "2025-05-02T00:00:01Z", 1);
    lasting(&mut service, |service| assert_eq!(figures(service, ""), [0, 0, 200]));
}

#[test]
fn writers_of_history_come_one_after_the_other() {
    let service = with_plans("2025-03-05T10:00:00Z");
    subscribe(&service, "plan-20", &json!({}));
    std::thread::scope(|scope| {
        for cents in 1..=8 {
            let service = &service;
            scope.spawn(move || set_any(service, cents));
        }
    });
    let [historical, ..] = figures(&service, "");
    assert!((1..=8).contains(&historical), "{historical}");
}

/// Sets the history while others do.
fn set_any(service: &TestService, cents: i64) {
    let body = json!({"lifetime_usage": {"external_historical_usage_amount_cents": cents}});
    let answer = service.send(("PUT", ACME, PATH), &[], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
}
