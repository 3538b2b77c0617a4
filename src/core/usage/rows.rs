//! The rows of an answer: fees added up per charge, filter and group (specification 2.2 to 2.7).

use super::error::UsageError;
use super::fee::{Fee, Presented};
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter, PricingUnit};
use crate::core::decimal::Decimal;

/// Amounts in a custom pricing unit (2.6).
#[derive(Clone, Debug, PartialEq)]
pub struct PricingUnitSum<'a> {
    /// Σ in hundredths of the unit.
    pub amount_cents: i64,
    /// The unit, with its name and rate.
    pub unit: &'a PricingUnit,
}

/// Several fees added up.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum<'a> {
    /// Σ of the units shown.
    pub units: Decimal,
    /// Σ of the total aggregated units.
    pub total_aggregated_units: Decimal,
    /// Σ of the events.
    pub events_count: i64,
    /// Σ of the rounded amounts.
    pub amount_cents: i64,
    /// Σ in the pricing unit, if the charge has one.
    pub pricing_unit: Option<PricingUnitSum<'a>>,
}

/// One filter of a charge, or its default bucket (2.4).
#[derive(Clone, Debug, PartialEq)]
pub struct FilterUsage<'a> {
    /// The filter; none for the default bucket.
    pub filter: Option<&'a ChargeFilter>,
    /// Its fees.
    pub sum: Sum<'a>,
    /// Presentation breakdowns of all its fees.
    pub breakdowns: Vec<Presented>,
}

/// One group of a charge over all its buckets (2.5).
#[derive(Clone, Debug, PartialEq)]
pub struct GroupUsage<'a> {
    /// Values by pricing group key, in key order.
    pub grouped_by: Vec<(String, Option<Box<str>>)>,
    /// Its fees.
    pub sum: Sum<'a>,
    /// Its fees by filter.
    pub filters: Vec<FilterUsage<'a>>,
    /// Presentation breakdowns of its fees that belong to no filter.
    pub breakdowns: Vec<Presented>,
}

/// One charge of the plan (2.2).
#[derive(Clone, Debug, PartialEq)]
pub struct ChargeUsage<'a> {
    /// The charge.
    pub charge: &'a Charge,
    /// Its metric.
    pub metric: &'a BillableMetric,
    /// All its fees.
    pub sum: Sum<'a>,
    /// Its fees by filter; empty for a charge without filters.
    pub filters: Vec<FilterUsage<'a>>,
    /// Its fees by group; empty if no fee is grouped.
    pub grouped: Vec<GroupUsage<'a>>,
    /// Presentation breakdowns of its fees that are neither grouped nor belong to a filter.
    pub breakdowns: Vec<Presented>,
}

impl<'a> ChargeUsage<'a> {
    /// The row of a charge with these fees; none without any fee.
    pub fn new(fees: &[Fee<'a>]) -> Result<Option<Self>, UsageError> {
        let Some(first) = fees.first() else { return Ok(None) };
        let all: Vec<&Fee<'a>> = fees.iter().collect();
        Ok(Some(Self {
            charge: first.charge,
            metric: first.metric,
            sum: sum(&all)?,
            filters: filters(&all)?,
            grouped: groups(&all)?,
            breakdowns: presented(&all, |fee| fee.filter.is_none() && fee.grouped_by.is_empty()),
        }))
    }
}

fn sum<'a>(fees: &[&Fee<'a>]) -> Result<Sum<'a>, UsageError> {
    let add = |total: i64, own: i64| total.checked_add(own).ok_or(UsageError::AmountOutOfRange);
    let mut sum = Sum {
        units: Decimal::ZERO,
        total_aggregated_units: Decimal::ZERO,
        events_count: 0,
        amount_cents: 0,
        pricing_unit: None,
    };
    for fee in fees {
        sum.units += &fee.units;
        sum.total_aggregated_units += &fee.total_aggregated_units;
        sum.events_count = add(sum.events_count, fee.events_count)?;
        sum.amount_cents = add(sum.amount_cents, fee.amount_cents)?;
        if let (Some(unit), Some(cents)) = (&fee.charge.pricing_unit, fee.pricing_unit_cents) {
            let before = sum.pricing_unit.map_or(0, |before| before.amount_cents);
            sum.pricing_unit = Some(PricingUnitSum { amount_cents: add(before, cents)?, unit });
        }
    }
    Ok(sum)
}

/// Splits fees by a key, keeping the order in which keys first appear.
fn split<'f, 'a, K: PartialEq>(
    fees: &[&'f Fee<'a>],
    key: impl Fn(&Fee<'a>) -> K,
) -> Vec<Vec<&'f Fee<'a>>> {
    let mut parts: Vec<(K, Vec<&Fee<'_>>)> = Vec::new();
    for fee in fees {
        let own = key(fee);
        match parts.iter_mut().find(|(key, _)| *key == own) {
            Some((_, part)) => part.push(fee),
            None => parts.push((own, vec![fee])),
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

fn filters<'a>(fees: &[&Fee<'a>]) -> Result<Vec<FilterUsage<'a>>, UsageError> {
    if fees.first().is_none_or(|fee| fee.charge.filters.is_empty()) {
        return Ok(Vec::new());
    }
    let row = |part: Vec<&Fee<'a>>| {
        Ok(FilterUsage {
            filter: part.first().and_then(|fee| fee.filter),
            sum: sum(&part)?,
            breakdowns: presented(&part, |_| true),
        })
    };
    split(fees, |fee| fee.bucket).into_iter().map(row).collect()
}

fn groups<'a>(fees: &[&Fee<'a>]) -> Result<Vec<GroupUsage<'a>>, UsageError> {
    if fees.iter().all(|fee| fee.grouped_by.is_empty()) {
        return Ok(Vec::new());
    }
    let unordered = |fee: &Fee<'a>| {
        let mut map = fee.grouped_by.clone();
        map.sort_unstable();
        map
    };
    let row = |part: Vec<&Fee<'a>>| {
        Ok(GroupUsage {
            grouped_by: part.first().map(|fee| fee.grouped_by.clone()).unwrap_or_default(),
            sum: sum(&part)?,
            filters: filters(&part)?,
            breakdowns: presented(&part, |fee| fee.filter.is_none() && !fee.grouped_by.is_empty()),
        })
    };
    split(fees, unordered).into_iter().map(row).collect()
}

fn presented(fees: &[&Fee<'_>], shown: impl Fn(&Fee<'_>) -> bool) -> Vec<Presented> {
    let own = fees.iter().filter(|fee| shown(fee));
    own.flat_map(|fee| fee.breakdowns.iter().cloned()).collect()
}
