//! Unique counts by the days that their values are present (specification 5.10).
//!
//! Of every value only its last operation and its current or last presence are kept: a removal can
//! be cancelled by an addition of the same day, but nothing older changes any more.

use super::bytes::{put_at, put_varint, put_zigzag, take_at, take_byte, take_varint, take_zigzag};
use super::key::ValueKey;
use super::latest::At;
use super::ordered::take_flag;
use super::values::{self, Values, put_values, take_values};
use crate::core::aggregate::frame::Frame;
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;

/// The least that the packed form of a value takes: five numbers of its event, its day, whether it
/// yields, and its form.
const VALUE_BYTES: usize = 8;

/// The values of a bucket or group with the days they are present in the window.
///
/// Events of one value have to come in order; see [`Presence::is_late`]. Those of different values
/// come in any order.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// Number of values that are present.
    active: u64,
    /// Number of presences that have ended.
    ended: u64,
    /// Σ of the shares of all presences.
    shares: Decimal,
    late: bool,
    unclear: bool,
    /// The values; none in a copy that only tells their numbers.
    values: Option<Box<Values<Value>>>,
}

/// What the days depend on.
#[derive(Clone, Copy, Debug)]
pub struct Days<'a> {
    /// The window.
    pub frame: &'a Frame<'a>,
    /// Whether this is a group: a presence that lies entirely before the window counts one day in a
    /// group, else none.
    pub grouped: bool,
}

/// One event as presences see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operation {
    /// The text of its field.
    pub value: ValueKey,
    /// Its place in the order.
    pub at: At,
    /// Whether it adds its value.
    pub adds: bool,
    /// Whether an addition of the same day cancels a removal: not for a value that is missing or
    /// null, nor in a group of which the event misses a key, or has null there.
    pub yields: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Value {
    last: At,
    /// Local day of the last operation.
    day: i32,
    yields: bool,
    stay: Stay,
}

#[derive(Clone, Debug, PartialEq)]
enum Stay {
    /// Removed without ever having been added.
    Never,
    /// Since this day.
    Present { start: i32 },
    /// Until the day before `end`, removed on day `removed`. The days are those of the window.
    Gone { start: i32, end: i32, removed: i32 },
}

impl Days<'_> {
    /// Local day of an instant.
    pub fn day(&self, at: Instant) -> i32 {
        day(self.frame.day(at))
    }

    /// First day in the window of a presence that begins at `at`.
    pub fn start(&self, at: Instant) -> i32 {
        self.day(at.max(self.frame.from))
    }

    /// Day after the last one in the window of a presence that ends at `at`.
    pub fn end(&self, at: Instant) -> i32 {
        if at < self.frame.from {
            self.day(self.frame.from).saturating_add(i32::from(self.grouped))
        } else if self.grouped {
            self.day(at).saturating_add(1)
        } else {
            day(self.frame.day_after(at))
        }
    }

    /// The share of the period that so many days are, the last one not counted.
    pub fn share(&self, start: i32, end: i32) -> Decimal {
        self.frame.share(i64::from(end) - i64::from(start))
    }

    /// The share of a presence that lasts.
    fn lasting(&self, start: i32) -> Decimal {
        self.share(start, self.last())
    }

    /// Day after the last one in the window.
    pub fn last(&self) -> i32 {
        self.end(self.frame.to)
    }
}

/// Days of the calendar fit.
fn day(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            active: 0,
            ended: 0,
            shares: Decimal::ZERO,
            late: false,
            unclear: false,
            values: Some(Box::default()),
        }
    }
}

