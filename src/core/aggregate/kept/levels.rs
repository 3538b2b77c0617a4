//! The levels of pay-in-advance charges, which follow the order of position (specification 5.12,
//! aggregation details 3, 5 and 6).

use super::bytes::{put_at, put_option, put_zigzag, take_at, take_byte, take_option, take_zigzag};
use super::key::{SetKey, ValueKey};
use super::ordered::{Entry, Recent, take_flag};
use super::values::{self, Values, put_key, put_values, take_key, take_values};
use crate::core::aggregate::advance::{Levels, is_present, records_at, step_sum, step_unique};
use crate::core::aggregate::frame::Frame;
use crate::core::aggregate::{numeric, unique};
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::position::Position;

/// The least that the packed form of a value takes: two moments and two marks.
const VALUE_BYTES: usize = 4;

/// The levels of one group, event by event.
///
/// Events come nearly in order of position; see [`Billed::needs_repair`]. For unique counts, the
/// two latest moments of every value are kept: that tells whether it was active as long as the
/// events of one value are dated no earlier than the last but one; see [`Billed::levels`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Billed {
    /// Timestamp and levels of the record that the next one builds on.
    record: Option<(Instant, Levels)>,
    /// When values were last added or removed; empty for sums.
    values: Box<Values<Moments>>,
    unclear: bool,
    recent: Recent<Bill>,
}

/// What levels depend on.
#[derive(Clone, Copy, Debug)]
pub struct Advance<'a> {
    /// The window.
    pub frame: &'a Frame<'a>,
    /// Whether the charge is prorated.
    pub prorated: bool,
}

/// Whether a value was active cannot be told: its events are dated out of order, and only a scan
/// helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear;

/// One event as levels see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Bill {
    position: Position,
    timestamp: Instant,
    change: Change,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Sum(Decimal),
    Value {
        value: ValueKey,
        adds: bool,
        /// Whether the event makes a record, rather than only tell who is active.
        records: bool,
    },
}

/// The two latest moments of one value, and what it was from each of them on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moments {
    last: Instant,
    active: bool,
    before: Instant,
    active_before: bool,
}

impl Bill {
    /// An event of a sum; none if it leaves no trace. `found`: whether the group's values find it
    /// ([`Group::finds`]), always true without groups.
    ///
    /// [`Group::finds`]: crate::core::matching::Group::finds
    pub fn of_sum(frame: &Frame<'_>, field: &str, found: bool, event: &Usage<'_>) -> Option<Self> {
        let counts = found && records_at(frame, event.timestamp);
        let value = numeric(event, field).filter(|_| counts)?;
        is_present(event.properties.get(field)).then(|| Self::new(event, Change::Sum(value)))
    }

    /// An event of a unique count, one before the window only if the metric recurs; none if it
    /// leaves no trace.
    pub fn of_value(
        frame: &Frame<'_>,
        field: &str,
        found: bool,
        keys: &SetKey,
        event: &Usage<'_>,
    ) -> Option<Self> {
        let property = event.properties.get(field);
        let change = Change::Value {
            value: keys.property(property),
            adds: unique::adds(event),
            records: found && records_at(frame, event.timestamp),
        };
        is_present(property).then(|| Self::new(event, change))
    }

    const fn new(event: &Usage<'_>, change: Change) -> Self {
        Self { position: event.position, timestamp: event.timestamp, change }
    }
}

impl Moments {
    const fn first(at: Instant, active: bool) -> Self {
        Self { last: at, active, before: Instant::MIN, active_before: false }
    }

    /// Whether the value was active strictly before a moment.
    fn active_before(&self, at: Instant) -> Result<bool, Unclear> {
        if at > self.last {
            Ok(self.active)
        } else if at > self.before || at == Instant::MIN {
            Ok(self.active_before)
        } else {
            Err(Unclear)
        }
    }

