//! Gaps that somebody has accepted: which records will never be read, who said so, and why.
//!
//! Layout, format 1: version u8 | topic text | partition varint | reason text | expected zigzag |
//! low zigzag | high zigzag | from zigzag | records varint | log time zigzag | by text | note text;
//! texts with their lengths.

use rocksdb::WriteBatch;

use super::codec::{Damage, Input, put_bytes, put_varint, put_zigzag};
use super::error::StoreError;
use super::keys::{Family, Key, MetaKey};
use super::rocks::Store;
use crate::core::instant::Instant;

const FORMAT: u8 = 1;
const WHAT: &str = "accepted gap";

/// A gap that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u16,
    /// Why the partition stood still, in one word such as `offset_gone`.
    pub reason: String,
    /// The offset that was wanted.
    pub expected: i64,
    /// The first offset that the log had then.
    pub low: i64,
    /// The offset after the last one that the log had then.
    pub high: i64,
    /// The offset from which reading goes on.
    pub from: i64,
    /// Offsets that are known to be passed over; a topic that is gone may have held more.
    pub records: u64,
    /// When it was accepted.
    pub at: Instant,
    /// Who has accepted it, in his own words.
    pub by: String,
    /// Why it may be accepted, in his own words.
    pub note: String,
}

impl Gap {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_bytes(&mut out, self.topic.as_bytes());
        put_varint(&mut out, u64::from(self.partition));
        put_bytes(&mut out, self.reason.as_bytes());
        for offset in [self.expected, self.low, self.high, self.from] {
            put_zigzag(&mut out, offset);
        }
        put_varint(&mut out, self.records);
        put_zigzag(&mut out, self.at.0);
        put_bytes(&mut out, self.by.as_bytes());
        put_bytes(&mut out, self.note.as_bytes());
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input(bytes);
        input.version(FORMAT, WHAT)?;
        let topic = input.text(WHAT)?.to_owned();
        let partition = u16::try_from(input.varint(WHAT)?);
        let gap = Self {
            topic,
            partition: partition.map_err(|_| Damage::Unreadable(WHAT))?,
            reason: input.text(WHAT)?.to_owned(),
            expected: input.zigzag(WHAT)?,
            low: input.zigzag(WHAT)?,
            high: input.zigzag(WHAT)?,
            from: input.zigzag(WHAT)?,
            records: input.varint(WHAT)?,
            at: Instant(input.zigzag(WHAT)?),
            by: input.text(WHAT)?.to_owned(),
            note: input.text(WHAT)?.to_owned(),
        };
        input.end(WHAT)?;
        Ok(gap)
    }
}

impl Store {
    /// All gaps that were ever accepted, oldest first.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn gaps(&self) -> Result<Vec<Gap>, StoreError> {
        const OPERATION: &str = "reading the accepted gaps";
        let prefix = Key::Meta(MetaKey::Gap(0)).to_bytes();
        let mut walk = self.walk(Family::Meta, prefix.get(..1).unwrap_or_default())?;
        walk.seek_to_first();
        let mut gaps = Vec::new();
        while let Some((_, value)) = walk.item() {
            gaps.push(Gap::from_bytes(value).map_err(self.damaged(OPERATION))?);
            walk.next();
        }
        walk.status().map_err(self.engine(OPERATION))?;
        Ok(gaps)
    }

    /// Adds a gap. Commits are one after the other, so the count is the next number.
    pub(super) fn put_gap(&self, batch: &mut WriteBatch, gap: &Gap) -> Result<(), StoreError> {
        let number = self.gaps()?.len() as u64;
        self.put(batch, Key::Meta(MetaKey::Gap(number)), gap.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gaps_come_back(
            texts: [String; 4], offsets: [i64; 4], partition: u16, records: u64, at: i64,
        ) {
            let [topic, reason, by, note] = texts;
            let [expected, low, high, from] = offsets;
            let at = Instant(at);
            let gap = Gap {
                topic, partition, reason, expected, low, high, from, records, at, by, note,
            };
            let bytes = gap.to_bytes();
            prop_assert_eq!(Gap::from_bytes(&bytes), Ok(gap));
            for end in 0..bytes.len() {
                prop_assert!(Gap::from_bytes(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Gap::from_bytes(&bytes);
        }
    }
}
