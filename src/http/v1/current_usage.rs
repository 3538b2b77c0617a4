//! `GET /api/v1/customers/:external_customer_id/current_usage` (specification chapters 1 and 2).

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::current_usage_body::USAGE;
use super::parameters::{self, Asked};
use super::{current_usage_body, freshness};
use crate::http::auth;
use crate::http::backend::{Backend, CurrentUsageRequest, UsageAnswer};
use crate::http::error::{ApiError, json_response};
use crate::http::etag::IfNoneMatch;
use crate::http::openapi::{Operation, Shape};
use crate::http::route::Routes;
use crate::http::router::App;

/// What a key has to be allowed to read.
pub(in crate::http) const RESOURCE: &str = "customer_usage";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let about = "What a subscription has used in its current period, and what it costs.";
    let answer = Shape::Root("customer_usage", &USAGE);
    let operation = parameters::described(Operation::new("currentUsage", about, answer));
    Routes::of(RESOURCE, "/api/v1/customers/:external_customer_id/current_usage")
        .raw_get(show::<B>, operation.with(&parameters::FILTERS))
}

/// Answers in the order of checks of 1.4; what comes after the parameters is the backend's.
async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = auth::reader(&*app.backend, &headers, RESOURCE)?;
    let _place = app.enter(&session)?;
    let asked = parameters::read(uri.query().unwrap_or(""))?;
    let request = request(path, asked, &headers)?;
    let answer = app.backend.current_usage(&session, request, current_usage_body::print).await;
    Ok(respond(answer.map_err(|error| ApiError::from_usage(error, app.limit()))?))
}

/// What is asked of the backend: the customer of the path, the parameters, and known tags.
pub(super) fn request(
    path: Result<RawPathParams, RawPathParamsRejection>,
    asked: Asked,
    headers: &HeaderMap,
) -> Result<CurrentUsageRequest, ApiError> {
    // Bytes that are no text are nobody's id.
    let path = path.map_err(|_| ApiError::CustomerNotFound)?;
    let customer = path.iter().next().map(|(_, id)| id.to_owned());
    Ok(CurrentUsageRequest {
        customer: customer.ok_or(ApiError::CustomerNotFound)?,
        subscription: asked.subscription,
        usage: asked.usage,
        full_usage: asked.full_usage,
        wait_for: asked.wait_for,
        max_staleness: asked.max_staleness,
        if_none_match: if_none_match(headers),
    })
}

/// The answer with the headers of 1.8.
pub(super) fn respond(answer: UsageAnswer) -> Response {
    let mut response = match answer.body {
        Some(body) => json_response(StatusCode::OK, body),
        None => StatusCode::NOT_MODIFIED.into_response(),
    };
    freshness::add_headers(response.headers_mut(), &answer.freshness);
    freshness::add_tag(response.headers_mut(), &answer.freshness);
    response
}

/// The tags that the caller has already.
pub(in crate::http) fn if_none_match(headers: &HeaderMap) -> IfNoneMatch {
    let mut tags = IfNoneMatch::default();
    let values = headers.get_all(header::IF_NONE_MATCH);
    values.iter().filter_map(|value| value.to_str().ok()).for_each(|value| tags.add(value));
    tags
}