    /// Takes an event with a greater position than all before.
    fn take(&mut self, at: Instant, adds: bool) {
        if at > self.last {
            (self.before, self.active_before) = (self.last, self.active);
            (self.last, self.active) = (at, adds);
        } else if at == self.last {
            self.active = adds;
        } else if at >= self.before {
            (self.before, self.active_before) = (at, adds);
        }
    }
}

/// Takes the next event in order of position. `moments` are those of its value so far; returns
/// those after it.
fn step(
    record: &mut Option<(Instant, Levels)>,
    context: &Advance<'_>,
    bill: &Bill,
    moments: Option<Moments>,
) -> (Result<(), Unclear>, Option<Moments>) {
    let known = record.as_ref().map(|(_, levels)| levels);
    let (outcome, after, records) = match &bill.change {
        Change::Sum(value) => (Ok(step_sum(known, value)), None, true),
        Change::Value { adds, records, .. } => {
            let active = moments.map_or(Ok(false), |own| own.active_before(bill.timestamp));
            let mut after = moments.unwrap_or_else(|| Moments::first(bill.timestamp, *adds));
            after.take(bill.timestamp, *adds);
            (active.map(|active| step_unique(known, *adds, active)), Some(after), *records)
        }
    };
    if !records {
        return (Ok(()), after);
    }
    let levels = match outcome {
        Ok(step) => step.levels(known, context.frame, context.prorated, bill.timestamp),
        Err(unclear) => return (Err(unclear), after),
    };
    if record.as_ref().is_none_or(|(at, _)| *at <= bill.timestamp) {
        *record = Some((bill.timestamp, levels));
    }
    (Ok(()), after)
}

impl Billed {
    /// Takes an event.
    pub fn insert(&mut self, context: &Advance<'_>, bill: Bill) {
        for bill in self.recent.insert(bill) {
            let value = bill.value();
            let moments = value.and_then(|value| self.values.get(&value).copied());
            let (outcome, after) = step(&mut self.record, context, &bill, moments);
            self.unclear |= outcome.is_err();
            if let Some((value, after)) = value.zip(after) {
                self.values.insert(value, after);
            }
        }
    }

    /// The levels after all events, if any made a record.
    ///
    /// # Errors
    ///
    /// [`Unclear`] if some event was dated so far before others of its value that what is kept does
    /// not tell whether the value was active.
    pub fn levels(&self, context: &Advance<'_>) -> Result<Option<Levels>, Unclear> {
        if self.unclear {
            return Err(Unclear);
        }
        let mut record = self.record.clone();
        // Values that the last events touch, so that the others need no copy.
        let mut touched: Values<Moments> = Values::new();
        for bill in self.recent.entries() {
            let value = bill.value();
            let moments =
                value.and_then(|value| touched.get(&value).or(self.values.get(&value)).copied());
            let (outcome, after) = step(&mut record, context, bill, moments);
            outcome?;
            if let Some((value, after)) = value.zip(after) {
                touched.insert(value, after);
            }
        }
        Ok(record.map(|(_, levels)| levels))
    }

    /// Whether an event came after others of greater positions that are folded: only a new fold
    /// over all events in order of position helps.
    pub const fn needs_repair(&self) -> bool {
        self.recent.is_late()
    }

    /// Goes on to a later window of a unique count that recurs: nothing has made a record in it, and
    /// every value is as active as it was. All others begin anew.
    pub fn roll(&mut self) {
        self.record = None;
        self.unclear = false;
        for bill in self.recent.entries_mut() {
            if let Change::Value { records, .. } = &mut bill.change {
                *records = false;
            }
        }
    }

