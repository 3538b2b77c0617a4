//! Ranges of graduated and volume prices.

use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::planted::{Fault, planted};
use crate::core::value::Value;

use super::member::{is_integer_literal, number, number_or_zero};

/// One end of a range, bounds included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bound {
    /// The bound as an exact decimal.
    pub value: Decimal,
    /// The bound as configured, for explanations.
    shown: Value,
    /// Whether it was configured as a double with a fraction.
    double: bool,
}

impl Bound {
    fn read(value: &Value) -> Option<Self> {
        let number = number(value)?;
        let literal = matches!(value, Value::Number(text) if !is_integer_literal(text));
        let double = literal && number.trunc(0) != number;
        Some(Self { value: number, shown: value.clone(), double })
    }
}

/// A price for the units between two bounds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// First unit; 0 if it was left out.
    pub from: Bound,
    /// Last unit; none for an open end.
    pub to: Option<Bound>,
    /// Price per unit, or percent for percentages.
    pub price: Decimal,
    /// Due once the range is entered.
    pub flat: Decimal,
}

impl Range {
    /// Reads the list of ranges under `name`, with the price of each under `price`. A missing or
    /// empty list is one open range that costs nothing.
    pub(super) fn list(properties: &Value, name: &str, price: &str) -> Vec<Self> {
        let list = properties.get(name).as_list().unwrap_or_default();
        let ranges: Vec<_> = list.iter().map(|range| Self::read(range, price)).collect();
        if ranges.is_empty() { vec![Self::read(&Value::Null, price)] } else { ranges }
    }

    fn read(range: &Value, price: &str) -> Self {
        let from = range.get("from_value");
        Self {
            from: Bound::read(from).unwrap_or_else(|| Bound {
                value: Decimal::ZERO,
                shown: from.clone(),
                double: false,
            }),
            to: Bound::read(range.get("to_value")),
            price: number_or_zero(range.get(price)),
            flat: number_or_zero(range.get("flat_amount")),
        }
    }

    /// Whether a quantity uses the range up, its upper bound included.
    pub(super) fn is_filled(&self, units: &Decimal) -> bool {
        self.to.as_ref().is_some_and(|to| *units >= to.value)
    }

    /// The bounds as explanations repeat them.
    pub(super) fn shown_bounds(&self) -> (Value, Value) {
        let to = self.to.as_ref().map_or(Value::Null, |to| to.shown.clone());
        (self.from.shown.clone(), to)
    }

    /// Whether a bound that was configured as a double with a fraction takes part in filling the
    /// range, so that its width is a difference of doubles.
    pub(super) fn has_double_bound(&self) -> bool {
        self.from.double || self.to.as_ref().is_some_and(|to| to.double)
    }

    /// Whether the lower bound alone was configured so.
    pub(super) fn has_double_from(&self) -> bool {
        self.from.double
    }
}

/// `top − from + 1`, left to right in doubles, cut to 16 digits (pricing details 4.2).
pub(super) fn double_width(top: &Decimal, from: &Decimal) -> Decimal {
    let difference = Double::from_decimal(top) - Double::from_decimal(from);
    (difference + Double::from_i64(1)).fd()
}

/// The ranges that a quantity walks through: up to the first one it does not exceed.
pub(super) fn walked<'a>(
    ranges: &'a [Range],
    units: &Decimal,
) -> impl Iterator<Item = &'a Range> + use<'a> {
    let ends =
        |to: &Bound| to.value > *units || (to.value == *units && !planted(Fault::NextTierOpened));
    let last =
        ranges.iter().position(|range| range.to.as_ref().is_none_or(ends)).unwrap_or(ranges.len());
    ranges.iter().take(last.saturating_add(1))
}
