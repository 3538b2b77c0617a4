//! What is accepted when a charge is saved (charge properties; sections are that page's).

mod charge;
mod code;
mod errors;
mod filter;
mod grouping;
mod prepare;
mod properties;
mod ranges;

use crate::core::value::Value;

pub use charge::{ChargeDraft, MetricTraits, check_charge};
pub use code::charge_code;
pub use errors::Errors;
pub use filter::{ALL_FILTER_VALUES, check_filter_values, filter_values};
pub use grouping::{presentation_group_keys, pricing_group_keys};
pub use prepare::{members_of, prepare_charge, prepare_filter, without_nulls};
pub use properties::check_properties;

/// The names of the charge models, as requests spell them.
pub const MODELS: [&str; 8] = [
    "standard",
    "graduated",
    "volume",
    "package",
    "percentage",
    "graduated_percentage",
    "dynamic",
    "custom",
];

/// Whether a value counts as not given: null, `false`, an empty list or object, or a text of white
/// space alone (section 1).
pub fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::Text(text) => text.chars().all(char::is_whitespace),
        Value::List(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}
