//! Doubles (placeholder until the numbers land).
/// Double.
#[derive(Clone, Debug, PartialEq)]
pub struct Double;
