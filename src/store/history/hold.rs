//! Holds: whoever has cut the ledger keeps merges from taking in what came after the cut.
//!
//! A cut lists blocks up to a sequence. Rows of a chunk cannot be told apart by sequence, so while
//! the cut is still to be read no merge may become visible that holds later blocks.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::store::rocks::{Store, locked};

/// Longest time a merge waits before it looks whether it shall give up.
const WAIT: Duration = Duration::from_millis(100);

/// The holds of all slots: by slot and sequence, how many there are.
#[derive(Debug, Default)]
pub struct Holds {
    held: Mutex<BTreeMap<(u8, u64), usize>>,
    released: Condvar,
}

/// While this lives, no merge of the slot becomes visible that holds blocks from the sequence on.
pub struct Hold {
    store: Arc<Store>,
    key: (u8, u64),
}

impl Hold {
    /// The sequence from which on blocks stay apart from the history.
    pub fn sequence(&self) -> u64 {
        self.key.1
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hold").field(&self.key).finish()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = locked(&self.store.holds.held);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
        self.store.holds.released.notify_all();
    }
}

impl Store {
    /// Keeps merges of a slot from showing blocks from a sequence on. The sequence is at least that
    /// of the committed head, since nothing beyond it can have been merged before.
    pub fn hold(self: &Arc<Self>, slot: u8, sequence: u64) -> Hold {
        *locked(&self.holds.held).entry((slot, sequence)).or_default() += 1;
        Hold { store: Arc::clone(self), key: (slot, sequence) }
    }

    /// Waits until nobody holds blocks of the slot before `upto`. Returns false if it was given up.
    pub(super) fn await_holds(&self, slot: u8, upto: u64, give_up: &dyn Fn() -> bool) -> bool {
        let mut held = locked(&self.holds.held);
        while held.range((slot, 0)..(slot, upto)).next().is_some() {
            if give_up() {
                return false;
            }
            let waited = self.holds.released.wait_timeout(held, WAIT);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
