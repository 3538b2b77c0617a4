//! `GET /odometer/v1/events/:transaction_id/story`: why an event counts, or does not.

use axum::response::Response;

use super::story_body;
use crate::http::backend::{Backend, Found};
use crate::http::call::{Call, answer_text};
use crate::http::error::ApiError;
use crate::http::v1::events::refuse;

/// Tells where the events with a transaction id went: of the subscription that
/// `external_subscription_id` names, or of all.
pub async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let query = call.query()?;
    let subscription = query.text("external_subscription_id")?.map(str::to_owned);
    let transaction = call.name(0);
    let print = story_body::print;
    let found = call.app.backend.story(&call.session, transaction, subscription, print).await;
    match found.map_err(|error| refuse(error, false))? {
        Found::Told(body) => Ok(answer_text(body)),
        Found::Nothing { looked_at, kept } => {
            Err(ApiError::StoryNotFound { refused: (looked_at, kept) })
        }
    }
}
