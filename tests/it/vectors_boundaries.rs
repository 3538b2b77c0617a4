//! Golden cases of billing period boundaries (specification chapter 3 and billed windows).

use odometer::core::catalog::{BillingTime, Interval};
use odometer::core::instant::{Instant, SECOND};
use odometer::core::period::{
    Around, Ending, LastWindow, Terms, Window, Zone, around, closed_at, current, text,
};
use serde_json::Value;

use crate::vectors_run::{Skips, Verdict};

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

/// What a plan costs in a year: an upgrade costs as much or more (3.11).
fn yearly(interval: &Value, amount_cents: &Value) -> i64 {
    let interval = Interval::from_name(interval.as_str().unwrap()).unwrap();
    amount_cents.as_i64().unwrap_or(0) * interval.times_a_year()
}

fn ending(input: &Value) -> Ending {
    match input["status"].as_str().unwrap() {
        "terminated" => {
            let next = &input["next_subscription"];
            let at = instant(&input["terminated_at"]).unwrap();
            let cheaper = next.is_object()
                && yearly(&next["plan_interval"], &next["plan_amount_cents"])
                    < yearly(&input["interval"], &input["plan_amount_cents"]);
            if cheaper { Ending::Downgraded(at) } else { Ending::Cut(at) }
        }
        _ => Ending::Open,
    }
}

/// The running window ends with its subscription (3.6).
fn cut(window: Window, input: &Value) -> Window {
    let terminated = input["status"] == "terminated";
    let ended = instant(&input["terminated_at"]).filter(|_| terminated);
    Window { to: ended.map_or(window.to, |at| at.min(window.to)), ..window }
}

/// Compares what the case expects with what is computed, at one-second precision.
pub fn check(case: &Value) -> Verdict {
    let input = &case["input"];
    let terms = terms(input);
    let at = instant(&input["billing_at"]).unwrap();
    let period = current(&terms, at);
    let (charges, days) = if flag(input, "current_usage") {
        (period.map(|p| cut(p.charges, input)), period.map(|p| p.charges_duration))
    } else {
        let monthly = flag(input, "bill_fixed_charges_monthly");
        let billed = closed_at(&terms, ending(input), monthly, at);
        (billed.map(|b| b.window), billed.map(|b| b.charges_duration))
    };
    let Around { current_beginning, previous_beginning, next_end } = around(&terms, at);
    let second = |at: Option<Instant>| at.map(|at| at.micros().div_euclid(SECOND));
    let mut verdict = Verdict::default();
    for (name, expected) in case["expect"].as_object().unwrap() {
        let from = |window: Option<Window>| second(window.map(|w| w.from));
        let to = |window: Option<Window>| second(window.map(|w| w.to));
        let actual = match name.as_str() {
            "charges_from_datetime" => from(charges),
            "charges_to_datetime" => to(charges),
            "from_datetime" => from(period.map(|p| p.plan)),
            "to_datetime" => to(period.map(|p| p.plan)),
            "next_end_of_period" => second(Some(next_end)),
            "previous_beginning_of_period" => second(Some(previous_beginning)),
            "current_beginning_of_period" => second(Some(current_beginning)),
            "charges_duration_in_days" => days.map(i64::from),
            other => {
                match Skips::table().member("boundaries", other) {
                    Some(reason) => verdict.skipped.push(format!("{other}: {reason}")),
                    None => verdict.failures.push(format!("unknown expectation {other}")),
                }
                continue;
            }
        };
        let expected = expected.as_i64().or_else(|| second(instant(expected)));
        if actual != expected {
            let failure = format!("{name} is {actual:?}, expected {expected:?}");
            verdict.failures.push(failure);
        }
    }
    verdict
}
