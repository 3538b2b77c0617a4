//! What a subscription has used so far, and what it costs: the answer in memory (specification
//! chapter 2).
//!
//! Everything is a pure function of the plan, the window, the request and [`Quantities`], whether
//! these are scanned ([`Scan`]) or kept event by event ([`measure`]).

mod ask;
mod error;
pub mod estimate;
pub mod explain;
mod fee;
mod kept;
mod past;
mod projected;
mod request;
mod rows;
mod scan;
#[cfg(test)]
mod tests;
mod thresholds;

pub use ask::{Ask, BucketAsk, Measured, Quantities, allowance, pricing_keys, quantity};
pub use error::UsageError;
pub use fee::{Context, Fee, FeeRules, Presented};
pub use kept::{measure, recipe};
pub use past::{ByTime, invoice_id, past};
pub use projected::{Elapsed, ProjectedUsage, project};
pub use request::{Request, Selection};
pub use rows::{ChargeUsage, FilterUsage, GroupUsage, PricingUnitSum, Sum};
pub use scan::{Scan, ScanLimits};
pub use thresholds::{
    Completion, Threshold, USAGE_THRESHOLDS, completions, crossed, thresholds_of,
};

use uuid::Uuid;

use crate::core::catalog::{BillableMetric, Charge, Plan, Tax};
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::period::{Date, Window};
use crate::core::tax::{TaxedFee, invoice};

/// What a usage is computed under.
pub struct Terms<'a, M, T> {
    /// The plan.
    pub plan: &'a Plan,
    /// Finds a metric; a charge on an unknown one is left out.
    pub metrics: M,
    /// The taxes that apply to a charge: those of the first level that has any (7.1).
    pub taxes: T,
    /// The charges window.
    pub window: Window,
    /// UTC date of the end of the plan's period (3.7).
    pub issuing_date: Date,
    /// What becomes of fees without usage.
    pub context: Context,
}

/// The answer (2.1).
#[derive(Clone, Debug, PartialEq)]
pub struct CurrentUsage<'a> {
    /// The charges window.
    pub window: Window,
    /// UTC date of the end of the plan's period.
    pub issuing_date: Date,
    /// Code of the plan's currency.
    pub currency: &'a str,
    /// Σ of the charges, tax excluded.
    pub amount_cents: i64,
    /// Taxes, rounded once over all charges (7.2).
    pub taxes_amount_cents: i64,
    /// Both together.
    pub total_amount_cents: i64,
    /// One row per charge.
    pub charges: Vec<ChargeUsage<'a>>,
}

impl<M, T> Terms<'_, M, T> {
    fn rules(&self) -> FeeRules {
        FeeRules {
            currency: Currency::of(&self.plan.currency),
            context: self.context,
            omits_zero_unit_filters: false,
        }
    }
}

/// Computes a usage.
///
/// # Errors
///
/// [`UsageError::ChargeNotFound`] if the request selects charges and the plan has none of them;
/// what `source` reports; [`UsageError::AmountOutOfRange`] if a sum does not fit.
pub fn compute<'a, M, T>(
    terms: &Terms<'a, M, T>,
    request: &Request,
    source: &(impl Quantities + ?Sized),
) -> Result<CurrentUsage<'a>, UsageError>
where
    M: Fn(Uuid) -> Option<&'a BillableMetric>,
    T: Fn(&'a Charge) -> Vec<&'a Tax>,
{
    priced(terms, request, source, |_, _| Ok(()))
}

/// [`compute`], showing the fees of every charge to `each` in the order of the answer.
fn priced<'a, M, T>(
    terms: &Terms<'a, M, T>,
    request: &Request,
    source: &(impl Quantities + ?Sized),
    mut each: impl FnMut(&Ask<'a>, &[Fee<'a>]) -> Result<(), UsageError>,
) -> Result<CurrentUsage<'a>, UsageError>
where
    M: Fn(Uuid) -> Option<&'a BillableMetric>,
    T: Fn(&'a Charge) -> Vec<&'a Tax>,
{
    let rules = terms.rules();
    let mut charges = Vec::with_capacity(terms.plan.charges.len());
    for (index, charge, metric) in selected(terms, request)? {
        let ask = Ask::new(index, charge, metric, request);
        let fees = rules.fees(&ask, source)?;
        each(&ask, &fees)?;
        charges.extend(ChargeUsage::new(&fees)?);
    }
    let mut amount_cents = 0_i64;
    for row in &charges {
        let sum = amount_cents.checked_add(row.sum.amount_cents);
        amount_cents = sum.ok_or(UsageError::AmountOutOfRange)?;
    }
    let taxes_amount_cents =
        if request.apply_taxes { taxes_of(&charges, &terms.taxes)? } else { 0 };
    let total = amount_cents.checked_add(taxes_amount_cents);
    Ok(CurrentUsage {
        window: terms.window,
        issuing_date: terms.issuing_date,
        currency: &terms.plan.currency,
        amount_cents,
        taxes_amount_cents,
        total_amount_cents: total.ok_or(UsageError::AmountOutOfRange)?,
        charges,
    })
}

/// The charges of the request in the order of the answer: by name of their metric, unless charges
/// were selected; charges of one name, and selected ones, by id (2.3).
fn selected<'a, M, T>(
    terms: &Terms<'a, M, T>,
    request: &Request,
) -> Result<Vec<(usize, &'a Charge, &'a BillableMetric)>, UsageError>
where
    M: Fn(Uuid) -> Option<&'a BillableMetric>,
{
    let known = terms.plan.charges.iter().enumerate().filter_map(|(index, charge)| {
        let metric = (terms.metrics)(charge.metric)?;
        request.takes(charge, metric).then_some((index, charge, metric))
    });
    let mut selected: Vec<_> = known.collect();
    selected.sort_by_key(|(_, charge, _)| charge.id);
    if request.selection.is_none() {
        selected.sort_by_cached_key(|(_, _, metric)| metric.name.to_lowercase());
    } else if selected.is_empty() {
        return Err(UsageError::ChargeNotFound);
    }
    Ok(selected)
}

/// The taxes of all rows. All fees of a charge carry the same ones, so its sum is taxed.
fn taxes_of<'a>(
    charges: &[ChargeUsage<'a>],
    taxes: impl Fn(&'a Charge) -> Vec<&'a Tax>,
) -> Result<i64, UsageError> {
    let shares: Vec<(Decimal, Vec<&Tax>)> = charges
        .iter()
        .map(|row| (Decimal::from_i64(row.sum.amount_cents), taxes(row.charge)))
        .collect();
    let fees: Vec<TaxedFee<'_>> =
        shares.iter().map(|(amount_cents, taxes)| TaxedFee { amount_cents, taxes }).collect();
    invoice(&fees).taxes_amount_cents.to_i64().ok_or(UsageError::AmountOutOfRange)
}
