//! The compactor: brings what committed blocks imply into the store's sorted families.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::shared::{Shared, worker_of};
use super::worker::{Command, SlotTotals};
use crate::core::position::Position;
use crate::engine::dedup::NewId;
use crate::store::{IdKey, StoreError};
use crate::telemetry::events::{Emit, LimitHit};

/// Jobs that may wait: one of each kind is under way at most.
pub const JOBS_WAITING_MAX: usize = 4;
/// Pause before a failed write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Sorted files of ids side by side at which no further one is brought in before they are merged,
/// which begins with eight: a look-up of an unknown id asks each.
const ID_RUNS_MAX: u64 = 64;
/// Pause between two looks at how many there are.
const RUNS_PAUSE: Duration = Duration::from_millis(50);

/// Something to bring in.
pub enum Job {
    /// Ids of committed blocks.
    Ids {
        /// The ids by slot, in any order.
        ids: Vec<(u8, Vec<NewId>)>,
        /// Per slot, the sequence before which all blocks are covered.
        upto: Vec<(u8, u64)>,
    },
    /// Totals: of each slot, the sequence before which they include all blocks, and its accounts
    /// that changed since the last save.
    Totals(Vec<SlotTotals>),
}

/// Which jobs are under way.
#[derive(Debug, Default)]
pub struct Compacting {
    ids: AtomicBool,
    totals: AtomicBool,
}

impl Compacting {
    /// Whether ids are being brought in.
    pub fn ids(&self) -> bool {
        self.ids.load(Ordering::Acquire)
    }

    /// Whether totals are being saved.
    pub fn totals(&self) -> bool {
        self.totals.load(Ordering::Acquire)
    }

    /// Says whether ids are being brought in.
    pub fn set_ids(&self, under_way: bool) {
        self.ids.store(under_way, Ordering::Release);
    }

    /// Says whether totals are being saved.
    pub fn set_totals(&self, under_way: bool) {
        self.totals.store(under_way, Ordering::Release);
    }
}

/// Does jobs until there are no more to come. A job that was not done is repeated from the blocks
/// at the next start, so a stop may come at any moment.
pub fn run(shared: &Arc<Shared>, jobs: &Receiver<Job>) {
    for job in jobs {
        if shared.is_stopping() {
            return;
        }
        work(shared, job);
    }
}

/// Does one job, and tells the owners of the slots.
pub fn work(shared: &Shared, job: Job) {
    match job {
        Job::Ids { ids, upto } => bring_in_ids(shared, ids, &upto),
        Job::Totals(slots) => save_totals(shared, slots),
    }
}

fn bring_in_ids(shared: &Shared, mut ids: Vec<(u8, Vec<NewId>)>, upto: &[(u8, u64)]) {
    sort(&mut ids);
    await_merges(shared);
    let done = persist(shared, "bringing in ids", || shared.store.ingest_ids(entries(&ids), upto));
    if done {
        for (number, worker) in shared.commands.iter().enumerate() {
            let slots = upto.iter().map(|(slot, _)| *slot);
            let mine = slots.filter(|slot| worker_of(*slot, shared.commands.len()) == number);
            let _ = worker.send(Command::IdsMerged(mine.collect()));
        }
        shared.compacting.set_ids(false);
    }
}

/// Waits until there are few enough files of ids. If nobody can tell, the next write says why.
fn await_merges(shared: &Shared) {
    let too_many = || shared.store.id_runs().is_ok_and(|runs| runs >= ID_RUNS_MAX);
    if !too_many() {
        return;
    }
    LimitHit { limit: "ID_RUNS_MAX" }.emit(&shared.metrics);
    while !shared.is_stopping() && too_many() {
        std::thread::sleep(RUNS_PAUSE);
    }
}

fn save_totals(shared: &Shared, slots: Vec<SlotTotals>) {
    for (slot, upto, mut accounts) in slots {
        accounts.sort_unstable_by_key(|(key, _)| *key);
        let done = persist(shared, "saving totals", || {
            let entries = accounts.iter().map(|(key, bytes)| (*key, Some(bytes.as_slice())));
            shared.store.save_totals(slot, upto, entries)
        });
        if !done {
            return;
        }
        let _ = shared.owner(slot).send(Command::TotalsSaved(slot, upto));
    }
    shared.compacting.set_totals(false);
}

/// Orders ids as the store's keys, in place, since there are many; of several positions of one id
/// the smallest counts.
fn sort(ids: &mut [(u8, Vec<NewId>)]) {
    ids.sort_unstable_by_key(|(slot, _)| *slot);
    for (_, ids) in ids {
        ids.sort_unstable_by_key(|id| (id.key, id.position));
        ids.dedup_by_key(|id| id.key);
    }
}

fn entries(ids: &[(u8, Vec<NewId>)]) -> impl Iterator<Item = (IdKey, Position)> + '_ {
    ids.iter().flat_map(|(slot, ids)| {
        ids.iter().map(|id| {
            let NewId { key, position } = *id;
            (IdKey { slot: *slot, transaction: key.transaction, id: key.identity }, position)
        })
    })
}

/// Repeats a write until it succeeds or the service stops. Returns whether it succeeded.
fn persist(
    shared: &Shared,
    doing: &'static str,
    mut write: impl FnMut() -> Result<u64, StoreError>,
) -> bool {
    loop {
        match write() {
            Ok(_) => {
                shared.troubles.works(doing);
                return true;
            }
            Err(error) if shared.is_stopping() => {
                tracing::warn!(%error, doing, "left for the next start");
                return false;
            }
            Err(error) => {
                shared.troubles.failed(doing, &error);
                std::thread::sleep(RETRY_PAUSE);
            }
        }
    }
}
