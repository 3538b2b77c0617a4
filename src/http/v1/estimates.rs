//! `POST /api/v1/events/estimate_fees`, `…/estimate_instant_fees` and
//! `…/batch_estimate_instant_fees` (specification 9.9).

use axum::response::Response;

use super::estimates_shape::{ADDED, INSTANT};
use super::events::{BATCH, EVENT_INPUT};
use super::{estimates_body, events, events_read};
use crate::http::backend::{Backend, Draft};
use crate::http::body;
use crate::http::call::{Call, answer_text};
use crate::http::error::ApiError;
use crate::http::openapi::{Operation, Schema, Shape};
use crate::http::route::Routes;

const ONE: Shape = Shape::Root("event", &EVENT_INPUT);
const FEES: Shape = Shape::Whole(Schema::Object(&[("fees", Schema::List(&Schema::Ref(&ADDED)))]));
const INSTANT_FEES: Shape =
    Shape::Whole(Schema::Object(&[("fees", Schema::List(&Schema::Ref(&INSTANT)))]));

/// Adds the routes of this page.
pub fn add_to<B: Backend>(routes: Routes<B>) -> Routes<B> {
    routes
        .at("/api/v1/events/estimate_fees")
        .post(
            estimate,
            Operation::new("estimateFees", "What an event would add to what is stored.", FEES)
                .reads(ONE),
        )
        .at("/api/v1/events/estimate_instant_fees")
        .post(
            estimate_instant,
            Operation::new("estimateInstantFees", "What an event costs by itself.", INSTANT_FEES)
                .reads(ONE),
        )
        .at("/api/v1/events/batch_estimate_instant_fees")
        .post(
            estimate_instant_batch,
            Operation::new(
                "batchEstimateInstantFees",
                "What events cost by themselves.",
                INSTANT_FEES,
            )
            .reads(BATCH),
        )
}

async fn estimate<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let draft = events_read::draft(&body::root(call.events()?, "event")?);
    let fees = call.app.backend.estimate_fees(&call.session, draft, estimates_body::added).await;
    Ok(answer_text(fees.map_err(|error| events::refuse(error, false))?))
}

async fn estimate_instant<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let draft = events_read::draft(&body::root(call.events()?, "event")?);
    instant(&call, &[draft], false)
}

async fn estimate_instant_batch<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    instant(&call, &events::batch(call.events()?)?, true)
}

fn instant<B: Backend>(
    call: &Call<B>,
    drafts: &[Draft],
    batch: bool,
) -> Result<Response, ApiError> {
    let print = estimates_body::instants;
    let fees = call.app.backend.estimate_instant_fees(&call.session, drafts, batch, print);
    Ok(answer_text(fees.map_err(|error| events::refuse(error, false))?))
}
