//! What an invoice issued at the close of a window would hold, charges only (specification 8.1).

use uuid::Uuid;

use super::ask::{Ask, Measured, Quantities};
use super::error::UsageError;
use super::request::Request;
use super::rows::ChargeUsage;
use super::{CurrentUsage, Terms, selected};
use crate::core::catalog::{BillableMetric, Charge, Tax};
use crate::core::decimal::Decimal;
use crate::core::period::Window;
use crate::core::tax;

/// Quantities of a closed window: charges billed in advance count as they did while it ran, up to
/// its end (5.12); the others as they are billed.
pub struct ByTime<'q> {
    /// Knows charges that are billed in advance.
    pub in_advance: &'q dyn Quantities,
    /// Knows the others.
    pub in_arrears: &'q dyn Quantities,
}

impl Quantities for ByTime<'_> {
    fn measure(&self, ask: &Ask<'_>) -> Result<Vec<Measured>, UsageError> {
        let source = if ask.charge.pay_in_advance { self.in_advance } else { self.in_arrears };
        source.measure(ask)
    }
}

/// Computes the usage of a closed window, of all charges or of those on one metric. Fees without
/// usage are left out; each fee's taxes are rounded by themselves.
///
/// # Errors
///
/// What `source` reports; [`UsageError::AmountOutOfRange`] if a sum does not fit.
pub fn past<'a, M, T>(
    terms: &Terms<'a, M, T>,
    metric: Option<Uuid>,
    source: &(impl Quantities + ?Sized),
) -> Result<CurrentUsage<'a>, UsageError>
where
    M: Fn(Uuid) -> Option<&'a BillableMetric>,
    T: Fn(&'a Charge) -> Vec<&'a Tax>,
{
    let (rules, request) = (terms.rules(), Request::default());
    let mut charges = Vec::new();
    let (mut amount_cents, mut taxes_amount_cents) = (0_i64, 0_i64);
    let add = |sum: &mut i64, cents: Option<i64>| {
        *sum =
            cents.and_then(|cents| sum.checked_add(cents)).ok_or(UsageError::AmountOutOfRange)?;
        Ok(())
    };
    for (index, charge, own) in selected(terms, &request)? {
        if metric.is_some_and(|metric| metric != own.id) {
            continue;
        }
        let fees = rules.fees(&Ask::new(index, charge, own, &request), source)?;
        let taxes = (terms.taxes)(charge);
        for fee in &fees {
            let cents = Decimal::from_i64(fee.amount_cents);
            add(&mut amount_cents, Some(fee.amount_cents))?;
            add(&mut taxes_amount_cents, tax::fee(&cents, &cents, &taxes).amount_cents.to_i64())?;
        }
        charges.extend(ChargeUsage::new(&fees)?);
    }
    let mut total_amount_cents = amount_cents;
    add(&mut total_amount_cents, Some(taxes_amount_cents))?;
    Ok(CurrentUsage {
        window: terms.window,
        issuing_date: terms.issuing_date,
        currency: &terms.plan.currency,
        amount_cents,
        taxes_amount_cents,
        total_amount_cents,
        charges,
    })
}

/// The id of the invoice that a window of a subscription row would have: always the same.
pub fn invoice_id(subscription: Uuid, window: Window) -> Uuid {
    Uuid::new_v5(&subscription, &window.from.micros().to_be_bytes())
}
