//! Pay-in-advance charges: the levels they remember, and what one event adds to them
//! (specification 5.12, aggregation details 3, 5 and 6).
//!
//! Each event of such a charge was billed when it raised the highest level of its window. Levels
//! follow the order of position, not of time: an event counts when it was received.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use super::frame::Frame;
use super::select::numeric;
use super::terms::{Breakdown, Terms, Trigger, breakdown_keys};
use super::unique;
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::Group;
use crate::core::planted::{Fault, planted};
use crate::core::position::Position;
use crate::core::properties::{Kind, Property};

/// Decimals to which a prorated quantity is rounded up (5.10).
pub const PRORATED_PLACES: i32 = 5;

/// What is remembered after an event was billed in advance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Levels {
    /// `current_aggregation`: the level.
    pub current: Decimal,
    /// `max_aggregation`: the highest level billed.
    pub max: Decimal,
    /// `max_aggregation_with_proration`: what was billed of it, prorated.
    pub max_prorated: Decimal,
}

/// Levels as somebody else kept them.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Timestamp of the event.
    pub timestamp: Instant,
    /// Transaction of the event.
    pub transaction: String,
    /// Exact group: the value of every key; without keys for a quantity that is not grouped.
    pub group: BTreeMap<String, Option<Box<str>>>,
    /// What was remembered.
    pub levels: Levels,
}

/// Where the levels come from.
#[derive(Clone, Copy, Debug)]
pub enum Records<'a> {
    /// From the events themselves, in order of position.
    Replay,
    /// From this list, in order of insertion.
    Given(&'a [Record]),
}

/// What the triggering event adds (aggregation details 5).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InAdvance {
    /// `pay_in_advance_aggregation`: the quantity to bill for the event.
    pub units: Decimal,
    /// The same without proration; only for prorated charges.
    pub full_units: Option<Decimal>,
    /// `units_applied`, where the level is not raised above a known one.
    pub applied: Option<Decimal>,
    /// Levels to remember; none if nothing is recorded.
    pub levels: Option<Levels>,
    /// Dynamic charges: the event's own amount.
    pub precise_cents: Option<Decimal>,
    /// The event's combination of presentation keys, if there are any.
    pub breakdowns: Option<Vec<Breakdown>>,
}

/// The outcome of one event before proration.
pub(super) struct Step {
    units: Decimal,
    applied: Option<Decimal>,
    current: Decimal,
    max: Decimal,
    first: bool,
}

/// An event of a sum with value `v`.
pub(super) fn step_sum(record: Option<&Levels>, value: &Decimal) -> Step {
    let Some(Levels { current, max, .. }) = record else {
        return Step {
            units: value.clone().max(Decimal::ZERO),
            applied: Some(value.clone()),
            current: value.clone(),
            max: value.clone(),
            first: true,
        };
    };
    let level = current + value;
    if level > *max {
        let units = &level - max;
        let max = level.clone().max(units.clone());
        Step { units, applied: None, current: level, max, first: false }
    } else {
        let applied = Some(value.clone());
        let max = if planted(Fault::BilledLevelSinks) { &level } else { max }.clone();
        Step { units: Decimal::ZERO, applied, current: level, max, first: false }
    }
}

/// An event of a unique count that adds or removes a value that is active or not.
pub(super) fn step_unique(record: Option<&Levels>, adds: bool, active: bool) -> Step {
    let units = if adds && !active { Decimal::ONE } else { Decimal::ZERO };
    let Some(Levels { current, max, .. }) = record else {
        let applied = Some(units.clone());
        return Step {
            units: units.clone(),
            applied,
            current: units.clone(),
            max: units,
            first: true,
        };
    };
    let level = if adds {
        current + &units
    } else if active {
        current - &Decimal::ONE
    } else {
        current.clone()
    };
    if level > *max {
        let max = level.clone();
        Step { units: Decimal::ONE, applied: None, current: level, max, first: false }
    } else {
        let applied = Some(units);
        Step { units: Decimal::ZERO, applied, current: level, max: max.clone(), first: false }
    }
}

/// Share of one event in prorated units.
fn prorate(frame: &Frame<'_>, at: Instant, units: &Decimal) -> Decimal {
    (units * &frame.ratio_from(at).fd()).ceil(PRORATED_PLACES)
}

impl Step {
    /// The levels after the event, `at` being its timestamp.
    pub(super) fn levels(
        &self,
        record: Option<&Levels>,
        frame: &Frame<'_>,
        prorated: bool,
        at: Instant,
    ) -> Levels {
        let share = if prorated { prorate(frame, at, &self.units) } else { Decimal::ZERO };
        levels_after(self, record, share)
    }
}

