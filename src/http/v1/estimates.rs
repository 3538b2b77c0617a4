//! `POST /api/v1/events/estimate_fees`, `…/estimate_instant_fees` and
//! `…/batch_estimate_instant_fees` (specification 9.9).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, post};

use super::{estimates_body, events, events_read};
use crate::http::auth;
use crate::http::backend::Backend;
use crate::http::error::{ApiError, json_response};
use crate::http::json_object;
use crate::http::router::App;

/// The routes of this page; `on` observes each under its name.
pub fn routes<B: Backend>(
    on: impl Fn(&'static str, MethodRouter<Arc<App<B>>>) -> MethodRouter<Arc<App<B>>>,
) -> Router<Arc<App<B>>> {
    let fees = "/api/v1/events/estimate_fees";
    let instant = "/api/v1/events/estimate_instant_fees";
    let batch = "/api/v1/events/batch_estimate_instant_fees";
    Router::new()
        .route(fees, on(fees, post(estimate::<B>)))
        .route(instant, on(instant, post(estimate_instant::<B>)))
        .route(batch, on(batch, post(estimate_instant_batch::<B>)))
}

async fn estimate<B: Backend>(
    State(app): State<Arc<App<B>>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, ApiError> {
    let session = auth::writer(&*app.backend, &headers, events::RESOURCE)?;
    let _place = app.enter()?;
    let mut request = json_object::object(&app.body(request).await?)?;
    let draft = events_read::draft(&json_object::root(&mut request, "event")?);
    let fees = app.backend.estimate_fees(&session, draft, estimates_body::added).await;
    let fees = fees.map_err(|error| events::refuse(error, false))?;
    Ok(json_response(StatusCode::OK, fees))
}

async fn estimate_instant<B: Backend>(
    State(app): State<Arc<App<B>>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, ApiError> {
    let session = auth::writer(&*app.backend, &headers, events::RESOURCE)?;
    let _place = app.enter()?;
    let mut request = json_object::object(&app.body(request).await?)?;
    let draft = events_read::draft(&json_object::root(&mut request, "event")?);
    let print = estimates_body::instants;
    let fees = app.backend.estimate_instant_fees(&session, &[draft], false, print);
    let fees = fees.map_err(|error| events::refuse(error, false))?;
    Ok(json_response(StatusCode::OK, fees))
}

async fn estimate_instant_batch<B: Backend>(
    State(app): State<Arc<App<B>>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, ApiError> {
    let session = auth::writer(&*app.backend, &headers, events::RESOURCE)?;
    let _place = app.enter()?;
    let mut request = json_object::object(&app.body(request).await?)?;
    let drafts = events::batch(request.remove("events"))?;
    let print = estimates_body::instants;
    let fees = app.backend.estimate_instant_fees(&session, &drafts, true, print);
    let fees = fees.map_err(|error| events::refuse(error, false))?;
    Ok(json_response(StatusCode::OK, fees))
}
