//! Version 1 of Lago's API.

pub mod current_usage;
mod current_usage_body;
mod estimates;
mod estimates_body;
pub mod events;
mod events_body;
mod events_query;
mod events_read;
pub mod freshness;
mod group;
mod parameters;
mod presentation;
pub mod projected_usage;
mod projected_usage_body;
