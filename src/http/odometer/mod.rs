//! Routes of our own, beside Lago's: stories of events, and usage of many subscriptions at once.

mod story;
mod story_body;
mod usage;
mod usage_body;
mod usage_query;

use axum::routing::{get, post};

use super::backend::Backend;
use super::v1::Routes;

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![
        ("/odometer/v1/events/:transaction_id/story", get(story::show::<B>)),
        ("/odometer/v1/customers/:external_customer_id/usage", get(usage::show::<B>)),
        ("/odometer/v1/usage/query", post(usage_query::query::<B>)),
    ]
}
