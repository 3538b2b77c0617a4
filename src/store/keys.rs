//! Every key the store keeps, in one place.
//!
//! Ordinals and layouts are part of the format: they are never reused and never changed, only added
//! to. Integers are big endian, so that keys sort as their numbers do.

use crate::core::instant::Instant;
use crate::engine::ledger::AccountKey;

use super::codec::put_varint;
use super::history::ChunkId;

/// A column family. Each has its own shape of keys and its own tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Sealed blocks: the write-ahead log of everything below.
    Tail,
    /// Chunks merged from tails, by account and time.
    History,
    /// Where the event with a transaction id stands: judge of duplicates.
    Ids,
    /// Saved totals, one entry an account.
    Totals,
    /// Entities of the catalogue with their versions.
    Catalog,
    /// Records that were refused, with their bytes.
    Rejected,
    /// What must leave the process, until it is acknowledged.
    Outbox,
    /// Small records by name: format, heads, sources, cursors.
    Meta,
    /// The embedded log.
    Log,
}

impl Family {
    /// All of them, in the order in which they are opened.
    pub const ALL: [Self; 9] = [
        Self::Tail,
        Self::History,
        Self::Ids,
        Self::Totals,
        Self::Catalog,
        Self::Rejected,
        Self::Outbox,
        Self::Meta,
        Self::Log,
    ];

    /// The name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tail => "tail",
            Self::History => "history",
            Self::Ids => "ids",
            Self::Totals => "totals",
            Self::Catalog => "catalog",
            Self::Rejected => "rejected",
            Self::Outbox => "outbox",
            Self::Meta => "meta",
            Self::Log => "log",
        }
    }
}

/// The embedded logs, by their ordinals on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LogName {
    /// Usage events.
    Events = 0,
    /// Catalogue records.
    Catalog = 1,
}

impl LogName {
    /// Both of them, by ordinal.
    pub const ALL: [Self; 2] = [Self::Events, Self::Catalog];
}

/// Key of one transaction id in the `ids` family; ordered as it is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey {
    /// The slot of the account.
    pub slot: u8,
    /// Keyed hash of (organisation, transaction): finds a transaction whatever its subscription.
    pub transaction: u64,
    /// Keyed hash of (organisation, external subscription id, transaction).
    pub id: u128,
}

impl IdKey {
    /// Length on disk: slot, 8 bytes of transaction hash, 16 bytes of id hash.
    pub const BYTES: usize = 25;

    /// The key as it is on disk.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.slot;
        bytes[1..9].copy_from_slice(&self.transaction.to_be_bytes());
        bytes[9..].copy_from_slice(&self.id.to_be_bytes());
        bytes
    }

    /// Reads a key from disk; none if the length is another.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (slot, rest) = bytes.split_first()?;
        let (transaction, id) = rest.split_at_checked(8)?;
        Some(Self {
            slot: *slot,
            transaction: u64::from_be_bytes(transaction.try_into().ok()?),
            id: u128::from_be_bytes(id.try_into().ok()?),
        })
    }
}

/// One key of any family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// `tail`: slot u8 | sequence u64.
    Tail {
        /// The slot.
        slot: u8,
        /// Number of the block in its slot.
        sequence: u64,
    },
    /// `history`: slot u8 | account u128: the account's record, before its chunks.
    Record {
        /// The slot.
        slot: u8,
        /// The account.
        account: AccountKey,
    },
    /// `history`: slot u8 | account u128 | first timestamp i64 with its sign bit turned, so that
    /// it sorts | generation u64 | number u32.
    History {
        /// The slot.
        slot: u8,
        /// The account.
        account: AccountKey,
        /// The chunk.
        chunk: ChunkId,
    },
    /// `ids`: slot u8 | transaction hash u64 | id hash u128.
    Id(IdKey),
    /// `totals`: slot u8 | account u128.
    Total {
        /// The slot.
        slot: u8,
        /// The account.
        account: AccountKey,
    },
    /// `catalog`: kind u8 | organisation (varint length, bytes) | id (varint length, bytes) |
    /// complement of the version u64, so that the newest version comes first.
    Catalog {
        /// Entity kind; its numbers belong to the catalogue's codec.
        kind: u8,
        /// The tenant.
        organization: &'a str,
        /// The entity's id.
        id: &'a str,
        /// Its version.
        version: u64,
    },
    /// `rejected`: sequence u64.
    Rejected {
        /// Number of the rejection.
        sequence: u64,
    },
    /// `outbox`: sequence u64.
    Outbox {
        /// Number of the entry.
        sequence: u64,
    },
    /// `log`: log u8 | offset of the first record in the group u64.
    Log {
        /// The log.
        log: LogName,
        /// Offset of the first record that was appended in one go.
        offset: u64,
    },
    /// `meta`: ordinal u8 | what [`MetaKey`] says.
    Meta(MetaKey<'a>),
}

