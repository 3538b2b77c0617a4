//! What operators see: log lines and metrics.
//!
//! A thing worth telling is a type in [`events`] whose `emit` writes the log line and the metric
//! together. Hot paths do not use events: they add up per batch and touch the handles of
//! [`metrics::Metrics`] once.

pub mod events;
pub mod logging;
pub mod metrics;
pub mod names;
mod process;

pub use events::Emit;
pub use metrics::{CONTENT_TYPE, Metrics};
