//! The merger: brings the tails of slots into the history of their accounts, one slot at a time.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::clock::Stopwatch;
use super::shared::Shared;
use crate::engine::keys::numbers;
use crate::store::{StoreError, Unmerged};

/// Bytes of unmerged blocks at which a slot is merged: what a read of one account has to go through
/// beside the account's own chunks. A few milliseconds; and enough for a merge that many rows share
/// what it costs to write an account's chunk again.
const MERGE_DUE_BYTES: u64 = 4 << 20;
/// Unmerged blocks at which a slot is merged: a quiet slot has small ones, and each costs a look.
pub const MERGE_DUE_BLOCKS: u64 = 256;

/// What is being done when a merge fails.
const MERGING: &str = "merging the tail";

/// Merges what is due whenever it is told to look, until there is nobody left to tell. A merge that
/// was not done is due again after the next start, so a stop may come at any moment.
pub fn run(shared: &Arc<Shared>, look: &Receiver<()>) {
    for () in look {
        while !shared.is_stopping() {
            match merge_next(shared) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    // It is tried again at the next look, after the next checkpoint.
                    shared.troubles.failed(MERGING, &error);
                    break;
                }
            }
        }
    }
}

/// Merges the slot that needs it most. Returns whether there was one.
fn merge_next(shared: &Shared) -> Result<bool, StoreError> {
    let Some(slot) = next(shared)? else { return Ok(false) };
    let watch = Stopwatch::start();
    let Some(stats) = shared.store.merge(slot, &|| shared.is_stopping())? else {
        return Ok(false);
    };
    shared.troubles.works(MERGING);
    let metrics = &shared.metrics;
    metrics.merge_seconds.observe(watch.elapsed().as_secs_f64());
    metrics.merged_events.inc_by(stats.rows);
    metrics.merge_bytes.inc_by(stats.chunk_bytes);
    Ok(true)
}

/// The slot with most to be merged, if it is due. Shows how much there is.
fn next(shared: &Shared) -> Result<Option<u8>, StoreError> {
    let mut all = Unmerged::default();
    let mut found: Option<(u8, Unmerged)> = None;
    for slot in numbers(shared.slots) {
        let unmerged = shared.store.unmerged(slot)?;
        all.blocks += unmerged.blocks;
        all.bytes += unmerged.bytes;
        let most = found.is_none_or(|(_, most)| most.bytes < unmerged.bytes);
        if is_due(unmerged) && most {
            found = Some((slot, unmerged));
        }
    }
    shared.metrics.tail_blocks.set(all.blocks);
    shared.metrics.tail_bytes.set(all.bytes);
    Ok(found.map(|(slot, _)| slot))
}

/// Whether enough is unmerged, and a fair part of it may be merged.
fn is_due(unmerged: Unmerged) -> bool {
    let Unmerged { blocks, bytes, ready } = unmerged;
    let much = bytes >= MERGE_DUE_BYTES || blocks >= MERGE_DUE_BLOCKS;
    much && ready > 0 && ready >= (blocks / 2).min(MERGE_DUE_BLOCKS / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_due_by_bytes_or_blocks_once_much_of_it_may_be_merged() {
        for (blocks, bytes, ready, due) in [
            (1, MERGE_DUE_BYTES, 1, true),
            (3, MERGE_DUE_BYTES - 1, 3, false),
            (MERGE_DUE_BLOCKS, 0, MERGE_DUE_BLOCKS, true),
            (1, MERGE_DUE_BYTES, 0, false),
            (10, MERGE_DUE_BYTES, 4, false),
            (10, MERGE_DUE_BYTES, 5, true),
            (100_000, MERGE_DUE_BYTES, MERGE_DUE_BLOCKS / 2, true),
        ] {
            assert_eq!(is_due(Unmerged { blocks, bytes, ready }), due, "{blocks} {bytes} {ready}");
        }
    }
}
