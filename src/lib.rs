//! Odometer: how much has this subscription used so far, and what does it cost?
//!
//! See `ARCHITECTURE.md` for the map. Dependencies point inwards: `cli` and `http` know `runtime`;
//! `runtime` ties `log` and `store` to `serving` and `engine`; these know `core`, and `core` knows
//! nobody.

pub mod catalog_file;
pub mod cli;
pub mod config;
pub mod core;
pub mod engine;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
pub mod http;
pub mod log;
pub mod runtime;
pub mod serving;
pub mod store;
pub mod telemetry;
