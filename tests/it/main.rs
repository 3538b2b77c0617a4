//! Integration tests in one binary, because every further one links RocksDB again.
#![allow(clippy::unwrap_used)] // a case that cannot be read must fail its test

mod vectors;
mod vectors_boundaries;
mod vectors_pricing;
mod vectors_tax;
