//! The one integration binary: every further one would link RocksDB again.
#![allow(clippy::unwrap_used)] // a case that cannot be read must fail its test

mod charge_check;
mod vectors;
mod vectors_boundaries;
mod vectors_charge_validation;
mod vectors_pricing;
mod vectors_tax;
