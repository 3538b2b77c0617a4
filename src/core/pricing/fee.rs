//! From a price to the fields of a fee (specification 6.7, pricing details 8.2 and 8.3).

use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::planted::{Fault, planted};
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
            amount_cents: if planted(Fault::ConvertedUnrounded) {
                to_cents(&(amount * rate), self.currency)
            } else {
                to_cents(&converted(&units_cents, rate), self.currency)
            },
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
    /// Whether nothing was used and nothing is due, so that the fee may vanish (pricing details
    /// 8.1).
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
    let cents = amount.mul_pow10(currency.exponent());
    if planted(Fault::RoundedOnceMore) { cents.round(1).round(0) } else { cents.round(0) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::Aggregation;

    fn dec(text: &str) -> Decimal {
        Decimal::parse_literal(text).unwrap()
    }

    fn quantity(units: &str) -> Quantity {
        Quantity::new(Aggregation::Sum, dec(units))
    }

    fn terms(currency: &str) -> FeeTerms<'static> {
        FeeTerms {
            currency: Currency::of(currency),
            conversion_rate: None,
            prorated: false,
            pay_in_advance: false,
            current_usage: true,
        }
    }

    fn priced(quantity: &Quantity, amount: &str) -> Priced {
        let amount = dec(amount);
        Priced {
            units: quantity.units.clone(),
            unit_amount: amount.quo(&quantity.units).unwrap_or_default(),
            amount,
            details: Value::Null,
        }
    }

    fn money(fields: [&str; 4]) -> Money {
        let [amount_cents, precise_amount_cents, unit_amount_cents, precise_unit_amount] =
            fields.map(dec);
        Money { amount_cents, precise_amount_cents, unit_amount_cents, precise_unit_amount }
    }

    #[test]
    fn fees_round_to_their_currency() {
        for (currency, units, amount, expected) in [
            ("EUR", "3", "0.0375", ["4", "3.75", "1", "0.0125"]),
            ("JPY", "3", "10.5", ["11", "10.5", "3", "3.5"]),
            ("EUR", "1", "0.029", ["3", "2.9", "2", "0.029"]),
            ("EUR", "1", "0.009", ["1", "0.9", "0", "0.009"]),
            ("EUR", "5", "1.665", ["167", "166.5", "33", "0.333"]),
            ("EUR", "1", "1.005", ["101", "100.5", "100", "1.005"]),
            ("KWD", "1", "0.00055", ["1", "0.55", "0", "0.00055"]),
            ("EUR", "-3", "5", ["0", "0", "0", "0"]),
            ("EUR", "3", "-5", ["0", "0", "0", "0"]),
        ] {
            let used = quantity(units);
            let fee = terms(currency).fee(&used, priced(&used, amount));
            assert_eq!(fee.money, money(expected), "{amount} {currency}");
            let cents = terms(currency).cents(&used.units, &dec(amount));
            assert_eq!(cents.amount_cents, fee.money.amount_cents);
        }
    }

    #[test]
    fn pricing_units_are_rounded_before_they_are_converted() {
        let used = quantity("2");
        for (rate, amount, expected, usage) in [
            ("2.5", "1.238", ["310", "310", "152", "1.525"], ["124", "123.8", "61", "0.619"]),
            ("0.5", "300", ["15000", "15000", "7500", "75"], ["30000", "30000", "15000", "150"]),
            ("10", "0.005", ["10", "10", "0", "0"], ["1", "0.5", "0", "0.0025"]),
        ] {
            let rate = dec(rate);
            let terms = FeeTerms { conversion_rate: Some(&rate), ..terms("EUR") };
            let fee = terms.fee(&used, priced(&used, amount));
            assert_eq!(fee.money, money(expected));
            assert_eq!(fee.pricing_unit, Some(money(usage)));
            let cents = terms.cents(&used.units, &dec(amount));
            assert_eq!(cents.amount_cents, dec(expected[0]));
            assert_eq!(cents.pricing_unit_amount_cents, Some(dec(usage[0])));
        }
    }

    #[test]
    fn fees_show_the_units_that_are_in_use() {
        let mut used = quantity("2.5");
        used.full_units = Some(dec("4"));
        used.current_usage_units = Some(dec("3"));
        used.count = dec("2.9");
        for (prorated, pay_in_advance, current_usage, expected) in [
            (false, false, true, "2.5"),
            (true, false, true, "3"),
            (false, true, true, "3"),
            (true, false, false, "4"),
            (false, true, false, "2.5"),
        ] {
            let terms = FeeTerms { prorated, pay_in_advance, current_usage, ..terms("EUR") };
            let fee = terms.fee(&used, priced(&used, "1"));
            assert_eq!(fee.units, dec(expected), "{terms:?}");
            assert_eq!((fee.total_aggregated_units, fee.events_count), (dec(expected), 2));
        }
        used.total_aggregated_units = Some(dec("-7"));
        let fee = terms("EUR").fee(&used, priced(&used, "-1"));
        assert_eq!((fee.units.clone(), fee.total_aggregated_units.clone()), (dec("0"), dec("-7")));
        assert!(!fee.is_zero(), "its events are still shown");
        let nothing = quantity("0");
        assert!(terms("EUR").fee(&nothing, priced(&nothing, "0.001")).is_zero());
    }
}
