//! `scenario.json`: timelines that end in reads over HTTP, each case in an organisation of its own
//! on one running service.

use odometer::core::instant::Instant;
use serde_json::Value as Json;

use crate::scenario_seeds::Seeds;
use crate::service::{Answer, TestService};
use crate::usage_inputs::instant;
use crate::vectors::{Comparison, check, load};

/// Cases that read projected usage, which the service does not answer yet.
const NEEDS_PROJECTED_USAGE: [&str; 3] =
    ["scenario-db66ec9b", "scenario-e4bb6c99", "scenario-0f931316"];

/// Cases with a step that only the write API could take: a termination.
const NEEDS_WRITE_API: [&str; 0] = [];

/// A read that can be repeated.
struct Read {
    case: String,
    now: Instant,
    key: String,
    customer: String,
    query: Vec<(String, String)>,
    answer: Answer,
}

#[test]
fn current_usage_is_that_of_the_scenarios() {
    let mut cases = load("scenario.json");
    // Log time never falls, so cases come in order of their own time.
    cases.sort_by_key(starts_at);
    let mut service = TestService::start(Instant(0), &[("store.slots", "8")]);
    let (mut failures, mut reads) = (Vec::new(), Vec::new());
    for (case, number) in cases.iter().zip(1..) {
        let id = case["id"].as_str().unwrap();
        assert_eq!(has(case, "expect_projected_usage"), NEEDS_PROJECTED_USAGE.contains(&id));
        assert_eq!(has(case, "terminate_subscription"), NEEDS_WRITE_API.contains(&id));
        if !NEEDS_PROJECTED_USAGE.contains(&id) && !NEEDS_WRITE_API.contains(&id) {
            reads.extend(play(&service, case, number, &mut failures));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));

    service.restart();
    for read in reads {
        service.set_clock(read.now);
        let again = service.current_usage(&read.key, &read.customer, &read.query);
        assert_eq!(again, read.answer, "{} after a restart", read.case);
    }
}

/// Plays a case and returns its last read.
fn play(
    service: &TestService,
    case: &Json,
    number: u64,
    failures: &mut Vec<String>,
) -> Option<Read> {
    let mut seeds = Seeds::new(case, number);
    service.set_clock(starts_at(case));
    for (organization, bodies) in std::mem::take(&mut seeds.setup) {
        service.put(&organization, bodies);
    }
    let organization = seeds.organization.clone();
    let mut last = None;
    for step in case["timeline"].as_array().unwrap() {
        let now = instant(&step["at"]).unwrap();
        service.set_clock(now);
        match step["op"].as_str().unwrap() {
            "create_subscription" => {
                service.put(&organization, seeds.create_subscription(&step["payload"], now));
            }
            "add_charge" => service.put(&organization, [seeds.add_charge(step)]),
            "create_event" => service.append(&[seeds.event(&step["payload"], now)]),
            "run_billing_jobs" => {}
            "expect_current_usage" => {
                let customer = step["external_customer_id"].as_str().unwrap().to_owned();
                let query = seeds.query(&step["params"]);
                let answer = service.current_usage(&organization, &customer, &query);
                let found = verify(&seeds.named(&step["expect"]), &answer);
                failures.extend(found.into_iter().map(|f| format!("{organization}: {f}")));
                let (case, key) = (organization.clone(), organization.clone());
                last = Some(Read { case, now, key, customer, query, answer });
            }
            other => panic!("unknown step {other}"),
        }
    }
    last
}

fn verify(expect: &Json, answer: &Answer) -> Vec<String> {
    if expect["status"] != answer.status {
        return vec![format!("status {} but got {answer:?}", expect["status"])];
    }
    let body = answer.json();
    let verify = |assertion: &Json| {
        let root = if assertion["root"] == "body" { &body } else { &body["customer_usage"] };
        check(root, assertion, Comparison::Exact).err()
    };
    expect["assertions"].as_array().unwrap().iter().filter_map(verify).collect()
}

fn starts_at(case: &Json) -> Instant {
    instant(&case["timeline"][0]["at"]).or(instant(&case["fixed_clock"])).unwrap()
}

fn has(case: &Json, op: &str) -> bool {
    case["timeline"].as_array().unwrap().iter().any(|step| step["op"] == op)
}
