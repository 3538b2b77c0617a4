//! Which windows past usage lists: the lives of subscriptions as the API leads them, zones that
//! change, rows that were recorded late.

use odometer::core::catalog::record::Body;
use odometer::core::catalog::{Interval, Subscription};
use serde_json::{Value as Json, json};

use crate::ingestion::{ACME, at, customer, lasting, metric, organization, subscription};
use crate::past_usage::{ask, priced, service, used, window, windows};
use crate::service::{Answer, TestService};

/// Asks for a plan for the subscription of customer `one`.
pub fn subscribe(service: &TestService, plan: &str, further: &Json) -> Answer {
    let mut members =
        json!({"external_customer_id": "one", "external_id": "sub", "plan_code": plan});
    for (name, value) in further.as_object().unwrap() {
        members[name] = value.clone();
    }
    let body = json!({ "subscription": members });
    let answer = service.send(("POST", ACME, "/api/v1/subscriptions"), &[], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// Ends the subscription, or what waits under its id.
pub fn end(service: &TestService, query: &str) {
    let path = format!("/api/v1/subscriptions/sub{query}");
    let answer = service.send(("DELETE", ACME, &path), &[], &Json::Null);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A service with plans of three worths, at 2, 3 and 1 a unit, and no subscription.
pub fn with_plans(now: &str) -> TestService {
    let service = TestService::start(at(now), &[("store.slots", "2")]);
    let seeds = [
        organization(None),
        metric(10, "work", None),
        Body::Plan(priced(20, 1_000, "2")),
        Body::Plan(priced(21, 2_000, "3")),
        Body::Plan(priced(22, 500, "1")),
        customer("one", None),
    ];
    service.put(ACME, seeds);
    service
}

#[test]
fn plans_that_follow_one_another_tile_the_life_of_a_subscription() {
    let mut service = with_plans("2025-03-05T10:00:00Z");
    subscribe(&service, "plan-20", &json!({}));
    for (transaction, timestamp) in [
        ("before", "2025-03-05T09:59:59Z"),
        ("march", "2025-03-10T00:00:00Z"),
        ("april", "2025-04-10T11:59:59Z"),
        ("upgraded", "2025-04-10T12:00:01Z"),
        ("may", "2025-05-20T00:00:00Z"),
        ("june", "2025-06-02T00:00:00Z"),
        ("late", "2025-06-20T00:00:00Z"),
    ] {
        used(&service, transaction, timestamp, 1);
    }
    let march = window("2025-03-05T10:00:00Z", "2025-03-31T23:59:59Z", 200);
    service.set_clock(at("2025-04-10T12:00:00Z"));
    subscribe(&service, "plan-21", &json!({}));
    let april = window("2025-04-01T00:00:00Z", "2025-04-10T12:00:00Z", 200);
    let upgraded = window("2025-04-10T12:00:00Z", "2025-04-30T23:59:59Z", 300);
    lasting(&mut service, |service| {
        assert_eq!(windows(service), [april.clone(), march.clone()], "the clock stands");
    });
    service.set_clock(at("2025-05-10T00:00:00Z"));
    subscribe(&service, "plan-22", &json!({}));
    let mut expected = vec![upgraded, april, march];
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
    service.set_clock(at("2025-06-15T08:00:00Z"));
    let may = window("2025-05-01T00:00:00Z", "2025-05-31T23:59:59Z", 300);
    expected.insert(0, may);
    lasting(&mut service, |service| assert_eq!(windows(service), expected, "it has come down"));
    end(&service, "");
    expected.insert(0, window("2025-06-01T00:00:00Z", "2025-06-15T08:00:00Z", 100));
    service.set_clock(at("2025-09-01T00:00:00Z"));
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
    // Another subscription under the same id adds to the list.
    subscribe(&service, "plan-22", &json!({}));
    service.set_clock(at("2025-10-01T00:00:00Z"));
    expected.insert(0, window("2025-09-01T00:00:00Z", "2025-09-30T23:59:59Z", 0));
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
}

#[test]
fn a_window_that_closed_before_its_subscription_was_recorded_is_not_listed() {
    let service = with_plans("2025-05-20T00:00:00Z");
    subscribe(&service, "plan-20", &json!({"subscription_at": "2025-03-10T00:00:00Z"}));
    used(&service, "t1", "2025-04-10T00:00:00Z", 1);
    used(&service, "t2", "2025-05-10T00:00:00Z", 1);
    assert!(windows(&service).is_empty());
    service.set_clock(at("2025-06-02T00:00:00Z"));
    let may = window("2025-05-01T00:00:00Z", "2025-05-31T23:59:59Z", 200);
    assert_eq!(windows(&service), [may]);
}

#[test]
fn what_never_began_has_no_windows() {
    let service = with_plans("2025-05-20T00:00:00Z");
    subscribe(&service, "plan-20", &json!({"subscription_at": "2025-06-10T00:00:00Z"}));
    assert!(windows(&service).is_empty());
    end(&service, "?status=pending");
    service.set_clock(at("2025-08-02T00:00:00Z"));
    assert!(windows(&service).is_empty());
}

#[test]
fn zones_are_those_of_the_close() {
    let mut service = service("2025-04-10T00:00:00Z", "2025-04-10T00:00:00Z");
    for (transaction, timestamp) in [
        ("april", "2025-04-30T23:30:00Z"),
        ("june in utc", "2025-06-01T03:00:00Z"),
        ("june in la", "2025-07-01T05:00:00Z"),
        ("july in la", "2025-07-01T08:00:00Z"),
    ] {
        used(&service, transaction, timestamp, 1);
    }
    let mut expected = vec![window("2025-04-10T00:00:00Z", "2025-04-30T23:59:59Z", 200)];
    expected.insert(0, window("2025-05-01T00:00:00Z", "2025-05-31T23:59:59Z", 0));
    service.set_clock(at("2025-06-10T12:00:00Z"));
    service.put(ACME, [customer("one", Some("America/Los_Angeles"))]);
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
    service.set_clock(at("2025-07-01T07:00:00Z"));
    expected.insert(0, window("2025-06-01T00:00:00Z", "2025-07-01T06:59:59Z", 400));
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
    // Later zones, be they the organisation's, leave all of it alone.
    service.set_clock(at("2025-07-02T00:00:00Z"));
    service.put(ACME, [organization(Some("Asia/Tokyo")), customer("one", None)]);
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
    let dates: Vec<Json> = ask(&service, ACME, "", &[]).json()["usage_periods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|period| period["issuing_date"].clone())
        .collect();
    assert_eq!(dates, ["2025-07-01", "2025-06-01", "2025-05-01"]);
    service.set_clock(at("2025-07-31T15:00:00Z"));
    expected.insert(0, window("2025-07-01T07:00:00Z", "2025-07-31T14:59:59Z", 200));
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
}

#[test]
fn yearly_plans_close_their_charges_every_month_if_they_say_so() {
    let service = service("2024-06-12T00:00:00Z", "2024-06-12T00:00:00Z");
    let mut yearly = priced(23, 1_000, "2");
    (yearly.interval, yearly.bill_charges_monthly) = (Interval::Yearly, true);
    let row = Subscription {
        billing_time: odometer::core::catalog::BillingTime::Anniversary,
        ..subscription(30, "sub", 23, "2024-06-12T00:00:00Z")
    };
    service.put(ACME, [Body::Plan(yearly), Body::Subscription(row)]);
    used(&service, "t1", "2024-07-11T23:59:59Z", 1);
    used(&service, "t2", "2024-07-12T00:00:00Z", 2);
    service.set_clock(at("2024-08-12T00:00:00Z"));
    let expected = [
        window("2024-07-12T00:00:00Z", "2024-08-11T23:59:59Z", 400),
        window("2024-06-12T00:00:00Z", "2024-07-11T23:59:59Z", 200),
    ];
    assert_eq!(windows(&service), expected);
}

#[test]
fn a_row_that_ends_before_the_change_that_waits_closes_its_last_window() {
    let mut service = with_plans("2025-05-10T00:00:00Z");
    subscribe(&service, "plan-20", &json!({"ending_at": "2025-06-02T00:00:00Z"}));
    used(&service, "may", "2025-05-20T00:00:00Z", 1);
    used(&service, "june", "2025-06-01T12:00:00Z", 1);
    service.set_clock(at("2025-06-01T09:00:00Z"));
    subscribe(&service, "plan-22", &json!({}));
    service.set_clock(at("2025-06-20T00:00:00Z"));
    let expected = [
        window("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z", 200),
        window("2025-05-10T00:00:00Z", "2025-05-31T23:59:59Z", 200),
    ];
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
}
