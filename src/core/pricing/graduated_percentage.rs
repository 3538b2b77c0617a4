//! Tiers of percentages (specification 6.6, pricing details 4.2).

use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::value::Value;

use super::Quantity;
use super::member::{object, shown};
use super::range::{Range, double_width, walked};

/// Percentages per tier; every tier entered adds its flat fee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraduatedPercentage {
    /// The tiers as configured, at least one.
    pub ranges: Vec<Range>,
}

impl GraduatedPercentage {
    pub(super) fn read(properties: &Value) -> Self {
        Self { ranges: Range::list(properties, "graduated_percentage_ranges", "rate") }
    }

    pub(super) fn amount(&self, quantity: &Quantity) -> Decimal {
        walked(&self.ranges, &quantity.units)
            .map(|range| share(range, &placed(range, quantity)) + &range.flat)
            .sum()
    }

    pub(super) fn details(&self, quantity: &Quantity) -> Value {
        let ranges = walked(&self.ranges, &quantity.units).map(|range| detail(range, quantity));
        object([("graduated_percentage_ranges", Value::List(ranges.collect()))])
    }
}

/// The units that fall into a range. Neighbouring ranges that share a bound both count that unit.
fn placed(range: &Range, quantity: &Quantity) -> Decimal {
    let units = &quantity.units;
    let from = &range.from.value;
    match &range.to {
        Some(to) if range.is_filled(units) => {
            let from = if from.is_zero() { &Decimal::ONE } else { from };
            if range.has_double_bound() {
                double_width(&to.value, from)
            } else {
                &to.value - from + Decimal::ONE
            }
        }
        _ if from.is_zero() => units.clone(),
        _ if quantity.metric == Aggregation::Count && range.has_double_from() => {
            double_width(units, from)
        }
        _ => units - from + Decimal::ONE,
    }
}

fn share(range: &Range, units: &Decimal) -> Decimal {
    (units * &range.price).div_pow10(2)
}

/// The explanation of one range.
pub fn detail(range: &Range, quantity: &Quantity) -> Value {
    let units = placed(range, quantity);
    let usage = share(range, &units);
    let (from, to) = range.shown_bounds();
    object([
        ("from_value", from),
        ("to_value", to),
        ("flat_unit_amount", shown(&range.flat)),
        ("rate", shown(&range.price)),
        ("units", shown(&units)),
        ("per_unit_total_amount", shown(&usage)),
        ("total_with_flat_amount", shown(&(usage + &range.flat))),
    ])
}
