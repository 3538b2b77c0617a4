//! `POST /api/v1/events`, `POST /api/v1/events/batch`, `GET /api/v1/events[/:transaction_id]`
//! (specification 9.7).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use serde_json::Value;

use super::{estimates, events_body, events_query, events_read};
use crate::http::auth;
use crate::http::backend::{
    Accepted, BATCH_EVENTS_MAX, Backend, Draft, EVENTS_IN_FLIGHT_MAX, EventsError, UsageLimit,
};
use crate::http::error::{ApiError, json_response};
use crate::http::json_object;
use crate::http::query::Query;
use crate::http::router::App;

/// What a key has to be allowed to read or write.
pub(in crate::http) const RESOURCE: &str = "event";
/// Where the record of the accepted events stands: `topic-partition:offset`. A read that asks for
/// `min_offset` with one more has them.
const POSITION: HeaderName = HeaderName::from_static("odometer-position");

const NOT_FOUND: ApiError = ApiError::NotFound("event");

/// The routes of this page; `on` observes each under its name.
pub fn routes<B: Backend>(
    on: impl Fn(&'static str, MethodRouter<Arc<App<B>>>) -> MethodRouter<Arc<App<B>>> + Copy,
) -> Router<Arc<App<B>>> {
    let all = post(create::<B>).get(index::<B>);
    Router::new()
        .route("/api/v1/events", on("/api/v1/events", all))
        .route("/api/v1/events/batch", on("/api/v1/events/batch", post(create_batch::<B>)))
        .route(
            "/api/v1/events/{transaction_id}",
            on("/api/v1/events/:transaction_id", get(show::<B>)),
        )
        .merge(estimates::routes(on))
}

async fn create<B: Backend>(
    State(app): State<Arc<App<B>>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, ApiError> {
    let session = auth::writer(&*app.backend, &headers, RESOURCE)?;
    let _place = app.enter()?;
    let mut request = json_object::object(&app.body(request).await?)?;
    let draft = events_read::draft(&json_object::root(&mut request, "event")?);
    let created = app.backend.create_events(&session, vec![draft], false).await;
    let created = created.map_err(|error| refuse(error, false))?;
    let printed = created.events.first().map(events_body::one).ok_or(ApiError::Internal)?;
    Ok(answer(printed, &created))
}

async fn create_batch<B: Backend>(
    State(app): State<Arc<App<B>>>,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, ApiError> {
    let session = auth::writer(&*app.backend, &headers, RESOURCE)?;
    let _place = app.enter()?;
    let mut request = json_object::object(&app.body(request).await?)?;
    let drafts = batch(request.remove("events"))?;
    let created = app.backend.create_events(&session, drafts, true).await;
    let created = created.map_err(|error| refuse(error, true))?;
    Ok(answer(events_body::many(&created.events, None), &created))
}

/// The events of a batch: some, and not too many.
pub(super) fn batch(events: Option<Value>) -> Result<Vec<Draft>, ApiError> {
    let Some(Value::Array(events)) = events.filter(|events| *events != Value::Array(Vec::new()))
    else {
        return Err(ApiError::Invalid { field: "events", code: "no_events" });
    };
    if events.len() > BATCH_EVENTS_MAX {
        return Err(ApiError::Invalid { field: "events", code: "too_many_events" });
    }
    let draft = |event: &Value| event.as_object().map(events_read::draft).unwrap_or_default();
    Ok(events.iter().map(draft).collect())
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = auth::reader(&*app.backend, &headers, RESOURCE)?;
    let _place = app.enter()?;
    // Bytes that are no text are nobody's id.
    let path = path.map_err(|_| NOT_FOUND)?;
    let id = path.iter().next().map(|(_, id)| id.to_owned()).ok_or(NOT_FOUND)?;
    let found = app.backend.find_event(&session, id).await;
    let found = found.map_err(|error| refuse(error, false))?.ok_or(NOT_FOUND)?;
    Ok(json_response(StatusCode::OK, events_body::one(&found)))
}

async fn index<B: Backend>(
    State(app): State<Arc<App<B>>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = auth::reader(&*app.backend, &headers, RESOURCE)?;
    let _place = app.enter()?;
    let (filter, paging) = events_query::read(&Query::parse(uri.query().unwrap_or(""))?)?;
    let page = app.backend.list_events(&session, filter).await;
    let page = page.map_err(|error| refuse(error, false))?;
    let printed = events_body::many(&page.events, Some((paging, page.total)));
    Ok(json_response(StatusCode::OK, printed))
}

fn answer(body: String, accepted: &Accepted) -> Response {
    let mut response = json_response(StatusCode::OK, body);
    // Names of topics are plain ASCII, so the value always is one.
    if let Ok(position) = HeaderValue::from_str(&accepted.position) {
        response.headers_mut().insert(POSITION, position);
    }
    response
}

/// The answer to what is refused; details by index only for a batch.
pub(in crate::http) fn refuse(error: EventsError, batch: bool) -> ApiError {
    match error {
        EventsError::Invalid(faults) => ApiError::Details(events_body::faults(&faults, batch)),
        EventsError::Overloaded => ApiError::Overloaded { limit: EVENTS_IN_FLIGHT_MAX },
        EventsError::NotReady => ApiError::NotReady,
        EventsError::TooLarge => ApiError::BodyTooLarge,
        EventsError::Off => ApiError::RouteNotFound,
        EventsError::NotFound(resource) => ApiError::NotFound(resource),
        EventsError::LimitExceeded => ApiError::LimitExceeded(UsageLimit::Events),
        EventsError::Internal(reason) => {
            tracing::error!(%reason, "a request about events was not answered");
            ApiError::Internal
        }
    }
}
