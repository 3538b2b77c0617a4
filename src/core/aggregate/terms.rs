//! What an aggregation runs under, and what it gives (aggregation details 1 and 2).

use super::advance::{InAdvance, Records};
use super::frame::Frame;
use super::weighted::Carry;
use crate::core::catalog::BillableMetric;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::Group;
pub use crate::core::pricing::RunningTotals;

/// What a percentage charge gives away (6.9); none of either is the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allowance {
    /// `free_units_per_events`; 0 if absent.
    pub events: u64,
    /// `free_units_per_total_aggregation`; 0 if absent.
    pub total: Decimal,
}

/// The event that triggers an in-advance computation.
#[derive(Clone, Copy, Debug)]
pub struct Trigger<'a> {
    /// The event.
    pub event: &'a Usage<'a>,
    /// Whether it is one of the events that are aggregated; an estimate's is not.
    pub stored: bool,
}

/// Everything besides the events that an aggregation depends on.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own, told by somebody else
pub struct Terms<'a> {
    /// The metric.
    pub metric: &'a BillableMetric,
    /// Whether the charge is prorated (5.10).
    pub prorated: bool,
    /// Whether the charge is pay in advance (5.12).
    pub pay_in_advance: bool,
    /// Whether this is current usage rather than a closed window.
    pub current_usage: bool,
    /// Whether the charge model prices the events' own amounts (dynamic).
    pub dynamic: bool,
    /// The charges window.
    pub frame: Frame<'a>,
    /// Days taken off the window's share of the period: 1 when an upgrade ended a closed window.
    pub fewer_days: i64,
    /// Upper bound of the selection in place of the window's end.
    pub max_timestamp: Option<Instant>,
    /// Keys that split the quantity; empty means not grouped.
    pub group_keys: &'a [String],
    /// Keys that split the presentation breakdowns.
    pub presentation_keys: &'a [String],
    /// Restricts the selection to events that a look-up of these values finds.
    pub only: Option<(&'a [String], &'a Group)>,
    /// What is free of charge.
    pub allowance: Allowance,
    /// The event that triggers an in-advance computation.
    pub trigger: Option<Trigger<'a>>,
    /// What in-advance charges remember.
    pub records: Records<'a>,
    /// The initial value of recurring weighted sums.
    pub carry: Carry<'a>,
    /// Whether the bucket is known to have no event, which a recurring metric ignores.
    pub bypass: bool,
}

/// The figures of one group, or of a bucket that is not grouped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The group; none when not grouped.
    pub group: Option<Group>,
    /// `aggregation`: the priced quantity.
    pub units: Decimal,
    /// `count`: number of events, or of units for unique counts, where it may have a fraction.
    pub count: Decimal,
    /// What is shown for prorated and pay-in-advance charges.
    pub current_units: Option<Decimal>,
    /// The quantity without proration.
    pub full_units: Option<Decimal>,
    /// Weighted sums: Σ of the values, with the carry when recurring.
    pub total_units: Option<Decimal>,
    /// Weighted sums: Σ of the values of the window.
    pub variation: Option<Decimal>,
    /// Recurring weighted sums: the latest event of the window, else its start.
    pub recurring_updated_at: Option<Instant>,
    /// Dynamic charges: Σ of the events' own amounts.
    pub precise_cents: Option<Decimal>,
    /// Running totals for free units (aggregation details 4); none where there are none by kind.
    pub running_totals: Option<RunningTotals>,
}

impl Figures {
    /// The figures of a group without events (aggregation details 2).
    pub fn empty(group: Option<Group>) -> Self {
        Self {
            group,
            current_units: Some(Decimal::ZERO),
            running_totals: Some(RunningTotals::EMPTY),
            ..Self::default()
        }
    }
}

/// One value of a combination of pricing and presentation keys (aggregation details 10).
#[derive(Clone, Debug, PartialEq)]
pub struct Breakdown {
    /// Values of the keys that [`breakdown_keys`] lists.
    pub group: Group,
    /// The combination's own quantity.
    pub value: Decimal,
}

/// The keys of a breakdown: pricing keys, then presentation keys, without repeats.
pub fn breakdown_keys(group_keys: &[String], presentation_keys: &[String]) -> Vec<String> {
    let mut keys = group_keys.to_vec();
    for key in presentation_keys {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

/// The result of aggregating one bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// One entry per group in order, or exactly one that is not grouped.
    pub groups: Vec<Figures>,
    /// What the triggering event adds; only when not grouped.
    pub in_advance: Option<InAdvance>,
    /// Presentation breakdowns; none without presentation keys or for the empty result.
    pub breakdowns: Option<Vec<Breakdown>>,
}
