//! The concurrent board of accounts.
//!
//! The owner of a slot changes an account under the lock of its shard, once per batch; a reader
//! takes one look under the same lock and prices what it copied after letting go. There is one copy
//! of every account, and it is here.
//!
//! An answer also says up to which offsets it reflects the log. Those are kept per slot: the owner
//! announces a batch before it changes the first account and completes it after the last. An
//! account carries the number of the batch that changed it last, so a reader that meets an account
//! in the middle of a batch knows that this account is already where the batch ends.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;

use crate::engine::account::Account;
use crate::engine::counters::Counters;
use crate::engine::digest::Digest;
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::AccountKey;
use crate::engine::progress::Progress;

/// Account keys are keyed hashes already.
#[derive(Clone, Copy, Default)]
struct Prehashed(u64);

impl BuildHasher for Prehashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only keys of 16 bytes come here; the upper half spreads shards and tables.
        for chunk in bytes.chunks_exact(8) {
            self.0 = chunk.iter().rev().fold(0, |hash, byte| hash << 8 | u64::from(*byte));
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = (value >> 64) as u64;
    }
}

/// How far a slot is, as readers see it.
#[derive(Clone, Debug, Default)]
pub struct SlotView {
    /// Whether the slot is back from the store and may answer.
    pub ready: bool,
    /// Accounts that are back before the slot, and may answer.
    pub early: Arc<HashSet<AccountKey>>,
    /// Number of the last batch that was applied as a whole.
    pub batch: u64,
    /// Offsets after that batch.
    pub progress: Arc<Progress>,
    /// The batch that is being applied, and the offsets after it.
    pub running: Option<(u64, Arc<Progress>)>,
    /// What became of the records.
    pub counters: Counters,
    /// Digest of the events that count.
    pub digest: Digest,
}

/// The accounts of all slots.
pub struct Board {
    accounts: DashMap<AccountKey, Account, Prehashed>,
    slots: Vec<ArcSwap<SlotView>>,
}

/// What a look at an account gave, with the offsets that it reflects.
pub struct Look<R> {
    /// What was copied out.
    pub copied: R,
    /// Everything below these offsets is in it, nothing at or above.
    pub progress: Arc<Progress>,
}

impl Board {
    /// An empty board; no slot is ready.
    pub fn new(slots: u16) -> Self {
        Self {
            accounts: DashMap::with_hasher(Prehashed::default()),
            slots: (0..slots).map(|_| ArcSwap::default()).collect(),
        }
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How far a slot is.
    pub fn slot(&self, slot: SlotNumber) -> Arc<SlotView> {
        self.slots.get(usize::from(slot)).map(ArcSwap::load_full).unwrap_or_default()
    }

    /// Whether an account is back from the store and may answer.
    pub fn is_back(&self, slot: SlotNumber, key: AccountKey) -> bool {
        let view = self.slot(slot);
        view.ready || view.early.contains(&key)
    }

    /// Says how far a slot is. Only its owner calls this.
    pub fn announce(&self, slot: SlotNumber, view: SlotView) {
        if let Some(place) = self.slots.get(usize::from(slot)) {
            place.store(Arc::new(view));
        }
    }

    /// Accounts on the board.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is no account.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Copies out of an account what `copy` takes. None: nobody has used anything under this key.
    pub fn look<R>(
        &self,
        slot: SlotNumber,
        key: AccountKey,
        mut copy: impl FnMut(Option<&Account>) -> R,
    ) -> Look<R> {
        loop {
            // The view is loaded first: what it calls applied is in the account, whatever comes
            // next.
            let view = self.slot(slot);
            let account = self.accounts.get(&key);
            let batch = account.as_ref().map_or(0, |account| account.batch);
            let copied = copy(account.as_deref());
            drop(account);
            if batch <= view.batch {
                return Look { copied, progress: Arc::clone(&view.progress) };
            }
            if let Some((_, progress)) = view.running.as_ref().filter(|(n, _)| *n == batch) {
                return Look { copied, progress: Arc::clone(progress) };
            }
            // The owner began another batch between the two looks: look again.
        }
    }

    /// Looks at an account without asking how current it is; for its owner.
    pub fn peek<R>(&self, key: AccountKey, look: impl FnOnce(&Account) -> R) -> Option<R> {
        self.accounts.get(&key).map(|account| look(&account))
    }

    /// Changes an account in place. `make` builds it if it is new, outside of the lock. Returns
    /// false if the key is new and `make` declines.
    pub fn change<R>(
        &self,
        key: AccountKey,
        make: impl FnOnce() -> Option<Account>,
        change: impl FnOnce(&mut Account, bool) -> R,
    ) -> Option<R> {
        if let Some(mut account) = self.accounts.get_mut(&key) {
            return Some(change(&mut account, false));
        }
        // Only the owner of the slot adds accounts, so nobody can have added this one meanwhile.
        let mut account = make()?;
        let result = change(&mut account, true);
        self.accounts.insert(key, account);
        Some(result)
    }
}
