//! Golden cases of billing period boundaries (specification chapter 3 and billed windows).

use odometer::core::catalog::{BillingTime, Interval};
use odometer::core::instant::{Instant, SECOND};
use odometer::core::period::{
    Around, Ending, LastWindow, Terms, Window, Zone, around, closed_at, current, text,
};
use serde_json::Value;

const CASES: &str = include_str!("../vectors/boundaries.json");

/// Cases in the file; a file cut short must not pass.
const CASE_COUNT: usize = 101;

fn instant(value: &Value) -> Option<Instant> {
    value.as_str().map(|text| text::parse(text).unwrap())
}

fn zone(value: &Value) -> Zone {
    value.as_str().map_or(Zone::UTC, |name| Zone::parse(name).unwrap())
}

fn flag(input: &Value, name: &str) -> bool {
    input[name].as_bool().unwrap()
}

fn terms(input: &Value) -> Terms {
    let last = &input["last_invoice"];
    Terms {
        interval: Interval::from_name(input["interval"].as_str().unwrap()).unwrap(),
        bill_charges_monthly: flag(input, "bill_charges_monthly"),
        billing_time: match input["billing_time"].as_str().unwrap() {
            "calendar" => BillingTime::Calendar,
            "anniversary" => BillingTime::Anniversary,
            other => panic!("unknown billing time {other}"),
        },
        subscription_at: instant(&input["subscription_at"]).unwrap(),
        started_at: instant(&input["started_at"]),
        zone: zone(&input["timezone"]),
        previous: instant(&last["charges_to_datetime"])
            .map(|to| LastWindow { zone: zone(&last["timezone"]), to }),
    }
}

fn ending(input: &Value) -> Ending {
    match input["status"].as_str().unwrap() {
        "terminated" => {
            let next = &input["next_subscription"];
            let cheaper = next["plan_amount_cents"].as_i64() < input["plan_amount_cents"].as_i64();
            let at = instant(&input["terminated_at"]).unwrap();
            if next.is_object() && cheaper { Ending::Downgraded(at) } else { Ending::Cut(at) }
        }
        _ => Ending::Open,
    }
}

/// What the case expects and what is computed, at one-second precision.
fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let terms = terms(input);
    let at = instant(&input["billing_at"]).unwrap();
    let period = current(&terms, at);
    let (charges, days) = if flag(input, "current_usage") {
        (period.map(|p| p.charges), period.map(|p| p.charges_duration))
    } else {
        let monthly = flag(input, "bill_fixed_charges_monthly");
        let billed = closed_at(&terms, ending(input), monthly, at);
        (billed.map(|b| b.window), billed.map(|b| b.charges_duration))
    };
    let Around { current_beginning, previous_beginning, next_end } = around(&terms, at);
    for (name, expected) in case["expect"].as_object().unwrap() {
        let second = |at: Option<Instant>| at.map(|at| at.micros().div_euclid(SECOND));
        let from = |window: Option<Window>| second(window.map(|w| w.from));
        let actual = match name.as_str() {
            "charges_from_datetime" => from(charges),
            "charges_to_datetime" => second(charges.map(|w| w.to)),
            "from_datetime" => from(period.map(|p| p.plan)),
            "next_end_of_period" => second(Some(next_end)),
            "previous_beginning_of_period" => second(Some(previous_beginning)),
            "current_beginning_of_period" => second(Some(current_beginning)),
            "charges_duration_in_days" => days.map(i64::from),
            other => return Err(format!("unknown expectation {other}")),
        };
        let expected = expected.as_i64().or_else(|| second(instant(expected)));
        if actual != expected {
            return Err(format!("{name} is {actual:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn boundaries() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    assert_eq!(cases.len(), CASE_COUNT);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| check(case).err().map(|why| format!("{}: {why}", case["id"])))
        .collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
