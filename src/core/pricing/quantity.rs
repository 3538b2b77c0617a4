//! What a price is computed from, and what comes out.

use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::value::Value;

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
    pub running_total: Vec<Decimal>,
    /// Value per event in order, the carried entry first; see [`super::Model::reads_events`].
    pub events: Vec<Decimal>,
    /// The prorated value of every entry of `events`; empty when the charge is not prorated.
    pub prorated_events: Vec<Decimal>,
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
            running_total: Vec::new(),
            events: Vec::new(),
            prorated_events: Vec::new(),
            precise_cents: Decimal::ZERO,
        }
    }

    /// What the unit price is taken over: the units without proration where known.
    pub(super) fn full_or_units(&self) -> &Decimal {
        self.full_units.as_ref().unwrap_or(&self.units)
    }
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
