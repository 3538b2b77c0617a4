//! Charges that were billed event by event (specification 5.12, aggregation details 3, 5, 6).

use odometer::core::catalog::Aggregation;
use odometer::core::decimal::Decimal;
use serde_json::Value as Json;

use super::bucket::Bucket;
use super::calendar::SECOND;
use super::event::Event;

/// Decimals to which prorated units are rounded up.
pub const PRORATED_PLACES: i32 = 5;

/// What is remembered of one event.
#[derive(Clone, Debug)]
pub struct Record {
    timestamp: i64,
    /// The level after it, the highest level, and the latter's prorated price.
    pub current: Decimal,
    pub max: Decimal,
    pub max_prorated: Decimal,
}

/// The record that holds at the end of the window, if any event made one. `found` are the events of
/// the group, found by its exact values.
pub fn record(bucket: &Bucket<'_>, found: &[&Event]) -> Option<Record> {
    let mut received = found.to_vec();
    received.sort_by_key(|event| event.place);
    let mut records: Vec<Record> = Vec::new();
    for (at, event) in received.iter().enumerate() {
        if bucket.in_window(event) && !is_blank(bucket.value_sent(event)) {
            let before = latest(bucket, &records);
            records.extend(after(bucket, &received[..at], event, before));
        }
    }
    latest(bucket, &records).cloned()
}

/// The latest-dated record, of equally dated ones the last; bounds are cut to seconds.
fn latest<'r>(bucket: &Bucket<'_>, records: &'r [Record]) -> Option<&'r Record> {
    let second = |micros: i64| micros.div_euclid(SECOND);
    let (from, to) = (second(bucket.window.from) * SECOND, second(bucket.window.to) * SECOND);
    let fits = |record: &&Record| (from..=to).contains(&record.timestamp);
    records.iter().filter(fits).max_by_key(|record| record.timestamp)
}

fn after(
    bucket: &Bucket<'_>,
    earlier: &[&Event],
    event: &Event,
    before: Option<&Record>,
) -> Option<Record> {
    let zero = Decimal::ZERO;
    let (added, level, max);
    if bucket.is(Aggregation::UniqueCount) {
        let active = is_active(bucket, earlier, event);
        let new = if event.adds() && !active { Decimal::ONE } else { zero.clone() };
        match before {
            None => (added, level, max) = (new.clone(), new.clone(), new),
            Some(record) => {
                level = if event.adds() {
                    &record.current + &new
                } else if active {
                    &record.current - Decimal::ONE
                } else {
                    record.current.clone()
                };
                max = record.max.clone().max(level.clone());
                added = if level > record.max { Decimal::ONE } else { zero };
            }
        }
    } else {
        let value = bucket.number(event)?;
        match before {
            None => (added, level, max) = (value.clone().max(zero), value.clone(), value),
            Some(record) => {
                level = &record.current + &value;
                if level > record.max {
                    added = &level - &record.max;
                    max = level.clone().max(added.clone());
                } else {
                    (added, max) = (zero, record.max.clone());
                }
            }
        }
    }
    let prorated = (added * bucket.ratio_from(event.timestamp).fd()).ceil(PRORATED_PLACES);
    let max_prorated = match before {
        None => prorated,
        Some(record) if max > record.max => &record.max_prorated + &prorated,
        Some(record) => record.max_prorated.clone(),
    };
    Some(Record { timestamp: event.timestamp, current: level, max, max_prorated })
}

/// Whether the value was active just before the event, as far as received: values are the same if
/// their JSON is.
fn is_active(bucket: &Bucket<'_>, earlier: &[&Event], event: &Event) -> bool {
    let value = bucket.value_sent(event);
    let same = |other: &&&Event| {
        bucket.selects(other)
            && other.timestamp < event.timestamp
            && bucket.value_sent(other) == value
    };
    let last = earlier.iter().filter(same).max_by_key(|other| other.order());
    last.is_some_and(|last| last.adds())
}

fn is_blank(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Bool(true) | Json::Number(_) => false,
        Json::String(text) => text.trim().is_empty(),
        Json::Array(list) => list.is_empty(),
        Json::Object(members) => members.is_empty(),
    }
}

/// The priced quantity of a charge in advance: the plain one, raised to the highest level billed.
pub fn raised(bucket: &Bucket<'_>, found: &[&Event], total: &Decimal) -> Decimal {
    let raised = match record(bucket, found) {
        Some(record) => total - &record.current + &record.max,
        None => total.clone(),
    };
    raised.max(Decimal::ZERO)
}
