//! `event_validation.json`, the cases with a request: each in an organisation of its own on one
//! running service, as many as need no route that is not there yet.

use serde_json::{Value as Json, json};

use odometer::core::instant::Instant;

use crate::scenario_seeds::Seeds;
use crate::service::TestService;
use crate::usage_inputs::instant;
use crate::vectors::{Comparison, check, load};

#[test]
fn requests_about_events_are_answered_as_the_vectors_say() {
    let service = TestService::start(Instant(0), &[("store.slots", "8")]);
    let cases = load("event_validation.json");
    let asked = cases.iter().filter(|case| case["request"].is_object());
    let failures: Vec<String> =
        asked.zip(1..).flat_map(|(case, number)| play(&service, case, number)).collect();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

fn play(service: &TestService, case: &Json, number: u64) -> Vec<String> {
    let mut seeds = Seeds::new(case, number);
    let now = instant(&case["fixed_clock"]).unwrap();
    service.set_clock(now);
    for (organization, bodies) in std::mem::take(&mut seeds.setup) {
        service.put(&organization, bodies);
    }
    let key = seeds.organization.clone();
    for event in case["setup"]["existing_events"].as_array().into_iter().flatten() {
        let mut event = event.clone();
        if event["code"].is_null() {
            event["code"] = case["setup"]["billable_metrics"][0]["code"].clone();
        }
        service.append(&[seeds.event(&event, now)]);
    }
    service.counters();
    let before = service.end();
    let request = &case["request"];
    let answer = service.post(&key, request["path"].as_str().unwrap(), &request["body"]);
    let expect = &case["expect"];
    let mut failures = Vec::new();
    if expect["status"] != answer.status {
        failures.push(format!("status {} but got {answer:?}", expect["status"]));
    }
    let body = answer.json();
    for assertion in expect["assertions"].as_array().into_iter().flatten() {
        failures.extend(check(&body, assertion, Comparison::Exact).err());
    }
    if expect["stored_events_delta"].is_u64() {
        let stored = stored(service, before);
        if expect["stored_events_delta"] != stored {
            failures.push(format!("{stored} events stored, not {}", expect["stored_events_delta"]));
        }
    }
    let named = |failure| format!("{} {}: {failure}", case["id"], case["name"]);
    failures.into_iter().map(named).collect()
}

/// Events in the log from an offset on.
fn stored(service: &TestService, from: u64) -> usize {
    let log = service.running().service.events_log.as_ref().unwrap();
    let records = log.read(from, usize::MAX, usize::MAX, std::time::Duration::ZERO).unwrap();
    let events = records.iter().map(|record| {
        let record: Json = serde_json::from_slice(&record.bytes).unwrap_or(json!([]));
        record.as_array().map_or(1, Vec::len)
    });
    events.sum()
}
