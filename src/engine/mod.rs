//! The deterministic state machine: slots, accounts, deduplication, rebuild.
//!
//! It is synchronous, takes everything as arguments and returns what must be done as data.

pub mod account;
pub mod batch;
pub mod counters;
pub mod dedup;
pub mod digest;
pub mod draft;
pub mod duplicates;
pub mod frame;
pub mod isolate;
pub mod keys;
pub mod ledger;
pub mod noted;
pub mod progress;
pub mod shape;
pub mod slot;
pub mod totals;
pub mod window;

#[cfg(test)]
mod tests;
