//! The record of an account in `history`: what has to be known before its chunks are read.
//!
//! Layout, format 1: version u8 | name: 0, or 1 and organisation text, then 0, or 1 and
//! subscription text | number of void positions varint, each a position | number of partial chunks
//! varint, each: first timestamp zigzag, generation varint, number varint, bytes varint.

use std::collections::BTreeSet;

use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::engine::ledger::AccountName;
use crate::store::codec::position::{take_position, write_position};
use crate::store::codec::{Damage, Input, put_bytes, put_varint, put_zigzag};

use super::chunk::ChunkId;

const FORMAT: u8 = 1;
const WHAT: &str = "account record";

/// The names behind an account, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptName {
    /// The tenant.
    pub organization: String,
    /// External subscription id; none for events that carry none.
    pub subscription: Option<String>,
}

impl From<AccountName<'_>> for KeptName {
    fn from(name: AccountName<'_>) -> Self {
        Self {
            organization: name.organization.to_owned(),
            subscription: name.subscription.map(str::to_owned),
        }
    }
}

/// A chunk that may be merged again, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Which one.
    pub id: ChunkId,
    /// Its length.
    pub bytes: u64,
}

/// What is kept of an account beside its chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its names; none until a block has brought them.
    pub name: Option<KeptName>,
    /// Rows in its chunks that do not count any more.
    pub void: BTreeSet<Position>,
    /// Chunks that may be merged again, oldest first.
    pub partial: Vec<Partial>,
}

impl Record {
    /// The record as it is on disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT, u8::from(self.name.is_some())];
        if let Some(name) = &self.name {
            put_bytes(&mut out, name.organization.as_bytes());
            out.push(u8::from(name.subscription.is_some()));
            if let Some(subscription) = &name.subscription {
                put_bytes(&mut out, subscription.as_bytes());
            }
        }
        put_varint(&mut out, self.void.len() as u64);
        for position in &self.void {
            write_position(&mut out, *position);
        }
        put_varint(&mut out, self.partial.len() as u64);
        for Partial { id, bytes } in &self.partial {
            put_zigzag(&mut out, id.first.0);
            put_varint(&mut out, id.generation);
            put_varint(&mut out, u64::from(id.number));
            put_varint(&mut out, *bytes);
        }
        out
    }

    /// Reads a record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input(bytes);
        input.version(FORMAT, WHAT)?;
        let mut record = Self::default();
        if flag(&mut input)? {
            let organization = input.text(WHAT)?.to_owned();
            let named = flag(&mut input)?;
            let subscription = named.then(|| input.text(WHAT).map(str::to_owned)).transpose()?;
            record.name = Some(KeptName { organization, subscription });
        }
        for _ in 0..input.count(WHAT)? {
            record.void.insert(take_position(&mut input)?);
        }
        for _ in 0..input.count(WHAT)? {
            let first = Instant(input.zigzag(WHAT)?);
            let (generation, number) = (input.varint(WHAT)?, input.varint32(WHAT)?);
            let id = ChunkId { first, generation, number };
            record.partial.push(Partial { id, bytes: input.varint(WHAT)? });
        }
        input.end(WHAT)?;
        Ok(record)
    }
}

fn flag(input: &mut Input<'_>) -> Result<bool, Damage> {
    match input.byte(WHAT)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Damage::Unreadable(WHAT)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::position::Source;

    proptest! {
        #[test]
        fn records_come_back(
            name in prop::option::of((any::<String>(), prop::option::of(any::<String>()))),
            void in prop::collection::vec(any::<(i64, u32, i64, u32)>(), 0..5),
            partial in prop::collection::vec(any::<(i64, u64, u32, u64)>(), 0..5),
        ) {
            let record = Record {
                name: name.map(|(organization, subscription)| {
                    KeptName { organization, subscription }
                }),
                void: void
                    .into_iter()
                    .map(|(log_time, source, offset, index)| Position {
                        log_time: Instant(log_time), source: Source(source), offset, index,
                    })
                    .collect(),
                partial: partial
                    .into_iter()
                    .map(|(first, generation, number, bytes)| Partial {
                        id: ChunkId { first: Instant(first), generation, number }, bytes,
                    })
                    .collect(),
            };
            let bytes = record.to_bytes();
            prop_assert_eq!(Record::from_bytes(&bytes), Ok(record));
            for end in 0..bytes.len() {
                prop_assert!(Record::from_bytes(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Record::from_bytes(&bytes);
        }
    }
}