    /// A copy that has the same levels, with those values alone that the last events touch. Nothing
    /// may be added to it.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let touched = self.recent.entries().iter().filter_map(Bill::value);
        let known = touched.filter_map(|value| Some((value, *self.values.get(&value)?)));
        Self {
            record: self.record.clone(),
            values: Box::new(known.collect()),
            unclear: self.unclear,
            recent: self.recent.clone(),
        }
    }

    /// Number of values that are kept.
    pub fn values(&self) -> usize {
        self.values.len()
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        values::weight(&self.values) + self.recent.weight()
    }

    /// Appends the packed form. Equal states give equal bytes.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_option(out, self.record.as_ref(), |out, (at, levels)| {
            put_zigzag(out, at.micros());
            for level in [&levels.current, &levels.max, &levels.max_prorated] {
                level.write_bytes(out);
            }
        });
        put_values(out, &self.values, |out, own| {
            put_zigzag(out, own.last.micros());
            put_zigzag(out, own.before.micros());
            out.push(u8::from(own.active));
            out.push(u8::from(own.active_before));
        });
        out.push(u8::from(self.unclear));
        self.recent.write_bytes(out, |out, position| put_at(out, (Instant(0), position)));
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let record = take_option(bytes, |bytes| {
            let at = Instant(take_zigzag(bytes)?);
            let current = Decimal::read_bytes(bytes)?;
            let max = Decimal::read_bytes(bytes)?;
            Some((at, Levels { current, max, max_prorated: Decimal::read_bytes(bytes)? }))
        })?;
        let values = take_values(bytes, VALUE_BYTES, |bytes| {
            Some(Moments {
                last: Instant(take_zigzag(bytes)?),
                before: Instant(take_zigzag(bytes)?),
                active: take_flag(bytes)?,
                active_before: take_flag(bytes)?,
            })
        })?;
        let unclear = take_flag(bytes)?;
        let recent = Recent::read_bytes(bytes, |bytes| Some(take_at(bytes)?.1))?;
        Some(Self { record, values: Box::new(values), unclear, recent })
    }
}

const SUM: u8 = 0;
const VALUE: u8 = 1;

impl Bill {
    const fn value(&self) -> Option<ValueKey> {
        match self.change {
            Change::Sum(_) => None,
            Change::Value { value, .. } => Some(value),
        }
    }
}

impl Entry for Bill {
    type Key = Position;

    fn key(&self) -> Position {
        self.position
    }

    fn weight(&self) -> usize {
        0
    }

    fn write_bytes(&self, out: &mut Vec<u8>) {
        put_at(out, (self.timestamp, self.position));
        match &self.change {
            Change::Sum(value) => {
                out.push(SUM);
                value.write_bytes(out);
            }
            Change::Value { value, adds, records } => {
                out.push(VALUE);
                put_key(out, *value);
                out.push(u8::from(*adds));
                out.push(u8::from(*records));
            }
        }
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let (timestamp, position) = take_at(bytes)?;
        let change = match take_byte(bytes)? {
            SUM => Change::Sum(Decimal::read_bytes(bytes)?),
            VALUE => {
                let value = take_key(bytes)?;
                Change::Value { value, adds: take_flag(bytes)?, records: take_flag(bytes)? }
            }
            _ => return None,
        };
        Some(Self { position, timestamp, change })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The two latest moments tell what the whole history does, or say that they cannot.
        #[test]
        fn moments_are_the_end_of_the_history(
            events in prop::collection::vec((0_i64..6, any::<bool>()), 1..12),
        ) {
            let mut moments: Option<Moments> = None;
            let mut history: BTreeMap<i64, bool> = BTreeMap::new();
            for (at, adds) in events {
                let own = moments.get_or_insert(Moments::first(Instant(at), adds));
                own.take(Instant(at), adds);
                history.insert(at, adds);
                for at in 0..8 {
                    let found = own.active_before(Instant(at));
                    let before = history.range(..at).next_back().is_some_and(|(_, adds)| *adds);
                    let known = history.range(at..).count() < 2 || history.len() < 2;
                    prop_assert_eq!(found, if known { Ok(before) } else { Err(Unclear) });
                }
            }
        }
    }
}
