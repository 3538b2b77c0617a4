//! The scanner: rebuilds totals from the ledger, off the owners' threads.

use std::sync::Arc;

use super::clock::Stopwatch;
use super::rebuilds::RebuildJobs;
use super::shared::Shared;
use super::worker::Command;

/// Does rebuilds until there are no more to come.
pub fn run(shared: &Arc<Shared>, jobs: &RebuildJobs) {
    let mut folding = shared.folding();
    while let Some((cut, wanted)) = jobs.next() {
        if shared.is_stopping() {
            return;
        }
        let watch = Stopwatch::start();
        let found = cut.rebuild(&shared.store, &wanted, &mut folding);
        shared.metrics.rebuilds.inc_by(wanted.len() as u64);
        shared.metrics.rebuild_seconds.observe(watch.elapsed().as_secs_f64());
        let results = match found {
            Ok(cells) => wanted.into_iter().zip(cells.into_iter().map(Some)).collect(),
            Err(error) => {
                tracing::error!(%error, slot = cut.slot, "rebuild failed");
                wanted.into_iter().map(|rebuild| (rebuild, None)).collect()
            }
        };
        // A worker that is gone is noticed by the checkpoint.
        let _ = shared.owner(cut.slot).send(Command::Install(cut.slot, results));
    }
}
