//! Pricing (placeholder until the models land).
/// Model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model;
