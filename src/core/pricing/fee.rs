//! From a price to the fields of a fee (specification 6.7, pricing details 8.2 and 8.3).

use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::value::Value;

use super::{Priced, Quantity};

/// Decimals that *precise* figures keep.
const PRECISE_PLACES: i32 = 15;

/// What a charge says about its fees.
#[derive(Clone, Copy, Debug)]
pub struct FeeTerms<'a> {
    /// The plan's currency.
    pub currency: Currency,
    /// Plan currency per pricing unit, if the charge is priced in one.
    pub conversion_rate: Option<&'a Decimal>,
    /// Whether the charge is prorated.
    pub prorated: bool,
    /// Whether the charge is paid in advance.
    pub pay_in_advance: bool,
    /// Whether the fee is part of a current usage.
    pub current_usage: bool,
}

/// Amounts of a fee. Cents are integers without a bound, in the smallest unit of their currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// What is due, rounded to the currency.
    pub amount_cents: Decimal,
    /// The same before rounding to the currency.
    pub precise_amount_cents: Decimal,
    /// Unit price, cut to whole cents.
    pub unit_amount_cents: Decimal,
    /// Unit price in major units.
    pub precise_unit_amount: Decimal,
}

/// A fee of a usage, taxes aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// Amounts in the plan's currency.
    pub money: Money,
    /// Amounts in the pricing unit, where there is one.
    pub pricing_unit: Option<Money>,
    /// Quantity shown.
    pub units: Decimal,
    /// The weighted sum's own units, else `units`.
    pub total_aggregated_units: Decimal,
    /// Number of events.
    pub events_count: i64,
    /// How the amount came about.
    pub amount_details: Value,
}

/// Cents of an amount, and those of the pricing unit in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cents {
    /// In the plan's currency.
    pub amount_cents: Decimal,
    /// In the pricing unit.
    pub pricing_unit_amount_cents: Option<Decimal>,
}

impl FeeTerms<'_> {
    /// The rounded amount alone, for answers that show no more. A negative quantity or amount gives
    /// 0 (6.7).
    pub fn cents(&self, units: &Decimal, amount: &Decimal) -> Cents {
        let zero = Decimal::ZERO;
        let amount = if is_clamped(units, amount) { &zero } else { amount };
        let Some(rate) = self.conversion_rate else {
            let amount_cents = to_cents(amount, self.currency);
            return Cents { amount_cents, pricing_unit_amount_cents: None };
        };
        let units_cents = to_cents(amount, Currency::PRICING_UNIT);
        Cents {
            amount_cents: to_cents(&converted(&units_cents, rate), self.currency),
            pricing_unit_amount_cents: Some(units_cents),
        }
    }

    /// The quantity a fee shows.
    pub fn units(&self, quantity: &Quantity, negative: bool) -> Decimal {
        let priced = || if negative { Decimal::ZERO } else { quantity.units.clone() };
        let full = || match &quantity.full_units {
            Some(full) if !negative => full.clone(),
            _ => priced(),
        };
        match &quantity.current_usage_units {
            Some(units) if self.current_usage && (self.prorated || self.pay_in_advance) => {
                units.clone()
            }
            _ if self.prorated => full(),
            _ => priced(),
        }
    }

    /// The whole fee.
    pub fn fee(&self, quantity: &Quantity, priced: Priced) -> Fee {
        let negative = is_clamped(&quantity.units, &priced.amount);
        let (amount, unit_amount) = if negative {
            (Decimal::ZERO, Decimal::ZERO)
        } else {
            (priced.amount, priced.unit_amount)
        };
        let units = self.units(quantity, negative);
        let (money, pricing_unit) = match self.conversion_rate {
            None => (money(&amount, &unit_amount, self.currency), None),
            Some(rate) => {
                let usage = money(&amount, &unit_amount, Currency::PRICING_UNIT);
                let amount = converted(&usage.amount_cents, rate);
                let unit_amount = converted(&usage.unit_amount_cents, rate);
                (money(&amount, &unit_amount, self.currency), Some(usage))
            }
        };
        let total = quantity.total_aggregated_units.as_ref().unwrap_or(&units).clone();
        Fee {
            money,
            pricing_unit,
            units,
            total_aggregated_units: total,
            events_count: events_count(&quantity.count),
            amount_details: priced.details,
        }
    }
}

impl Fee {
    /// Whether nothing was used and nothing is due, so that the fee may vanish (pricing details 8.1).
    pub fn is_zero(&self) -> bool {
        self.units.is_zero() && self.money.amount_cents.is_zero() && self.events_count == 0
    }
}

/// Number of events as fees show it: the integer part of the count. Counts come from stored events,
/// so they fit; what would not stands at the end of the range.
pub fn events_count(count: &Decimal) -> i64 {
    let end = if count.is_negative() { i64::MIN } else { i64::MAX };
    count.trunc_i64().unwrap_or(end)
}

/// Whether a fee is set to 0: its units or its amount are negative (6.7 step 1).
pub fn is_clamped(units: &Decimal, amount: &Decimal) -> bool {
    units.is_negative() || amount.is_negative()
}

/// An amount in major units, rounded to the smallest unit of its currency, in that unit.
pub fn to_cents(amount: &Decimal, currency: Currency) -> Decimal {
    amount.mul_pow10(currency.exponent()).round(0)
}

/// Cents of a pricing unit in major units of the plan's currency.
fn converted(cents: &Decimal, rate: &Decimal) -> Decimal {
    (cents * rate).div_pow10(Currency::PRICING_UNIT.exponent())
}

fn money(amount: &Decimal, unit_amount: &Decimal, currency: Currency) -> Money {
    let exponent = currency.exponent();
    Money {
        amount_cents: to_cents(amount, currency),
        precise_amount_cents: amount.mul_pow10(exponent).round(PRECISE_PLACES),
        unit_amount_cents: unit_amount.mul_pow10(exponent).trunc(0),
        precise_unit_amount: unit_amount.round(PRECISE_PLACES),
    }
}
