//! A slot: the unit of ownership, deduplication, checkpoint and recovery.
//!
//! One thread owns a slot and calls [`Slot::apply`] with one batch after the other. Accounts, the
//! open block and the tenants are passed in: the slot itself holds what decides, not what is
//! decided on.

use super::account::{Account, Folding};
use super::batch::{Batch, Incoming, Refused};
use super::counters::Counters;
use super::dedup::{IdKey, Ids, Lookup, Verdict};
use super::digest::Digest;
use super::isolate::Panicked;
use super::keys::SlotNumber;
use super::ledger::{AccountKey, AccountName, Row, RowKind};
use super::progress::Progress;
use crate::core::event::Usage;
use crate::core::planted::{Fault, planted};

/// The accounts of the slots of one owner.
pub trait Accounts {
    /// Changes an account in one critical section. It is made first if it is new; `change` is told
    /// so.
    fn change(
        &mut self,
        key: AccountKey,
        name: AccountName<'_>,
        change: &mut dyn FnMut(&mut Account, bool),
    );
}

/// The open block of the slot.
pub trait Ledger {
    /// Appends a row. `name` is given with the first row of an account that is new to the slot.
    ///
    /// # Errors
    ///
    /// What a panic said. The block is as if the row had never come.
    fn append(&mut self, row: &Row<'_>, name: Option<AccountName<'_>>) -> Result<(), Panicked>;
}

/// What is known of tenants.
pub trait Tenants {
    /// Whether the tenant is in the catalogue.
    fn knows(&self, organization: &str) -> bool;

    /// Whether an event of an unknown tenant may be kept aside; counts its bytes if so.
    fn set_aside(&self, bytes: u64) -> bool;

    /// Gives back the room of an event that turned out to need none.
    fn give_back(&self, bytes: u64);
}

/// Why records are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// They were read: what was applied before is skipped.
    Read,
    /// They were refused when they were read, and are applied at their places after all. Whoever
    /// applies them sees to it that none is applied twice, and has the index asked for all ids.
    Replayed,
}

/// Everything a slot works on while it applies a batch.
pub struct Context<'a, A, L, T, I> {
    /// The accounts.
    pub accounts: &'a mut A,
    /// The open block.
    pub ledger: &'a mut L,
    /// The tenants.
    pub tenants: &'a T,
    /// Answers of the id index for what [`Slot::doubtful`] asked.
    pub lookup: &'a I,
    /// Bounds of one account and scratch memory.
    pub folding: &'a mut Folding,
    /// Number of the batch, ascending per slot.
    pub number: u64,
    /// Whether its records come in the order of the log or were refused once.
    pub turn: Turn,
    /// Sequence of the slot's open block.
    pub sequence: u64,
}

/// The state of one slot.
pub struct Slot {
    /// Its number.
    pub number: SlotNumber,
    /// How far each partition has been applied.
    pub progress: Progress,
    /// The transaction ids.
    pub ids: Ids,
    /// What became of the records.
    pub counters: Counters,
    /// Order-independent digest of the events that count.
    pub digest: Digest,
}

/// What of a batch a slot could not accept, counted now and to be kept with its reason.
#[derive(Debug, Default)]
pub struct Turned<'b> {
    /// Records that were refused when they were decoded.
    pub refused: Vec<&'b Refused>,
    /// Events of an unknown tenant that found no room.
    pub unknown: Vec<Incoming<'b>>,
    /// Events that could not be counted for a defect of ours, and what it said.
    pub failed: Vec<(Incoming<'b>, Panicked)>,
}

impl Slot {
    /// Ids of a batch that the store's index has to be asked for before the batch can be applied.
    pub fn doubtful(&self, batch: &Batch) -> Vec<IdKey> {
        batch
            .ids(self.number)
            .filter(|(id, position)| {
                !self.progress.covers(position) && self.ids.doubtful(*id, position.source)
            })
            .map(|(id, _)| id)
            .collect()
    }

