//! The head of a slot: what is true of it at restart. Written with the block it belongs to.
//!
//! Layout, format 1: version u8 | next sequence varint | catalogue version varint | digest u128
//! little endian | number of sources varint | per source: source u32 big endian, next offset
//! zigzag, log time zigzag | number of counters varint | counters varint.

use crate::core::instant::Instant;
use crate::core::position::Source;

use super::{Damage, Input, put_varint, put_zigzag};

const FORMAT: u8 = 1;
const WHAT: &str = "slot head";

/// How far a slot has read one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceHead {
    /// The partition.
    pub source: Source,
    /// The offset to be read next.
    pub next_offset: i64,
    /// Greatest record timestamp read so far.
    pub log_time: Instant,
}

/// The state of one slot that its totals and ids can be derived from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotHead {
    /// Number the slot's next block will have; blocks count from 0.
    pub next_sequence: u64,
    /// Version of the catalogue the slot has folded under.
    pub catalog_version: u64,
    /// Order-independent digest of all accepted rows; its meaning belongs to the engine.
    pub digest: u128,
    /// How far each partition was read, in the order of their numbers.
    pub sources: Vec<SourceHead>,
    /// Counters; their places and meanings belong to the engine.
    pub counters: Vec<u64>,
}

impl SlotHead {
    /// The record as it is on disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_varint(&mut out, self.next_sequence);
        put_varint(&mut out, self.catalog_version);
        out.extend(self.digest.to_le_bytes());
        put_varint(&mut out, self.sources.len() as u64);
        for head in &self.sources {
            out.extend(head.source.0.to_be_bytes());
            put_zigzag(&mut out, head.next_offset);
            put_zigzag(&mut out, head.log_time.0);
        }
        put_varint(&mut out, self.counters.len() as u64);
        for counter in &self.counters {
            put_varint(&mut out, *counter);
        }
        out
    }

    /// Reads a record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input(bytes);
        input.version(FORMAT, WHAT)?;
        let mut head = Self {
            next_sequence: input.varint(WHAT)?,
            catalog_version: input.varint(WHAT)?,
            digest: u128::from_le_bytes(input.array(WHAT)?),
            ..Self::default()
        };
        for _ in 0..input.count(WHAT)? {
            head.sources.push(SourceHead {
                source: Source(u32::from_be_bytes(input.array(WHAT)?)),
                next_offset: input.zigzag(WHAT)?,
                log_time: Instant(input.zigzag(WHAT)?),
            });
        }
        for _ in 0..input.count(WHAT)? {
            head.counters.push(input.varint(WHAT)?);
        }
        input.end(WHAT)?;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn heads_come_back(
            next_sequence: u64,
            catalog_version: u64,
            digest: u128,
            sources: Vec<(u32, i64, i64)>,
            counters: Vec<u64>,
        ) {
            let sources = sources
                .into_iter()
                .map(|(source, next_offset, log_time)| SourceHead {
                    source: Source(source), next_offset, log_time: Instant(log_time),
                })
                .collect();
            let head = SlotHead { next_sequence, catalog_version, digest, sources, counters };
            let bytes = head.to_bytes();
            prop_assert_eq!(SlotHead::from_bytes(&bytes), Ok(head));
            for end in 0..bytes.len() {
                prop_assert!(SlotHead::from_bytes(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = SlotHead::from_bytes(&bytes);
        }
    }

    #[test]
    fn a_head_from_the_future_is_refused() {
        let mut bytes = SlotHead::default().to_bytes();
        bytes[0] = 2;
        assert_eq!(
            SlotHead::from_bytes(&bytes),
            Err(Damage::Newer { what: WHAT, found: 2, known: 1 })
        );
    }
}
