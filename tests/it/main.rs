//! Integration tests in one binary, because every further one links RocksDB again.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a case that cannot be read must fail its test

mod aggregation_store;
mod usage_inputs;
mod vectors;
mod vectors_aggregation;
mod vectors_boundaries;
mod vectors_charge_fee;
mod vectors_filter_match;
mod vectors_pricing;
mod vectors_tax;
