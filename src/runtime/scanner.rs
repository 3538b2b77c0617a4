//! The scanner: rebuilds totals from the ledger, off the owners' threads.

use std::sync::Arc;

use super::clock::Stopwatch;
use super::rebuilds::{Job, RebuildJobs};
use super::scan::{Opened, Rebuild};
use super::shared::Shared;
use super::worker::Command;
use crate::engine::account::Folding;
use crate::engine::totals::Cells;
use crate::telemetry::events::{BucketsLeft, Emit, WhyLeft};

/// Does rebuilds until there are no more to come.
pub fn run(shared: &Arc<Shared>, jobs: &RebuildJobs) {
    let mut folding = shared.folding();
    while let Some(job) = jobs.next() {
        if shared.is_stopping() {
            return;
        }
        work(shared, job, &mut folding);
    }
}

/// Does one rebuild, and hands the totals to the owner of the slot.
pub fn work(shared: &Shared, (cut, mut wanted): Job, folding: &mut Folding) {
    let watch = Stopwatch::start();
    let read = cut.rebuild(&shared.store, &mut wanted, folding);
    shared.metrics.rebuilds.inc_by(wanted.len() as u64);
    shared.metrics.rebuild_seconds.observe(watch.elapsed().as_secs_f64());
    let results = match read {
        Ok(events) => {
            shared.metrics.rebuild_events.inc_by(events);
            let over_cap = std::mem::take(&mut folding.over_cap);
            let (results, given_up) = finish(wanted);
            for (why, buckets) in [(WhyLeft::OverCap, over_cap), (WhyLeft::GivenUp, given_up)] {
                BucketsLeft { why, buckets }.emit(&shared.metrics);
            }
            results
        }
        Err(error) => {
            tracing::error!(%error, slot = cut.slot, "rebuild failed");
            wanted.into_iter().map(|rebuild| (rebuild.opened, None)).collect()
        }
    };
    // A worker that is gone is noticed by the checkpoint.
    let _ = shared.owner(cut.slot).send(Command::Install(cut.slot, results));
}

/// The totals that were folded, and how many buckets were given up.
fn finish(folded: Vec<Rebuild>) -> (Vec<(Opened, Option<Cells>)>, u64) {
    let mut given_up = 0;
    let finished = folded.into_iter().map(|Rebuild { opened, draft }| {
        let (cells, left) = draft.finish(&opened.frame, opened.spell);
        given_up += left as u64;
        (opened, Some(cells))
    });
    (finished.collect(), given_up)
}
