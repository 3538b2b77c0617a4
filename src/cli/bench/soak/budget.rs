//! What the settings let the process take.

use serde::Serialize;

use crate::config::Settings;
use crate::engine::dedup::NewId;
use crate::runtime::new_ids::OVERDUE;
use crate::runtime::supervisor::{reader_threads, store_options, worker_threads};
use crate::runtime::worker::{BATCHES_WAITING_MAX, UNSAVED_BYTES_MAX};
use crate::store::MERGE_BYTES_MAX;

/// Bytes of fetched records that wait for one reader: `queued.max.messages.kbytes` as the client
/// sets it, and one fetch more.
const READ_QUEUE_BYTES_MAX: u64 = (64 << 20) + (64 << 20);
/// Bytes of decoded events for a byte of their records: names and properties are copied once, and
/// each event has a fixed part beside them.
const DECODED_PER_BYTE: u64 = 3;
/// Ids on the way to the index: those that are brought in are held twice, those that come meanwhile
/// once.
const IDS_ON_THE_WAY: u64 = 3 * OVERDUE;
/// Files of ids and history that flushes, merges and compactions hold in part while they write:
/// buffers of input, output, filters and indexes of two at a time.
const WRITING_BYTES: u64 = 128 << 20;
/// What the allocator holds of what was given back: one part in so many of everything else.
const ALLOCATOR_PART: u64 = 4;

/// One limit.
#[derive(Clone, Debug, Serialize)]
pub struct Limit {
    /// The setting or constant.
    pub name: &'static str,
    /// What it lets the process take.
    pub bytes: u64,
}

/// All limits on memory.
#[derive(Clone, Debug, Serialize)]
pub struct Budget {
    /// One by one.
    pub limits: Vec<Limit>,
    /// Their sum.
    pub bytes: u64,
}

impl Budget {
    /// The limits of these settings, for a process that takes so many bytes before any event.
    pub fn of(settings: &Settings, resident: u64) -> Self {
        let store = store_options(settings);
        let workers = worker_threads(settings) as u64;
        let readers = reader_threads(settings) as u64;
        // What waits for workers, what they apply, and what the reader decodes.
        let batches = readers * (BATCHES_WAITING_MAX as u64 + 2);
        let batch = settings.fold.batch_bytes_max as u64 * DECODED_PER_BYTE;
        let limit = |name, bytes| Limit { name, bytes };
        let mut limits = vec![
            limit("before any event", resident),
            limit("dedup.memory_bytes_max", settings.dedup.memory_bytes_max as u64),
            limit("ids on the way to the index", IDS_ON_THE_WAY * size_of::<NewId>() as u64),
            limit("memory.accounts_bytes_max", settings.memory.accounts_bytes_max as u64),
            limit("store cache", store.cache_bytes as u64),
            limit("store memtables", store.memtable_bytes as u64),
            limit("store flushes and merges", WRITING_BYTES + 2 * MERGE_BYTES_MAX),
            limit("blocks not in the store", workers * UNSAVED_BYTES_MAX as u64),
            limit("batches", batches * batch),
            limit("records fetched", readers * READ_QUEUE_BYTES_MAX),
        ];
        let sum: u64 = limits.iter().map(|limit| limit.bytes).sum();
        limits.push(limit("allocator", sum / ALLOCATOR_PART));
        Self { bytes: sum + sum / ALLOCATOR_PART, limits }
    }
}
