//! Bodies of requests as JSON objects that keep what was sent: those of events, which are passed
//! on.

use serde_json::{Map, Value};

use super::error::ApiError;

/// Reads a whole body. One without a byte is an empty object.
///
/// # Errors
///
/// [`ApiError::BadRequest`] if it is no JSON object.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(ApiError::BadRequest("Error occurred while parsing request parameters".into())),
    }
}

/// The member that everything else of a request is in.
///
/// # Errors
///
/// [`ApiError::BadRequest`] if it is missing, empty or no object.
pub fn root(body: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, ApiError> {
    match body.remove(name) {
        Some(Value::Object(members)) if !members.is_empty() => Ok(members),
        _ => Err(ApiError::missing_root(name)),
    }
}
