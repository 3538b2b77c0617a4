//! The merge: blocks of the tail become chunks of accounts.
//!
//! Three writes, in this order: a note that the merge has begun, the chunks as one sorted file, and
//! the write that makes them count and drops what they replace. After a crash in between nobody
//! sees the chunks; the note tells the next merge of the slot to look for them and remove them.

use rocksdb::WriteBatch;

use crate::core::planted::{Fault, planted};
use crate::engine::ledger::AccountKey;
use crate::store::codec::Damage;
use crate::store::codec::block::{BlockReader, BlockWriter};
use crate::store::error::StoreError;
use crate::store::ingest::SortedFile;
use crate::store::keys::{Family, Key, MetaKey};
use crate::store::rocks::{Store, locked};

use super::chunk::{self, ChunkId, FULL_BYTES_MIN, Made};
use super::month;
use super::record::{Partial, Record};
use super::rows::RowSet;
use super::tiers;

/// Bytes of blocks after which a merge takes no further one: they are held in memory, and a crash
/// repeats no more than that.
pub const MERGE_BYTES_MAX: u64 = 16 << 20;
/// What a row takes in a chunk beside its texts and properties, about.
const ROW_BYTES: usize = 24;

const MERGING: &str = "merging the tail";

/// What of a slot is not merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmerged {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that a merge may take: totals and ids include them.
    pub ready: u64,
}

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeStats {
    /// Blocks that were merged.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows.
    pub rows: u64,
    /// Chunks that were written.
    pub chunks: u64,
    /// Bytes of them.
    pub chunk_bytes: u64,
    /// Chunks that were read and written again.
    pub rewritten: u64,
}

impl Store {
    /// What of a slot is not merged.
    pub fn unmerged(&self, slot: u8) -> Result<Unmerged, StoreError> {
        let state = self.slot(slot)?;
        let (next, bytes) = {
            let state = locked(&self.state);
            let at = usize::from(slot);
            (state.next_sequences[at], state.tail_bytes[at])
        };
        let derived = state.totals_upto.min(state.ids_upto).min(next);
        Ok(Unmerged {
            blocks: next.saturating_sub(state.history_upto),
            bytes,
            ready: derived.saturating_sub(state.history_upto),
        })
    }

    /// Merges blocks of a slot that totals and ids include, up to [`MERGE_BYTES_MAX`] of them. None
    /// if there is nothing to merge, or the merge was given up while it waited for readers.
    ///
    /// An error leaves everything as it was, or the merge done; it may be tried again.
    pub fn merge(
        &self,
        slot: u8,
        give_up: &dyn Fn() -> bool,
    ) -> Result<Option<MergeStats>, StoreError> {
        let _turn = locked(&self.merging);
        let Some(mut draft) = Draft::read(self, slot)? else { return Ok(None) };
        // Whoever cuts the ledger from now on lists all blocks that are committed, these among
        // them.
        if !self.await_holds(slot, draft.upto, give_up) {
            return Ok(None);
        }
        draft.begin()?;
        if planted(Fault::TailDroppedEarly) {
            draft.drop_tail()?;
        }
        draft.write()?;
        draft.publish().map(Some)
    }
}

/// A merge under way.
pub(in crate::store) struct Draft<'a> {
    store: &'a Store,
    slot: u8,
    merged: u64,
    upto: u64,
    blocks: Vec<Vec<u8>>,
    /// Records and removals that go with the last write.
    batch: WriteBatch,
    stats: MergeStats,
}

/// Groups of rows in blocks: account, index of the block, place in it.
type Group = (AccountKey, usize, u32);

impl<'a> Draft<'a> {
    /// Reads the blocks that are to be merged; none if there are none.
    pub fn read(store: &'a Store, slot: u8) -> Result<Option<Self>, StoreError> {
        let state = store.slot(slot)?;
        let derived = state.totals_upto.min(state.ids_upto);
        let mut draft = Self {
            store,
            slot,
            merged: state.history_upto,
            upto: state.history_upto,
            blocks: Vec::new(),
            batch: WriteBatch::default(),
            stats: MergeStats::default(),
        };
        for block in store.tail(slot, draft.merged)? {
            let (sequence, bytes) = block?;
            if sequence >= derived || draft.stats.bytes >= MERGE_BYTES_MAX {
                break;
            }
            draft.stats.bytes += bytes.len() as u64;
            draft.stats.blocks += 1;
            draft.upto = sequence + 1;
            draft.blocks.push(bytes);
        }
        Ok((draft.stats.blocks > 0).then_some(draft))
    }

