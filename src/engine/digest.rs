//! Digests that are the same on every store and in every run.

use std::hash::Hasher;

use xxhash_rust::xxh3::{Xxh3, xxh3_128_with_seed};

use crate::core::position::Position;

/// Sum, modulo 2^128, of an unkeyed hash of (organisation, subscription, transaction, position)
/// over all events that count. Equal on every store that applied the same records, in whatever
/// order.
///
/// Labels of topics are local to a store and take no part; partition numbers do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u128);

impl Digest {
    /// The share of one event; `names` is the [hash](super::keys::names_hash) of its account's
    /// names.
    #[allow(clippy::cast_possible_truncation)] // the lower half of a hash is a hash
    pub fn of(names: u64, transaction: &str, position: &Position) -> Self {
        let mut bytes = [0_u8; 22];
        bytes[..8].copy_from_slice(&position.log_time.micros().to_le_bytes());
        bytes[8..10].copy_from_slice(&position.source.partition().to_le_bytes());
        bytes[10..18].copy_from_slice(&position.offset.to_le_bytes());
        bytes[18..].copy_from_slice(&position.index.to_le_bytes());
        // Chained seeds keep the boundaries between the names, without building one long key.
        let id = xxh3_128_with_seed(transaction.as_bytes(), names);
        Self(xxh3_128_with_seed(&bytes, id as u64) ^ id)
    }

    /// Events count from now on.
    pub fn add(&mut self, share: Self) {
        self.0 = self.0.wrapping_add(share.0);
    }

    /// Events count no longer.
    pub fn remove(&mut self, share: Self) {
        self.0 = self.0.wrapping_sub(share.0);
    }
}

/// An unkeyed hasher for digests of rules: they enter entity tags, and totals are saved under them.
#[derive(Clone, Default)]
pub struct StableHasher(Xxh3);

impl StableHasher {
    /// The digest so far at full length, for entity tags.
    pub fn finish128(&self) -> u128 {
        self.0.digest128()
    }
}

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.digest()
    }
}
