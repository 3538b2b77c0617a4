//! The deterministic state machine: slots, accounts, deduplication, rebuild.
//!
//! It is synchronous, takes everything as arguments and returns what must be done as data.

pub mod ledger;
