//! The surface over real sockets, with a backend that plays every condition.

mod client;
mod events;
mod limits;
mod mock;
mod ops;
mod requests;
pub mod sample;
