//! `POST /odometer/v1/usage/query`: usage of many subscriptions of many customers in one answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;

use super::usage::{SUBSCRIPTIONS_MAX, add_headers, elements};
use super::usage_body;
use crate::core::value::Value;
use crate::http::backend::Backend;
use crate::http::error::{ApiError, json_response};
use crate::http::router::App;
use crate::http::v1::current_usage::RESOURCE;
use crate::http::v1::parameters;
use crate::http::{auth, body};

/// The member that holds the pairs.
const ROOT: &str = "queries";

/// Answers every pair as the single call would, in the order of the request. It only reads, so the
/// key need not be allowed to write.
pub async fn query<B: Backend>(
    State(app): State<Arc<App<B>>>,
    uri: Uri,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, ApiError> {
    let session = auth::reader(&*app.backend, &headers, RESOURCE)?;
    let asked = parameters::read(uri.query().unwrap_or(""))?;
    let body = app.body(&session, request).await?;
    let _place = app.enter(&session)?;
    let pairs = pairs(&body::read(&body)?)?;
    let elements = elements(&app, &session, &pairs, &asked, false).await;
    let mut whole = usage_body::freshness(&elements, None);
    // What a tag names could not be asked for again: a POST is never answered with 304.
    whole.etag = None;
    let mut response = json_response(StatusCode::OK, usage_body::print(&elements, None)?);
    add_headers(response.headers_mut(), &whole);
    Ok(response)
}

/// Reads `{"queries":[{"external_customer_id":…,"external_subscription_id":…}]}`.
fn pairs(body: &Value) -> Result<Vec<(String, Option<String>)>, ApiError> {
    let queries = body.get(ROOT).as_list().ok_or(ApiError::missing_root(ROOT))?;
    if queries.is_empty() {
        return Err(ApiError::missing_root(ROOT));
    }
    if queries.len() > SUBSCRIPTIONS_MAX {
        return Err(ApiError::Invalid { field: ROOT, code: "value_is_out_of_range" });
    }
    queries.iter().map(pair).collect()
}

fn pair(query: &Value) -> Result<(String, Option<String>), ApiError> {
    let text = |name: &'static str| match query.get(name) {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.clone())),
        Value::Bool(_) | Value::List(_) | Value::Object(_) => Err(ApiError::malformed(name)),
    };
    let customer = text("external_customer_id")?;
    let missing = ApiError::Invalid { field: "external_customer_id", code: "value_is_mandatory" };
    Ok((customer.ok_or(missing)?, text("external_subscription_id")?))
}
