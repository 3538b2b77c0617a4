//! The surface over real sockets, with a backend that plays every condition.

mod billable_metrics;
mod catalogue;
mod charges;
mod client;
mod conformance;
mod customers;
mod events;
mod limits;
mod mock;
mod openapi;
mod ops;
mod organizations;
mod past_usage;
mod plans;
mod requests;
pub mod sample;
mod stories;
mod subscription_charges;
mod subscriptions;
mod taxes;
mod world;