    /// Applies what a batch holds for this slot and moves its progress. Records that were applied
    /// before are skipped, so that a batch may be read again from any earlier offset.
    pub fn apply<'b, A: Accounts, L: Ledger, T: Tenants, I: Lookup>(
        &mut self,
        batch: &'b Batch,
        context: &mut Context<'_, A, L, T, I>,
    ) -> Turned<'b> {
        let mut turned = Turned::default();
        let mut events = batch.events(self.number).peekable();
        while let Some(first) = events.peek() {
            let key = first.account;
            let name = AccountName {
                organization: first.event.organization,
                subscription: first.event.subscription,
            };
            let known_tenant = context.tenants.knows(name.organization);
            let Context { accounts, ledger, tenants, lookup, folding, number, turn, sequence } =
                context;
            accounts.change(key, name, &mut |account, _| {
                while let Some(incoming) = events.next_if(|event| event.account == key) {
                    let again = self.progress.covers(&incoming.position)
                        && !planted(Fault::RedeliveryApplied);
                    if *turn == Turn::Read && again {
                        continue;
                    }
                    let bytes = incoming.event.properties.as_bytes().len() as u64 + ROW_BYTES;
                    if !known_tenant && !tenants.set_aside(bytes) {
                        self.counters.rejected += u64::from(*turn == Turn::Read);
                        turned.unknown.push(incoming);
                        continue;
                    }
                    let kind = self.judge(&incoming, account, *lookup, *turn);
                    if !known_tenant && kind != Some(RowKind::Accepted) {
                        // Only first copies take room.
                        tenants.give_back(bytes);
                    }
                    let Some(kind) = kind else { continue };
                    // The first row brings the name, in whatever batch it comes: an account is made
                    // for events that are not accepted, too.
                    let name = (account.rows == 0).then_some(name);
                    let counted = account
                        .try_fold(incoming.event.code, &usage(&incoming), folding)
                        .and_then(|()| {
                            let appended = ledger.append(&row(&incoming, kind), name);
                            appended.inspect_err(|_| account.unfold())
                        });
                    if let Err(panicked) = counted {
                        self.take_back(&incoming, account, kind);
                        if !known_tenant && kind == RowKind::Accepted {
                            tenants.give_back(bytes);
                        }
                        self.counters.rejected += u64::from(*turn == Turn::Read);
                        turned.failed.push((incoming, panicked));
                        continue;
                    }
                    if kind == RowKind::Accepted {
                        if known_tenant {
                            self.counters.accepted += 1;
                        } else {
                            self.counters.set_aside += 1;
                            account.aside.0 += 1;
                            account.aside.1 += bytes;
                        }
                    }
                    account.batch = *number;
                    account.changed_at = *sequence;
                }
            });
        }
        turned.refused = batch
            .refused(self.number)
            .filter(|refused| !self.progress.covers(&refused.position))
            .collect();
        self.counters.rejected += turned.refused.len() as u64;
        for reached in batch.reached() {
            self.progress.advance(*reached);
        }
        turned
    }

    /// Decides whether an event counts. None: it is a duplicate.
    fn judge(
        &mut self,
        incoming: &Incoming<'_>,
        account: &mut Account,
        lookup: &impl Lookup,
        turn: Turn,
    ) -> Option<RowKind> {
        let share = |position| Digest::of(incoming.names, incoming.event.transaction, position);
        let verdict = match incoming.id {
            Some(id) if turn == Turn::Replayed => {
                self.ids.judge_late(id, incoming.position, lookup)
            }
            Some(id) => self.ids.judge(id, incoming.position, lookup),
            None => Verdict::New,
        };
        let kind = match verdict {
            Verdict::New => RowKind::Accepted,
            Verdict::Duplicate => {
                self.counters.duplicate += 1;
                return None;
            }
            Verdict::Replaces(retracted) => RowKind::Replacement { retracted },
        };
        let new = share(&incoming.position);
        if let RowKind::Replacement { retracted } = kind {
            let old = share(&retracted);
            self.counters.replaced += 1;
            self.digest.remove(old);
            account.state.remove(old);
            // What the retracted copy had added is not known here: the totals come back by a scan.
            account.forget();
        }
        self.digest.add(new);
        account.state.add(new);
        Some(kind)
    }

    /// Takes back what [`Slot::judge`] has just decided, as if the event had never come.
    fn take_back(&mut self, incoming: &Incoming<'_>, account: &mut Account, kind: RowKind) {
        let share = |position| Digest::of(incoming.names, incoming.event.transaction, position);
        let new = share(&incoming.position);
        self.digest.remove(new);
        account.state.remove(new);
        let mut before = None;
        if let RowKind::Replacement { retracted } = kind {
            let old = share(&retracted);
            self.counters.replaced -= 1;
            self.digest.add(old);
            account.state.add(old);
            before = Some(retracted);
        }
        if let Some(id) = incoming.id {
            self.ids.take_back(id, before);
        }
    }
}

fn usage<'a>(incoming: &Incoming<'a>) -> Usage<'a> {
    Usage {
        timestamp: incoming.event.timestamp,
        position: incoming.position,
        transaction: incoming.event.transaction,
        properties: incoming.event.properties,
        precise_cents: incoming.event.precise_cents.clone(),
    }
}

/// What a row costs beyond its properties, for the byte cap of unknown tenants.
pub const ROW_BYTES: u64 = 128;

fn row<'a>(incoming: &Incoming<'a>, kind: RowKind) -> Row<'a> {
    Row {
        kind,
        account: incoming.account,
        position: incoming.position,
        transaction: incoming.event.transaction,
        code: incoming.event.code,
        timestamp: incoming.event.timestamp,
        precise_cents: incoming.event.precise_cents.clone(),
        properties: incoming.event.properties,
    }
}
