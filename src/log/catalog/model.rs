//! Charge models by name.

use super::CodecError;
use crate::core::pricing::{Model, ModelKind};
use crate::core::value::Value;

/// The model's name in requests and answers.
pub(super) const fn name(model: &Model) -> &'static str {
    model.kind().name()
}

/// The model with its prices, as stored properties spell them.
pub(super) fn read(name: &str, properties: &Value) -> Result<Model, CodecError> {
    let unknown = || CodecError::Unreadable { member: "charge_model", text: name.to_owned() };
    let kind = ModelKind::from_name(name).ok_or_else(unknown)?;
    Ok(Model::from_properties(kind, properties))
}
