//! `GET /api/v1/customers/:external_customer_id/projected_usage` (specification 8.2).

use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::current_usage::{RESOURCE, request, respond};
use super::projected_usage_body::PROJECTED_USAGE;
use super::{parameters, projected_usage_body};
use crate::http::auth;
use crate::http::backend::Backend;
use crate::http::error::ApiError;
use crate::http::openapi::{Operation, Shape};
use crate::http::route::Routes;
use crate::http::router::App;

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let about = "What a subscription will have used at the end of its period, if it goes on so.";
    let answer = Shape::Root("customer_projected_usage", &PROJECTED_USAGE);
    let operation = parameters::described(Operation::new("projectedUsage", about, answer));
    Routes::of(RESOURCE, "/api/v1/customers/:external_customer_id/projected_usage")
        .raw_get(show::<B>, operation)
}

/// Answers like current usage, for tenants that have it switched on. Filters of the request are
/// not looked at.
async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = auth::reader(&*app.backend, &headers, RESOURCE)?;
    if !app.backend.projects(&session) {
        return Err(ApiError::ProjectedUsageNotEnabled);
    }
    let _place = app.enter(&session)?;
    let asked = parameters::read_unfiltered(uri.query().unwrap_or(""))?;
    let request = request(path, asked, &headers)?;
    let answer = app.backend.projected_usage(&session, request, projected_usage_body::print).await;
    Ok(respond(answer.map_err(|error| ApiError::from_usage(error, app.limit()))?))
}
