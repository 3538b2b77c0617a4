//! Taxes on fees and on what they add up to (specification 7, pricing details 10).

use crate::core::catalog::Tax;
use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::planted::{Fault, planted};

/// Decimals that a precise tax amount keeps.
const PRECISE_PLACES: i32 = 15;
/// Decimals of the averaged rate of an invoice.
const RATE_PLACES: i32 = 5;

/// The taxes that apply to a fee: those of the first level that has any, in order of creation. The
/// levels are charge, plan, customer, billing entity; a fee without a charge starts at the plan.
pub fn applicable<'a>(levels: &[&[&'a Tax]]) -> Vec<&'a Tax> {
    let mut level = levels.iter().find(|level| !level.is_empty());
    if planted(Fault::TaxLevelPassed) {
        level = levels.iter().rfind(|level| !level.is_empty());
    }
    let mut taxes = level.map(|level| level.to_vec()).unwrap_or_default();
    taxes.sort_by_key(|tax| (tax.created_at, tax.id));
    taxes
}

/// Taxes of one fee. Cents are integers.
#[derive(Clone, Debug, PartialEq)]
pub struct FeeTaxes<'a> {
    /// Each tax with its own rounded amount.
    pub applied: Vec<(&'a Tax, Decimal)>,
    /// Rounded sum of the unrounded amounts; it may differ from the sum of the applied ones.
    pub amount_cents: Decimal,
    /// Tax on the fee's precise amount.
    pub precise_amount_cents: Decimal,
    /// Sum of the rates, in percent.
    pub rate: Double,
}

/// Applies taxes to a fee of so many cents, before and after rounding to the currency.
pub fn fee<'a>(amount_cents: &Decimal, precise_cents: &Decimal, taxes: &[&'a Tax]) -> FeeTaxes<'a> {
    let mut applied = Vec::with_capacity(taxes.len());
    let mut total = Double::ZERO;
    let mut precise = Decimal::ZERO;
    let mut rate = Double::ZERO;
    for tax in taxes {
        let amount = unrounded(amount_cents, tax.rate);
        applied.push((*tax, amount.round()));
        total = total + amount;
        precise += product(precise_cents, tax.rate).fd().div_pow10(2);
        rate = rate + tax.rate;
    }
    FeeTaxes {
        applied,
        amount_cents: total.round(),
        precise_amount_cents: precise.round(PRECISE_PLACES),
        rate,
    }
}

/// A fee as the taxes of the whole see it.
#[derive(Clone, Copy, Debug)]
pub struct TaxedFee<'a> {
    /// Its cents.
    pub amount_cents: &'a Decimal,
    /// The taxes that apply to it; none when taxes are switched off.
    pub taxes: &'a [&'a Tax],
}

/// One tax over all fees that carry it.
#[derive(Clone, Debug, PartialEq)]
pub struct InvoiceTax<'a> {
    /// The tax.
    pub tax: &'a Tax,
    /// Sum of the fees that carry it.
    pub fees_amount_cents: Decimal,
    /// The tax on that sum, rounded.
    pub amount_cents: Decimal,
}

/// Taxes of an invoice or of a usage.
#[derive(Clone, Debug, PartialEq)]
pub struct InvoiceTaxes<'a> {
    /// Each distinct tax, in order of first appearance over the fees.
    pub applied: Vec<InvoiceTax<'a>>,
    /// Sum of all fees, taxed or not.
    pub fees_amount_cents: Decimal,
    /// Rounded once, over all taxes and fees.
    pub taxes_amount_cents: Decimal,
    /// Average rate in percent, weighted by the fees.
    pub rate: Double,
}

impl InvoiceTaxes<'_> {
    /// Fees and taxes together.
    pub fn total_amount_cents(&self) -> Decimal {
        &self.fees_amount_cents + &self.taxes_amount_cents
    }
}

