//! The ledger of one slot as it is at one moment, whatever is merged meanwhile.

use rocksdb::{DBRawIterator, ReadOptions, Snapshot};

use crate::core::instant::Instant;
use crate::engine::ledger::AccountKey;
use crate::store::codec::Damage;
use crate::store::error::StoreError;
use crate::store::keys::{Family, Key, MetaKey, after_prefix};
use crate::store::rocks::Store;
use crate::store::tail::TailBlocks;

use super::chunk::ChunkId;
use super::record::Record;
use super::rows::RowSet;
use super::stream::EventStream;

pub const READING: &str = "reading the history";

/// The ledger of one slot at one moment.
pub struct LedgerView<'a> {
    pub(super) store: &'a Store,
    snapshot: Snapshot<'a>,
    slot: u8,
    merged: u64,
}

impl std::fmt::Debug for LedgerView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerView")
            .field("slot", &self.slot)
            .field("merged", &self.merged)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The ledger of a slot as it is now.
    pub fn ledger(&self, slot: u8) -> Result<LedgerView<'_>, StoreError> {
        self.check_slot(slot)?;
        let snapshot = self.db.snapshot();
        let meta = self.family(Family::Meta)?;
        let key = Key::Meta(MetaKey::HistoryUpto(slot)).to_bytes();
        let merged = match snapshot.get_cf(meta, key).map_err(self.engine(READING))? {
            Some(bytes) => self.cursor_value(&bytes, READING)?,
            None => 0,
        };
        Ok(LedgerView { store: self, snapshot, slot, merged })
    }
}

impl LedgerView<'_> {
    /// The slot.
    pub(super) fn slot(&self) -> u8 {
        self.slot
    }

    /// Chunks hold all rows of the blocks before this sequence; the tail has the others.
    pub fn merged(&self) -> u64 {
        self.merged
    }

    /// The blocks that are not merged.
    pub fn tail(&self) -> Result<TailBlocks<'_>, StoreError> {
        let mut walk = self.walk(Family::Tail, &[self.slot])?;
        walk.seek(Key::Tail { slot: self.slot, sequence: self.merged }.to_bytes());
        Ok(TailBlocks::new(self.store, walk, self.merged))
    }

    /// The events of an account that count, in ascending order of (timestamp, position), from one
    /// instant to another, both included. `unmerged` are its rows that no chunk holds, sorted.
    ///
    /// In memory are, at a time, the chunks that hold the instant which is being read.
    pub fn events<'v>(
        &'v self,
        account: AccountKey,
        unmerged: &'v RowSet,
        (from, to): (Instant, Instant),
    ) -> Result<EventStream<'v>, StoreError> {
        let record = self.record(account)?;
        let mut walk = self.walk(Family::History, &account_prefix(self.slot, account))?;
        let start = super::month::start(from);
        // The least key of a chunk that may reach into the stretch.
        let id = ChunkId { first: start, generation: 0, number: 0 };
        walk.seek(Key::History { slot: self.slot, account, chunk: id }.to_bytes());
        Ok(EventStream::new(self, account, walk, (record.void, unmerged), (from, to)))
    }

    /// What is kept of an account beside its chunks.
    pub(super) fn record(&self, account: AccountKey) -> Result<Record, StoreError> {
        let family = self.store.family(Family::History)?;
        let key = Key::Record { slot: self.slot, account }.to_bytes();
        let value = self.snapshot.get_pinned_cf(family, key).map_err(self.store.engine(READING))?;
        match value {
            Some(bytes) => Record::from_bytes(&bytes).map_err(self.store.damaged(READING)),
            None => Ok(Record::default()),
        }
    }

    /// A walk over the keys of a family that begin with a prefix, as they are in this view.
    pub(super) fn walk(
        &self,
        family: Family,
        prefix: &[u8],
    ) -> Result<DBRawIterator<'_>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        options.set_iterate_lower_bound(prefix);
        if let Some(end) = after_prefix(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let family = self.store.family(family)?;
        Ok(self.snapshot.raw_iterator_cf_opt(family, options))
    }

    /// The chunk of a key, if it is one that counts.
    pub(super) fn visible(&self, key: &[u8]) -> Result<Option<ChunkId>, StoreError> {
        let damaged = || self.store.damaged(READING)(Damage::Unreadable("history key"));
        let id = ChunkId::of_key(key).ok_or_else(damaged)?;
        Ok((id.generation <= self.merged).then_some(id))
    }
}

/// What the keys of an account begin with; its record's key is no longer than that.
pub fn account_prefix(slot: u8, account: AccountKey) -> Vec<u8> {
    Key::Record { slot, account }.to_bytes()
}
