//! The scanner: rebuilds totals from the ledger, off the owners' threads.

use std::sync::Arc;

use super::clock::Stopwatch;
use super::rebuilds::{Job, RebuildJobs};
use super::scan::{Cut, Opened, Rebuild};
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

/// Does one job, and hands the totals to the owner of the slot.
pub fn work(shared: &Shared, (cut, wanted): Job, folding: &mut Folding) {
    let results = rebuild(shared, &cut, wanted, folding);
    // A worker that is gone is noticed by the checkpoint.
    let _ = shared.owner(cut.slot).send(Command::Install(cut.slot, results));
}

/// Rebuilds accounts together; each on its own if the ledger of one cannot be read, so that the
/// others have theirs.
fn rebuild(
    shared: &Shared,
    cut: &Cut,
    mut wanted: Vec<Rebuild>,
    folding: &mut Folding,
) -> Vec<(Opened, Option<Cells>)> {
    let single = wanted.len() < 2;
    let untouched = if single { Vec::new() } else { wanted.clone() };
    let watch = Stopwatch::start();
    let read = cut.rebuild(&shared.store, &mut wanted, folding);
    shared.metrics.rebuilds.inc_by(wanted.len() as u64);
    shared.metrics.rebuild_seconds.observe(watch.elapsed().as_secs_f64());
    let accounts = wanted.iter().map(|rebuild| rebuild.opened.account);
    match read {
        Ok(events) => {
            shared.troubles.show(accounts, true);
            shared.metrics.rebuild_events.inc_by(events);
            let over_cap = std::mem::take(&mut folding.over_cap);
            let (results, given_up) = finish(shared, wanted);
            for (why, buckets) in [(WhyLeft::OverCap, over_cap), (WhyLeft::GivenUp, given_up)] {
                BucketsLeft { why, buckets }.emit(&shared.metrics);
            }
            results
        }
        Err(error) if single => {
            let (slot, hint) = (cut.slot, error.hint());
            tracing::error!(%error, slot, hint, "rebuild failed");
            shared.troubles.show(accounts, false);
            wanted.into_iter().map(|rebuild| (rebuild.opened, None)).collect()
        }
        Err(_) => {
            let each = untouched.into_iter();
            each.flat_map(|one| rebuild(shared, cut, vec![one], folding)).collect()
        }
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
