//! Running totals that equal the scan at any time, event by event (specification 5.14).

use super::select::numeric;
use super::terms::{Figures, RunningTotals};
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::matching::Group;

/// What an event has to be for a bucket to count it, and what is added up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fold {
    /// Every event counts.
    Count,
    /// Events with a number in this property count; the numbers are added up.
    Sum(Box<str>),
}

/// Number of events with Σ of their values and of their own amounts. All three are exact, so the
/// order of additions does not matter and an event can be taken back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Number of events.
    pub count: u64,
    /// Σ of the values.
    pub sum: Decimal,
    /// Σ of the events' own amounts in cents; null counts 0.
    pub precise_cents: Decimal,
}

impl Totals {
    /// Counts an event, unless it is invisible to this fold.
    pub fn add(&mut self, fold: &Fold, event: &Usage<'_>) {
        let value = match fold {
            Fold::Count => None,
            Fold::Sum(field) => match numeric(event, field) {
                None => return,
                value => value,
            },
        };
        self.count = self.count.saturating_add(1);
        if let Some(value) = value {
            self.sum += value;
        }
        if let Some(cents) = &event.precise_cents {
            self.precise_cents += cents;
        }
    }

    /// Takes an event back that was counted before.
    pub fn retract(&mut self, fold: &Fold, event: &Usage<'_>) {
        let value = match fold {
            Fold::Count => None,
            Fold::Sum(field) => match numeric(event, field) {
                None => return,
                value => value,
            },
        };
        self.count = self.count.saturating_sub(1);
        if let Some(value) = value {
            self.sum -= value;
        }
        if let Some(cents) = &event.precise_cents {
            self.precise_cents -= cents;
        }
    }

    /// Adds what another bucket of the same fold counted.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum += &other.sum;
        self.precise_cents += &other.precise_cents;
    }

    /// Whether nothing was counted. A group without events does not exist.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The aggregated quantity under this fold.
    pub fn units(&self, fold: &Fold) -> Decimal {
        match fold {
            Fold::Count => Decimal::from(self.count),
            Fold::Sum(_) => self.sum.clone(),
        }
    }

    /// The figures that the scan gives for the same events, before the metric's rounding. The
    /// running totals of a count are those of a charge that gives something away: whoever prices
    /// leaves them out for one that does not.
    pub fn figures(&self, fold: &Fold, dynamic: bool, group: Option<Group>) -> Figures {
        let units = self.units(fold);
        let counts = *fold == Fold::Count;
        Figures {
            group,
            count: Decimal::from(self.count),
            current_units: counts.then(|| units.clone()),
            precise_cents: dynamic.then(|| self.precise_cents.clone()),
            running_totals: counts.then_some(RunningTotals::Counted(self.count)),
            units,
            ..Figures::default()
        }
    }
}
