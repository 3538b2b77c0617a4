//! Routes of the test mode. They exist only in a service started with `--test-clock`.
//!
//! * `PUT /odometer/test/clock` with `{"now":"2024-03-15T12:00:00Z"}`, which is the answer too.
//! * `POST /odometer/test/seed` with `{"catalog":[…],"events":[…]}`, answered by
//!   `{"catalog_version":1,"offsets":"odometer_events-0:2"}` once the records are in force.
//!
//! Every item of `catalog` is a catalogue record, every item of `events` a record as producers
//! write it; both are appended to their log as they stand.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{ApiError, json_response};
use super::json;
use crate::core::period::text;
use crate::runtime::test_clock::{SeedError, TestClock};

/// Largest body: a whole test case with room to spare.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Where seeded events go, as offsets name it.
const EVENTS_PARTITION: &str = "odometer_events-0";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    now: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed<'a> {
    #[serde(default, borrow)]
    catalog: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    events: Vec<&'a RawValue>,
}

/// The routes over a service in test mode.
pub fn routes(clock: Arc<TestClock>) -> Router {
    Router::new()
        .route("/odometer/test/clock", put(set))
        .route("/odometer/test/seed", post(seed))
        .with_state(clock)
}

async fn set(State(clock): State<Arc<TestClock>>, body: Body) -> Result<Response, ApiError> {
    let body = read(body).await?;
    let asked: Set = serde_json::from_slice(&body).map_err(|_| ApiError::malformed("now"))?;
    let now = text::parse(&asked.now).map_err(|_| ApiError::malformed("now"))?;
    clock.set(now);
    let mut out = String::from("{\"now\":");
    json::string(&mut out, &asked.now);
    out.push('}');
    Ok(json_response(StatusCode::OK, out))
}

async fn seed(State(clock): State<Arc<TestClock>>, body: Body) -> Result<Response, ApiError> {
    let body = read(body).await?;
    let asked: Seed<'_> = serde_json::from_slice(&body).map_err(|_| ApiError::malformed("seed"))?;
    let bytes = |records: &[&RawValue]| -> Vec<Vec<u8>> {
        records.iter().map(|record| record.get().as_bytes().to_vec()).collect()
    };
    let (catalog, events) = (bytes(&asked.catalog), bytes(&asked.events));
    let catalog: Vec<&[u8]> = catalog.iter().map(Vec::as_slice).collect();
    let events: Vec<&[u8]> = events.iter().map(Vec::as_slice).collect();
    let seeded = match clock.seed(&catalog, &events).await {
        Ok(seeded) => seeded,
        Err(error) => {
            tracing::warn!(%error, "nothing was seeded");
            return Ok(match error {
                SeedError::Catalog { .. } => ApiError::malformed("catalog"),
                SeedError::Store(_) => ApiError::Internal,
                SeedError::NotApplied => ApiError::NotReady,
            }
            .into_response());
        }
    };
    let (version, end) = (seeded.catalog_version, seeded.events_end);
    let out = format!("{{\"catalog_version\":{version},\"offsets\":\"{EVENTS_PARTITION}:{end}\"}}");
    Ok(json_response(StatusCode::OK, out))
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| ApiError::BodyTooLarge)
}
