//! Time-weighted sums (specification 5.9, aggregation details 8).

use odometer::core::decimal::Decimal;

use super::bucket::{Bucket, Figures, floor_ms};
use super::calendar::SECOND;
use super::event::Event;

/// Decimals to which a sum that is not grouped is rounded up.
const PLACES: i32 = 20;
/// Decimals of elapsed seconds.
const SECOND_DECIMALS: u32 = 6;

/// How often an event is part of the initial value: once for the history before a plan change, and
/// once for every row in whose closed windows it lies.
pub fn carried_times(bucket: &Bucket<'_>, event: &Event) -> usize {
    if !bucket.metric.recurring {
        return 0;
    }
    let (t, from) = (event.timestamp, bucket.window.from);
    let mut times = 0;
    if let Some(first) = bucket.stints.first().filter(|first| first.has_previous) {
        times += usize::from(t <= first.started_at.min(from) - SECOND);
    }
    for stint in &bucket.stints {
        let begun = t >= floor_ms(stint.started_at);
        let within = stint.ended_at.is_none_or(|end| t <= end);
        times += usize::from(begun && within && t < floor_ms(from));
    }
    times
}

fn carry(bucket: &Bucket<'_>, members: &[&Event]) -> Decimal {
    let mut carry = Decimal::ZERO;
    for event in members {
        for _ in 0..carried_times(bucket, event) {
            carry += bucket.number(event).unwrap_or_default();
        }
    }
    carry
}

/// The weighted value, not rounded. `selected` are the valid events of the window.
pub fn value(bucket: &Bucket<'_>, members: &[&Event], selected: &[&Event]) -> Decimal {
    let start = bucket.lower();
    let end = -(-bucket.window.to).div_euclid(SECOND) * SECOND;
    let length = Decimal::from_i64(bucket.length() * 86_400);
    let mut level = Decimal::ZERO;
    let mut total = Decimal::ZERO;
    let mut rows = vec![(start, carry(bucket, members))];
    rows.extend(selected.iter().map(|e| (e.timestamp, bucket.number(e).unwrap())));
    for (at, (from, value)) in rows.iter().enumerate() {
        let until = rows.get(at + 1).map_or(end, |next| next.0);
        level += value;
        if until != *from {
            let elapsed = Decimal::from_i128(i128::from(until - from), SECOND_DECIMALS);
            total += (&level * &elapsed).pgdiv(&length).unwrap();
        }
    }
    total
}

/// The figures of one group. `members` are all its events, `selected` the valid ones of the window.
pub fn figures(bucket: &Bucket<'_>, members: &[&Event], selected: &[&Event]) -> Figures {
    let value = value(bucket, members, selected);
    let grouped = !bucket.keys.is_empty();
    Figures {
        units: if grouped { value } else { value.ceil(PLACES) },
        count: Decimal::from(selected.len() as u64),
        total_units: Some(carry(bucket, members) + bucket.sum(selected)),
        ..Figures::default()
    }
}
