//! The surface over real sockets, with a backend that plays every condition.

mod catalogue;
mod client;
mod limits;
mod mock;
mod ops;
mod requests;
pub mod sample;
mod taxes;
mod world;
