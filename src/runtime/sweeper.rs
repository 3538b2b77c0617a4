//! The sweeper: after a change of the catalogue that may touch many accounts, it has them rebuilt
//! in the background, one slot after the other. Accounts that a reader asks for do not wait for it.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::shared::Shared;
use super::worker::Command;
use crate::engine::keys::{SlotNumber, numbers};

/// Pause between two looks at the catalogue, and before a slot that has no room is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// How far a slot was swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// Its accounts before this one are looked after.
    UpTo(usize),
    /// The scanners are busy: nothing was done.
    Busy,
    /// All of them are.
    All,
}

/// Sweeps after every change until the service stops.
pub fn run(shared: &Arc<Shared>) {
    let mut swept = shared.catalogue.epoch();
    while !shared.is_stopping() {
        let epoch = shared.catalogue.epoch();
        if epoch == swept {
            std::thread::sleep(PAUSE);
            continue;
        }
        let changed = || shared.is_stopping() || shared.catalogue.epoch() != epoch;
        if numbers(shared.slots).all(|slot| sweep(shared, slot, changed)) {
            swept = epoch;
        }
    }
}

/// Sweeps one slot. Returns false if it has to be begun anew.
fn sweep(shared: &Shared, slot: SlotNumber, changed: impl Fn() -> bool) -> bool {
    let mut from = 0;
    while !changed() {
        let (reply, answer) = bounded(1);
        if shared.owner(slot).send(Command::Sweep { slot, from, reply }).is_err() {
            return false;
        }
        match answer.recv() {
            Ok(Swept::UpTo(next)) => from = next,
            Ok(Swept::Busy) => std::thread::sleep(PAUSE),
            // A worker that stops answers no more.
            Ok(Swept::All) | Err(_) => return true,
        }
    }
    false
}
