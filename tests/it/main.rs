//! Integration tests in one binary, because every further one links RocksDB again.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on fails

mod kafka_log;
mod vectors;
mod vectors_pricing;
mod vectors_tax;
