//! The pure core: what usage is and what it costs.
//!
//! Nothing here does IO, reads a clock, takes a lock or knows a wire format. Time is an argument.

pub mod aggregate;
pub mod catalog;
pub mod currency;
pub mod decimal;
pub mod double;
pub mod event;
pub mod event_check;
pub mod expression;
pub mod instant;
pub mod matching;
pub mod period;
pub mod planted;
pub mod position;
pub mod pricing;
pub mod properties;
pub mod tax;
pub mod usage;
pub mod value;
