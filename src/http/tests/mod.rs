//! The surface over real sockets, with a backend that plays every condition.

mod billable_metrics;
mod catalogue;
mod client;
mod customers;
mod limits;
mod mock;
mod ops;
mod organizations;
mod requests;
pub mod sample;
mod taxes;
mod world;