fn levels_after(step: &Step, record: Option<&Levels>, prorated: Decimal) -> Levels {
    let max_prorated = match record {
        Some(levels) if step.max > levels.max => &levels.max_prorated + &prorated,
        Some(levels) if !step.first => levels.max_prorated.clone(),
        _ => prorated,
    };
    Levels { current: step.current.clone(), max: step.max.clone(), max_prorated }
}

/// Whether a field holds something: missing, null, blank text, `false`, `[]` and `{}` do not.
pub(super) fn is_present(property: Option<Property<'_>>) -> bool {
    property.is_some_and(|property| match property.kind {
        Kind::Null => false,
        Kind::Bool => property.text == "true",
        Kind::Number => true,
        Kind::Text => !property.text.trim().is_empty(),
        Kind::Tree => !matches!(property.text, "[]" | "{}"),
    })
}

/// Tells whether a value was active just before an instant, from the events received so far. Values
/// are the same only if their JSON is: `1` and `"1"` differ.
#[derive(Default)]
struct Actives<'e>(HashMap<Option<Property<'e>>, BTreeMap<(Instant, Position), bool>>);

impl<'e> Actives<'e> {
    fn value(event: &Usage<'e>, field: &str) -> Option<Property<'e>> {
        event.properties.get(field).filter(|property| property.kind != Kind::Null)
    }

    fn insert(&mut self, event: &Usage<'e>, field: &str) {
        let history = self.0.entry(Self::value(event, field)).or_default();
        history.insert((event.timestamp, event.position), unique::adds(event));
    }

    fn is_active(&self, event: &Usage<'e>, field: &str) -> bool {
        self.0.get(&Self::value(event, field)).is_some_and(|history| {
            let before = (event.timestamp, Position::default());
            history.range(..before).next_back().is_some_and(|(_, added)| *added)
        })
    }
}

/// The levels of one group at the end of the window, if any event of the window made some.
///
/// `events`: the group's events in order of (timestamp, position), as far back as the quantity
/// reaches; `group` the values by which its records are found, exactly as sent.
pub fn levels(terms: &Terms<'_>, events: &[&Usage<'_>], group: Option<&Group>) -> Option<Levels> {
    match terms.records {
        Records::Given(records) => given(terms, records, group).cloned(),
        Records::Replay => replay(terms, events, group),
    }
}

/// Bounds within which a record's timestamp counts: the window's, cut to seconds.
fn record_window(frame: &Frame<'_>) -> RangeInclusive<Instant> {
    frame.from.floor_second()..=frame.to.floor_second()
}

/// Whether an event of this time makes a record.
pub(super) fn records_at(frame: &Frame<'_>, at: Instant) -> bool {
    (frame.lower()..=frame.to).contains(&at) && record_window(frame).contains(&at)
}

fn given<'r>(
    terms: &Terms<'_>,
    records: &'r [Record],
    group: Option<&Group>,
) -> Option<&'r Levels> {
    let own = terms.trigger.map(|trigger| trigger.event.transaction);
    let keys = match terms.only {
        Some((keys, _)) if terms.group_keys.is_empty() => keys,
        _ => terms.group_keys,
    };
    let values = group.into_iter().flat_map(|group| &group.0);
    let group: BTreeMap<&String, &Option<Box<str>>> = keys.iter().zip(values).collect();
    let window = record_window(&terms.frame);
    let fits = |record: &&Record| {
        record.group.iter().eq(group.iter().map(|(key, value)| (*key, *value)))
            && window.contains(&record.timestamp)
            && own != Some(record.transaction.as_str())
    };
    let latest = records.iter().enumerate().filter(|(_, record)| fits(record));
    latest
        .max_by_key(|(index, record)| (record.timestamp, *index))
        .map(|(_, record)| &record.levels)
}