/// Names of the records in `meta`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey<'a> {
    /// 1: format version, slot count, store id and hash secret. Written once.
    Identity,
    /// 2 | topic name: the label of the topic and what it was when it was first read.
    Topic(&'a str),
    /// 3 | slot u8: the slot's head.
    Head(u8),
    /// 4 | slot u8: the ids of all blocks before this sequence are in `ids`.
    IdsUpto(u8),
    /// 5 | slot u8: the totals of every account include all blocks before this sequence.
    TotalsUpto(u8),
    /// 6: how far the catalogue log is applied.
    CatalogProgress,
    /// 7: cursors and sizes of `rejected`.
    Rejected,
    /// 8: cursors of `outbox`.
    Outbox,
    /// 9 | log u8: offset of the first record an embedded log still has.
    LogStart(LogName),
    /// 10 | name: a small record of the caller.
    Named(&'a str),
    /// 11 | slot u8: chunks hold all blocks before this sequence, the tail has the others.
    HistoryUpto(u8),
    /// 12 | slot u8: a merge up to this sequence was begun; there while it may have left chunks.
    MergeBegun(u8),
    /// 13 | number u64: a gap that was accepted.
    Gap(u64),
}

impl Key<'_> {
    /// The family this key belongs to.
    pub const fn family(&self) -> Family {
        match self {
            Self::Tail { .. } => Family::Tail,
            Self::Record { .. } | Self::History { .. } => Family::History,
            Self::Id(_) => Family::Ids,
            Self::Total { .. } => Family::Totals,
            Self::Catalog { .. } => Family::Catalog,
            Self::Rejected { .. } => Family::Rejected,
            Self::Outbox { .. } => Family::Outbox,
            Self::Log { .. } => Family::Log,
            Self::Meta(_) => Family::Meta,
        }
    }

    /// The key as it is on disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        match *self {
            Self::Tail { slot, sequence } => {
                out.push(slot);
                out.extend(sequence.to_be_bytes());
            }
            Self::History { slot, account, chunk } => {
                out.push(slot);
                out.extend(account.0.to_be_bytes());
                chunk.write_key(&mut out);
            }
            Self::Id(id) => out.extend(id.to_bytes()),
            Self::Total { slot, account } | Self::Record { slot, account } => {
                out.push(slot);
                out.extend(account.0.to_be_bytes());
            }
            Self::Catalog { kind, organization, id, version } => {
                out = catalog_prefix(kind, organization, id);
                out.extend((!version).to_be_bytes());
            }
            Self::Rejected { sequence } | Self::Outbox { sequence } => {
                out.extend(sequence.to_be_bytes());
            }
            Self::Log { log, offset } => {
                out.push(log as u8);
                out.extend(offset.to_be_bytes());
            }
            Self::Meta(meta) => meta.write(&mut out),
        }
        out
    }
}

impl MetaKey<'_> {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.push(1),
            Self::Topic(name) => {
                out.push(2);
                out.extend(name.as_bytes());
            }
            Self::Head(slot) => out.extend([3, slot]),
            Self::IdsUpto(slot) => out.extend([4, slot]),
            Self::TotalsUpto(slot) => out.extend([5, slot]),
            Self::CatalogProgress => out.push(6),
            Self::Rejected => out.push(7),
            Self::Outbox => out.push(8),
            Self::LogStart(log) => out.extend([9, log as u8]),
            Self::Named(name) => {
                out.push(10);
                out.extend(name.as_bytes());
            }
            Self::HistoryUpto(slot) => out.extend([11, slot]),
            Self::MergeBegun(slot) => out.extend([12, slot]),
            Self::Gap(number) => {
                out.push(13);
                out.extend(number.to_be_bytes());
            }
        }
    }
}

impl ChunkId {
    /// Length of a chunk's key: slot, account, first timestamp, generation, number.
    const KEY_BYTES: usize = 37;
    /// Turns the order of signed numbers into that of their bytes.
    const SIGN: u64 = 1 << 63;

    fn write_key(self, out: &mut Vec<u8>) {
        out.extend((self.first.0.cast_unsigned() ^ Self::SIGN).to_be_bytes());
        out.extend(self.generation.to_be_bytes());
        out.extend(self.number.to_be_bytes());
    }

    /// The chunk of a key from disk; none if it is not a chunk's.
    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::KEY_BYTES] = key.try_into().ok()?;
        let (first, rest) = bytes[17..].split_first_chunk()?;
        let (generation, number) = rest.split_first_chunk()?;
        Some(Self {
            first: Instant((u64::from_be_bytes(*first) ^ Self::SIGN).cast_signed()),
            generation: u64::from_be_bytes(*generation),
            number: u32::from_be_bytes(number.try_into().ok()?),
        })
    }
}

