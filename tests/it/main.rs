//! Integration tests in one binary, because every further one links RocksDB again.

mod vectors;
mod vectors_pricing;
mod vectors_tax;
