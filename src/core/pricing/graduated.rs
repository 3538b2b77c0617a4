//! Tiers that are filled one after the other (specification 6.6, pricing details 4.1).

use crate::core::decimal::Decimal;
use crate::core::value::Value;

use super::Quantity;
use super::member::{object, shown};
use super::range::{Range, walked};

/// Prices per tier; every tier entered adds its flat fee.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Graduated {
    /// The tiers as configured, at least one.
    pub ranges: Vec<Range>,
    /// Whether every tier starts where the one before ends, rather than one unit later.
    pub adjacent: bool,
}

impl Graduated {
    pub(super) fn read(properties: &Value) -> Self {
        let ranges = Range::list(properties, "graduated_ranges", "per_unit_amount");
        let zero = Decimal::ZERO;
        let adjacent = ranges.len() > 1
            && ranges.windows(2).all(|pair| {
                pair[1].from.value == *pair[0].to.as_ref().map_or(&zero, |to| &to.value)
            });
        Self { ranges, adjacent }
    }

    pub(super) fn amount(&self, quantity: &Quantity) -> Decimal {
        let units = &quantity.units;
        let cost = |range: &Range| placed(range, units, self.adjacent) * &range.price + &range.flat;
        walked(&self.ranges, units).map(cost).sum()
    }

    pub(super) fn details(&self, quantity: &Quantity) -> Value {
        let units = &quantity.units;
        let ranges = walked(&self.ranges, units).map(|range| detail(range, units, self.adjacent));
        object([("graduated_ranges", Value::List(ranges.collect()))])
    }
}

/// The units that fall into a range.
fn placed(range: &Range, units: &Decimal, adjacent: bool) -> Decimal {
    let top = match &range.to {
        Some(to) if *units >= to.value => &to.value,
        _ => units,
    };
    if range.from.value.is_zero() {
        top.clone()
    } else if adjacent {
        top - &range.from.value
    } else {
        top - &range.from.value + Decimal::ONE
    }
}

/// The explanation of one range.
pub fn detail(range: &Range, units: &Decimal, adjacent: bool) -> Value {
    let units = placed(range, units, adjacent);
    let price = if units.is_zero() { &Decimal::ZERO } else { &range.price };
    let usage = &units * price;
    let (from, to) = range.shown_bounds();
    object([
        ("from_value", from),
        ("to_value", to),
        ("flat_unit_amount", shown(&range.flat)),
        ("units", shown(&units)),
        ("per_unit_amount", shown(price)),
        ("per_unit_total_amount", shown(&usage)),
        ("total_with_flat_amount", shown(&(usage + &range.flat))),
    ])
}
