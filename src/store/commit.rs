//! The checkpoint: one atomic, synced write.

use rocksdb::WriteBatch;

use super::codec::head::SlotHead;
use super::error::StoreError;
use super::gaps::Gap;
use super::keys::{Key, LogName, MetaKey};
use super::outbox::OutboxEntry;
use super::rejected::Rejected;
use super::rocks::{State, Store, locked};
use super::topics::Topic;
use crate::core::instant::Instant;
use crate::core::planted::{Fault, planted};

const COMMITTING: &str = "the checkpoint commit";

/// A sealed block on its way into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    /// The slot.
    pub slot: u8,
    /// Its number in the slot.
    pub sequence: u64,
    /// What [`super::BlockWriter::seal`] returned.
    pub bytes: Vec<u8>,
}

/// All that becomes durable together.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Sealed blocks, by slot without a hole from the committed head to the new one.
    pub blocks: Vec<SealedBlock>,
    /// The heads the blocks lead up to. A slot without a block may have one too: its positions
    /// move.
    pub heads: Vec<(u8, SlotHead)>,
    /// Records that were refused.
    pub rejected: Vec<Rejected>,
    /// What must leave the process.
    pub outbox: Vec<OutboxEntry>,
    /// Embedded logs that the heads have made needless before an offset.
    pub trims: Vec<(LogName, u64)>,
    /// Small records of the caller, by name.
    pub meta: Vec<(String, Vec<u8>)>,
    /// Refused records whose events are taken in by this commit, and when.
    pub replayed: Vec<(u64, Instant)>,
    /// A gap that is accepted: the heads stand behind it.
    pub gap: Option<(Gap, Topic)>,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitStats {
    /// Bytes of the write.
    pub bytes: u64,
    /// Refused records that left to keep their cap, this time.
    pub rejected_dropped: u64,
}

impl Store {
    /// Writes all of it or nothing and returns once it is on disk.
    ///
    /// After an error nothing or everything has happened, but never a part. The same commit, or one
    /// that continues it from the same heads, may be tried again: it writes the same keys. If the
    /// engine keeps refusing, reopen the store; its heads then tell which it was.
    pub fn commit(&self, commit: &Commit) -> Result<CommitStats, StoreError> {
        let mut state = locked(&self.state);
        let next_sequences = self.check_step(&state, commit)?;
        let block_bytes: usize = commit.blocks.iter().map(|block| block.bytes.len()).sum();
        let mut batch = WriteBatch::with_capacity_bytes(block_bytes + (64 << 10));
        for SealedBlock { slot, sequence, bytes } in &commit.blocks {
            let key = Key::Tail { slot: *slot, sequence: *sequence };
            self.put(&mut batch, key, bytes)?;
        }
        let mut tail_bytes = state.tail_bytes.clone();
        for block in &commit.blocks {
            tail_bytes[usize::from(block.slot)] += block.bytes.len() as u64;
        }
        self.put_tail_bytes(&mut batch, &tail_bytes)?;
        for (slot, head) in &commit.heads {
            self.put(&mut batch, Key::Meta(MetaKey::Head(*slot)), head.to_bytes())?;
        }
        if planted(Fault::CommitInTwo) {
            self.write_synced(std::mem::take(&mut batch), COMMITTING)?;
        }
        for (sequence, at) in &commit.replayed {
            self.put_replayed(&mut batch, *sequence, *at)?;
        }
        if let Some((gap, topic)) = &commit.gap {
            self.put_gap(&mut batch, gap)?;
            self.put_topic(&mut batch, topic)?;
        }
        let rejected = self.put_rejected(&mut batch, state.rejected, &commit.rejected)?;
        let outbox = self.put_outbox(&mut batch, state.outbox, &commit.outbox)?;
        for (name, value) in &commit.meta {
            self.put(&mut batch, Key::Meta(MetaKey::Named(name)), value)?;
        }
        let mut starts = Vec::new();
        for (log, upto) in &commit.trims {
            starts.push((*log, self.put_trim(&mut batch, *log, *upto)?));
        }
        let stats = CommitStats {
            bytes: batch.size_in_bytes() as u64,
            rejected_dropped: rejected.dropped - state.rejected.dropped,
        };
        self.write(batch, COMMITTING, !planted(Fault::CommitNotSynced))?;
        *state = State { next_sequences, tail_bytes, rejected, outbox };
        for (log, start) in starts {
            self.trimmed(log, start);
        }
        Ok(stats)
    }

    /// The next sequences after the commit, if every slot goes on where it was committed.
    fn check_step(&self, state: &State, commit: &Commit) -> Result<Vec<u64>, StoreError> {
        let mut next = state.next_sequences.clone();
        for block in &commit.blocks {
            self.check_slot(block.slot)?;
            step(&mut next, block.slot, block.sequence, 1)?;
        }
        for (slot, head) in &commit.heads {
            self.check_slot(*slot)?;
            step(&mut next, *slot, head.next_sequence, 0)?;
        }
        // A block without the head that covers it would be written again after a restart.
        let headless = commit
            .blocks
            .iter()
            .find(|block| commit.heads.iter().all(|(slot, _)| *slot != block.slot));
        match headless {
            Some(SealedBlock { slot, sequence, .. }) => {
                let committed = state.next_sequences[usize::from(*slot)];
                Err(StoreError::OutOfStep { slot: *slot, committed, found: *sequence })
            }
            None => Ok(next),
        }
    }
}

/// Checks that a slot goes on at `found` and moves it by so many blocks.
fn step(next: &mut [u64], slot: u8, found: u64, blocks: u64) -> Result<(), StoreError> {
    let committed = &mut next[usize::from(slot)];
    if *committed != found {
        return Err(StoreError::OutOfStep { slot, committed: *committed, found });
    }
    *committed += blocks;
    Ok(())
}
