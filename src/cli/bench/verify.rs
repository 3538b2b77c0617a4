//! Holds the answers against what was produced: a fast wrong fold is no result.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;
use serde_json::Value;

use super::client::Client;
use super::workload::{Kind, Measure, Workload, subscription_id};
use crate::cli::Failure;
use crate::telemetry::metrics::Metrics;

/// Subscriptions with the most events that are compared.
const GREATEST: u64 = 100;
/// Further subscriptions that are compared, evenly spread.
const SPREAD: u64 = 400;

/// What was compared.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Verified {
    /// Events that count.
    pub accepted: u64,
    /// Copies.
    pub duplicates: u64,
    /// Refused records.
    pub rejected: u64,
    /// Subscriptions whose figures were compared.
    pub subscriptions: usize,
}

/// Units of one subscription: calls, then tokens and storage in hundredths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Units {
    calls: u64,
    tokens: u64,
    storage: u64,
}

/// Compares counters and figures with what was produced.
pub fn verify(
    address: SocketAddr,
    metrics: &Metrics,
    workload: &Workload,
) -> Result<Verified, Failure> {
    let mut expected: BTreeMap<u64, Units> =
        sample(workload).map(|n| (n, Units::default())).collect();
    let (mut accepted, mut duplicates, mut rejected) = (0, 0, 0);
    for number in 0..workload.events {
        match workload.kind(number) {
            Kind::Bad => rejected += 1,
            Kind::Copy(_) => duplicates += 1,
            Kind::Original => {
                accepted += 1;
                if let Some(units) = expected.get_mut(&workload.subscription(number)) {
                    units.add(Workload::measure(number));
                }
            }
        }
    }
    let events = &metrics.events;
    let counted = (events.accepted.get(), events.duplicate.get(), events.rejected.get());
    if counted != (accepted, duplicates, rejected) {
        return Err(format!(
            "wrong counters: accepted, duplicate and rejected are {counted:?}, produced were \
             {accepted}, {duplicates} and {rejected}"
        )
        .into());
    }
    let mut client = Client::connect(address)?;
    for (subscription, expected) in &expected {
        let body: Value = serde_json::from_slice(client.current_usage(*subscription)?)?;
        let found = Units::of(&body).ok_or_else(|| format!("unexpected answer: {body}"))?;
        if found != *expected {
            let id = subscription_id(*subscription);
            return Err(format!("wrong figures of {id}: {found:?}, produced {expected:?}").into());
        }
    }
    Ok(Verified { accepted, duplicates, rejected, subscriptions: expected.len() })
}

fn sample(workload: &Workload) -> impl Iterator<Item = u64> {
    let all = workload.subscriptions;
    (0..GREATEST.min(all)).chain((0..all).step_by((all / SPREAD).max(1) as usize))
}

impl Units {
    fn add(&mut self, measure: Measure) {
        match measure {
            Measure::Calls => self.calls += 1,
            Measure::Tokens(value) => self.tokens += value,
            Measure::Storage(value) => self.storage += value,
        }
    }

    fn of(body: &Value) -> Option<Self> {
        let charges = body.pointer("/customer_usage/charges_usage")?.as_array()?;
        let units = |code: &str| {
            let named = |charge: &&Value| {
                charge.pointer("/billable_metric/code").and_then(Value::as_str) == Some(code)
            };
            hundredths(charges.iter().find(named)?.get("units")?.as_str()?)
        };
        let calls = units("api_calls")?;
        (calls % 100 == 0).then_some(())?;
        Some(Self { calls: calls / 100, tokens: units("tokens")?, storage: units("storage_gb")? })
    }
}

/// A decimal with up to two places as hundredths.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = match part.len() {
        0 => 0,
        1 => part.parse::<u64>().ok()? * 10,
        2 => part.parse().ok()?,
        _ => return None,
    };
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_exactly() {
        for (text, wanted) in
            [("12.0", Some(1200)), ("0.07", Some(7)), ("5", Some(500)), ("1.005", None)]
        {
            assert_eq!(hundredths(text), wanted, "{text}");
        }
    }
}