impl Presence {
    /// Takes an event up to the window's end; one before the window only if the metric recurs.
    pub fn add(&mut self, days: &Days<'_>, operation: &Operation) {
        let Some(values) = &mut self.values else { return };
        let Operation { value, at, adds, yields } = *operation;
        let day = days.day(at.0);
        let fresh = || Value { last: at, day, yields, stay: Stay::Never };
        let own = values.entry(value).or_insert_with(fresh);
        if at < own.last {
            self.late = true;
            return;
        }
        // Where clocks are set back over midnight, an addition could cancel a removal of the day
        // before last; and which removals are cancelled can depend on each event's own keys.
        self.unclear |= day < own.day || yields != own.yields;
        own.last = at;
        own.day = day;
        let (stay, change) = match own.stay {
            Stay::Present { start } if !adds => {
                self.active = self.active.saturating_sub(1);
                self.ended = self.ended.saturating_add(1);
                let end = days.end(at.0);
                let change = days.share(start, end) - days.lasting(start);
                (Stay::Gone { start, end, removed: day }, change)
            }
            Stay::Gone { start, end, removed } if adds && yields && removed == day => {
                self.active = self.active.saturating_add(1);
                self.ended = self.ended.saturating_sub(1);
                (Stay::Present { start }, days.lasting(start) - days.share(start, end))
            }
            Stay::Never | Stay::Gone { .. } if adds => {
                self.active = self.active.saturating_add(1);
                let start = days.start(at.0);
                (Stay::Present { start }, days.lasting(start))
            }
            _ => return,
        };
        own.stay = stay;
        self.shares += change;
    }

    /// Number of values that are present at the end: the plain unique count (5.8).
    pub const fn active(&self) -> u64 {
        self.active
    }

    /// Σ of the shares of the period for which values are present, unrounded.
    pub const fn shares(&self) -> &Decimal {
        &self.shares
    }

    /// Number of all values that are kept.
    pub fn values(&self) -> usize {
        self.values.as_ref().map_or(0, |values| values.len())
    }

    /// Whether an event came after a later one of its value: only a new fold over all events in
    /// order helps.
    pub const fn is_late(&self) -> bool {
        self.late
    }

    /// Whether the events cannot be told from what is kept of them, whatever their order, so that
    /// only a scan helps: in a group whose key some events miss while others send it empty, or
    /// where an event lies on an earlier local day than one before it.
    pub const fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Goes on to a later window, given that no event lies after the end of this one and before it.
    pub fn roll(&mut self, days: &Days<'_>) {
        let Some(values) = &mut self.values else { return };
        let from = days.frame.from;
        let (first, before) = (days.start(from), days.end(from.plus_micros(-1)));
        for own in values.values_mut() {
            own.stay = match own.stay {
                Stay::Never => Stay::Never,
                Stay::Present { .. } => Stay::Present { start: first },
                Stay::Gone { removed, .. } => Stay::Gone { start: first, end: before, removed },
            };
        }
        let lasting = days.lasting(first) * Decimal::from(self.active);
        self.shares = lasting + days.share(first, before) * Decimal::from(self.ended);
    }

    /// The numbers alone. Nothing may be added to them.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { shares: self.shares.clone(), values: None, ..*self }
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.values.as_ref().map_or(0, |values| values::weight(values))
    }

    /// Appends the packed form. Equal states give equal bytes.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_varint(out, self.active);
        put_varint(out, self.ended);
        self.shares.write_bytes(out);
        out.push(u8::from(self.late));
        out.push(u8::from(self.unclear));
        let none = Values::default();
        put_values(out, self.values.as_deref().unwrap_or(&none), |out, own| own.write_bytes(out));
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            active: take_varint(bytes)?,
            ended: take_varint(bytes)?,
            shares: Decimal::read_bytes(bytes)?,
            late: take_flag(bytes)?,
            unclear: take_flag(bytes)?,
            values: Some(Box::new(take_values(bytes, VALUE_BYTES, Value::read_bytes)?)),
        })
    }
}

const NEVER: u8 = 0;
const PRESENT: u8 = 1;
const GONE: u8 = 2;

