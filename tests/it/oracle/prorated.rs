//! Prorated quantities of recurring metrics (specification 5.10, aggregation details 7 and 9).

use std::collections::BTreeSet;

use odometer::core::catalog::Aggregation;
use odometer::core::decimal::Decimal;
use odometer::core::double::Double;

use super::advance::{self, PRORATED_PLACES};
use super::bucket::{Bucket, Figures};
use super::calendar::{DAY, days_between};
use super::event::Event;

/// Puts the prorated quantity of a group in the place of the plain one, which is rounded already.
/// `members` are its events, `found` those that its exact values find.
pub fn apply(bucket: &Bucket<'_>, members: &[&Event], found: &[&Event], figures: &mut Figures) {
    let plain = figures.units.clone();
    let ratio = bucket.ratio_from(bucket.window.from);
    let prorated = match bucket.metric.aggregation {
        Aggregation::UniqueCount => {
            operations(bucket, members, !bucket.keys.is_empty()).iter().map(|row| &row.ratio).sum()
        }
        _ => prorated_sum(bucket, members, ratio),
    };
    let prorated = prorated.ceil(PRORATED_PLACES);
    let shown = match &figures.current_units {
        Some(shown) => shown.clone(),
        None => plain.clone().max(Decimal::ZERO),
    };
    let part = ratio < Double::from_i64(1);
    let record = if bucket.in_advance { advance::record(bucket, found) } else { None };
    let units = match record {
        _ if !bucket.in_advance => prorated,
        Some(record) => {
            let rest = &shown - record.current.max(Decimal::ZERO);
            let rest = if part { (rest * ratio.fd()).ceil(PRORATED_PLACES) } else { rest };
            rest + record.max_prorated
        }
        None if part => prorated,
        None => plain.clone(),
    };
    figures.units = units.max(Decimal::ZERO);
    figures.current_units = Some(shown.max(Decimal::ZERO));
    figures.full_units = Some(plain);
    figures.running = Vec::new();
    if bucket.is(Aggregation::UniqueCount) {
        figures.count = figures.units.clone();
    }
}

fn prorated_sum(bucket: &Bucket<'_>, members: &[&Event], ratio: Double) -> Decimal {
    let mut past = Decimal::ZERO;
    let mut current = Decimal::ZERO;
    for event in members {
        let Some(value) = bucket.number(event) else { continue };
        if event.timestamp < bucket.window.from {
            past += &value;
        }
        if bucket.in_window(event) {
            current += &value * &share_of_rest(bucket, event);
        }
    }
    past * ratio.shortest() + current
}

/// Days from the event's to the last one, both counted, of the days of the period.
fn share_of_rest(bucket: &Bucket<'_>, event: &Event) -> Decimal {
    let last = bucket.calendar.date(bucket.window.to);
    bucket.share(days_between(bucket.calendar.date(event.timestamp), last) + 1)
}

/// An operation that changes whether its value is present.
struct Operation {
    timestamp: i64,
    value: Option<String>,
    adds: bool,
    ratio: Decimal,
}

/// Steps 1 to 4 of 5.10, by (timestamp, value).
fn operations(bucket: &Bucket<'_>, members: &[&Event], grouped: bool) -> Vec<Operation> {
    let values: BTreeSet<Option<String>> =
        members.iter().map(|event| bucket.value_text(event)).collect();
    let mut rows = Vec::new();
    for value in values {
        let own: Vec<&Event> =
            members.iter().filter(|event| bucket.value_text(event) == value).copied().collect();
        let kept = surviving(bucket, &own, value.is_some(), grouped);
        for (at, event) in kept.iter().enumerate() {
            let until = kept.get(at + 1).map_or(bucket.window.to, |next| next.timestamp);
            let ratio = if event.adds() {
                bucket.share(days_present(bucket, event.timestamp, until, grouped))
            } else {
                Decimal::ZERO
            };
            let (timestamp, adds) = (event.timestamp, event.adds());
            rows.push(Operation { timestamp, value: value.clone(), adds, ratio });
        }
    }
    rows.sort_by(|one, other| (one.timestamp, &one.value).cmp(&(other.timestamp, &other.value)));
    rows
}

fn surviving<'e>(
    bucket: &Bucket<'_>,
    own: &[&'e Event],
    has_value: bool,
    grouped: bool,
) -> Vec<&'e Event> {
    let day = |event: &Event| bucket.calendar.date(event.timestamp);
    let has_keys =
        |event: &Event| !grouped || bucket.keys.iter().all(|key| event.text(key).is_some());
    let cancelled = |(at, event): (usize, &Event)| {
        let again = |later: &&Event| later.adds() && day(later) == day(event) && has_keys(later);
        has_value && has_keys(event) && !event.adds() && own[at + 1..].iter().any(again)
    };
    let mut kept = Vec::new();
    let mut present = false;
    for (at, event) in own.iter().enumerate() {
        if !cancelled((at, event)) && event.adds() != present {
            present = event.adds();
            kept.push(*event);
        }
    }
    kept
}

fn days_present(bucket: &Bucket<'_>, added: i64, removed: i64, grouped: bool) -> i64 {
    let from = bucket.window.from;
    let date = |micros| bucket.calendar.date(micros);
    let start = if added < from { date(from) } else { date(added) };
    let end = if removed < from {
        date(from)
    } else if grouped {
        date(removed)
    } else {
        date(removed + DAY)
    };
    days_between(start, end) + i64::from(grouped)
}

/// Values of the events one by one, and the same prorated: what graduated prices walk over.
pub fn list(bucket: &Bucket<'_>, found: &[&Event]) -> (Vec<Decimal>, Vec<Decimal>) {
    let mut listed = Vec::new();
    if bucket.is(Aggregation::UniqueCount) {
        for row in operations(bucket, found, false) {
            let unit = if row.adds { Decimal::ONE } else { -Decimal::ONE };
            listed.push((unit, row.ratio.ceil(PRORATED_PLACES)));
        }
        return listed.into_iter().unzip();
    }
    // The carried entry is that of all groups, whatever the group.
    let from = bucket.window.from;
    let past = bucket.events.iter().filter(|event| event.timestamp < from);
    let carried: Decimal = past.filter_map(|event| bucket.number(event)).sum();
    if !carried.is_zero() {
        let prorated = &carried * &bucket.ratio_from(from).fd();
        listed.push((carried, prorated));
    }
    for event in found.iter().filter(|event| bucket.in_window(event)) {
        if let Some(value) = bucket.number(event) {
            let prorated = &value * &share_of_rest(bucket, event);
            listed.push((value, prorated));
        }
    }
    listed.into_iter().unzip()
}
