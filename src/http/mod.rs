//! The HTTP surface: reads requests, prints Lago's JSON, and knows nothing else.
//!
//! Whatever an answer is made of comes from a [`Backend`]. Only this folder names axum and hyper.
//!
//! The way of a request: `server` bounds connections and time, `router` cleans the path, bounds
//! sizes, counts and turns panics into answers, a handler in `v1` or `ops` reads and prints,
//! and `error` is the one table from conditions to statuses and bodies.

mod auth;
pub mod backend;
mod body;
mod call;
mod error;
pub mod etag;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod guard;
mod json;
mod linger;
pub mod live;
mod odometer;
mod openapi;
pub mod operator;
pub mod operator_body;
mod ops;
mod page;
mod path;
mod patience;
mod query;
mod room;
mod route;
mod router;
mod server;
pub mod test_clock;
#[cfg(test)]
mod tests;
mod v1;

pub use backend::Backend;
pub use server::{serve, serve_with};
pub use v1::current_usage_body::print as print_current_usage;
