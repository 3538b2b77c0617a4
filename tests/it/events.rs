//! Events over HTTP against a whole service: accepted once, all or none, and counted at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;

use odometer::core::instant::Instant;
use serde_json::{Value as Json, json};

use crate::scenario_seeds::Seeds;
use crate::service::{Answer, TestService, wait_until};

const EVENTS: &str = "/api/v1/events";
const BATCH: &str = "/api/v1/events/batch";
/// 15 March 2024, noon.
const NOW: Instant = Instant(1_710_504_000_000_000);
/// Requests that are sent at once for one id.
const RIVALS: usize = 50;

/// A service with organisations that count calls at 1 EUR and sum `size`, which is `a + b`, at 2.
fn service(organizations: &[&str]) -> TestService {
    let service = TestService::start(NOW, &[("store.slots", "8")]);
    for (name, number) in organizations.iter().zip(1..) {
        let subscription = |number: usize| {
            json!({"external_id": format!("s-{number}"), "external_customer_id": "c",
                   "plan_code": "p", "started_at": "2024-01-01T00:00:00Z", "status": "active"})
        };
        let case = json!({"id": name, "setup": {
            "billable_metrics": [
                {"code": "calls", "aggregation_type": "count_agg", "field_name": null},
                {"code": "sizes", "aggregation_type": "sum_agg", "field_name": "size",
                 "expression": "event.properties.a + event.properties.b"},
            ],
            "customers": [{"external_id": "c", "currency": "EUR"}],
            "plans": [{"code": "p", "interval": "monthly", "amount_cents": 0, "charges": [
                {"billable_metric_code": "calls", "charge_model": "standard", "code": "calls",
                 "id": "1", "properties": {"amount": "1"}},
                {"billable_metric_code": "sizes", "charge_model": "standard", "code": "sizes",
                 "id": "2", "properties": {"amount": "2"}},
            ]}],
            "subscriptions": (0..4).map(subscription).collect::<Vec<_>>(),
        }});
        for (organization, bodies) in Seeds::new(&case, number).setup {
            service.put(&organization, bodies);
        }
    }
    service
}

fn call(transaction: &str, subscription: &str) -> Json {
    json!({"transaction_id": transaction, "external_subscription_id": subscription,
           "code": "calls", "timestamp": 1_710_000_000})
}

fn post(service: &TestService, key: &str, event: &Json) -> Answer {
    service.post(key, EVENTS, &json!({ "event": event }))
}

fn post_batch(service: &TestService, key: &str, events: &[Json]) -> Answer {
    service.post(key, BATCH, &json!({ "events": events }))
}

/// Units of a charge, as the service answers without being told to wait.
fn units(service: &TestService, key: &str, subscription: &str, charge: &str) -> String {
    let path = format!("/api/v1/customers/c/current_usage?external_subscription_id={subscription}");
    let body = service.get(key, &path).json();
    let charges = body["customer_usage"]["charges_usage"].as_array().unwrap();
    let found = charges.iter().find(|fee| fee["charge"]["code"] == charge).unwrap();
    found["units"].as_str().unwrap().to_owned()
}

fn details(answer: &Answer) -> Json {
    assert_eq!(answer.status, 422, "{answer:?}");
    answer.json()["error_details"].clone()
}

