//! Version 1 of Lago's API.

use super::backend::Backend;
use super::route::{Route, Routes};

mod billable_metrics;
mod billable_metrics_body;
mod charges;
pub mod current_usage;
pub(super) mod current_usage_body;
mod customers;
mod customers_body;
mod estimates;
mod estimates_body;
mod estimates_shape;
pub mod events;
pub(super) mod events_body;
mod events_query;
mod events_read;
pub mod freshness;
mod group;
mod lifetime_usage;
mod organizations;
pub(super) mod parameters;
mod past_usage;
mod plans;
mod plans_body;
mod plans_input;
mod presentation;
mod projected_usage;
mod projected_usage_body;
mod subscription_charges;
mod subscriptions;
mod subscriptions_body;
mod taxes;
mod taxes_body;

/// The routes of the catalogue (specification chapter 9), of usage and of events.
pub fn routes<B: Backend>() -> Vec<Route<B>> {
    let resources = [
        organizations::routes(),
        taxes::routes(),
        billable_metrics::routes(),
        customers::routes(),
        plans::routes(),
        charges::routes(),
        subscription_charges::routes(),
        subscriptions::routes(),
        current_usage::routes(),
        projected_usage::routes(),
        past_usage::routes(),
        events::routes(),
        lifetime_usage::routes(),
    ];
    resources.into_iter().flat_map(Routes::into_inner).collect()
}
