//! A price per started package of units (specification 6.6, pricing details 4.3).

use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::planted::{Fault, planted};
use crate::core::value::Value;

use super::Quantity;
use super::member::{number, number_or_zero, object, shown, shown_integer};

/// A price per package, after free units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Price of a package.
    pub amount: Decimal,
    /// Units in a package, above 0.
    pub size: Decimal,
    /// Units that cost nothing, taken off before packages are counted.
    pub free_units: Decimal,
}

impl Package {
    pub(super) fn read(properties: &Value) -> Self {
        let size = number(properties.get("package_size")).filter(Decimal::is_positive);
        Self {
            amount: number_or_zero(properties.get("amount")),
            size: size.unwrap_or(Decimal::ONE),
            free_units: number_or_zero(properties.get("free_units")),
        }
    }

    pub(super) fn amount(&self, quantity: &Quantity) -> Decimal {
        let mut units = self.paid_units(quantity);
        if planted(Fault::BegunPackageFree) {
            units = (units - &self.size + Decimal::ONE).max(Decimal::ZERO);
        }
        Double::packages(&units, &self.size) * &self.amount
    }

    /// Units beyond the free ones.
    pub(super) fn paid_units(&self, quantity: &Quantity) -> Decimal {
        (&quantity.units - &self.free_units).max(Decimal::ZERO)
    }

    pub(super) fn details(&self, quantity: &Quantity) -> Value {
        let zero = Decimal::ZERO;
        let paid = self.paid_units(quantity);
        let [free, paid, size, amount] = if quantity.units.is_zero() {
            [&zero; 4]
        } else {
            [&self.free_units, &paid, &self.size, &self.amount]
        };
        object([
            ("free_units", shown(free)),
            ("paid_units", shown(paid)),
            ("per_package_size", shown_integer(size)),
            ("per_package_unit_amount", shown(amount)),
        ])
    }
}