/// What all versions of one catalogue entity begin with.
pub(super) fn catalog_prefix(kind: u8, organization: &str, id: &str) -> Vec<u8> {
    let mut out = vec![kind];
    for text in [organization, id] {
        put_varint(&mut out, text.len() as u64);
        out.extend(text.as_bytes());
    }
    out
}

/// The first key that does not begin with this prefix; none if there is none.
pub(super) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_on_disk_stay_as_they_are() {
        let first = Instant(-2);
        let chunk = ChunkId { first, generation: 3, number: 4 };
        let cases: [(Key<'_>, &[u8]); 21] = [
            (Key::Tail { slot: 7, sequence: 258 }, &[7, 0, 0, 0, 0, 0, 0, 1, 2]),
            (
                Key::Record { slot: 1, account: AccountKey(2) },
                &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            ),
            (
                Key::History { slot: 1, account: AccountKey(2), chunk },
                &[
                    1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 127, 255, 255, 255, 255,
                    255, 255, 254, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4,
                ],
            ),
            (
                Key::Id(IdKey { slot: 1, transaction: 2, id: 3 }),
                &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
            ),
            (
                Key::Total { slot: 9, account: AccountKey(1) },
                &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            ),
            (
                Key::Catalog { kind: 4, organization: "o", id: "id", version: 1 },
                &[4, 1, b'o', 2, b'i', b'd', 255, 255, 255, 255, 255, 255, 255, 254],
            ),
            (Key::Rejected { sequence: 1 }, &[0, 0, 0, 0, 0, 0, 0, 1]),
            (Key::Outbox { sequence: 2 }, &[0, 0, 0, 0, 0, 0, 0, 2]),
            (Key::Log { log: LogName::Catalog, offset: 3 }, &[1, 0, 0, 0, 0, 0, 0, 0, 3]),
            (Key::Meta(MetaKey::Identity), &[1]),
            (Key::Meta(MetaKey::Topic("t")), &[2, b't']),
            (Key::Meta(MetaKey::Head(5)), &[3, 5]),
            (Key::Meta(MetaKey::IdsUpto(5)), &[4, 5]),
            (Key::Meta(MetaKey::TotalsUpto(5)), &[5, 5]),
            (Key::Meta(MetaKey::CatalogProgress), &[6]),
            (Key::Meta(MetaKey::Rejected), &[7]),
            (Key::Meta(MetaKey::Outbox), &[8]),
            (Key::Meta(MetaKey::LogStart(LogName::Events)), &[9, 0]),
            (Key::Meta(MetaKey::HistoryUpto(5)), &[11, 5]),
            (Key::Meta(MetaKey::MergeBegun(5)), &[12, 5]),
            (Key::Meta(MetaKey::Gap(6)), &[13, 0, 0, 0, 0, 0, 0, 0, 6]),
        ];
        for (key, bytes) in cases {
            assert_eq!(key.to_bytes(), bytes, "{key:?}");
        }
    }

    #[test]
    fn id_keys_sort_on_disk_as_they_do_in_memory() {
        let mut keys = [
            IdKey { slot: 1, transaction: 0, id: 0 },
            IdKey { slot: 0, transaction: 256, id: 0 },
            IdKey { slot: 0, transaction: 1, id: u128::MAX },
            IdKey { slot: 0, transaction: 1, id: 1 },
        ];
        keys.sort();
        assert!(keys.windows(2).all(|pair| pair[0].to_bytes() < pair[1].to_bytes()));
        assert!(keys.iter().all(|key| IdKey::from_bytes(&key.to_bytes()) == Some(*key)));
        assert_eq!(IdKey::from_bytes(&[0; 24]), None);
    }

    #[test]
    fn chunks_sort_on_disk_as_they_do_in_memory() {
        let id = |first, generation, number| ChunkId { first: Instant(first), generation, number };
        let mut ids = [id(5, 0, 0), id(-5, 256, 0), id(i64::MIN, 1, 1), id(i64::MAX, 1, 0)];
        ids.sort();
        let key = |chunk| Key::History { slot: 1, account: AccountKey(2), chunk }.to_bytes();
        assert!(ids.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(ids.iter().all(|id| ChunkId::of_key(&key(*id)) == Some(*id)));
        assert!(Key::Record { slot: 1, account: AccountKey(2) }.to_bytes() < key(ids[0]));
        assert_eq!(ChunkId::of_key(&[0; 36]), None);
    }

    #[test]
    fn the_key_after_a_prefix_skips_full_bytes() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255, 255]), None);
    }
}
