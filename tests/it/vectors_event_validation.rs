//! `event_validation.json`: answers of the events API, and strict validation (9.7 to 9.9).

use odometer::core::catalog::record::Body;
use odometer::core::catalog::{BillableMetric, Subscription};
use odometer::core::event_check::{self, Problem, Sent, Tenant};
use odometer::core::instant::Instant;
use serde_json::{Value as Json, json};

use crate::scenario::Player;
use crate::scenario_seeds::Seeds;
use crate::trees::to_value;
use crate::usage_inputs::instant;
use crate::vectors::{Comparison, check as assertion};
use crate::vectors_run::{Verdict, only_known};

/// Sends the case's request to the service, or checks its event.
pub fn check(player: &mut Player, case: &Json) -> Verdict {
    let now = instant(&case["fixed_clock"]).expect("a clock");
    if case["strict_validation"].is_object() {
        return strict(case, now);
    }
    Verdict::of(requested(player, case, now))
}

fn requested(player: &mut Player, case: &Json, now: Instant) -> Vec<String> {
    let mut scene = player.scene(case, now);
    for event in case["setup"]["existing_events"].as_array().into_iter().flatten() {
        scene.append(event, now);
    }
    let before = scene.accepted();
    let (request, expect) = (&case["request"], &case["expect"]);
    let [method, path] = ["method", "path"].map(|name| request[name].as_str().expect("a text"));
    let answer = scene.send(method, path, &request["body"]);
    let body = answer.json();
    let mut failures = Vec::new();
    for (member, expected) in expect.as_object().expect("members") {
        match member.as_str() {
            "status" if *expected == answer.status => {}
            "status" => failures.push(format!("status {expected} but got {answer:?}")),
            "assertions" => {
                let assertions = expected.as_array().expect("assertions").iter();
                let failed = |own| assertion(&body, own, Comparison::Exact).err();
                failures.extend(assertions.filter_map(failed));
            }
            "stored_events_delta" => {
                let delta = scene.accepted() - before;
                if *expected != delta {
                    failures.push(format!("{delta} events are stored, expected {expected}"));
                }
            }
            other => panic!("unknown expectation {other} of a request"),
        }
    }
    failures
}

/// What a case's setup holds.
struct Setup {
    rows: Vec<Subscription>,
    metrics: Vec<BillableMetric>,
    stored: Vec<(String, String)>,
}

impl Tenant for Setup {
    fn subscriptions(&self, external_id: &str) -> Vec<Subscription> {
        self.rows.iter().filter(|row| row.external_id == external_id).cloned().collect()
    }

    fn has_stored(&self, external_id: &str, transaction: &str) -> bool {
        self.stored.iter().any(|(own, id)| own == external_id && id == transaction)
    }

    fn metric(&self, code: &str) -> Option<&BillableMetric> {
        self.metrics.iter().find(|metric| metric.code == code)
    }
}

impl Setup {
    fn of(case: &Json) -> Self {
        let (mut rows, mut metrics) = (Vec::new(), Vec::new());
        for body in Seeds::new(case, 1).setup.swap_remove(0).1 {
            match body {
                Body::Subscription(row) => rows.push(row),
                Body::BillableMetric(metric) => metrics.push(metric),
                _ => {}
            }
        }
        let text = |event: &Json, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let stored = case["setup"]["existing_events"].as_array().into_iter().flatten();
        let stored = stored
            .map(|event| (text(event, "external_subscription_id"), text(event, "transaction_id")));
        Self { rows, metrics, stored: stored.collect() }
    }
}

fn strict(case: &Json, now: Instant) -> Verdict {
    let event = &case["strict_validation"]["event"];
    let (timestamp, properties) = (to_value(&event["timestamp"]), to_value(&event["properties"]));
    let sent = Sent {
        transaction: event["transaction_id"].as_str(),
        subscription: event["external_subscription_id"].as_str(),
        code: event["code"].as_str(),
        timestamp: &timestamp,
        properties: &properties,
    };
    let error = match event_check::check(sent, &Setup::of(case), now) {
        Ok(_) => Json::Null,
        Err(Problem::SubscriptionNotFound) => json!({"not_found": "subscription"}),
        Err(Problem::MetricNotFound) => json!({"not_found": "billable_metric"}),
        Err(Problem::Invalid { field, code }) => json!({"validation": {field: [code]}}),
    };
    let expect = &case["expect"];
    only_known(expect, "expect", &["valid", "error"]);
    let valid = error.is_null();
    let right = expect["valid"] == valid && (valid || expect["error"] == error);
    let failure = (!right).then(|| format!("gives {error}, expected {expect}"));
    Verdict::of(failure.into_iter().collect())
}
