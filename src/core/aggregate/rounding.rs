//! Rounding of a metric's quantity (specification 5.3).

use crate::core::catalog::{Rounding, RoundingMode};
use crate::core::decimal::Decimal;

/// Rounds a quantity as the metric asks. Without a rounding it passes unchanged.
pub fn round_units(rounding: Option<Rounding>, units: &Decimal) -> Decimal {
    match rounding {
        None => units.clone(),
        Some(Rounding { mode: RoundingMode::Round, precision }) => units.round(precision),
        Some(Rounding { mode: RoundingMode::Ceil, precision }) => units.ceil(precision),
        Some(Rounding { mode: RoundingMode::Floor, precision }) => units.floor(precision),
    }
}