impl Value {
    fn write_bytes(&self, out: &mut Vec<u8>) {
        put_at(out, self.last);
        put_zigzag(out, i64::from(self.day));
        out.push(u8::from(self.yields));
        let (form, days) = match self.stay {
            Stay::Never => (NEVER, [None; 3]),
            Stay::Present { start } => (PRESENT, [Some(start), None, None]),
            Stay::Gone { start, end, removed } => (GONE, [Some(start), Some(end), Some(removed)]),
        };
        out.push(form);
        days.into_iter().flatten().for_each(|day| put_zigzag(out, i64::from(day)));
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            last: take_at(bytes)?,
            day: take_day(bytes)?,
            yields: take_flag(bytes)?,
            stay: match take_byte(bytes)? {
                NEVER => Stay::Never,
                PRESENT => Stay::Present { start: take_day(bytes)? },
                GONE => {
                    let (start, end) = (take_day(bytes)?, take_day(bytes)?);
                    Stay::Gone { start, end, removed: take_day(bytes)? }
                }
                _ => return None,
            },
        })
    }
}

/// A day.
pub fn take_day(bytes: &mut &[u8]) -> Option<i32> {
    i32::try_from(take_zigzag(bytes)?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::test_runner::TestCaseError;

    use super::*;
    use crate::core::aggregate::kept::key::SetKey;
    use crate::core::aggregate::kept::trial::{self, Trial};
    use crate::core::aggregate::scan::partition;
    use crate::core::aggregate::sheet::{DAY, HOUR};
    use crate::core::aggregate::{Terms, unique};
    use crate::core::catalog::Aggregation;
    use crate::core::event::Usage;
    use crate::core::matching::Group;
    use crate::core::properties::{Kind, PropertiesBuf};

    const SECRET: SetKey = SetKey::new([5; 16]);

    /// Operations on a few values, now and then on a missing one, in a few groups of which two look
    /// the same.
    fn properties(mixed: bool) -> impl Strategy<Value = PropertiesBuf> {
        let one = |texts: &[&'static str]| prop::sample::select(texts.to_vec());
        let groups = if mixed { vec!["x", "", "-", "0"] } else { vec!["x", "y", "-"] };
        (
            one(&["a", "b", "c", "d", "-", "0"]),
            one(&["add", "remove", "remove", "-", "?"]),
            prop::sample::select(groups),
        )
            .prop_map(|(value, operation, group)| {
                let mut properties = PropertiesBuf::new();
                for (key, text) in [("v", value), ("operation_type", operation), ("g", group)] {
                    match text {
                        "-" => {}
                        "0" => properties.push(key, Kind::Null, ""),
                        text => properties.push(key, Kind::Text, text),
                    }
                }
                properties
            })
    }

    fn operation(event: &Usage<'_>, keys: &[String]) -> Operation {
        let value = event.properties.text("v");
        let keyed = keys.iter().all(|key| event.properties.text(key).is_some());
        Operation {
            value: SECRET.text(value),
            at: (event.timestamp, event.position),
            adds: unique::adds(event),
            yields: value.is_some() && keyed,
        }
    }

    /// Folds the events in order, those before the window in the window of the month before.
    fn fold(terms: &Terms<'_>, keys: &[String], events: &[&Usage<'_>], rolls: bool) -> Presence {
        let mut before = terms.frame.clone();
        before.from = terms.frame.from.plus_micros(-29 * DAY);
        before.to = terms.frame.from.plus_micros(-1);
        before.days = 29;
        let grouped = !keys.is_empty();
        let new = Days { frame: &terms.frame, grouped };
        let old = Days { frame: if rolls { &before } else { &terms.frame }, grouped };
        let mut kept = Presence::default();
        let first = events.partition_point(|event| event.timestamp <= before.to);
        let (past, own) = events.split_at(first);
        for event in past {
            kept.add(&old, &operation(event, keys));
        }
        if rolls {
            kept.roll(&new);
        }
        for event in own {
            kept.add(&new, &operation(event, keys));
        }
        kept
    }

    fn check(trial: &Trial, keys: &[String], rolls: bool) -> Result<(), TestCaseError> {
        trial.check(|terms, events, _| {
            let groups = if keys.is_empty() {
                BTreeMap::from([(Group::default(), events.to_vec())])
            } else {
                partition(events, keys)
            };
            for (group, events) in groups {
                let kept = fold(terms, keys, &events, rolls);
                prop_assert!(!kept.is_late());
                let mixed = group.0.contains(&None);
                prop_assert!(mixed || !kept.is_unclear());
                trial::check_bytes(&kept, Presence::write_bytes, Presence::read_bytes)?;
                let active = i64::try_from(kept.active()).unwrap();
                prop_assert_eq!(active, unique::active(&events, terms.field()));
                if !kept.is_unclear() {
                    let rows = unique::rows(&terms.frame, terms.field(), keys, &events);
                    prop_assert_eq!(kept.shares(), &unique::presence_sum(&rows));
                    prop_assert_eq!(&kept.snapshot().shares, kept.shares());
                }
            }
            Ok(())
        })
    }

    proptest! {
            #[test]
            fn presences_are_those_of_the_scan(
                trial in trial::trial_of(Aggregation::UniqueCount, properties(false)),
                rolls in any::<bool>(), grouped in any::<bool>(),
            ) {
                let keys = if grouped { vec!["g".to_owned()] } else { Vec::new() };
                check(&trial, &keys, rolls)?;
            }

            #[test]
            fn a_group_of_missing_and_empty_keys_is_right_or_unclear(
                trial in trial::trial_of(Aggregation::UniqueCount, properties(true)),
                rolls in any::<bool>(),
            ) {
                check(&trial, &["g".to_owned()], rolls)?;
            }

            /// Values do not mind each other's order.
            #[test]
            fn values_come_in_any_order(
                trial in trial::trial_of(Aggregation::UniqueCount, properties(false)),
            ) {
                trial.check(|terms, events, _| {
                    let in_order = fold(terms, &[], events, false);
                    let mut by_value = events.to_vec();
                    by_value.sort_by_key(|event| SECRET.text(event.properties.text("v")));
                    let days = Days { frame: &terms.frame, grouped: false };
                    let mut kept = Presence::default();
                    for event in by_value {
     kept.add(&days, &operation(event, &[]));
    }
                    prop_assert_eq!(kept, in_order);
                    Ok(())
                })?;
            }
        }

    /// The worked example of specification 5.10.
    #[test]
    fn worked_example() {
        let lines = [
            ("C", "add", -20, 0),
            ("F", "add", -20, 0),
            ("F", "remove", -10, 0),
            ("A", "add", 4, 8),
            ("B", "add", 9, 8),
            ("D", "add", 11, 8),
            ("D", "remove", 13, 9),
            ("D", "add", 13, 15),
            ("E", "add", 14, 1),
            ("E", "remove", 14, 2),
            ("B", "remove", 19, 8),
        ];
        let mut trial = Trial::of_days(Aggregation::UniqueCount, 31, &[]);
        for (value, operation, day, hour) in lines {
            let mut properties = PropertiesBuf::new();
            properties.push("v", Kind::Text, value);
            properties.push("operation_type", Kind::Text, operation);
            trial.sheet.lines.push((Instant((trial::MARCH + day) * DAY + hour * HOUR), properties));
        }
        for rolls in [false, true] {
            trial
                .check(|terms, events, _| {
                    let kept = fold(terms, &[], events, rolls);
                    prop_assert_eq!(kept.active(), 3);
                    prop_assert_eq!(kept.shares().ceil(5).to_string(), "2.90323");
                    Ok(())
                })
                .unwrap();
        }
    }

    #[test]
    fn an_event_before_the_last_of_its_value_is_late() {
        let trial = Trial::of_days(Aggregation::UniqueCount, 31, &[("a", 1), ("b", 2), ("a", 3)]);
        for (order, late) in [([0, 1, 2], false), ([1, 0, 2], false), ([2, 1, 0], true)] {
            trial
                .check(|terms, events, _| {
                    let days = Days { frame: &terms.frame, grouped: false };
                    let mut kept = Presence::default();
                    for at in order {
                        kept.add(&days, &operation(events[at], &[]));
                    }
                    prop_assert_eq!(kept.is_late(), late);
                    Ok(())
                })
                .unwrap();
        }
    }
}
