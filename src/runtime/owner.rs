//! What the owner of a slot holds of it beside the engine's state: the open block, the sealed
//! blocks that are not in the store yet, and the accounts it has seen.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::dedup::NewId;
use crate::engine::isolate::{Panicked, isolated};
use crate::engine::ledger::{AccountKey, AccountName, Row};
use crate::engine::progress::{Progress, Reached};
use crate::engine::slot::{Ledger, Slot};
use crate::serving::board::{Board, SlotView};
use crate::store::{BlockFull, BlockWriter, SlotHead, SourceHead};

/// A sealed block that readers and the checkpoint share.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its number in the slot.
    pub sequence: u64,
    /// Its rows.
    pub rows: u64,
    /// The block.
    pub bytes: Arc<Vec<u8>>,
}

/// One slot with everything its owner keeps for it.
pub struct Owned {
    /// The engine's state.
    pub slot: Slot,
    /// Rows accepted since the last seal.
    pub open: OpenBlock,
    /// Number that the open block will have.
    pub sequence: u64,
    /// Sealed blocks that the store does not have yet, oldest first.
    pub unsaved: VecDeque<Sealed>,
    /// Number of the last batch that was applied.
    pub batch: u64,
    /// Accounts of the slot that are in memory, in no order.
    pub accounts: Vec<AccountKey>,
    /// How often an account has come back.
    pub returns: u64,
    /// Place of the account that is looked at next to let it go.
    pub hand: usize,
    /// Whether totals are to be saved soon, so that accounts may leave.
    pub pressed: bool,
    /// The store's totals include all blocks before this one.
    pub totals_upto: u64,
    /// Whether anything has changed since the last checkpoint took the slot's head.
    pub changed: bool,
}

/// What a checkpoint takes from one slot.
pub struct Taken {
    /// The slot.
    pub slot: u8,
    /// Its head after the blocks.
    pub head: SlotHead,
    /// Blocks that are not in the store yet.
    pub blocks: Vec<Sealed>,
    /// Whether it was the turn of the ids.
    pub ids_taken: bool,
    /// Ids for the store's index; they are all in blocks before the head's next one.
    pub ids: Vec<NewId>,
}

/// The open block, as the engine writes to it.
#[derive(Default)]
pub struct OpenBlock {
    writer: BlockWriter,
    full: Option<BlockFull>,
}

impl Ledger for OpenBlock {
    fn append(&mut self, row: &Row<'_>, name: Option<AccountName<'_>>) -> Result<(), Panicked> {
        let Self { writer, full } = self;
        let mark = writer.mark();
        let append = || {
            let begun = match name {
                Some(name) => writer.begin_account(row.account, Some(name)),
                None => Ok(()),
            };
            begun.and_then(|()| writer.append(row))
        };
        match isolated(append) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(no_room)) => {
                *full = Some(no_room);
                Ok(())
            }
            Err(panicked) => {
                writer.abandon(mark);
                Err(panicked)
            }
        }
    }
}

impl OpenBlock {
    /// Rows.
    pub fn rows(&self) -> u64 {
        self.writer.rows()
    }

    /// Bytes of rows.
    pub fn bytes(&self) -> usize {
        self.writer.body_bytes()
    }

    /// The block as if it were sealed now; it stays open.
    pub fn snapshot(&self, slot: u8, sequence: u64) -> Option<Sealed> {
        (!self.writer.is_empty()).then(|| Sealed {
            sequence,
            rows: self.writer.rows(),
            bytes: Arc::new(self.writer.clone().seal(slot, sequence)),
        })
    }

    /// A row did not fit. Owners seal long before that, so this is a defect, and nothing of the
    /// batch may be called applied.
    pub fn full(&self) -> Option<BlockFull> {
        self.full
    }
}

impl Owned {
    /// Seals the open block, if it has rows.
    pub fn seal(&mut self) {
        if self.open.writer.is_empty() {
            return;
        }
        let rows = self.open.writer.rows();
        let bytes = Arc::new(self.open.writer.seal(self.slot.number, self.sequence));
        self.unsaved.push_back(Sealed { sequence: self.sequence, rows, bytes });
        self.sequence += 1;
    }

    /// Seals, and hands a checkpoint all that the store lacks of this slot. None: nothing has
    /// changed.
    pub fn take(&mut self, ids_due: bool, catalog_version: u64) -> Option<Taken> {
        self.seal();
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        Some(Taken {
            slot: self.slot.number,
            head: self.head(catalog_version),
            blocks: self.unsaved.iter().cloned().collect(),
            ids_taken: ids_due,
            ids: if ids_due { self.slot.ids.start_merge() } else { Vec::new() },
        })
    }

    /// The store now has all blocks before this one.
    pub fn committed(&mut self, next_sequence: u64) {
        while self.unsaved.front().is_some_and(|sealed| sealed.sequence < next_sequence) {
            self.unsaved.pop_front();
        }
    }

    /// Whether there are rows that the store's totals lack.
    pub fn has_unsaved_totals(&self) -> bool {
        self.sequence > self.totals_upto || self.open.rows() > 0
    }

    /// Shows readers how far the slot is.
    pub fn announce(&self, board: &Board) {
        let view = SlotView {
            ready: true,
            early: Arc::default(),
            batch: self.batch,
            progress: Arc::new(self.slot.progress.clone()),
            running: None,
            counters: self.slot.counters,
            digest: self.slot.digest,
        };
        board.announce(self.slot.number, view);
    }

    /// Bytes that are in memory only.
    pub fn unsaved_bytes(&self) -> usize {
        self.open.bytes() + self.unsaved.iter().map(|sealed| sealed.bytes.len()).sum::<usize>()
    }

    fn head(&self, catalog_version: u64) -> SlotHead {
        SlotHead {
            next_sequence: self.sequence,
            catalog_version,
            digest: self.slot.digest.0,
            sources: self.slot.progress.iter().map(source_head).collect(),
            counters: self.slot.counters.to_list().to_vec(),
        }
    }
}

fn source_head(reached: Reached) -> SourceHead {
    SourceHead { source: reached.source, next_offset: reached.next, log_time: reached.log_time }
}

/// The progress that a head recorded.
pub fn progress_of(head: &SlotHead) -> Progress {
    let reached = head.sources.iter().map(|source| Reached {
        source: source.source,
        next: source.next_offset,
        log_time: source.log_time,
    });
    Progress::new(reached.collect())
}
