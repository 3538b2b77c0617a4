//! Reading committed blocks, and how many bytes they have.

use rocksdb::{DBRawIterator, WriteBatch};

use super::codec::{Damage, Input, put_varint};
use super::error::StoreError;
use super::keys::{Family, Key, MetaKey};
use super::rocks::Store;

const OPERATION: &str = "reading the tail";
/// The record of how many bytes each slot's blocks have: a varint for each slot.
const BYTES: &str = "store.tail_bytes";

impl Store {
    /// Bytes of the blocks that are not merged, by slot, as the last write to the tail left them.
    /// A store that was never written to by a release that counts them begins with none.
    pub(super) fn load_tail_bytes(&self) -> Result<Vec<u64>, StoreError> {
        let mut bytes = vec![0; usize::from(self.slots())];
        let Some(record) = self.named(BYTES)? else { return Ok(bytes) };
        let mut input = Input(&record);
        for bytes in &mut bytes {
            *bytes = input.varint(BYTES).map_err(self.damaged(OPERATION))?;
        }
        input.end(BYTES).map_err(self.damaged(OPERATION))?;
        Ok(bytes)
    }

    /// Adds the record of how many bytes the blocks of each slot have to a write that changes them.
    /// Whoever writes it holds the lock on the numbers until it is written.
    pub(super) fn put_tail_bytes(
        &self,
        batch: &mut WriteBatch,
        bytes: &[u64],
    ) -> Result<(), StoreError> {
        let mut record = Vec::new();
        for bytes in bytes {
            put_varint(&mut record, *bytes);
        }
        self.put(batch, Key::Meta(MetaKey::Named(BYTES)), record)
    }

    /// One committed block, for [`super::BlockReader`].
    pub fn tail_block(&self, slot: u8, sequence: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.get(Key::Tail { slot, sequence }, OPERATION)?;
        Ok(value.map(|value| value.to_vec()))
    }

    /// The committed blocks of a slot from a sequence on, as they are at this moment.
    pub fn tail(&self, slot: u8, from: u64) -> Result<TailBlocks<'_>, StoreError> {
        self.check_slot(slot)?;
        let mut walk = self.walk(Family::Tail, &[slot])?;
        walk.seek(Key::Tail { slot, sequence: from }.to_bytes());
        Ok(TailBlocks::new(self, walk, from))
    }
}

/// Blocks of one slot, in order. A block that is missing between others is an error.
pub struct TailBlocks<'a> {
    store: &'a Store,
    walk: DBRawIterator<'a>,
    next: u64,
}

impl<'a> TailBlocks<'a> {
    /// Blocks of a walk that is placed on the first of them.
    pub(super) fn new(store: &'a Store, walk: DBRawIterator<'a>, next: u64) -> Self {
        Self { store, walk, next }
    }
}

impl std::fmt::Debug for TailBlocks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TailBlocks").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Iterator for TailBlocks<'_> {
    /// Sequence and bytes.
    type Item = Result<(u64, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some((key, value)) = self.walk.item() else {
            return self.walk.status().err().map(|error| Err(self.store.engine(OPERATION)(error)));
        };
        let sequence =
            key.get(1..).and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
        if sequence != Some(self.next) {
            let damage = Damage::Unreadable("tail sequence");
            return Some(Err(self.store.damaged(OPERATION)(damage)));
        }
        let block = (self.next, value.to_vec());
        self.next += 1;
        self.walk.next();
        Some(Ok(block))
    }
}
