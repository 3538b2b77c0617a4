//! One bucket of a charge: its events, and what they add up to (specification chapter 5).

use std::collections::{BTreeMap, BTreeSet};

use odometer::core::catalog::{Aggregation, BillableMetric, Rounding, RoundingMode};
use odometer::core::decimal::Decimal;
use odometer::core::double::Double;
use serde_json::Value as Json;

use super::calendar::{Calendar, SECOND, Window};
use super::event::Event;
use super::{advance, prorated, weighted};

/// Values of group keys in order; missing, null and empty are none.
pub type Group = Vec<Option<String>>;

/// A subscription row whose plan has the charge, up to the one that is read (5.9).
#[derive(Clone, Copy, Debug)]
pub struct Stint {
    pub started_at: i64,
    /// None for the row that is read.
    pub ended_at: Option<i64>,
    pub has_previous: bool,
}

/// What is added up, and how.
pub struct Bucket<'a> {
    pub metric: &'a BillableMetric,
    pub calendar: &'a Calendar,
    pub window: Window,
    /// Those that the bucket counts up to the end of the window, by (timestamp, position).
    pub events: Vec<&'a Event>,
    /// Pricing group keys; none if the bucket is not grouped.
    pub keys: Vec<String>,
    /// Presentation group keys.
    pub shown_keys: Vec<String>,
    pub prorated: bool,
    pub in_advance: bool,
    pub stints: Vec<Stint>,
    /// Free events and free units of a percentage.
    pub free: (Decimal, Decimal),
}

/// What one group comes to (aggregation details 2).
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub units: Decimal,
    pub count: Decimal,
    pub current_units: Option<Decimal>,
    pub full_units: Option<Decimal>,
    pub total_units: Option<Decimal>,
    /// Running totals (6.9).
    pub running: Vec<Decimal>,
    /// Values event by event (aggregation details 9), and their prorated siblings.
    pub listed: Vec<Decimal>,
    pub listed_prorated: Vec<Decimal>,
    pub precise_cents: Decimal,
}

impl<'a> Bucket<'a> {
    pub fn is(&self, aggregation: Aggregation) -> bool {
        self.metric.aggregation == aggregation
    }

    fn field(&self) -> &str {
        self.metric.field_name.as_deref().unwrap_or_default()
    }

    /// The text of the field.
    pub fn value_text(&self, event: &Event) -> Option<String> {
        event.text(self.field())
    }

