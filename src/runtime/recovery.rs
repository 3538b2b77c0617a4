//! Recovery: brings slots back from the store at start, in steps.
//!
//! A slot's saved totals, then the blocks after them; ids that the store's index lacks are read
//! from the same blocks. How much has to be folded again is bounded by whose totals are saved when
//! (`turns.rs`). Between two steps the owner looks at its commands, so nobody waits for a slot that
//! nobody has asked for.
//!
//! Single accounts can be had before their slot: their saved totals, and their own rows of the
//! blocks after them. They are at the slot's offsets then and are passed over when the slot comes
//! to them. Deduplication needs the slot as a whole, and nothing is applied before that is back.
//!
//! Once accounts take half of the memory they may have, those that no block is about stay away:
//! they come back when they are asked for, as if they had left.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::fatal::Fatal;
use super::owner::{OpenBlock, Owned, progress_of};
use super::shared::Shared;
use super::worker::parts;
use crate::core::instant::Instant;
use crate::core::planted::{Fault, planted};
use crate::engine::account::{Account, Folding};
use crate::engine::counters::Counters;
use crate::engine::dedup::Ids;
use crate::engine::digest::Digest;
use crate::engine::keys::{SlotNumber, names_hash};
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::engine::slot::{ROW_BYTES, Slot, Tenants};
use crate::runtime::scan::usage;
use crate::serving::board::SlotView;
use crate::store::account::decode_account;
use crate::store::{BlockReader, Damage, SavedTotals, SlotState};

/// Saved accounts that one step takes: a few milliseconds.
const STEP_ACCOUNTS_MAX: usize = 512;
/// Bytes of saved accounts after which a step takes no further one: some have megabytes.
const STEP_BYTES_MAX: usize = 1 << 20;
/// Passes over a slot's blocks for accounts that are wanted before it. Together they may cost about
/// what the slot itself does; whoever comes later waits for the slot.
const PASSES_MAX: u32 = 16;
/// Accounts of one slot that may be wanted at once; further ones wait for the slot.
const WANTED_MAX: usize = 256;
/// Parts of eight of the memory of accounts up to which saved ones are loaded whether or not they
/// are needed: there must be room for those that have changed since.
const LOADED: usize = 4;
/// What an account that was brought back before its slot includes: all there is.
const ALL_BLOCKS: u64 = u64::MAX;

/// A slot on its way back.
pub struct Recovery {
    state: SlotState,
    owned: Owned,
    stage: Stage,
    /// By saved account, on the board or away, the sequence before which it includes all blocks.
    saved: HashMap<AccountKey, u64>,
    /// Accounts that readers wait for.
    wanted: Vec<AccountKey>,
    /// Accounts that are back before the slot.
    early: HashSet<AccountKey>,
    passes: u32,
}

/// What a recovery does next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Take the saved totals after this account.
    Totals(Option<AccountKey>),
    /// Fold this block.
    Block(u64),
}

impl Recovery {
    /// Begins with what the store says of the slot.
    pub fn begin(shared: &Shared, number: SlotNumber, ids_bytes_max: usize) -> Result<Self, Fatal> {
        let state = shared.store.slot(number).map_err(Fatal::store("reading a slot's head"))?;
        let owned = Owned {
            slot: Slot {
                number,
                progress: progress_of(&state.head),
                ids: Ids::new(ids_bytes_max, state.ids_upto > 0),
                counters: Counters::from_list(&state.head.counters),
                digest: Digest(state.head.digest),
            },
            open: OpenBlock::default(),
            sequence: state.head.next_sequence,
            unsaved: std::collections::VecDeque::new(),
            batch: 0,
            accounts: Vec::new(),
            returns: 0,
            hand: 0,
            pressed: false,
            totals_upto: state.totals_upto,
            changed: false,
        };
        Ok(Self {
            state,
            owned,
            stage: Stage::Totals(None),
            saved: HashMap::new(),
            wanted: Vec::new(),
            early: HashSet::new(),
            passes: 0,
        })
    }

