//! What a price is computed from, and what comes out.

use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::value::Value;

use super::bounded::Meter;
use super::prorated::{Filled, Walk};
use super::running::RunningTotals;

/// The aggregation of one bucket and group, as pricing reads it (aggregation details 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The kind of metric: a count is an integer, the `count` of a unique count is a decimal.
    pub metric: Aggregation,
    /// The priced quantity (`aggregation`, u).
    pub units: Decimal,
    /// What usage answers show for prorated charges and those paid in advance.
    pub current_usage_units: Option<Decimal>,
    /// The quantity without proration (`full_units_number`).
    pub full_units: Option<Decimal>,
    /// Number of events (n); for unique counts a quantity.
    pub count: Decimal,
    /// Units of a weighted sum, which may be negative.
    pub total_aggregated_units: Option<Decimal>,
    /// Running totals for free units (6.9); only percentage charges with an allowance read them.
    pub running_totals: RunningTotals,
    /// The single events; see [`super::Model::reads_events`].
    pub entries: Entries,
    /// Σ of the events' own prices in cents, for dynamic charges.
    pub precise_cents: Decimal,
}

impl Quantity {
    /// A quantity with neither events nor totals behind it.
    pub const fn new(metric: Aggregation, units: Decimal) -> Self {
        Self {
            metric,
            units,
            current_usage_units: None,
            full_units: None,
            count: Decimal::ZERO,
            total_aggregated_units: None,
            running_totals: RunningTotals::EMPTY,
            entries: Entries::NONE,
            precise_cents: Decimal::ZERO,
        }
    }

    /// What the unit price is taken over: the units without proration where known.
    pub(super) fn full_or_units(&self) -> &Decimal {
        self.full_units.as_ref().unwrap_or(&self.units)
    }
}

/// The single events behind a quantity (aggregation details 9), or what a price comes to that was
/// kept as they came. A price that was kept holds under the prices it was kept with, and for no
/// other model; what has filled tiers, under any prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entries {
    /// As listed, the carried entry first.
    Listed {
        /// Value per event.
        full: Vec<Decimal>,
        /// The prorated value of every event; empty when the charge is not prorated.
        prorated: Vec<Decimal>,
    },
    /// So many events of one unit each.
    Ones(u64),
    /// Events of a maximum.
    Peak(Peak),
    /// Events that a percentage with bounds has priced.
    Metered(Meter),
    /// Events that have filled prorated tiers.
    Walked(Box<Walk>),
    /// Events of one unit each that have filled prorated tiers with these bounds.
    Filled(Box<Filled>),
}

impl Entries {
    /// No event.
    pub const NONE: Self = Self::Ones(0);

    /// Σ of the values without proration.
    pub(super) fn units(&self) -> Decimal {
        match self {
            Self::Listed { full, .. } => full.iter().sum(),
            Self::Ones(count) => Decimal::from(*count),
            Self::Peak(peak) => peak.max.clone(),
            Self::Metered(_) => Decimal::ZERO,
            Self::Walked(walk) => walk.units.clone(),
            Self::Filled(filled) => filled.units.clone(),
        }
    }
}

/// The events of a maximum: the first greatest one carries it, every other counts 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// Number of events.
    pub count: u64,
    /// Number of events before the one that carries the maximum.
    pub before: u64,
    /// The maximum; 0 without events.
    pub max: Decimal,
}

/// A priced quantity (pricing details 2), in major units, nothing rounded but the unit price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The priced quantity, as it came in.
    pub units: Decimal,
    /// What it costs.
    pub amount: Decimal,
    /// Average price of a unit (pricing details 3).
    pub unit_amount: Decimal,
    /// How the amount came about (pricing details 4).
    pub details: Value,
}
