//! Version 1 of Lago's API.

use std::sync::Arc;

use axum::routing::MethodRouter;

use super::backend::Backend;
use super::router::App;

mod billable_metrics;
mod billable_metrics_body;
mod charges;
pub mod current_usage;
pub(super) mod current_usage_body;
mod customers;
mod customers_body;
mod estimates;
mod estimates_body;
pub mod events;
pub(super) mod events_body;
mod events_query;
mod events_read;
pub mod freshness;
mod group;
mod lifetime_usage;
mod organizations;
pub(super) mod parameters;
pub mod past_usage;
mod plans;
mod plans_body;
mod presentation;
pub mod projected_usage;
mod projected_usage_body;
mod subscription_charges;
mod subscriptions;
mod subscriptions_body;
mod taxes;
mod taxes_body;

/// Routes in the form of Lago's documentation (`/api/v1/taxes/:code`), with what answers there.
pub type Routes<B> = Vec<(&'static str, MethodRouter<Arc<App<B>>>)>;

/// The routes of the catalogue (specification chapter 9).
pub fn catalogue_routes<B: Backend>() -> Routes<B> {
    let resources = [
        organizations::routes(),
        taxes::routes(),
        billable_metrics::routes(),
        customers::routes(),
        plans::routes(),
        charges::routes(),
        subscription_charges::routes(),
        subscriptions::routes(),
        lifetime_usage::routes(),
    ];
    resources.into_iter().flatten().collect()
}