/// Transaction ids of all events, as the list gives them.
fn listed(service: &TestService, key: &str, query: &str) -> Vec<String> {
    let answer = service.get(key, &format!("{EVENTS}?per_page=1000{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let id = |event: &Json| event["transaction_id"].as_str().unwrap().to_owned();
    answer.json()["events"].as_array().unwrap().iter().map(id).collect()
}

#[test]
fn an_accepted_event_counts_in_the_next_read() {
    let service = service(&["one"]);
    for number in 1..=20 {
        let answer = post(&service, "one", &call(&format!("t-{number}"), "s-0"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.position.unwrap(), format!("odometer_events-0:{}", number - 1));
        assert_eq!(units(&service, "one", "s-0", "calls"), format!("{number}.0"));
    }
    let batch: Vec<Json> = (0..100)
        .map(|n| {
            json!({"transaction_id": n, "code": "sizes", "properties": {"a": n, "b": "0.5"},
                   "external_subscription_id": format!("s-{}", n % 4)})
        })
        .collect();
    let answer = post_batch(&service, "one", &batch);
    assert_eq!(answer.status, 200, "{answer:?}");
    let sent = &answer.json()["events"];
    assert_eq!(sent[7]["properties"], json!({"a": 7, "b": "0.5", "size": "7.5"}));
    assert_eq!(sent[7]["timestamp"], "2024-03-15T12:00:00.000Z", "the time of reception");
    // 3 + 7 + … + 99, and half a unit 25 times.
    assert_eq!(units(&service, "one", "s-3", "sizes"), "1287.5");
}

#[test]
fn of_fifty_requests_for_one_id_one_is_accepted() {
    let service = service(&["rivals"]);
    for round in 0..4 {
        let id = format!("t-{round}");
        // Every other rival brings a batch, whose other event goes down with it.
        let rival = |number: usize| {
            let event = call(&id, "s-1");
            if number.is_multiple_of(2) {
                return post(&service, "rivals", &event);
            }
            let other = call(&format!("{id}-{number}"), "s-2");
            post_batch(&service, "rivals", &[other, event])
        };
        let answers: Vec<Answer> = scope(|scope| {
            let rivals: Vec<_> = (0..RIVALS).map(|n| scope.spawn(move || rival(n))).collect();
            rivals.into_iter().map(|rival| rival.join().unwrap()).collect()
        });
        let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
        assert_eq!(accepted.len(), 1, "{accepted:?}");
        assert_eq!(refused.len(), RIVALS - 1);
        for answer in refused {
            assert!(answer.body.contains("value_already_exist"), "{answer:?}");
        }
        assert_eq!(units(&service, "rivals", "s-1", "calls"), format!("{}.0", round + 1));
        let counters = service.counters();
        assert_eq!(counters.duplicate, 0, "nothing that was refused is in the log");
        assert_eq!(service.end(), round + 1);
    }
}

#[test]
fn a_batch_is_taken_as_a_whole_or_not_at_all() {
    let service = service(&["batch"]);
    let key = "batch";
    assert_eq!(post(&service, key, &call("old", "s-0")).status, 200);
    let taken = json!(["value_already_exist"]);
    let refused = |events: &[Json]| {
        let before = service.end();
        let told = details(&post_batch(&service, key, events));
        assert_eq!(service.end(), before);
        told
    };
    // Stored before; twice in the batch, whatever the subscription, also without one.
    let told = refused(&[call("new", "s-0"), call("old", "s-0"), call("new", "s-1")]);
    assert_eq!(told, json!({"1": {"transaction_id": taken}, "2": {"transaction_id": taken}}));
    let homeless = json!({"transaction_id": "h", "code": "calls"});
    let told = refused(&[homeless.clone(), homeless.clone()]);
    assert_eq!(told, json!({"1": {"transaction_id": taken}}));
    // Validation comes before uniqueness, for all events at once.
    let blank = json!({"transaction_id": " ", "code": null, "external_subscription_id": "s-0"});
    let late = json!({"transaction_id": "x", "code": "c", "timestamp": "2024-03-15T12:00:00Z"});
    let unset = json!({"transaction_id": "y", "code": "sizes", "properties": {"a": 1}});
    let told = refused(&[call("old", "s-0"), blank, late, unset]);
    let mandatory = json!(["value_is_mandatory"]);
    assert_eq!(
        told,
        json!({"1": {"transaction_id": mandatory, "code": mandatory},
               "2": {"timestamp": ["invalid_format"]},
               "3": "expression_evaluation_failed: Variable: b not found"})
    );
    // Nothing of all that took an id; one id under two subscriptions is two events.
    let fine = [call("new", "s-0"), call("older", "s-1"), homeless.clone()];
    assert_eq!(post_batch(&service, key, &fine).status, 200);
    assert_eq!(post(&service, key, &call("old", "s-1")).status, 200);
    assert_eq!(post(&service, key, &homeless).status, 200, "without subscription id none is taken");
    assert_eq!(units(&service, key, "s-0", "calls"), "2.0");
    assert_eq!(units(&service, key, "s-1", "calls"), "2.0");
}

#[test]
fn checks_of_one_event_are_in_their_order() {
    let service = service(&["order"]);
    let told = |event: Json| details(&post(&service, "order", &event));
    let bad_time = json!({"timestamp": "soon", "code": "sizes"});
    assert_eq!(told(bad_time), json!({"timestamp": ["invalid_format"]}));
    assert_eq!(
        told(json!({"code": "sizes", "properties": {"a": 1}})),
        json!("expression_evaluation_failed: Variable: b not found"),
        "before presence"
    );
    let mandatory = json!(["value_is_mandatory"]);
    assert_eq!(
        told(json!({"properties": {"a": 1}})),
        json!({"transaction_id": mandatory, "code": mandatory})
    );
    for timestamp in [json!(""), json!(true), json!("1e30"), json!("0x10"), json!("1__0")] {
        let event = json!({"transaction_id": "t", "code": "c", "timestamp": timestamp});
        assert_eq!(told(event), json!({"timestamp": ["invalid_format"]}), "{timestamp}");
    }
    let event = json!({"transaction_id": "t", "code": "c", "properties": {"a": "\u{0}"}});
    assert_eq!(told(event), json!({"properties": ["invalid_format"]}));
    assert_eq!(service.end(), 0);
}

#[test]
fn what_was_answered_survives_a_crash_and_batches_stay_whole() {
    const BATCH_EVENTS: usize = 5;
    let mut service = service(&["crash"]);
    let url = format!("http://{}{BATCH}", service.running().address);
    let stop = AtomicBool::new(false);
    let send = |sender: usize| {
        let mut accepted = Vec::new();
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        for number in 0.. {
            if stop.load(Ordering::Acquire) {
                break;
            }
            let id = |n: usize| format!("{sender}.{number}.{n}");
            let event = |n: usize| call(&id(n), &format!("s-{}", n % 4));
            let events: Vec<Json> = (0..BATCH_EVENTS).map(event).collect();
            let request = agent.post(&url).header("Authorization", "Bearer crash");
            let answer = request.send(json!({ "events": events }).to_string());
            if answer.is_ok_and(|answer| answer.status() == 200) {
                accepted.push(format!("{sender}.{number}"));
            }
        }
        accepted
    };
    let accepted: Vec<String> = scope(|scope| {
        let senders: Vec<_> = (0..4).map(|n| scope.spawn(move || send(n))).collect();
        wait_until("some batches", || service.end() >= 20);
        service.running().service.checkpoint().unwrap();
        wait_until("more batches", || service.end() >= 40);
        stop.store(true, Ordering::Release);
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    service.crash();
    let batch = |id: &String| id.rsplit_once('.').unwrap().0.to_owned();
    let all = listed(&service, "crash", "");
    let whole: BTreeSet<String> = all.iter().map(batch).collect();
    for found in &whole {
        let events = all.iter().filter(|id| batch(id) == *found).count();
        assert_eq!(events, BATCH_EVENTS, "{found}");
    }
    assert!(accepted.len() >= 40);
    for id in &accepted {
        assert!(whole.contains(id), "{id} was answered and is gone");
    }
    // An id in the log is taken, whether or not a checkpoint has it.
    for id in &accepted {
        let answer = post(&service, "crash", &call(&format!("{id}.1"), "s-1"));
        assert_eq!(details(&answer), json!({"transaction_id": ["value_already_exist"]}));
    }
}

#[test]
fn organizations_do_not_see_each_other() {
    let service = service(&["left", "right"]);
    for (key, count) in [("left", 1), ("right", 2)] {
        for subscription in 0..count {
            let event = call("same", &format!("s-{subscription}"));
            assert_eq!(post(&service, key, &event).status, 200, "{key}");
        }
    }
    assert_eq!(post(&service, "left", &call("mine", "s-0")).status, 200);
    assert_eq!(listed(&service, "left", ""), ["mine", "same"]);
    assert_eq!(listed(&service, "right", ""), ["same", "same"]);
    let missing = service.get("right", "/api/v1/events/mine");
    assert_eq!((missing.status, missing.json()["code"].as_str()), (404, Some("event_not_found")));
    assert_eq!(missing.body, service.get("right", "/api/v1/events/nobodys").body);
    assert_eq!(units(&service, "right", "s-0", "calls"), "1.0");
    assert_eq!(service.post("nobody", EVENTS, &json!({})).status, 401);
}

#[test]
fn an_event_is_found_as_it_was_answered() {
    let mut service = service(&["find"]);
    let event = json!({"transaction_id": "a/b ü", "external_subscription_id": "s-2", "code": "x",
        "timestamp": "-1.5", "precise_total_amount_cents": "12.5x",
        "properties": {"n": 1e3, "d": 0.1, "i": 123_456_789_012_345_678_u64, "t": "<a>",
                       "l": [1, {"k": null}], "b": false, "z": null}});
    let sent = post(&service, "find", &event).json();
    assert_eq!(sent["event"]["timestamp"], "1969-12-31T23:59:58.500Z");
    assert_eq!(sent["event"]["precise_total_amount_cents"], "12.5");
    assert_eq!(sent["event"]["created_at"], "2024-03-15T12:00:00Z");
    let homeless = json!({"transaction_id": "h", "code": "x"});
    let first = post(&service, "find", &homeless).json();
    let second = post(&service, "find", &homeless).json();
    assert_ne!(first["event"]["lago_id"], second["event"]["lago_id"]);
    // The copy of another subscription comes later, so it is not the first.
    assert_eq!(post(&service, "find", &call("h", "s-0")).status, 200);
    assert_eq!(post(&service, "find", &call("a/b ü", "s-0")).status, 200);
    let check = |service: &TestService| {
        let path = "/api/v1/events/a%2Fb%20%C3%BC";
        assert_eq!(service.get("find", path).json(), sent);
        assert_eq!(service.get("find", "/api/v1/events/h").json(), first);
    };
    check(&service);
    service.restart();
    check(&service);
}

#[test]
fn lists_are_filtered_ordered_and_paged() {
    let service = service(&["list"]);
    let event = |id: &str, subscription: &str, code: &str, timestamp: i64| {
        json!({"transaction_id": id, "external_subscription_id": subscription, "code": code,
               "timestamp": timestamp})
    };
    let events = [
        event("b", "s-0", "calls", 1_710_000_000),
        event("a", "s-1", "calls", 1_710_000_000),
        event("c", "s-0", "other", 1_710_000_001),
        event("d", "s-0", "calls", 1_600_000_000),
    ];
    assert_eq!(post_batch(&service, "list", &events).status, 200);
    for (query, expected) in [
        ("", vec!["c", "a", "b", "d"]),
        ("&code=calls", vec!["a", "b", "d"]),
        ("&external_subscription_id=s-0", vec!["c", "b", "d"]),
        ("&external_subscription_id=none", vec![]),
        ("&timestamp_from=2024-03-09T16:00:01Z", vec!["c"]),
        ("&timestamp_from=2024-03-09T16:00:00Z&timestamp_to=2024-03-09T16:00:00Z", vec!["a", "b"]),
        ("&timestamp_to=2024-03-09", vec!["d"]),
        ("&external_subscription_id=s-0&timestamp_from_started_at=true", vec!["c", "b"]),
        ("&page=2", vec![]),
    ] {
        assert_eq!(listed(&service, "list", query), expected, "{query}");
    }
    let page = service.get("list", "/api/v1/events?per_page=3&page=2").json();
    assert_eq!(page["events"][0]["transaction_id"], "d");
    assert_eq!(
        page["meta"],
        json!({"current_page": 2, "next_page": null, "prev_page": 1, "total_pages": 2,
               "total_count": 4})
    );
}
