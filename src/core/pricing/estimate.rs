//! The price of one event alone (pricing details 7).

use crate::core::decimal::Decimal;

use super::Model;

/// Units and amount of an event that nothing stored is looked at for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Its units; 0 when they were negative.
    pub units: Decimal,
    /// What it costs, in major units, unrounded.
    pub amount: Decimal,
}

impl Model {
    /// Prices one event by itself, `units` being rounded by the metric already. None for models other
    /// than standard and percentage, which have no price for an event alone.
    pub fn estimate(&self, units: &Decimal) -> Option<Estimate> {
        let amount = match self {
            Self::Standard(standard) => units * &standard.amount,
            Self::Percentage(percentage) => percentage.one(units),
            _ => return None,
        };
        if units.is_negative() {
            return Some(Estimate { units: Decimal::ZERO, amount: Decimal::ZERO });
        }
        Some(Estimate { units: units.clone(), amount })
    }
}
