//! Exact decimals (placeholder until the numbers land).
/// Decimal.
#[derive(Clone, Debug, PartialEq)]
pub struct Decimal;
