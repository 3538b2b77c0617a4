//! One price for all units, chosen by how many there are (specification 6.6, pricing details 4.4).

use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::value::Value;

use super::Quantity;
use super::member::{object, shown};
use super::range::Range;

/// Ranges in ascending order of their lower bound; the matching one prices every unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The ranges, at least one.
    pub ranges: Vec<Range>,
}

impl Volume {
    pub(super) fn read(properties: &Value) -> Self {
        let mut ranges = Range::list(properties, "volume_ranges", "per_unit_amount");
        ranges.sort_by(|a, b| a.from.value.cmp(&b.from.value));
        Self { ranges }
    }

    pub(super) fn amount(&self, quantity: &Quantity, prorated: bool) -> Decimal {
        let (price, flat) = self.prices(volume(quantity, prorated));
        &quantity.units * price + flat
    }

    pub(super) fn details(&self, quantity: &Quantity, prorated: bool) -> Value {
        let volume = volume(quantity, prorated);
        let (price, flat) = self.prices(volume);
        let total = &quantity.units * price;
        let average = if quantity.metric == Aggregation::Count && !volume.is_zero() {
            let quotient = Double::from_decimal(&total) / Double::from_decimal(volume);
            Value::Text(quotient.to_string())
        } else {
            // No average over no units: a quotient by 0 is shown as 0.
            shown(&Double::from_decimal(&total).fd().quo(volume).unwrap_or_default())
        };
        object([
            ("flat_unit_amount", shown(&flat)),
            ("per_unit_amount", average),
            ("per_unit_total_amount", shown(&total)),
        ])
    }

    /// Unit price and flat fee of the matching range. A quantity in a hole between ranges belongs to
    /// the next higher one, a negative one to the first (pricing details 12).
    fn prices(&self, volume: &Decimal) -> (Decimal, Decimal) {
        let ceiling = volume.ceil(0);
        let holds = |range: &&Range| {
            range.from.value <= ceiling && range.to.as_ref().is_none_or(|to| *volume <= to.value)
        };
        let next = |range: &&Range| range.from.value > *volume;
        let range = self.ranges.iter().find(holds);
        let range = range.or_else(|| self.ranges.iter().find(next)).or(self.ranges.last());
        range.map(|range| (range.price.clone(), range.flat.clone())).unwrap_or_default()
    }
}

/// The units that choose the range: of a prorated charge the ones before proration.
pub(super) fn volume(quantity: &Quantity, prorated: bool) -> &Decimal {
    if prorated { quantity.full_or_units() } else { &quantity.units }
}
