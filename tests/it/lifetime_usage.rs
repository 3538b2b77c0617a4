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

/// An entry of the thresholds.
fn row(cents: i64, ratio: f64, reached_at: Option<&str>) -> Json {
    let members = [json!(cents), json!(ratio), json!(reached_at)];
    let names = ["amount_cents", "completion_ratio", "reached_at"];
    names.iter().map(|name| (*name).to_owned()).zip(members).collect()
}

#[test]
fn thresholds_tell_how_far_it_is_and_when_they_were_reached() {
    let mut service = with_plans("2025-03-05T10:00:00Z");
    let put = |rows: Json| {
        let body = json!({"plan": {"usage_thresholds": rows}});
        service.send(("PUT", ACME, "/api/v1/plans/plan-20"), &[], &body)
    };
    for refused in [
        json!([{"amount_cents": 0}]),
        json!([{"amount_cents": "much"}]),
        json!([{"amount_cents": 1, "recurring": true}, {"amount_cents": 2, "recurring": true}]),
    ] {
        let answer = put(refused);
        let details = json!({"usage_thresholds": ["value_is_invalid"]});
        assert_eq!((answer.status, &answer.json()["error_details"]), (422, &details));
    }
    let many: Vec<Json> = (1..=21).map(|cents| json!({ "amount_cents": cents })).collect();
    assert_eq!(put(json!(many)).status, 422);
    let rows = json!([
        {"amount_cents": 900, "threshold_display_name": "much"},
        {"amount_cents": "300"},
        {"amount_cents": 400, "recurring": true},
    ]);
    let shown = put(rows).json()["plan"]["usage_thresholds"].clone();
    assert_eq!(shown[0]["threshold_display_name"], "much");
    let rest = |row: &Json| (row["amount_cents"].clone(), row["recurring"].clone());
    assert_eq!(rest(&shown[1]), (json!(300), json!(false)));
    assert_eq!(rest(&shown[2]), (json!(400), json!(true)));

    subscribe(&service, "plan-20", &json!({}));
    used(&service, "t1", "2025-03-10T00:00:00Z", 1);
    used(&service, "t2", "2025-03-12T06:00:00Z", 1);
    let first = row(300, 1.0, Some("2025-03-12T06:00:00Z"));
    let thresholds = |service: &TestService| lifetime(service, "")["usage_thresholds"].clone();
    lasting(&mut service, |service| {
        let expected = json!([first, row(900, 100.0 / 600.0, None), row(1_300, 0.0, None)]);
        assert_eq!(thresholds(service), expected);
    });
    // In April, of an event of March, all are passed and the step once: 1400 in all.
    service.set_clock(at("2025-04-02T00:00:00Z"));
    used(&service, "t3", "2025-03-20T00:00:00Z", 5);
    let late = Some("2025-03-20T00:00:00Z");
    let rest = row(1_500, 300.0 / 400.0, None);
    let expected = json!([first, row(900, 1.0, late), row(1_300, 1.0, late), rest]);
    lasting(&mut service, |service| assert_eq!(thresholds(service), expected));
    // What was used before counts from the beginning.
    set(&service, 350);
    assert_eq!(thresholds(&service)[0], row(300, 1.0, Some("2025-03-05T10:00:00Z")));
}
