//! One price per unit.

use crate::core::decimal::Decimal;
use crate::core::value::Value;

use super::Quantity;
use super::member::number_or_zero;

/// A price per unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standard {
    /// Price of a unit.
    pub amount: Decimal,
}

impl Standard {
    pub(super) fn read(properties: &Value) -> Self {
        Self { amount: number_or_zero(properties.get("amount")) }
    }

    pub(super) fn amount(&self, quantity: &Quantity) -> Decimal {
        &quantity.units * &self.amount
    }
}