/// Adds up the fees of an invoice or a usage and taxes the sum.
pub fn invoice<'a>(fees: &[TaxedFee<'a>]) -> InvoiceTaxes<'a> {
    let mut shares: Vec<Share<'a>> = Vec::new();
    for fee in fees {
        for tax in fee.taxes {
            let known = shares.iter_mut().find(|share| share.tax.id == tax.id);
            if let Some(share) = known {
                share.amount_cents += fee.amount_cents;
                share.fees += 1;
            } else {
                shares.push(Share { tax, amount_cents: fee.amount_cents.clone(), fees: 1 });
            }
        }
    }
    let total: Decimal = fees.iter().map(|fee| fee.amount_cents).sum();
    let count = i64::try_from(fees.len()).unwrap_or(i64::MAX);
    let (mut taxes, mut rate) = (Double::ZERO, Double::ZERO);
    let mut applied = Vec::with_capacity(shares.len());
    for share in shares {
        let amount = unrounded(&share.amount_cents, share.tax.rate);
        let due = if planted(Fault::TaxRoundedEach) {
            Double::from_decimal(&amount.round())
        } else {
            amount
        };
        taxes = taxes + due;
        rate = rate + share.weight(&total, count) * share.tax.rate;
        applied.push(InvoiceTax {
            tax: share.tax,
            fees_amount_cents: share.amount_cents,
            amount_cents: amount.round(),
        });
    }
    InvoiceTaxes {
        applied,
        fees_amount_cents: total,
        taxes_amount_cents: taxes.round(),
        rate: rate.round_at(RATE_PLACES),
    }
}

/// The fees that carry one tax.
struct Share<'a> {
    tax: &'a Tax,
    amount_cents: Decimal,
    fees: i64,
}

impl Share<'_> {
    /// Part of the whole; by number of fees where they all cost nothing.
    fn weight(&self, total: &Decimal, fees: i64) -> Double {
        if total.is_zero() {
            Double::ratio(self.fees, fees)
        } else {
            Double::from_decimal(&self.amount_cents) / Double::from_decimal(total)
        }
    }
}

/// Amount × rate as a double: the product is one of decimals.
fn product(amount: &Decimal, rate: Double) -> Double {
    Double::from_decimal(&(amount * rate.fd()))
}

/// The tax on an amount before rounding; the division by 100 is one of doubles.
fn unrounded(amount: &Decimal, rate: Double) -> Double {
    product(amount, rate) / Double::from_i64(100)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::core::instant::Instant;

    fn tax(number: i64, rate: &str) -> Tax {
        Tax {
            id: Uuid::from_u128(u128::try_from(number).unwrap()),
            code: format!("tax_{number}"),
            name: String::new(),
            rate: Double::parse_literal(rate).unwrap(),
            description: None,
            created_at: Instant(number),
        }
    }

    fn dec(text: &str) -> Decimal {
        Decimal::parse_literal(text).unwrap()
    }

    #[test]
    fn a_level_wins_whole_and_in_order_of_creation() {
        let (a, b, c) = (tax(1, "1"), tax(2, "2"), tax(3, "3"));
        assert_eq!(applicable(&[&[], &[&c, &a], &[&b]]), [&a, &c]);
        assert_eq!(applicable(&[&[], &[]]), Vec::<&Tax>::new());
    }

    #[test]
    fn a_fee_rounds_each_tax_and_their_sum_apart() {
        let taxes = [&tax(1, "5.5"), &tax(2, "20")];
        let taxed = fee(&dec("333"), &dec("333.4"), &taxes);
        let applied: Vec<_> = taxed.applied.iter().map(|(_, cents)| cents.clone()).collect();
        assert_eq!(applied, [dec("18"), dec("67")]);
        assert_eq!(taxed.amount_cents, dec("85"));
        assert_eq!(taxed.precise_amount_cents, dec("85.017"));
        assert_eq!(taxed.rate.to_string(), "25.5");
    }

    #[test]
    fn an_invoice_rounds_once() {
        let (a, b) = (tax(1, "10"), tax(2, "5"));
        let both = [&a, &b];
        for (first, second, applied, taxes, rate) in [
            ("400", "600", [("1000", "100"), ("600", "30")], "130", "13.0"),
            ("0", "0", [("0", "0"), ("0", "0")], "0", "12.5"),
        ] {
            let (first, second) = (dec(first), dec(second));
            let fees = [
                TaxedFee { amount_cents: &first, taxes: &both[..1] },
                TaxedFee { amount_cents: &second, taxes: &both },
            ];
            let taxed = invoice(&fees);
            let found: Vec<_> = taxed
                .applied
                .iter()
                .map(|share| (share.fees_amount_cents.clone(), share.amount_cents.clone()))
                .collect();
            assert_eq!(found, applied.map(|(fees, cents)| (dec(fees), dec(cents))));
            assert_eq!(
                (taxed.taxes_amount_cents, taxed.rate.to_string()),
                (dec(taxes), rate.into())
            );
        }
        let cents = dec("33");
        let fee = TaxedFee { amount_cents: &cents, taxes: &both[..1] };
        let taxed = invoice(&[fee, fee]);
        assert_eq!(taxed.taxes_amount_cents, dec("7"));
        assert_eq!(taxed.total_amount_cents(), dec("73"));
        assert_eq!(invoice(&[]).total_amount_cents(), Decimal::ZERO);
    }
}
