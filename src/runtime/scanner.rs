//! The scanner: rebuilds totals from the ledger, off the owners' threads.

use std::sync::Arc;

use super::clock::Stopwatch;
use super::rebuilds::RebuildJobs;
use super::scan::{Opened, Rebuild};
use super::shared::Shared;
use super::worker::Command;
use crate::engine::totals::Cells;
use crate::telemetry::events::{BucketsLeft, Emit, WhyLeft};

/// Does rebuilds until there are no more to come.
pub fn run(shared: &Arc<Shared>, jobs: &RebuildJobs) {
    let mut folding = shared.folding();
    while let Some((cut, mut wanted)) = jobs.next() {
        if shared.is_stopping() {
            return;
        }
        let watch = Stopwatch::start();
        let read = cut.rebuild(&shared.store, &mut wanted, &mut folding);
        shared.metrics.rebuilds.inc_by(wanted.len() as u64);
        shared.metrics.rebuild_seconds.observe(watch.elapsed().as_secs_f64());
        let results = match read {
            Ok(events) => {
                shared.metrics.rebuild_events.inc_by(events);
                let over_cap = std::mem::take(&mut folding.over_cap);
                let (results, given_up) = finish(shared, wanted);
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
}

/// The totals that were folded, and how many buckets were given up.
fn finish(shared: &Shared, folded: Vec<Rebuild>) -> (Vec<(Opened, Option<Cells>)>, u64) {
    let mut given_up = 0;
    let finished = folded.into_iter().map(|Rebuild { opened, draft, failed }| {
        if let Some(panicked) = failed {
            shared.unfit.add(opened.account, shared.catalogue.epoch());
            let account = opened.account;
            tracing::error!(?account, panic = %panicked, "totals cannot be folded");
            return (opened, None);
        }
        let (cells, left) = draft.finish(&opened.frame, opened.spell);
        given_up += left as u64;
        (opened, Some(cells))
    });
    (finished.collect(), given_up)
}
