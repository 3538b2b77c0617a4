//! Odometer: how much has this subscription used so far, and what does it cost?
//!
//! See `ARCHITECTURE.md` for the map. Dependencies point inwards: `http`, `log` and `store` know
//! `runtime`'s types, `serving` and `engine` know `core`, and `core` knows nobody.

pub mod config;
pub mod core;
pub mod engine;
pub mod http;
pub mod log;
pub mod telemetry;
