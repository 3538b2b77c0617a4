//! What the store refuses: told once, shown until it is over.
//!
//! A full disk passes: whoever meets it tries again, nothing that was accepted is let go of, and
//! the engine takes writes again by itself once there is room. After any other failed write nobody
//! knows what the disk has; then the process ends, and its next start reads what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::Stopwatch;
use crate::engine::ledger::AccountKey;
use crate::store::{Store, StoreError};

/// How long the disk may take writes before the engine has to: it looks every five seconds.
const ROOM_WAIT: Duration = Duration::from_secs(30);
/// Accounts that are remembered as unreadable. Of further ones the reader waits in vain before it
/// is told that they are not ready.
const UNREADABLE_MAX: usize = 10_000;

const HINT_FULL: &str = "free some space: it goes on by itself once 64 MiB are free";
/// What to do about bytes that are not those that were written.
pub const HINT_DAMAGED: &str = "restore a backup into another folder; what the logs still have is \
                            folded again after it";
const HINT: &str = "check the disk";

/// What fails at present.
#[derive(Debug, Default)]
pub struct Troubles {
    failing: Mutex<BTreeMap<&'static str, String>>,
    unreadable: Mutex<BTreeSet<AccountKey>>,
    /// Since when the disk has taken writes although the engine calls it full.
    room_since: Mutex<Option<Stopwatch>>,
}

impl Troubles {
    /// Something has failed and will be tried again.
    pub fn failed(&self, doing: &'static str, error: &StoreError) {
        let hint = hint(error);
        let told = format!("{error}; hint: {hint}");
        if locked(&self.failing).insert(doing, told).is_none() {
            tracing::error!(%error, hint, doing, "the store failed, trying again");
        } else {
            tracing::debug!(%error, doing, "the store failed again");
        }
    }

    /// Whether to try a failed write again. Only a full disk is waited for, and that no longer than
    /// the engine should need once it has room.
    pub fn passes(&self, error: &StoreError, store: &Store) -> bool {
        if !error.is_full() {
            return false;
        }
        let mut since = locked(&self.room_since);
        if !store.has_room() {
            *since = None;
            return true;
        }
        since.get_or_insert_with(Stopwatch::start).elapsed() < ROOM_WAIT
    }

    /// The same thing has been done.
    pub fn works(&self, doing: &'static str) {
        if locked(&self.failing).is_empty() {
            return;
        }
        *locked(&self.room_since) = None;
        if locked(&self.failing).remove(doing).is_some() {
            tracing::info!(doing, "the store works again");
        }
    }

    /// What fails at present, by what was being done.
    pub fn failing(&self) -> Vec<(&'static str, String)> {
        locked(&self.failing).iter().map(|(doing, told)| (*doing, told.clone())).collect()
    }

    /// The ledger of some accounts could not be read, or could be again.
    pub fn show(&self, accounts: impl Iterator<Item = AccountKey>, readable: bool) {
        let mut unreadable = locked(&self.unreadable);
        for account in accounts {
            if readable {
                unreadable.remove(&account);
            } else if unreadable.len() < UNREADABLE_MAX {
                unreadable.insert(account);
            }
        }
    }

    /// Whether the ledger of an account could not be read when that was tried last.
    pub fn is_unreadable(&self, account: AccountKey) -> bool {
        locked(&self.unreadable).contains(&account)
    }

    /// Accounts whose ledger could not be read.
    pub fn unreadable(&self) -> usize {
        locked(&self.unreadable).len()
    }
}

/// What to do about an error.
pub fn hint(error: &StoreError) -> &'static str {
    if error.is_full() {
        HINT_FULL
    } else if error.is_damage() {
        HINT_DAMAGED
    } else {
        HINT
    }
}

/// What is behind a lock: a panic leaves nothing half done here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(detail: &str) -> StoreError {
        StoreError::Engine { operation: "x", path: "/d".into(), detail: detail.to_owned() }
    }

    #[test]
    fn trouble_is_shown_until_it_is_over_and_says_what_helps() {
        let troubles = Troubles::default();
        let full = error("IO error: No space left on device: While appending");
        let damaged = error("Corruption: block checksum mismatch");
        troubles.failed("writing a checkpoint", &full);
        troubles.failed("looking up ids", &damaged);
        let told = troubles.failing();
        assert_eq!(told.len(), 2);
        assert!(told[0].1.contains("restore a backup") && told[1].1.contains("free some space"));
        troubles.works("looking up ids");
        assert_eq!(troubles.failing().len(), 1);
        assert_eq!(hint(&error("IO error: Input/output error")), HINT);
    }

    #[test]
    fn accounts_are_unreadable_until_they_are_read() {
        let troubles = Troubles::default();
        let accounts = [AccountKey(1), AccountKey(2)];
        troubles.show(accounts.into_iter(), false);
        troubles.show(accounts.into_iter().take(1), true);
        assert!(!troubles.is_unreadable(accounts[0]) && troubles.is_unreadable(accounts[1]));
        troubles.show((0..=UNREADABLE_MAX as u128 + 5).map(AccountKey), false);
        assert_eq!(troubles.unreadable(), UNREADABLE_MAX);
    }
}
