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
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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

/// What a place on the board takes beside the account: its key here and in its owner's list, and
/// room in the table that is not filled.
const PLACE_BYTES: usize = 2 * size_of::<AccountKey>() + size_of::<Place>() / 2;
/// An account is weighed again once it has an event more for so many of its bytes: entries take
/// less as a rule, so it has grown by a quarter at most. Weighing looks at every group, and should
/// take a few nanoseconds an event.
const BYTES_PER_EVENT: u64 = 1024;
/// It is weighed after so many events in any case: texts may be long.
const EVENTS_UNWEIGHED_MAX: u64 = 64;

/// The accounts of all slots.
pub struct Board {
    accounts: DashMap<AccountKey, Place, Prehashed>,
    slots: Vec<ArcSwap<SlotView>>,
    /// By slot, whether accounts are in the store alone.
    left: Vec<AtomicBool>,
    /// Bytes of all accounts.
    bytes: AtomicUsize,
}

/// An account on the board.
struct Place {
    account: Account,
    /// Whether somebody has looked at it or changed it since its owner's hand came by.
    touched: AtomicBool,
    /// Its bytes when it had so many rows.
    weight: usize,
    rows: u64,
}

/// What became of an account that its owner would let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It has left.
    Gone,
    /// It is not on the board.
    Absent,
    /// It stays for now.
    Stays,
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
            left: (0..slots).map(|_| AtomicBool::new(false)).collect(),
            bytes: AtomicUsize::new(0),
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

    /// Bytes of the accounts on the board, by estimate.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether accounts of a slot may be in the store alone. Who has met no account under a key
    /// asks this afterwards: what has left by then is told.
    pub fn has_left(&self, slot: SlotNumber) -> bool {
        self.left.get(usize::from(slot)).is_some_and(|left| left.load(Ordering::Acquire))
    }

    /// Says that accounts of a slot are in the store alone.
    pub fn set_left(&self, slot: SlotNumber) {
        if let Some(left) = self.left.get(usize::from(slot)) {
            left.store(true, Ordering::Release);
        }
    }

    /// Lets an account go that nobody has touched since the last call, and that may leave as its
    /// saved totals include all blocks before this sequence. Only its owner calls this.
    pub fn let_go(&self, slot: SlotNumber, key: AccountKey, saved_upto: u64) -> Parting {
        self.set_left(slot);
        let mut stays = false;
        let gone = self.accounts.remove_if(&key, |_, place| {
            let touched = place.touched.swap(false, Ordering::Relaxed);
            stays = touched || !place.account.may_leave(saved_upto);
            !stays
        });
        match gone {
            Some((_, place)) => {
                self.bytes.fetch_sub(place.weight, Ordering::Relaxed);
                Parting::Gone
            }
            None if stays => Parting::Stays,
            None => Parting::Absent,
        }
    }

    /// Keeps an account for one more round of its owner's hand.
    pub fn touch(&self, key: AccountKey) {
        if let Some(place) = self.accounts.get(&key) {
            place.touched.store(true, Ordering::Relaxed);
        }
    }

    /// Copies out of an account what `copy` takes. None: nobody has used anything under this key,
    /// or it has left memory: see [`Board::has_left`].
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
            let place = self.accounts.get(&key);
            let account = place.as_ref().map(|place| &place.account);
            let batch = account.map_or(0, |account| account.batch);
            let copied = copy(account);
            place.inspect(|place| place.touched.store(true, Ordering::Relaxed));
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
        self.accounts.get(&key).map(|place| look(&place.account))
    }

    /// Changes an account in place. `make` builds it if it is new, outside of the lock. Returns
    /// false if the key is new and `make` declines.
    pub fn change<R>(
        &self,
        key: AccountKey,
        make: impl FnOnce() -> Option<Account>,
        change: impl FnOnce(&mut Account, bool) -> R,
    ) -> Option<R> {
        if let Some(mut place) = self.accounts.get_mut(&key) {
            let result = change(&mut place.account, false);
            place.settle(&self.bytes);
            return Some(result);
        }
        // Only the owner of the slot adds accounts, so nobody can have added this one meanwhile.
        let mut account = make()?;
        let result = change(&mut account, true);
        let mut place = Place { account, touched: AtomicBool::new(false), weight: 0, rows: 0 };
        place.settle(&self.bytes);
        self.accounts.insert(key, place);
        Some(result)
    }
}

impl Place {
    /// After a change. Accounts without rules are the first to leave: nothing is asked of them.
    fn settle(&mut self, bytes: &AtomicUsize) {
        *self.touched.get_mut() = self.account.frame.is_some();
        let rows = self.account.rows;
        // What has no new rows may have come back from a scan, or be under other rules.
        let new = if rows == self.rows { u64::MAX } else { rows.saturating_sub(self.rows) };
        let few = new.saturating_mul(BYTES_PER_EVENT) < self.weight as u64;
        if few && new < EVENTS_UNWEIGHED_MAX {
            return;
        }
        let weight = PLACE_BYTES + self.account.weight();
        // Adding the difference wraps where it is negative, which takes it away.
        bytes.fetch_add(weight.wrapping_sub(self.weight), Ordering::Relaxed);
        (self.weight, self.rows) = (weight, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::AccountName;

    const KEY: AccountKey = AccountKey(7);

    fn account(rows: u64, changed_at: u64) -> Account {
        let name = AccountName { organization: "org", subscription: Some("sub") };
        let mut account = Account::new(name);
        (account.rows, account.changed_at) = (rows, changed_at);
        account
    }

    #[test]
    fn what_is_saved_and_untouched_leaves_with_its_bytes() {
        let board = Board::new(1);
        assert!(!board.has_left(0));
        board.change(KEY, || Some(account(3, 4)), |_, _| ());
        assert!(board.bytes() > size_of::<Account>());
        assert_eq!(board.let_go(0, KEY, 4), Parting::Stays, "its block is in no totals");
        assert!(board.look(0, KEY, |known| known.is_some()).copied);
        assert_eq!(board.let_go(0, KEY, 5), Parting::Stays, "somebody has looked at it");
        assert_eq!(board.let_go(0, KEY, 5), Parting::Gone);
        assert!(board.has_left(0));
        assert_eq!((board.bytes(), board.len()), (0, 0));
        assert_eq!(board.let_go(0, KEY, 5), Parting::Absent);
    }

    #[test]
    fn what_is_set_aside_stays_and_what_has_no_rows_leaves_nothing() {
        let board = Board::new(1);
        let aside = || Some(Account { aside: (1, 200), ..account(1, 0) });
        board.change(KEY, aside, |_, _| ());
        assert_eq!(board.let_go(0, KEY, 9), Parting::Stays);
        board.change(KEY, || None, |account, _| *account = self::account(0, 0));
        assert_eq!(board.let_go(0, KEY, 0), Parting::Gone);
    }

    #[test]
    fn bytes_follow_what_accounts_hold() {
        let board = Board::new(1);
        board.change(KEY, || Some(account(1, 0)), |_, _| ());
        let before = board.bytes();
        let names = |board: &Board, length: usize| {
            board.change(
                KEY,
                || None,
                |known, _| {
                    known.subscription = Some("x".repeat(length).into());
                },
            );
        };
        names(&board, 1003);
        assert_eq!(board.bytes(), before + 1000);
        names(&board, 3);
        assert_eq!(board.bytes(), before);
    }
}
