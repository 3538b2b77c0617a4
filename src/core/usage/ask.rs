//! What a usage needs to know about one charge, and who knows it.

use super::error::UsageError;
use super::request::Request;
use crate::core::aggregate::{Allowance, Breakdown, Figures, Listed, breakdown_keys};
use crate::core::catalog::{Aggregation, BillableMetric, Charge, ChargeFilter};
use crate::core::decimal::Decimal;
use crate::core::matching::{Bucket, Group, TARGET_WALLET_KEY};
use crate::core::pricing::{Entries, Model, Quantity, RunningTotals};

/// One bucket of a charge with the keys in force.
#[derive(Clone, Debug)]
pub struct BucketAsk<'a> {
    /// Which bucket.
    pub bucket: Bucket,
    /// The filter behind it; none for the default bucket.
    pub filter: Option<&'a ChargeFilter>,
    /// Its prices.
    pub model: &'a Model,
    /// Keys that split its quantity; empty means not grouped.
    pub group_keys: Vec<String>,
}

/// One charge under a request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Place of the charge in the plan.
    pub index: usize,
    /// The charge.
    pub charge: &'a Charge,
    /// Its metric.
    pub metric: &'a BillableMetric,
    /// Its buckets: filters in order, then the default one.
    pub buckets: Vec<BucketAsk<'a>>,
    /// Conditions on event properties.
    pub group: Vec<(String, Vec<String>)>,
    /// Keys of the presentation breakdowns; empty for none.
    pub presentation_keys: Vec<String>,
}

impl<'a> Ask<'a> {
    /// The buckets and keys of a charge under a request (6.1, 6.4, 6.5).
    pub fn new(
        index: usize,
        charge: &'a Charge,
        metric: &'a BillableMetric,
        request: &Request,
    ) -> Self {
        let keys = |own| {
            let mut keys =
                if request.skip_grouping { Vec::new() } else { pricing_keys(charge, own) };
            keys.retain(|key| request.group.iter().all(|(asked, _)| asked != key));
            keys
        };
        let filtered = charge.filters.iter().enumerate().map(|(at, filter)| BucketAsk {
            bucket: Bucket::Filter(at),
            filter: Some(filter),
            model: &filter.model,
            group_keys: keys(Some(filter)),
        });
        let default = BucketAsk {
            bucket: Bucket::Default,
            filter: None,
            model: &charge.model,
            group_keys: keys(None),
        };
        let wanted =
            |key: &String| request.presentation.as_ref().is_none_or(|wanted| wanted.contains(key));
        let shown = charge.presentation_group_keys.iter().map(|key| key.value.clone());
        Self {
            index,
            charge,
            metric,
            buckets: filtered.chain([default]).collect(),
            group: request.group.clone(),
            presentation_keys: shown.filter(wanted).collect(),
        }
    }
}

/// The keys that split a bucket's price: the filter's own in its bucket, else the charge's, and the
/// target wallet if the charge accepts one (6.4).
pub fn pricing_keys(charge: &Charge, filter: Option<&ChargeFilter>) -> Vec<String> {
    let own = filter.map_or(&charge.pricing_group_keys, |filter| &filter.pricing_group_keys);
    let mut keys = own.clone();
    if charge.accepts_target_wallet && !keys.iter().any(|key| key == TARGET_WALLET_KEY) {
        keys.push(TARGET_WALLET_KEY.to_owned());
    }
    keys
}

/// The keys under which totals of a bucket answer every request that asks for no other key: pricing
/// keys, then presentation keys.
pub fn total_keys(charge: &Charge, filter: Option<&ChargeFilter>) -> Vec<String> {
    let shown: Vec<String> =
        charge.presentation_group_keys.iter().map(|key| key.value.clone()).collect();
    breakdown_keys(&pricing_keys(charge, filter), &shown)
}

/// What one bucket holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Quantity of every group in order, or exactly one without a group.
    pub groups: Vec<(Option<Group>, Quantity)>,
    /// Quantities of the combinations of group keys and presentation keys; none without the latter.
    pub breakdowns: Vec<Breakdown>,
}

/// Somebody who knows what was used.
pub trait Quantities {
    /// The quantities of every bucket of the charge, in the order of [`Ask::buckets`].
    fn measure(&self, ask: &Ask<'_>) -> Result<Vec<Measured>, UsageError>;
}

/// What a percentage gives away; nothing for every other model.
pub fn allowance(model: &Model) -> Allowance {
    match model {
        Model::Percentage(percentage) => Allowance {
            events: u64::try_from(percentage.free_events).unwrap_or(0),
            total: percentage.free_units.clone(),
        },
        _ => Allowance::default(),
    }
}

/// The aggregated figures in the form that pricing reads.
pub fn quantity(metric: Aggregation, figures: Figures, listed: Option<Listed>) -> Quantity {
    let entries = |listed: Listed| Entries::Listed {
        full: listed.full,
        prorated: listed.prorated.unwrap_or_default(),
    };
    Quantity {
        metric,
        units: figures.units,
        current_usage_units: figures.current_units,
        full_units: figures.full_units,
        count: figures.count,
        total_aggregated_units: figures.total_units,
        running_totals: figures.running_totals.unwrap_or(RunningTotals::EMPTY),
        entries: listed.map_or(Entries::NONE, entries),
        precise_cents: figures.precise_cents.unwrap_or(Decimal::ZERO),
    }
}