fn replay(terms: &Terms<'_>, events: &[&Usage<'_>], group: Option<&Group>) -> Option<Levels> {
    let field = terms.field();
    let window = record_window(&terms.frame);
    let mut received: Vec<&Usage<'_>> = events.to_vec();
    received.sort_by_key(|event| event.position);
    let mut actives = Actives::default();
    let mut latest: Option<(Instant, Levels)> = None;
    for event in received {
        let by_value = terms.metric.aggregation == Aggregation::UniqueCount;
        // A value that was sent as a number makes a record that no text finds.
        let found = group.is_none_or(|group| group.finds(event.properties, terms.group_keys));
        let counts = found
            && event.timestamp >= terms.frame.lower()
            && event.timestamp <= terms.frame.to
            && is_present(event.properties.get(field));
        let own = terms.trigger.is_some_and(|trigger| trigger.event.position == event.position);
        if counts && !own {
            let record = latest.as_ref().map(|(_, levels)| levels);
            let step = if by_value {
                Some(step_unique(record, unique::adds(event), actives.is_active(event, field)))
            } else {
                numeric(event, field).map(|value| step_sum(record, &value))
            };
            if let Some(step) = step.filter(|_| window.contains(&event.timestamp)) {
                let levels = step.levels(record, &terms.frame, terms.prorated, event.timestamp);
                if latest.as_ref().is_none_or(|(at, _)| *at <= event.timestamp) {
                    latest = Some((event.timestamp, levels));
                }
            }
        }
        if by_value && event.timestamp >= terms.lower() {
            actives.insert(event, field);
        }
    }
    latest.map(|(_, levels)| levels)
}

/// What the triggering event adds to a quantity that is not grouped.
///
/// `events`: the selected events in order of (timestamp, position).
pub fn in_advance(terms: &Terms<'_>, events: &[&Usage<'_>]) -> InAdvance {
    let counts = terms.metric.aggregation == Aggregation::Count;
    let trigger = terms.trigger.filter(|trigger| !trigger.event.properties.is_empty());
    let mut result = match trigger {
        // An event without properties adds nothing, prorated or not.
        None => InAdvance {
            full_units: (terms.prorated && terms.trigger.is_some()).then_some(Decimal::ZERO),
            ..InAdvance::default()
        },
        Some(_) if counts => InAdvance::default(),
        Some(trigger) => outcome(terms, events, trigger),
    };
    if counts {
        result.units = Decimal::ONE;
    }
    if terms.dynamic {
        let own = terms.trigger.and_then(|trigger| trigger.event.precise_cents.clone());
        result.precise_cents = Some(own.unwrap_or(Decimal::ZERO));
    }
    if !terms.presentation_keys.is_empty() {
        let breakdown = trigger.map(|trigger| breakdown(terms, trigger, &result));
        result.breakdowns = Some(breakdown.into_iter().collect());
    }
    result
}

fn outcome(terms: &Terms<'_>, events: &[&Usage<'_>], trigger: Trigger<'_>) -> InAdvance {
    let (event, field) = (trigger.event, terms.field());
    let record = levels(terms, events, terms.only.map(|(_, group)| group));
    let record = record.as_ref();
    let mut records = true;
    let step = if terms.metric.aggregation == Aggregation::UniqueCount {
        let mut actives = Actives::default();
        let others = |other: &&&Usage<'_>| {
            other.position != event.position
                && (terms.lower()..event.timestamp).contains(&other.timestamp)
        };
        events.iter().filter(others).for_each(|other| actives.insert(other, field));
        step_unique(record, unique::adds(event), actives.is_active(event, field))
    } else {
        let value = numeric(event, field);
        // A value that is there and is no number is an error where it is billed.
        let missing = event.properties.get(field).is_none_or(|value| value.kind == Kind::Null);
        records = value.is_some() || missing;
        step_sum(record, &value.unwrap_or(Decimal::ZERO))
    };
    let prorated = terms.prorated.then(|| prorate(&terms.frame, event.timestamp, &step.units));
    let after = levels_after(&step, record, prorated.clone().unwrap_or(Decimal::ZERO));
    InAdvance {
        full_units: terms.prorated.then(|| step.units.clone()),
        units: prorated.unwrap_or(step.units),
        applied: step.applied,
        levels: records.then_some(after),
        ..InAdvance::default()
    }
}

fn breakdown(terms: &Terms<'_>, trigger: Trigger<'_>, result: &InAdvance) -> Breakdown {
    let keys = breakdown_keys(terms.group_keys, terms.presentation_keys);
    let value = match terms.metric.aggregation {
        Aggregation::Count => Decimal::ONE,
        Aggregation::UniqueCount => result.full_units.clone().unwrap_or(result.units.clone()),
        _ => numeric(trigger.event, terms.field()).unwrap_or(Decimal::ZERO),
    };
    Breakdown { group: Group::of(trigger.event.properties, &keys), value }
}

/// The quantities of a pay-in-advance charge in current usage (aggregation details 6): what is
/// shown and what is priced, from the plain quantity.
pub fn raise(total: &Decimal, levels: Option<&Levels>) -> (Decimal, Decimal) {
    let shown = total.clone().max(Decimal::ZERO);
    let priced = levels.map_or_else(
        || shown.clone(),
        |levels| (&(total - &levels.current) + &levels.max).max(Decimal::ZERO),
    );
    (shown, priced)
}