    /// Notes that chunks are about to come in, and removes those of a merge that was cut short.
    pub fn begin(&self) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        let unfinished = self.store.cursor(MetaKey::MergeBegun(self.slot))? > self.merged;
        if unfinished && !planted(Fault::UnfinishedMergeKept) {
            self.remove_unseen(&mut batch)?;
        }
        self.store.put_cursor(&mut batch, MetaKey::MergeBegun(self.slot), self.upto)?;
        self.store.write_synced(batch, MERGING)
    }

    fn remove_unseen(&self, batch: &mut WriteBatch) -> Result<(), StoreError> {
        let family = self.store.family(Family::History)?;
        let mut walk = self.store.walk(Family::History, &[self.slot])?;
        walk.seek_to_first();
        while let Some(key) = walk.key() {
            if ChunkId::of_key(key).is_some_and(|id| id.generation > self.merged) {
                batch.delete_cf(family, key);
            }
            walk.next();
        }
        walk.status().map_err(self.store.engine(MERGING))
    }

    /// Brings in the chunks. Nobody sees them yet.
    pub fn write(&mut self) -> Result<(), StoreError> {
        let damaged = self.store.damaged(MERGING);
        let blocks = std::mem::take(&mut self.blocks);
        let mut readers = Vec::with_capacity(blocks.len());
        let mut groups: Vec<Group> = Vec::new();
        for (number, bytes) in blocks.iter().enumerate() {
            let reader = BlockReader::open(bytes).map_err(&damaged)?;
            let places = reader.places().map_err(&damaged)?;
            groups.extend(places.into_iter().map(|(account, place)| (account, number, place)));
            self.stats.rows += reader.rows();
            readers.push(reader);
        }
        groups.sort_unstable();
        let options = &self.store.history_options;
        let mut file = SortedFile::begin(self.store, Family::History, options, MERGING);
        let mut scratch = Scratch::default();
        for groups in groups.chunk_by(|a, b| a.0 == b.0) {
            self.account(groups, &readers, &mut scratch, &mut file)?;
        }
        file.bring_in()?;
        Ok(())
    }

    /// Merges the rows of one account.
    fn account(
        &mut self,
        groups: &[Group],
        readers: &[BlockReader<'_>],
        scratch: &mut Scratch,
        file: &mut SortedFile<'_>,
    ) -> Result<(), StoreError> {
        let Some((account, ..)) = groups.first().copied() else { return Ok(()) };
        let damaged = self.store.damaged(MERGING);
        let mut record = self.store.account_record(self.slot, account)?;
        let before = record.clone();
        let Scratch { rows, writer } = scratch;
        rows.clear();
        for groups in groups.chunk_by(|a, b| a.1 == b.1) {
            let reader = &readers[groups[0].1];
            for (.., place) in groups {
                if record.name.is_some() {
                    break;
                }
                record.name = reader.name_at(*place).map_err(&damaged)?.map(Into::into);
            }
            let places = groups.iter().rev().map(|(.., place)| *place).collect();
            let mut read = reader.at(places);
            while let Some(row) = read.next_row().map_err(&damaged)? {
                rows.push(&row);
            }
        }
        record.void.extend(rows.retracted());
        rows.sort();
        rows.remove(|position| record.void.remove(position));
        let (mut from, mut number) = (0, 0);
        while let Some((first, _)) = rows.key(from) {
            let end = month::end(first);
            let to =
                from + rows.timestamps(from).take_while(|at| *at < end || *at == first).count();
            let taken = tiers::take(&mut record, rows.encoded_bytes(from, to), first);
            let made = if taken.is_empty() {
                chunk::make(writer, rows, (from, to), (self.slot, self.upto), number)
            } else {
                let mut joined = RowSet::default();
                (from..to).filter_map(|at| rows.row(at)).for_each(|row| joined.push(&row));
                for partial in &taken {
                    self.take(account, partial.id, &mut joined)?;
                }
                joined.sort();
                joined.remove(|position| record.void.remove(position));
                let all = (0, joined.len());
                chunk::make(writer, &joined, all, (self.slot, self.upto), number)
            };
            let made = made.map_err(|_| damaged(Damage::Unreadable("history chunk")))?;
            number += u32::try_from(made.len()).unwrap_or(u32::MAX);
            self.put(account, &made, &mut record, file)?;
            from = to;
        }
        if record != before {
            let key = Key::Record { slot: self.slot, account };
            self.store.put(&mut self.batch, key, record.to_bytes())?;
        }
        Ok(())
    }

    /// Reads a chunk that is written again, and has it removed when the merge counts.
    fn take(
        &mut self,
        account: AccountKey,
        chunk: ChunkId,
        rows: &mut RowSet,
    ) -> Result<(), StoreError> {
        let damaged = self.store.damaged(MERGING);
        let key = Key::History { slot: self.slot, account, chunk };
        let bytes = self.store.get(key, MERGING)?;
        let bytes = bytes.ok_or_else(|| damaged(Damage::Unreadable("history chunk")))?;
        let (_, block) = chunk::open(&bytes).map_err(&damaged)?;
        chunk::read(block, account, rows).map_err(&damaged)?;
        self.stats.rewritten += 1;
        self.store.delete(&mut self.batch, key)
    }

    fn put(
        &mut self,
        account: AccountKey,
        made: &[Made],
        record: &mut Record,
        file: &mut SortedFile<'_>,
    ) -> Result<(), StoreError> {
        for Made { id, bytes } in made {
            let key = Key::History { slot: self.slot, account, chunk: *id };
            file.put(&key.to_bytes(), bytes)?;
            self.stats.chunks += 1;
            self.stats.chunk_bytes += bytes.len() as u64;
            if bytes.len() < FULL_BYTES_MIN {
                record.partial.push(Partial { id: *id, bytes: bytes.len() as u64 });
            }
        }
        Ok(())
    }

    /// Drops the blocks while nobody sees the chunks.
    fn drop_tail(&self) -> Result<(), StoreError> {
        let Self { store, slot, merged, upto, .. } = self;
        let tail = |sequence| Key::Tail { slot: *slot, sequence }.to_bytes();
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(store.family(Family::Tail)?, tail(*merged), tail(*upto));
        store.write_synced(batch, MERGING)
    }

    /// Makes the chunks count, and drops the blocks and chunks that they replace: one write.
    pub fn publish(mut self) -> Result<MergeStats, StoreError> {
        let Self { store, slot, .. } = self;
        let tail = |sequence| Key::Tail { slot, sequence }.to_bytes();
        let family = store.family(Family::Tail)?;
        self.batch.delete_range_cf(family, tail(self.merged), tail(self.upto));
        store.put_cursor(&mut self.batch, MetaKey::HistoryUpto(slot), self.upto)?;
        store.delete(&mut self.batch, Key::Meta(MetaKey::MergeBegun(slot)))?;
        // A checkpoint that is written meanwhile waits: both write what they leave of the tail.
        let mut state = locked(&store.state);
        let mut tail_bytes = state.tail_bytes.clone();
        let own = &mut tail_bytes[usize::from(slot)];
        *own = own.saturating_sub(self.stats.bytes);
        store.put_tail_bytes(&mut self.batch, &tail_bytes)?;
        store.write_synced(self.batch, MERGING)?;
        state.tail_bytes = tail_bytes;
        Ok(self.stats)
    }
}

/// Memory that is used again from account to account.
#[derive(Default)]
struct Scratch {
    rows: RowSet,
    writer: BlockWriter,
}

impl RowSet {
    /// About how many bytes rows of a sorted set take in a chunk.
    fn encoded_bytes(&self, from: usize, to: usize) -> u64 {
        let rows = (from..to).filter_map(|at| self.row(at));
        let bytes = rows.map(|row| {
            row.transaction.len() + row.properties.as_bytes().len() + row.code.len() + ROW_BYTES
        });
        bytes.sum::<usize>() as u64
    }
}

impl Store {
    fn account_record(&self, slot: u8, account: AccountKey) -> Result<Record, StoreError> {
        match self.get(Key::Record { slot, account }, MERGING)? {
            Some(bytes) => Record::from_bytes(&bytes).map_err(self.damaged(MERGING)),
            None => Ok(Record::default()),
        }
    }
}
