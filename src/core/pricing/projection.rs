//! What projected units cost (specification 8.2).

use crate::core::catalog::Aggregation;
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;

use super::graduated::Graduated;
use super::package::Package;
use super::percentage::Percentage;
use super::{Model, Quantity, RunningTotals};

impl Model {
    /// What so many projected units cost, in major units, unrounded. None for models that read more
    /// than the units (percentages and dynamic prices): there the present amount is extrapolated.
    pub fn project(&self, units: &Decimal) -> Option<Decimal> {
        if !units.is_positive() && !self.is_extrapolated() {
            return Some(Decimal::ZERO);
        }
        match self {
            Self::Standard(standard) => Some(units * &standard.amount),
            Self::Graduated(graduated) => Some(filled(graduated, units)),
            Self::Package(package) => Some(packages(package, units)),
            Self::Volume(volume) => {
                let quantity = Quantity::new(Aggregation::Sum, units.clone());
                Some(volume.amount(&quantity, false))
            }
            Self::Percentage(_) | Self::GraduatedPercentage(_) | Self::Dynamic => None,
        }
    }

    /// The present amount from which those models are extrapolated: nothing is given away, but
    /// where events are priced one by one.
    pub fn extrapolated(&self, present: &Quantity, prorated: bool, currency: Currency) -> Decimal {
        match self {
            Self::Percentage(percentage) if !percentage.is_bounded() => {
                let free =
                    Percentage { free_events: 0, free_units: Decimal::ZERO, ..percentage.clone() };
                free.plain(&Quantity { running_totals: RunningTotals::EMPTY, ..present.clone() })
            }
            _ => self.amount(present, prorated, currency),
        }
    }

    fn is_extrapolated(&self) -> bool {
        matches!(self, Self::Percentage(_) | Self::GraduatedPercentage(_) | Self::Dynamic)
    }
}

/// Tiers filled from the bottom by their upper bounds alone; a tier that gets nothing costs
/// nothing.
fn filled(graduated: &Graduated, units: &Decimal) -> Decimal {
    let (mut placed, mut total) = (Decimal::ZERO, Decimal::ZERO);
    for range in &graduated.ranges {
        let left = units - &placed;
        let taken = match &range.to {
            Some(to) => left.min(&to.value - &placed),
            None => left,
        };
        if taken.is_positive() {
            total += &(&taken * &range.price + &range.flat);
            placed += &taken;
        }
    }
    total
}

/// Started packages beyond the free units, counted in decimals rather than in doubles.
fn packages(package: &Package, units: &Decimal) -> Decimal {
    let paid = units - &package.free_units;
    if !paid.is_positive() {
        return Decimal::ZERO;
    }
    paid.quo(&package.size).unwrap_or_default().ceil(0) * &package.amount
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pricing::ModelKind;
    use crate::core::value::Value;

    fn dec(text: &str) -> Decimal {
        Decimal::parse_literal(text).unwrap()
    }

    fn object(members: &[(&str, Value)]) -> Value {
        Value::Object(members.iter().map(|(name, value)| ((*name).into(), value.clone())).collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn ranges(name: &str, rows: &[(&str, Option<&str>, &str, &str)]) -> Value {
        let number = |text: &str| Value::Number(text.into());
        let row = |(from, to, price, flat): &(&str, Option<&str>, &str, &str)| {
            object(&[
                ("from_value", number(from)),
                ("to_value", to.map_or(Value::Null, number)),
                ("per_unit_amount", text(price)),
                ("flat_amount", text(flat)),
            ])
        };
        object(&[(name, Value::List(rows.iter().map(row).collect()))])
    }

    #[test]
    fn every_model_prices_projected_units_by_its_rule() {
        let tiers =
            [("0", Some("3"), "4", "1.5"), ("4", Some("8"), "2.5", "0"), ("9", None, "1", "7")];
        let standard = object(&[("amount", text("0.42"))]);
        let package = object(&[
            ("amount", text("7.5")),
            ("package_size", Value::Number("4".into())),
            ("free_units", text("3")),
        ]);
        for (kind, properties, units, expected) in [
            (ModelKind::Standard, &standard, "10", "4.2"),
            (ModelKind::Standard, &standard, "0", "0"),
            (ModelKind::Graduated, &ranges("graduated_ranges", &tiers), "0", "0"),
            (ModelKind::Graduated, &ranges("graduated_ranges", &tiers), "3", "13.5"),
            (ModelKind::Graduated, &ranges("graduated_ranges", &tiers), "3.5", "14.75"),
            (ModelKind::Graduated, &ranges("graduated_ranges", &tiers), "10", "35"),
            (ModelKind::Package, &package, "2", "0"),
            (ModelKind::Package, &package, "3", "0"),
            (ModelKind::Package, &package, "7", "7.5"),
            (ModelKind::Package, &package, "7.01", "15"),
            (ModelKind::Volume, &ranges("volume_ranges", &tiers), "0", "0"),
            (ModelKind::Volume, &ranges("volume_ranges", &tiers), "3", "13.5"),
            (ModelKind::Volume, &ranges("volume_ranges", &tiers), "3.5", "8.75"),
        ] {
            let model = Model::from_properties(kind, properties);
            assert_eq!(model.project(&dec(units)), Some(dec(expected)), "{kind:?} {units}");
        }
        let percentage = object(&[("rate", text("10"))]);
        let percentage = Model::from_properties(ModelKind::Percentage, &percentage);
        assert_eq!((percentage.project(&dec("10")), percentage.project(&dec("0"))), (None, None));
    }
}
