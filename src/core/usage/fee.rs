//! Fees: one charge, one bucket, one group (specification 6.1, 6.7, pricing details 8).

use super::ask::{Ask, BucketAsk, Measured, Quantities, quantity};
use super::error::UsageError;
use crate::core::aggregate::{Figures, breakdown_keys};
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter};
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::matching::{Bucket, Group};
use crate::core::pricing::fee::{Fee as Details, FeeTerms, events_count, is_clamped};
use crate::core::pricing::{Model, Quantity};

/// What becomes of fees without usage (pricing details 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The running window: an empty bucket shows one fee without usage.
    CurrentUsage,
    /// A closed window: only what was used is shown.
    Closed,
    /// A closed window as past usage lists it: charges billed in advance too, at the levels that
    /// they had reached when the window ended (8.1).
    Past,
    /// A closed window of a recurring metric, computed again: everything is kept.
    Recurring,
}

/// Quantity of one combination of presentation values (2.7).
#[derive(Clone, Debug, PartialEq)]
pub struct Presented {
    /// Values by presentation key, pricing keys left out.
    pub presentation_by: Vec<(String, Option<Box<str>>)>,
    /// The combination's own quantity.
    pub units: Decimal,
}

/// What was used of one bucket and group, and what it costs, taxes aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Fee<'a> {
    /// The charge.
    pub charge: &'a Charge,
    /// Its metric.
    pub metric: &'a BillableMetric,
    /// The bucket.
    pub bucket: Bucket,
    /// The filter behind the bucket; none for the default one.
    pub filter: Option<&'a ChargeFilter>,
    /// The prices.
    pub model: &'a Model,
    /// Values by pricing group key; empty when not grouped.
    pub grouped_by: Vec<(String, Option<Box<str>>)>,
    /// What was aggregated.
    pub quantity: Quantity,
    /// Quantity shown.
    pub units: Decimal,
    /// The weighted sum's own units, else `units`.
    pub total_aggregated_units: Decimal,
    /// Number of events.
    pub events_count: i64,
    /// What is due, in the smallest unit of the plan's currency.
    pub amount_cents: i64,
    /// The same in the pricing unit, if the charge has one.
    pub pricing_unit_cents: Option<i64>,
    /// Presentation breakdowns of this group.
    pub breakdowns: Vec<Presented>,
}

/// How the fees of a charge are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRules {
    /// The plan's currency.
    pub currency: Currency,
    /// What becomes of fees without usage.
    pub context: Context,
    /// Whether current usage leaves out fees without units on charges with filters.
    pub omits_zero_unit_filters: bool,
}

impl FeeRules {
    pub(super) fn terms(self, charge: &Charge) -> FeeTerms<'_> {
        FeeTerms {
            currency: self.currency,
            conversion_rate: charge.pricing_unit.as_ref().map(|unit| &unit.conversion_rate),
            prorated: charge.prorated,
            pay_in_advance: charge.pay_in_advance,
            current_usage: match self.context {
                Context::CurrentUsage => true,
                Context::Past => charge.pay_in_advance,
                Context::Closed | Context::Recurring => false,
            },
        }
    }

    /// The fees of one charge: per bucket in order, per group in order.
    pub fn fees<'a>(
        self,
        ask: &Ask<'a>,
        source: &(impl Quantities + ?Sized),
    ) -> Result<Vec<Fee<'a>>, UsageError> {
        let mut fees = Vec::new();
        for (bucket, measured) in ask.buckets.iter().zip(source.measure(ask)?) {
            self.bucket_fees(ask, bucket, measured, &mut fees)?;
        }
        let omits = self.omits_zero_unit_filters && self.context == Context::CurrentUsage;
        if omits && !ask.charge.filters.is_empty() {
            fees.retain(|fee| !fee.quantity.units.is_zero());
        }
        Ok(fees)
    }

    fn bucket_fees<'a>(
        self,
        ask: &Ask<'a>,
        bucket: &BucketAsk<'a>,
        measured: Measured,
        fees: &mut Vec<Fee<'a>>,
    ) -> Result<(), UsageError> {
        let before = fees.len();
        for (group, quantity) in measured.groups {
            let mut fee = self.fee(ask, bucket, group.as_ref(), quantity)?;
            if self.context != Context::Recurring && fee.is_zero() {
                continue;
            }
            let keys = bucket.group_keys.len();
            let names = breakdown_keys(&bucket.group_keys, &ask.presentation_keys);
            let own = |values: &Group| match &group {
                Some(group) => values.0.get(..keys) == Some(&group.0[..]),
                None => true,
            };
            let own = measured.breakdowns.iter().filter(|breakdown| own(&breakdown.group));
            fee.breakdowns = own
                .map(|breakdown| Presented {
                    presentation_by: named(
                        &names[keys..],
                        breakdown.group.0.get(keys..).unwrap_or_default(),
                    ),
                    units: breakdown.value.clone(),
                })
                .collect();
            fees.push(fee);
        }
        if fees.len() == before && self.context == Context::CurrentUsage {
            let keys = bucket.group_keys.len();
            let group = (keys > 0).then(|| Group::empty(keys));
            let empty = Figures::empty(group.clone());
            let empty = quantity(ask.metric.aggregation, empty, None);
            fees.push(self.fee(ask, bucket, group.as_ref(), empty)?);
        }
        Ok(())
    }

    fn fee<'a>(
        self,
        ask: &Ask<'a>,
        bucket: &BucketAsk<'a>,
        group: Option<&Group>,
        quantity: Quantity,
    ) -> Result<Fee<'a>, UsageError> {
        let terms = self.terms(ask.charge);
        let amount = bucket.model.amount(&quantity, ask.charge.prorated, self.currency);
        let cents = terms.cents(&quantity.units, &amount);
        let units = terms.units(&quantity, is_clamped(&quantity.units, &amount));
        let fits = |cents: &Decimal| cents.to_i64().ok_or(UsageError::AmountOutOfRange);
        Ok(Fee {
            charge: ask.charge,
            metric: ask.metric,
            bucket: bucket.bucket,
            filter: bucket.filter,
            model: bucket.model,
            grouped_by: group.map_or_else(Vec::new, |group| named(&bucket.group_keys, &group.0)),
            total_aggregated_units: quantity
                .total_aggregated_units
                .clone()
                .unwrap_or(units.clone()),
            events_count: events_count(&quantity.count),
            amount_cents: fits(&cents.amount_cents)?,
            pricing_unit_cents: cents.pricing_unit_amount_cents.as_ref().map(fits).transpose()?,
            units,
            quantity,
            breakdowns: Vec::new(),
        })
    }
}

impl Fee<'_> {
    /// Whether nothing was used and nothing is due.
    pub fn is_zero(&self) -> bool {
        self.units.is_zero() && self.amount_cents == 0 && self.events_count == 0
    }

    /// All money fields and the explanation of the amount (pricing details 8.2 and 8.3).
    pub fn details(&self, rules: FeeRules) -> Details {
        let priced = self.model.price(&self.quantity, self.charge.prorated, rules.currency);
        rules.terms(self.charge).fee(&self.quantity, priced)
    }

    /// Whether the fee shows as billed in advance: only fees that go on no invoice do.
    pub fn pay_in_advance(&self) -> bool {
        !self.charge.invoiceable && self.charge.pay_in_advance
    }
}

fn named(keys: &[String], values: &[Option<Box<str>>]) -> Vec<(String, Option<Box<str>>)> {
    keys.iter().cloned().zip(values.iter().cloned()).collect()
}
