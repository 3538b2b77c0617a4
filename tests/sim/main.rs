//! The simulator: a seed decides everything that happens to the service.
//!
//! What runs is the product: its reader, workers, checkpointer, compactor, merger, scanner and
//! catalogue reader over its own store. What is made up is what it stands on:
//!
//! - **Threads.** There is one. Each part is moved on a step at a time, in the order of the dice.
//! - **Logs.** [`logs`]: partitions in memory, handed out in any interleaving, with holes, without
//!   times, out of order, and again from the stored offsets after every crash.
//! - **Disk.** [`disk`]: the store's folder. The store tells before and after every step that
//!   changes it; there the power is cut, and the log keeps what was synced, all, or a torn part.
//! - **Clock.** Set by the dice; it goes back, too.
//!
//! After every step each record must be accounted for, and of every transaction the copy that comes
//! first must count ([`model`]); what is kept of every subscription and what a scan says of it must
//! both be what the oracle of the fidelity tests says, at the offsets that they reflect
//! ([`judge`]), and so must the answers to readers who come at any moment ([`check`]). After
//! every crash the store must be a prefix of every partition, no shorter than what was called
//! durable, and what a fold of its own ledger gives.
//!
//! `ODOMETER_SIM_SEEDS` sets the number of seeds, `ODOMETER_SIM_FROM` the first one.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on fails

mod cases;
mod check;
mod disk;
mod feed;
mod fired;
mod judge;
mod logs;
mod machine;
mod model;
#[cfg(feature = "mutations")]
mod mutations;
#[path = "../it/oracle/mod.rs"]
#[allow(unused_imports)] // the other test names the place of an event
mod oracle;
#[cfg(not(feature = "mutations"))]
mod seeds;
#[path = "../it/trees.rs"]
mod trees;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fired::Fired;
use world::{Report, run};

/// Runs seeds on all cores until one fails. Returns what has come about, and the failure.
fn search(seeds: std::ops::Range<u64>) -> (u64, Fired, Option<(u64, Report)>) {
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    let found = Mutex::new((0, Fired::default(), None::<(u64, Report)>));
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let report = run(seed);
            let mut found = found.lock().unwrap();
            found.0 += 1;
            found.1.add(&report.fired);
            if report.broken.is_some() {
                failed.store(true, Ordering::Relaxed);
                if found.2.as_ref().is_none_or(|(before, _)| *before > seed) {
                    found.2 = Some((seed, report));
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap()
}
