//! Distinct active values (specification 5.8) and the days they are present (5.10).

use std::collections::{BTreeMap, HashMap};

use super::frame::Frame;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::planted::{Fault, planted};

/// Property that says whether an event adds or removes its value.
const OPERATION: &str = "operation_type";
/// The operation that adds; it is also the default. Every other one removes.
const ADD: &str = "add";

/// Whether an event adds its value.
pub fn adds(event: &Usage<'_>) -> bool {
    event.properties.text(OPERATION).is_none_or(|operation| {
        operation == ADD || (operation != "remove" && planted(Fault::UnknownOperationAdds))
    })
}

/// Number of values whose last event adds. A missing value is a value of its own.
///
/// `events` in order of (timestamp, position).
pub fn active(events: &[&Usage<'_>], field: &str) -> i64 {
    let mut last: HashMap<Option<&str>, bool> = HashMap::new();
    for event in events {
        last.insert(event.properties.text(field), adds(event));
    }
    i64::try_from(last.values().filter(|added| **added).count()).unwrap_or(i64::MAX)
}

/// One operation that changes whether its value is present.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'e> {
    /// When.
    pub timestamp: Instant,
    /// The value; none if the property is missing or null.
    pub value: Option<&'e str>,
    /// Whether the value becomes present.
    pub adds: bool,
    /// Share of the period in which it is present; 0 for a removal.
    pub ratio: Decimal,
}

struct Op<'e> {
    event: &'e Usage<'e>,
    adds: bool,
    /// Whether a removal gives way to an addition of the same day.
    yields: bool,
}

/// The operations that survive steps 1 to 3 of 5.10 with the shares of step 4, ordered by
/// (timestamp, value).
///
/// `groups` holds the group keys in force; none means ungrouped, where a presence that lies
/// entirely before the window counts no day, whereas it counts one in a group.
pub fn rows<'e, K: AsRef<str>>(
    frame: &Frame<'_>,
    field: &str,
    groups: &[K],
    events: &[&'e Usage<'e>],
) -> Vec<Row<'e>> {
    let mut by_value: BTreeMap<Option<&str>, Vec<Op<'e>>> = BTreeMap::new();
    for event in events {
        let value = event.properties.text(field);
        let keyed = groups.iter().all(|key| event.properties.text(key.as_ref()).is_some());
        let op = Op { event, adds: adds(event), yields: value.is_some() && keyed };
        by_value.entry(value).or_default().push(op);
    }
    let mut rows = Vec::new();
    for (value, ops) in by_value {
        let kept = surviving(frame, &ops);
        for (at, op) in kept.iter().enumerate() {
            let until = kept.get(at + 1).map_or(frame.to, |next| next.event.timestamp);
            let ratio = if op.adds {
                frame.share(presence(frame, op.event.timestamp, until, !groups.is_empty()))
            } else {
                Decimal::ZERO
            };
            rows.push(Row { timestamp: op.event.timestamp, value, adds: op.adds, ratio });
        }
    }
    rows.sort_by(|one, other| (one.timestamp, one.value).cmp(&(other.timestamp, other.value)));
    rows
}

/// Steps 2 and 3: same-day cancellation, then repeated operations.
fn surviving<'o, 'e>(frame: &Frame<'_>, ops: &'o [Op<'e>]) -> Vec<&'o Op<'e>> {
    let mut kept: Vec<&Op<'_>> = Vec::with_capacity(ops.len());
    // Walking backwards, the day of the latest addition seen so far is the only one that matters:
    // days only fall on the way.
    let mut adding_day = None;
    for op in ops.iter().rev() {
        let day = frame.day(op.event.timestamp);
        if op.adds {
            if op.yields {
                adding_day = Some(day);
            }
            kept.push(op);
        } else if !(op.yields && adding_day == Some(day)) {
            kept.push(op);
        }
    }
    kept.reverse();
    let mut present = false;
    kept.retain(|op| {
        let changes = op.adds != present;
        present = op.adds;
        changes
    });
    kept
}

/// Days of a presence inside the window, its first and last day counted.
fn presence(frame: &Frame<'_>, added: Instant, removed: Instant, grouped: bool) -> i64 {
    let start = frame.day(added.max(frame.from));
    match (removed < frame.from, grouped) {
        (true, false) => frame.day(frame.from) - start,
        (true, true) => frame.day(frame.from) - start + 1,
        (false, false) => frame.day_after(removed) - start,
        (false, true) => frame.day(removed) - start + 1,
    }
}

/// Σ of the shares, unrounded.
pub fn presence_sum(rows: &[Row<'_>]) -> Decimal {
    rows.iter().fold(Decimal::ZERO, |sum, row| &sum + &row.ratio)
}