    /// The slot.
    pub fn number(&self) -> SlotNumber {
        self.owned.slot.number
    }

    /// A reader waits for an account. One for which there is no room waits for the slot.
    pub fn want(&mut self, key: AccountKey) {
        let known = self.early.contains(&key) || self.wanted.contains(&key);
        if !known && self.passes < PASSES_MAX && self.wanted.len() < WANTED_MAX {
            self.wanted.push(key);
        }
    }

    /// Whether readers wait for accounts that can be had before the slot.
    pub fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Takes a step. Returns whether it was the last one.
    pub fn step(&mut self, shared: &Shared, folding: &mut Folding) -> Result<bool, Fatal> {
        match self.stage {
            Stage::Totals(after) => {
                let last = self.load(shared, after)?;
                let from = self.state.totals_upto.min(self.state.ids_upto);
                self.stage = last.map_or(Stage::Block(from), |last| Stage::Totals(Some(last)));
                Ok(false)
            }
            Stage::Block(sequence) if sequence < self.state.head.next_sequence => {
                self.refold(shared, sequence, folding)?;
                self.stage = Stage::Block(sequence + 1);
                Ok(false)
            }
            Stage::Block(_) => {
                settle_aside(shared, &mut self.owned);
                Ok(true)
            }
        }
    }

    /// The slot, after the last step.
    pub fn finish(self) -> Owned {
        self.owned
    }