    /// The field as it was sent; null if it is missing.
    pub fn value_sent<'e>(&self, event: &'e Event) -> &'e Json {
        event.properties.get(self.field()).unwrap_or(&Json::Null)
    }

    /// The number of the field, if it is valid.
    pub fn number(&self, event: &Event) -> Option<Decimal> {
        event.number(self.field())
    }

    /// The window's start, cut to the millisecond (4.7).
    pub fn lower(&self) -> i64 {
        floor_ms(self.window.from)
    }

    pub fn in_window(&self, event: &Event) -> bool {
        event.timestamp >= self.lower()
    }

    /// Whether the quantity reaches back over all history (5.4).
    pub fn looks_back(&self) -> bool {
        let kinds = [Aggregation::Sum, Aggregation::UniqueCount];
        self.metric.recurring && kinds.contains(&self.metric.aggregation)
    }

    /// Whether the plain quantity counts the event.
    pub fn selects(&self, event: &Event) -> bool {
        let valid = match self.metric.aggregation {
            Aggregation::Count | Aggregation::UniqueCount => true,
            _ => self.number(event).is_some(),
        };
        valid && (self.looks_back() || self.in_window(event))
    }

    /// Whether a group with this event is listed.
    fn shows(&self, event: &Event) -> bool {
        self.selects(event) || (self.is(Aggregation::WeightedSum) && self.carries(event))
    }

    /// Whether the event is part of what a weighted sum starts with.
    fn carries(&self, event: &Event) -> bool {
        weighted::carried_times(self, event) > 0 && self.number(event).is_some()
    }

    /// Days of the whole period.
    pub fn length(&self) -> i64 {
        self.window.days
    }

    /// Share of the period from a moment to the window's end, as a double.
    pub fn ratio_from(&self, from: i64) -> Double {
        Double::ratio(self.calendar.day_diff(from, self.window.to), self.length())
    }

    /// Days as PostgreSQL divides them by the days of the period.
    pub fn share(&self, days: i64) -> Decimal {
        Decimal::from_i64(days).pgdiv(&Decimal::from_i64(self.length())).unwrap()
    }

    /// The sum of the valid numbers.
    pub fn sum(&self, events: &[&Event]) -> Decimal {
        events.iter().filter_map(|event| self.number(event)).sum()
    }

    /// The values of an event under some keys.
    pub fn group(event: &Event, keys: &[String]) -> Group {
        keys.iter().map(|key| event.group_text(key)).collect()
    }

    /// Whether a search for the group's values finds the event: they are compared with JSON texts
    /// only (aggregation details 1).
    pub fn finds(&self, group: &Group, event: &Event) -> bool {
        self.keys.iter().zip(group).all(|(key, value)| match value {
            Some(text) => event.properties.get(key) == Some(&Json::String(text.clone())),
            None => event.group_text(key).is_none(),
        })
    }

    /// Every group with its figures in order; exactly one for a bucket that is not grouped.
    pub fn aggregate(&self) -> Vec<(Group, Figures)> {
        if self.keys.is_empty() {
            return vec![(Group::new(), self.figures(&Group::new(), &self.events))];
        }
        let shown = self.events.iter().filter(|event| self.shows(event));
        let groups: BTreeSet<Group> = shown.map(|event| Self::group(event, &self.keys)).collect();
        let figures = |group: Group| {
            let members = self.members(&group, &self.keys);
            let figures = self.figures(&group, &members);
            (group, figures)
        };
        groups.into_iter().map(figures).collect()
    }

    fn members(&self, group: &Group, keys: &[String]) -> Vec<&'a Event> {
        let own = |event: &&&Event| Self::group(event, keys) == *group;
        self.events.iter().filter(own).copied().collect()
    }

    fn figures(&self, group: &Group, members: &[&Event]) -> Figures {
        let grouped = !self.keys.is_empty();
        let found: Vec<&Event> =
            members.iter().filter(|event| self.finds(group, event)).copied().collect();
        let mut figures = self.plain(members);
        figures.running = self.running(&found, &figures.units);
        let counted = [Aggregation::Sum, Aggregation::UniqueCount];
        if self.is(Aggregation::Count) {
            figures.current_units = Some(figures.units.clone());
        } else if self.in_advance && counted.contains(&self.metric.aggregation) {
            let raised = advance::raised(self, &found, &figures.units);
            figures.current_units = Some(figures.units.clone().max(Decimal::ZERO));
            if self.is(Aggregation::UniqueCount) && !grouped {
                figures.count = raised.clone();
            }
            if self.is(Aggregation::UniqueCount) && grouped {
                figures.running = self.running(&found, &raised);
            }
            figures.units = raised;
        }
        if self.prorated {
            self.round(&mut figures);
            prorated::apply(self, members, &found, &mut figures);
        }
        self.round(&mut figures);
        self.list(&found, &mut figures);
        figures
    }

    /// 5.5 to 5.9.
    fn plain(&self, members: &[&Event]) -> Figures {
        let selected: Vec<&Event> =
            members.iter().filter(|event| self.selects(event)).copied().collect();
        let count = Decimal::from(selected.len() as u64);
        let units = match self.metric.aggregation {
            Aggregation::Count => count.clone(),
            Aggregation::Sum => self.sum(&selected),
            Aggregation::Max => {
                selected.iter().filter_map(|e| self.number(e)).max().unwrap_or_default()
            }
            Aggregation::Latest => {
                let last = selected.last().and_then(|event| self.number(event));
                last.unwrap_or_default().max(Decimal::ZERO)
            }
            Aggregation::UniqueCount => self.active(&selected),
            Aggregation::WeightedSum => return weighted::figures(self, members, &selected),
        };
        let count = if self.is(Aggregation::UniqueCount) { units.clone() } else { count };
        let precise_cents = selected.iter().map(|event| &event.precise_cents).sum();
        Figures { units, count, precise_cents, ..Figures::default() }
    }

    /// Number of values whose last operation adds (5.8).
    fn active(&self, selected: &[&Event]) -> Decimal {
        let mut last = BTreeMap::new();
        for event in selected {
            last.insert(self.value_text(event), event.adds());
        }
        Decimal::from(last.values().filter(|adds| **adds).count() as u64)
    }

    /// 5.3.
    fn round(&self, figures: &mut Figures) {
        let Some(Rounding { mode, precision }) = self.metric.rounding else { return };
        let round = |value: &Decimal| match mode {
            RoundingMode::Round => value.round(precision),
            RoundingMode::Ceil => value.ceil(precision),
            RoundingMode::Floor => value.floor(precision),
        };
        figures.units = round(&figures.units);
        figures.current_units = figures.current_units.as_ref().map(round);
        figures.full_units = figures.full_units.as_ref().map(round);
    }

    /// Running totals (6.9, aggregation details 4).
    fn running(&self, found: &[&Event], units: &Decimal) -> Vec<Decimal> {
        let (free_events, free_units) = &self.free;
        if free_events.is_zero() && free_units.is_zero() {
            return Vec::new();
        }
        match self.metric.aggregation {
            Aggregation::Count | Aggregation::UniqueCount => {
                (1..=units.trunc_i64().unwrap()).map(Decimal::from_i64).collect()
            }
            Aggregation::Sum => {
                let mut totals = Vec::new();
                let mut total = Decimal::ZERO;
                for event in found.iter().filter(|event| self.selects(event)) {
                    let enough = if free_events.is_zero() {
                        total > *free_units
                    } else {
                        Decimal::from(totals.len() as u64) >= *free_events
                    };
                    if enough {
                        break;
                    }
                    total += self.number(event).unwrap();
                    totals.push(total.clone());
                }
                totals
            }
            _ => Vec::new(),
        }
    }

    /// Values event by event (aggregation details 9).
    fn list(&self, found: &[&Event], figures: &mut Figures) {
        let window: Vec<&Event> =
            found.iter().filter(|event| self.in_window(event)).copied().collect();
        if self.prorated {
            (figures.listed, figures.listed_prorated) = prorated::list(self, found);
            return;
        }
        let ones = vec![Decimal::ONE; window.len()];
        let values: Vec<Decimal> = window.iter().filter_map(|event| self.number(event)).collect();
        figures.listed = match self.metric.aggregation {
            Aggregation::Count | Aggregation::UniqueCount => ones,
            Aggregation::Sum => values,
            Aggregation::Max => {
                let greatest = values.iter().max().cloned();
                let first = values.iter().position(|value| Some(value) == greatest.as_ref());
                let own = |(at, value): (usize, &Decimal)| {
                    if Some(at) == first { value.clone() } else { Decimal::ZERO }
                };
                values.iter().enumerate().map(own).collect()
            }
            _ => Vec::new(),
        };
    }

    /// Presentation breakdowns: values of the pricing and presentation keys, and their units
    /// (aggregation details 10).
    pub fn breakdowns(&self) -> Vec<(Vec<(String, Option<String>)>, Decimal)> {
        let mut keys = self.keys.clone();
        keys.extend(self.shown_keys.iter().filter(|key| !self.keys.contains(key)).cloned());
        let named = |group: Group| keys.iter().cloned().zip(group).collect();
        let shown: Vec<&Event> =
            self.events.iter().filter(|event| self.shown(event)).copied().collect();
        if self.is(Aggregation::Latest) {
            let mut last: BTreeMap<Group, &Event> = BTreeMap::new();
            for event in shown {
                last.insert(Self::group(event, &self.keys), event);
            }
            let mut rows: Vec<(Group, Decimal)> = last
                .into_values()
                .map(|event| (Self::group(event, &keys), self.number(event).unwrap()))
                .collect();
            rows.sort_by(|one, other| one.0.cmp(&other.0));
            return rows.into_iter().map(|(group, value)| (named(group), value)).collect();
        }
        let groups: BTreeSet<Group> = shown.iter().map(|event| Self::group(event, &keys)).collect();
        let value = |group: &Group| {
            let members = self.members(group, &keys);
            let own: Vec<&Event> =
                members.iter().filter(|event| self.shown(event)).copied().collect();
            match self.metric.aggregation {
                Aggregation::Sum => self.sum(&own),
                Aggregation::WeightedSum => {
                    let selected: Vec<&Event> =
                        own.iter().filter(|event| self.selects(event)).copied().collect();
                    weighted::value(self, &members, &selected)
                }
                _ => self.plain(&own).units,
            }
        };
        groups.into_iter().map(|group| (value(&group), group)).map(|(v, g)| (named(g), v)).collect()
    }

    /// Whether the breakdowns count the event: those of prorated sums are of the window alone.
    fn shown(&self, event: &Event) -> bool {
        let windowed = self.prorated && self.is(Aggregation::Sum);
        self.shows(event) && (!windowed || self.in_window(event))
    }
}

/// A moment without its fraction of a millisecond.
pub fn floor_ms(micros: i64) -> i64 {
    micros - micros.rem_euclid(SECOND / 1_000)
}
