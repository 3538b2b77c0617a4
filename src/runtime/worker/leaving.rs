//! How accounts leave memory and come back.
//!
//! The memory of accounts has a bound. From [`LOW`] of it on, the owner's hand goes round its
//! accounts and lets those go that nobody has touched since it came by last, if their saved totals
//! are all there is to know. From [`HIGH`] on it has the totals of its slots saved with the next
//! checkpoint, so that accounts that have changed may leave as well. Beyond the bound it applies
//! nothing until that is done.
//!
//! An account that is away comes back from its saved totals before a batch is applied that holds
//! events for it, and when a reader asks for it. It is as it was: what may leave has no rows that
//! its saved totals lack.

use super::Worker;
use super::looking_up::RETRY_PAUSE;
use crate::engine::batch::Batch;
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::AccountKey;
use crate::runtime::checkpoint::Request;
use crate::runtime::fatal::Fatal;
use crate::runtime::shared::Shared;
use crate::serving::board::Parting;
use crate::store::SavedTotals;
use crate::store::account::decode_account;
use crate::telemetry::events::{Emit, LimitHit};

/// Parts of eight of the bound from which on accounts leave, and totals are saved for that.
const LOW: usize = 6;
const HIGH: usize = 7;
/// Accounts looked at after a batch, and further ones for each of its events: the hand is faster
/// than accounts can come, and a small batch is not held up.
const LOOKS: usize = 256;
const LOOKS_PER_EVENT: usize = 2;
/// Accounts of one slot that the hand looks at before it goes to the next.
const STRIDE: usize = 64;
/// Shifts the number of a return so that the generation of an account that comes back is none that
/// it had before: a scan that was begun then is not added.
const GENERATION_BITS: u32 = 32;

/// Some parts of eight of a number of bytes.
pub const fn parts(bytes: usize, of_eight: usize) -> usize {
    bytes / 8 * of_eight
}

impl Worker {
    fn is_above(&self, of_eight: usize) -> bool {
        self.shared.board.bytes() > parts(self.shared.accounts_bytes_max, of_eight)
    }

    /// Whether nothing may be applied until accounts have left: there is no room, and totals are
    /// about to be saved. What cannot leave then is let be, so that the fold goes on.
    pub(super) fn is_full(&self) -> bool {
        self.slots.iter().any(|owned| owned.pressed)
            && self.shared.board.bytes() > self.shared.accounts_bytes_max
    }

    /// Lets accounts go after a batch of so many events, if there are too many.
    pub(super) fn make_room(&mut self, events: usize) {
        self.let_go(LOOKS + LOOKS_PER_EVENT * events);
        self.press();
    }

    /// After the totals of a slot were saved: what they include may leave.
    pub(super) fn saved_totals(&mut self, slot: u8, upto: u64) {
        let Some(at) = self.at(slot) else { return };
        let owned = &mut self.slots[at];
        owned.totals_upto = upto;
        if !std::mem::take(&mut owned.pressed) {
            return;
        }
        // Twice, as the first round finds what was touched.
        let looks = 2 * owned.accounts.len();
        self.let_go_of(at, looks);
        self.press();
    }

    fn let_go(&mut self, mut looks: usize) {
        while looks > 0 && !self.slots.is_empty() && self.is_above(LOW) {
            let at = self.hand % self.slots.len();
            self.let_go_of(at, looks.min(STRIDE));
            self.hand = (at + 1) % self.slots.len();
            looks = looks.saturating_sub(STRIDE);
        }
    }

    /// Looks at so many accounts of one slot, as long as there are too many.
    fn let_go_of(&mut self, at: usize, looks: usize) {
        for _ in 0..looks {
            if !self.is_above(LOW) {
                return;
            }
            let owned = &mut self.slots[at];
            if owned.hand >= owned.accounts.len() {
                owned.hand = 0;
            }
            let Some(key) = owned.accounts.get(owned.hand).copied() else { return };
            match self.shared.board.let_go(owned.slot.number, key, owned.totals_upto) {
                Parting::Stays => owned.hand += 1,
                Parting::Absent => drop(owned.accounts.swap_remove(owned.hand)),
                Parting::Gone => {
                    owned.accounts.swap_remove(owned.hand);
                    self.shared.metrics.accounts_left.inc();
                }
            }
        }
    }

    /// Has the totals of slots saved if accounts are too many still.
    fn press(&mut self) {
        if !self.is_above(HIGH) {
            return;
        }
        for owned in &mut self.slots {
            if !owned.pressed && owned.has_unsaved_totals() {
                owned.pressed = true;
                self.shared.press(owned.slot.number);
            }
        }
        if self.is_full() {
            LimitHit { limit: "memory.accounts_bytes_max" }.emit(&self.shared.metrics);
            // If one is asked for or under way already, this adds nothing.
            let _ = self.shared.checkpoints.try_send(Request::Now { done: None });
        }
    }

    /// Brings those of the accounts back that a slot's events are for.
    pub(super) fn bring_in_for(&mut self, at: usize, batch: &Batch) -> Result<(), Fatal> {
        if !self.shared.board.has_left(self.slots[at].slot.number) {
            return Ok(());
        }
        // They come account by account.
        let mut keys: Vec<AccountKey> =
            batch.events(self.slots[at].slot.number).map(|event| event.account).collect();
        keys.dedup();
        self.bring_in(at, keys)
    }

    /// Brings an account back that somebody asks for.
    pub(super) fn recall(&mut self, slot: u8, account: AccountKey) {
        let Some(at) = self.at(slot) else { return };
        // Where nothing is folded, readers alone fill the memory.
        self.make_room(0);
        if let Err(fatal) = self.bring_in(at, vec![account]) {
            self.failed = Some(fatal);
        }
        self.shared.board.touch(account);
    }

    /// Brings those of the accounts back that have left. The store is asked until it answers: an
    /// account without its totals would be another one.
    pub(super) fn bring_in(&mut self, at: usize, mut keys: Vec<AccountKey>) -> Result<(), Fatal> {
        let owned = &mut self.slots[at];
        let shared = &self.shared;
        let slot = owned.slot.number;
        if !shared.board.has_left(slot) {
            return Ok(());
        }
        keys.retain(|key| shared.board.peek(*key, |_| ()).is_none());
        if keys.is_empty() {
            return Ok(());
        }
        for (key, saved) in keys.iter().zip(saved_totals(shared, slot, &keys)) {
            let Some(SavedTotals { upto, bytes }) = saved else { continue };
            let mut account = decode_account(&bytes).map_err(|damage| Fatal::Damaged {
                slot,
                sequence: upto,
                detail: damage.to_string(),
            })?;
            owned.returns += 1;
            account.generation = owned.returns << GENERATION_BITS;
            account.changed_at = upto.saturating_sub(1);
            shared.board.change(*key, || Some(account), |_, _| ());
            owned.accounts.push(*key);
            shared.metrics.accounts_returned.inc();
        }
        Ok(())
    }
}

fn saved_totals(
    shared: &Shared,
    slot: SlotNumber,
    keys: &[AccountKey],
) -> Vec<Option<SavedTotals>> {
    loop {
        match shared.store.totals_of(slot, keys) {
            Ok(found) => return found,
            Err(error) => {
                tracing::error!(%error, "saved totals cannot be read, trying again");
                std::thread::sleep(RETRY_PAUSE);
            }
        }
    }
}
