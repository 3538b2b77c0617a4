//! `POST /api/v1/events`, `POST /api/v1/events/batch`, `GET /api/v1/events[/:transaction_id]`
//! (specification 9.7).

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use super::events_body::EVENT;
use super::{estimates, events_body, events_query, events_read};
use crate::core::value::Value;
use crate::http::backend::{
    Accepted, BATCH_EVENTS_MAX, Backend, Draft, EVENTS_IN_FLIGHT_MAX, EventsError, UsageLimit,
};
use crate::http::body;
use crate::http::call::{Call, answer_text};
use crate::http::error::ApiError;
use crate::http::openapi::{FIGURE, Headers, Named, Operation, Schema, Shape, one, page, query};
use crate::http::route::Routes;

/// What a key has to be allowed to read or write.
pub(in crate::http) const RESOURCE: &str = "event";
/// Where the record of the accepted events stands: `topic-partition:offset`. A read that asks for
/// `min_offset` with one more has them.
const POSITION: HeaderName = HeaderName::from_static("odometer-position");

const WRITTEN: Headers =
    &[("Odometer-Position", "Where the record of the events stands.", Schema::Text)];

/// What is read of an event.
pub(super) static EVENT_INPUT: Named = Named(
    "EventInput",
    Schema::Input(
        &["transaction_id", "external_subscription_id", "code"],
        &[
            ("transaction_id", Schema::Text),
            ("external_subscription_id", Schema::Text),
            ("code", Schema::Text),
            ("timestamp", FIGURE),
            ("precise_total_amount_cents", FIGURE),
            ("properties", Schema::Map(&Schema::Any)),
        ],
    ),
);
/// What is read of a batch.
pub(super) const BATCH: Shape = Shape::Whole(Schema::Input(
    &["events"],
    &[("events", Schema::List(&Schema::Ref(&EVENT_INPUT)))],
));
const ACCEPTED: Shape =
    Shape::Whole(Schema::Object(&[("events", Schema::List(&Schema::Ref(&EVENT)))]));

/// The routes of this page and of estimates.
pub fn routes<B: Backend>() -> Routes<B> {
    let filters = [
        query("code", "Of this metric only.", Schema::Text),
        query("external_subscription_id", "Of this subscription only.", Schema::Text),
        query("timestamp_from", "Not before.", Schema::Text),
        query("timestamp_to", "Not after.", Schema::Text),
        query("timestamp_from_started_at", "From the subscription's start.", Schema::Flag),
    ];
    let routes = Routes::of(RESOURCE, "/api/v1/events")
        .post(
            create,
            one("createEvent", "Accepts an event.", "event", &EVENT)
                .reads(Shape::Root("event", &EVENT_INPUT))
                .tells(WRITTEN),
        )
        .get(index, page("listEvents", "Lists events.", "events", &EVENT).with(&filters).or(&[404]))
        .at("/api/v1/events/batch")
        .post(
            create_batch,
            Operation::new("createEvents", "Accepts up to 100 events, all or none.", ACCEPTED)
                .reads(BATCH)
                .tells(WRITTEN),
        )
        .at("/api/v1/events/:transaction_id")
        .get(show, one("showEvent", "Shows an event.", "event", &EVENT));
    estimates::add_to(routes)
}

async fn create<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let draft = events_read::draft(&body::root(call.events()?, "event")?);
    let created = call.app.backend.create_events(&call.session, vec![draft], false).await;
    let created = created.map_err(|error| refuse(error, false))?;
    let printed = created.events.first().map(events_body::one).ok_or(ApiError::Internal)?;
    Ok(answer(printed, &created))
}

async fn create_batch<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let drafts = batch(call.events()?)?;
    let created = call.app.backend.create_events(&call.session, drafts, true).await;
    let created = created.map_err(|error| refuse(error, true))?;
    Ok(answer(events_body::many(&created.events, None), &created))
}

/// The events of a batch: some, and not too many.
pub(super) fn batch(body: Value) -> Result<Vec<Draft>, ApiError> {
    let Some(Value::List(events)) = body::member(body, "events").filter(|events| !is_empty(events))
    else {
        return Err(ApiError::Invalid { field: "events", code: "no_events" });
    };
    if events.len() > BATCH_EVENTS_MAX {
        return Err(ApiError::Invalid { field: "events", code: "too_many_events" });
    }
    Ok(events.iter().map(events_read::draft).collect())
}

fn is_empty(events: &Value) -> bool {
    events.as_list().is_some_and(<[Value]>::is_empty)
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let found = call.app.backend.find_event(&call.session, call.name(0)).await;
    let found = found.map_err(|error| refuse(error, false))?.ok_or(call.not_found())?;
    Ok(answer_text(events_body::one(&found)))
}

async fn index<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (filter, paging) = events_query::read(&call.query()?)?;
    let page = call.app.backend.list_events(&call.session, filter).await;
    let page = page.map_err(|error| refuse(error, false))?;
    Ok(answer_text(events_body::many(&page.events, Some((paging, page.total)))))
}

fn answer(body: String, accepted: &Accepted) -> Response {
    let mut response = answer_text(body);
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
