//! Charge models by name.

use super::CodecError;
use crate::core::pricing::Model;
use crate::core::value::Value;

/// The model's name in requests and answers.
pub(super) fn name(_model: &Model) -> &'static str {
    "standard"
}

/// The model with its prices, as stored properties spell them.
pub(super) fn read(_name: &str, _properties: &Value) -> Result<Model, CodecError> {
    Ok(Model)
}
