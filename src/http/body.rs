//! Bodies of requests.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::config;

/// Reads a body as JSON, within the settings' bounds on bytes and time.
///
/// # Errors
///
/// [`ApiError::BodyTooLarge`], [`ApiError::RequestTimeout`], or [`ApiError::BadRequest`] if it is
/// no JSON object. A body without a byte is an empty object.
pub async fn object(settings: &config::Http, body: Body) -> Result<Map<String, Value>, ApiError> {
    let wait = Duration::from_millis(settings.read_timeout_ms);
    let read = tokio::time::timeout(wait, to_bytes(body, settings.request_bytes_max)).await;
    let bytes = read.map_err(|_| ApiError::RequestTimeout)?;
    // Whoever breaks off does not see the answer, so every failure may be told as the bound.
    let bytes = bytes.map_err(|_| ApiError::BodyTooLarge)?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&bytes) {
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
        _ => Err(ApiError::BadRequest(format!(
            "BadRequest: param is missing or the value is empty or invalid: {name}"
        ))),
    }
}