    /// Puts saved accounts on the board. Returns the last one, if there may be more.
    fn load(
        &mut self,
        shared: &Shared,
        after: Option<AccountKey>,
    ) -> Result<Option<AccountKey>, Fatal> {
        let slot = self.number();
        let (mut count, mut size) = (0, 0);
        let mut last = None;
        let mut damaged = Ok(());
        let visited = shared.store.each_totals(slot, after, |key, upto, bytes| {
            if !self.saved.contains_key(&key) {
                damaged = self.take(shared, key, upto, bytes);
            }
            count += 1;
            size += bytes.len();
            if damaged.is_err() {
                return ControlFlow::Break(());
            }
            if count >= STEP_ACCOUNTS_MAX || size >= STEP_BYTES_MAX {
                last = Some(key);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        visited.map_err(Fatal::store("reading saved totals"))?;
        damaged.map(|()| last)
    }

    /// Puts a saved account on the board, or leaves it in the store if there is little room.
    fn take(
        &mut self,
        shared: &Shared,
        key: AccountKey,
        upto: u64,
        bytes: &[u8],
    ) -> Result<(), Fatal> {
        let account = self.decode(upto, bytes)?;
        if shared.board.bytes() < parts(shared.accounts_bytes_max, LOADED)
            || !account.may_leave(u64::MAX)
        {
            self.put(shared, key, upto, account);
        } else {
            shared.board.set_left(self.number());
            self.saved.insert(key, upto);
        }
        Ok(())
    }

    fn decode(&self, upto: u64, bytes: &[u8]) -> Result<Account, Fatal> {
        let slot = self.number();
        let damaged =
            |damage: Damage| Fatal::Damaged { slot, sequence: 0, detail: damage.to_string() };
        let mut account = decode_account(bytes).map_err(damaged)?;
        account.changed_at = upto.saturating_sub(1);
        Ok(account)
    }

    fn put(&mut self, shared: &Shared, key: AccountKey, upto: u64, account: Account) {
        shared.board.change(key, || Some(account), |_, _| ());
        self.owned.accounts.push(key);
        self.saved.insert(key, upto);
    }

    /// Brings a saved account back, if there is one and it is not on the board.
    fn fetch(&mut self, shared: &Shared, key: AccountKey) -> Result<(), Fatal> {
        if shared.board.peek(key, |_| ()).is_some() {
            return Ok(());
        }
        let Some((upto, account)) = self.read_away(shared, key)? else { return Ok(()) };
        self.put(shared, key, upto, account);
        Ok(())
    }

    /// What is saved of an account.
    fn read_away(&self, shared: &Shared, key: AccountKey) -> Result<Option<(u64, Account)>, Fatal> {
        let found = shared.store.totals(self.number(), key);
        let found = found.map_err(Fatal::store("reading saved totals"))?;
        let read = |SavedTotals { upto, bytes }| Ok((upto, self.decode(upto, &bytes)?));
        found.map(read).transpose()
    }

    /// Brings an account back that a block has rows of, if it is away.
    fn fetch_away(&mut self, shared: &Shared, key: AccountKey) -> Result<(), Fatal> {
        if shared.board.has_left(self.number()) && self.saved.contains_key(&key) {
            self.fetch(shared, key)?;
        }
        Ok(())
    }

    /// Folds a block after the saved totals, and takes back the ids that the store's index lacks.
    fn refold(
        &mut self,
        shared: &Shared,
        sequence: u64,
        folding: &mut Folding,
    ) -> Result<(), Fatal> {
        let now = shared.clock.now();
        let bytes = self.block(shared, sequence)?;
        let damaged = damaged_block(self.number(), sequence);
        let reader = BlockReader::open(&bytes).map_err(&damaged)?;
        for (key, name) in reader.names().map_err(&damaged)? {
            if !self.saved.contains_key(&key) {
                introduce(shared, key, name, &mut self.owned.accounts);
            }
        }
        let mut rows = reader.all();
        while let Some(row) = rows.next_row().map_err(&damaged)? {
            if self.lacks(row.account, sequence) {
                self.fetch_away(shared, row.account)?;
                refold_row(shared, &row, now, sequence, folding);
            }
            if sequence >= self.state.ids_upto && !planted(Fault::IdsLeftAtStart) {
                self.restore_id(shared, &row)?;
            }
        }
        Ok(())
    }

    fn restore_id(&mut self, shared: &Shared, row: &Row<'_>) -> Result<(), Fatal> {
        let id = |name: AccountName<'_>| {
            let id = || shared.hasher.id(row.account, name.organization, row.transaction);
            name.subscription.is_some().then(id)
        };
        let id = match shared.board.peek(row.account, |account| id(account.name())) {
            Some(id) => id,
            // Its totals have the row already, so it may stay away.
            None => self.read_away(shared, row.account)?.and_then(|(_, saved)| id(saved.name())),
        };
        if let Some(id) = id {
            self.owned.slot.ids.restore(id, row.position);
        }
        Ok(())
    }

    /// Whether the saved totals of an account do not include a block.
    fn lacks(&self, account: AccountKey, sequence: u64) -> bool {
        let included = self.saved.get(&account).is_some_and(|upto| sequence < *upto);
        let from = self.state.totals_upto + u64::from(planted(Fault::BlockLeftAtStart));
        sequence >= from && !included
    }

    fn block(&self, shared: &Shared, sequence: u64) -> Result<Vec<u8>, Fatal> {
        let slot = self.number();
        let found = shared.store.tail_block(slot, sequence);
        found.map_err(Fatal::store("reading the ledger"))?.ok_or_else(|| Fatal::Damaged {
            slot,
            sequence,
            detail: "it is missing".to_owned(),
        })
    }

    /// Brings back the accounts that readers wait for, all in one pass over the blocks, and shows
    /// them.
    pub fn bring_back(&mut self, shared: &Shared, folding: &mut Folding) -> Result<(), Fatal> {
        let slot = self.number();
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.sort_unstable();
        for key in &wanted {
            self.fetch(shared, *key)?;
        }
        let folded = match self.stage {
            Stage::Totals(_) => 0,
            Stage::Block(next) => next,
        };
        for sequence in folded.max(self.state.totals_upto)..self.state.head.next_sequence {
            self.refold_of(shared, &wanted, sequence, folding)?;
        }
        self.saved.extend(wanted.iter().map(|key| (*key, ALL_BLOCKS)));
        self.early.extend(wanted);
        self.passes += 1;
        let view = SlotView {
            early: Arc::new(self.early.clone()),
            progress: Arc::new(self.owned.slot.progress.clone()),
            counters: self.owned.slot.counters,
            digest: self.owned.slot.digest,
            ..SlotView::default()
        };
        shared.board.announce(slot, view);
        Ok(())
    }

    /// Folds the rows that a block has of some accounts, which are sorted.
    fn refold_of(
        &mut self,
        shared: &Shared,
        accounts: &[AccountKey],
        sequence: u64,
        folding: &mut Folding,
    ) -> Result<(), Fatal> {
        let now = shared.clock.now();
        let bytes = self.block(shared, sequence)?;
        let damaged = damaged_block(self.number(), sequence);
        let reader = BlockReader::open(&bytes).map_err(&damaged)?;
        let is_new = |key: &AccountKey| shared.board.peek(*key, |_| ()).is_none();
        if accounts.iter().any(is_new) {
            for (key, name) in reader.names().map_err(&damaged)? {
                if accounts.binary_search(&key).is_ok() {
                    introduce(shared, key, name, &mut self.owned.accounts);
                }
            }
        }
        let mut rows = reader.of(accounts).map_err(&damaged)?;
        while let Some(row) = rows.next_row().map_err(&damaged)? {
            if self.lacks(row.account, sequence) {
                refold_row(shared, &row, now, sequence, folding);
            }
        }
        Ok(())
    }
}

fn damaged_block(slot: SlotNumber, sequence: u64) -> impl Fn(Damage) -> Fatal {
    move |damage| Fatal::Damaged { slot, sequence, detail: damage.to_string() }
}

fn introduce(
    shared: &Shared,
    key: AccountKey,
    name: AccountName<'_>,
    accounts: &mut Vec<AccountKey>,
) {
    let made = shared.board.change(key, || Some(Account::new(name)), |_, new| new);
    if made == Some(true) {
        accounts.push(key);
    }
}

fn refold_row(shared: &Shared, row: &Row<'_>, now: Instant, sequence: u64, folding: &mut Folding) {
    let epoch = shared.catalogue.epoch();
    shared.board.change(
        row.account,
        || None,
        |account, _| {
            if account.epoch != epoch {
                shared.catalogue.reframe(account, now);
            }
            account.changed_at = sequence;
            let names = names_hash(&account.organization, account.subscription.as_deref());
            let share = |position| Digest::of(names, row.transaction, position);
            let new = share(&row.position);
            if let RowKind::Replacement { retracted } = &row.kind {
                let old = share(retracted);
                account.state.remove(old);
            }
            account.state.add(new);
            match row.kind {
                RowKind::Replacement { .. } if planted(Fault::ReplacementLostAtStart) => {}
                RowKind::Replacement { .. } => account.forget(),
                RowKind::Accepted if !shared.catalogue.knows(&account.organization) => {
                    account.aside.0 += 1;
                    account.aside.1 += row.properties.as_bytes().len() as u64 + ROW_BYTES;
                }
                RowKind::Accepted => {}
            }
            account.refold(row.code, &usage(row), folding);
        },
    );
}

/// Counts what is set aside, and takes in what belongs to tenants that have appeared since: the
/// command that said so may have been lost with the process.
fn settle_aside(shared: &Shared, owned: &mut Owned) {
    let mut still = 0;
    for key in &owned.accounts {
        shared.board.change(
            *key,
            || None,
            |account, _| {
                if planted(Fault::AsideLeftAtStart) {
                    still += account.aside.0;
                } else if shared.catalogue.knows(&account.organization) {
                    account.aside = (0, 0);
                } else {
                    still += account.aside.0;
                    shared.catalogue.take_aside(account.aside.1);
                }
            },
        );
    }
    let counters = &mut owned.slot.counters;
    counters.take_in(counters.set_aside.saturating_sub(still));
}
