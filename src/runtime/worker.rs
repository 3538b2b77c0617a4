//! Workers: each owns a set of slots and is the only writer of their state.

mod leaving;
mod looking_up;
mod rebuilding;
mod returning;
mod steered;

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, never, select};
use tokio::sync::oneshot;

use self::looking_up::Found;
use self::returning::Returning;
use super::checkpoint::Request;
use super::clock::Stopwatch;
use super::events;
use super::fatal::Fatal;
use super::on_board::OnBoard;
use super::owner::{Owned, Taken};
use super::poison;
use super::rebuilds::Rebuilds;
use super::scan::{Cut, Opened};
use super::shared::Shared;
use super::sweeper::Swept;
use crate::core::event::Rejection;
use crate::core::instant::Instant;
use crate::core::period::Window;
use crate::core::position::Position;
use crate::engine::account::Folding;
use crate::engine::batch::{Batch, Refused};
use crate::engine::counters::Counters;
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::AccountKey;
use crate::engine::progress::Progress;
use crate::engine::slot::{Context, Tenants, Turn};
use crate::engine::totals::Cells;
use crate::store::Rejected;
use crate::store::account::encode_account;
use crate::telemetry::events::{Emit, LimitHit};
use crate::telemetry::metrics::Metrics;
pub use leaving::parts;
pub use steered::Move;

/// Batches a worker may have waiting. Few: what waits is memory and latency, and librdkafka queues
/// too.
pub const BATCHES_WAITING_MAX: usize = 4;
/// Commands a worker may have waiting.
pub const COMMANDS_WAITING_MAX: usize = 1024;
/// Bytes of rows a worker may hold that are not in the store. Beyond, it takes no batch until a
/// checkpoint is through, and the log is read no further.
pub const UNSAVED_BYTES_MAX: usize = 256 << 20;

/// What a worker is told beside batches.
pub enum Command {
    /// Hand over what the store lacks.
    Seal {
        /// Whether ids are to be handed over as well.
        ids_due: bool,
        /// Slots whose totals are to be handed over.
        totals_of: Vec<u8>,
        /// Where to.
        reply: Sender<Handed>,
    },
    /// The store has everything before these sequences.
    Committed(Vec<(u8, u64)>),
    /// The store's index has the ids that were handed over, of these slots.
    IdsMerged(Vec<u8>),
    /// The store's totals of a slot include all blocks before a sequence.
    TotalsSaved(u8, u64),
    /// A reader waits for an account that is not in memory.
    Recall(u8, AccountKey),
    /// Find the account's rules anew.
    Refresh(AccountKey),
    /// A tenant has appeared in the catalogue.
    TenantAppeared(String),
    /// Cut the ledger of a slot, for a read of an account's events.
    Cut(u8, AccountKey, oneshot::Sender<CutAccount>),
    /// Rebuild the totals of an account for a window.
    Rebuild(u8, AccountKey, Window),
    /// Rebuild, without haste, the accounts of a slot from this one on whose rules have changed.
    Sweep {
        /// The slot.
        slot: u8,
        /// Place of the first account.
        from: usize,
        /// Told how far that went.
        reply: Sender<Swept>,
    },
    /// A rebuild is through.
    Install(u8, Vec<(Opened, Option<Cells>)>),
    /// Stand at another place of a partition: see [`Move`].
    Move(Move, Sender<()>),
    /// Apply events that were refused once. Returns the positions of those that are refused again,
    /// and why.
    Replay(Arc<Batch>, Sender<Vec<(Position, Rejection)>>),
    /// A question about events of a slot.
    Events(u8, events::Ask),
    /// End.
    Stop,
}

/// The ledger of an account's slot at one moment, and what is known of the account then.
pub struct CutAccount {
    /// The ledger.
    pub cut: Cut,
    /// Applied offsets.
    pub progress: Arc<Progress>,
    /// Digest of the account's events.
    pub state: u128,
}

/// A slot, the sequence before which its totals include all blocks, and its encoded accounts.
pub type SlotTotals = (u8, u64, Vec<(AccountKey, Vec<u8>)>);

/// What a checkpoint gets from one worker.
#[derive(Default)]
pub struct Handed {
    /// Per slot, what the store lacks.
    pub slots: Vec<Taken>,
    /// Refused records.
    pub rejected: Vec<Rejected>,
    /// Accounts that changed since the totals of their slot were saved last, of slots that are due.
    pub totals: Vec<SlotTotals>,
    /// Rows that the blocks hold.
    pub rows: u64,
    /// Transaction ids held in memory.
    pub ids: usize,
}

/// One worker.
pub struct Worker {
    shared: Arc<Shared>,
    slots: Vec<Owned>,
    folding: Folding,
    rejected: Vec<Rejected>,
    rebuilds: Rebuilds,
    returning: Returning,
    /// The slot at which the hand is that lets accounts go.
    hand: usize,
    /// What a command has met that the service cannot go on with.
    failed: Option<Fatal>,
}

impl Worker {
    /// A worker without slots.
    pub fn new(shared: Arc<Shared>, rebuilds: Rebuilds) -> Self {
        let folding = shared.folding();
        let returning = Returning::default();
        Self {
            shared,
            slots: Vec::new(),
            folding,
            rejected: Vec::new(),
            rebuilds,
            returning,
            hand: 0,
            failed: None,
        }
    }

    /// Has its slots back from the store, then works until the command channel is closed. Batches
    /// that are waiting then are not applied: they will be read again. Each slot may hold so many
    /// bytes of ids in memory.
    pub fn run(
        mut self,
        slots: &[SlotNumber],
        ids_bytes_max: usize,
        commands: &Receiver<Command>,
        batches: &Receiver<Arc<Batch>>,
    ) -> Result<(), Fatal> {
        if !self.return_slots(slots, ids_bytes_max, commands)? {
            return Ok(());
        }
        let nothing = never();
        loop {
            let open = self.unsaved_bytes() < UNSAVED_BYTES_MAX;
            if !open {
                LimitHit { limit: "UNSAVED_BYTES_MAX" }.emit(&self.shared.metrics);
            }
            if let Some(fatal) = self.failed.take() {
                return Err(fatal);
            }
            let batches = if open && !self.is_full() { batches } else { &nothing };
            select! {
                recv(commands) -> command => match command {
                    Ok(Command::Stop) | Err(_) => return Ok(()),
                    Ok(command) => self.obey(command),
                },
                recv(batches) -> batch => match batch {
                    Ok(batch) => self.apply(&batch, commands)?,
                    // The reader has stopped; commands still come, the last checkpoint among them.
                    Err(_) => match commands.recv() {
                        Ok(Command::Stop) | Err(_) => return Ok(()),
                        Ok(command) => self.obey(command),
                    },
                },
            }
        }
    }

    fn unsaved_bytes(&self) -> usize {
        let rejected: usize = self.rejected.iter().map(|rejected| rejected.bytes.len()).sum();
        rejected + self.slots.iter().map(Owned::unsaved_bytes).sum::<usize>()
    }

    /// Applies a batch to its slots, all of which are back. Commands are obeyed while the store is
    /// asked again after an error.
    ///
    /// # Errors
    ///
    /// A row does not fit into its block, which is a defect, or an account cannot be read.
    pub fn apply(&mut self, batch: &Batch, commands: &Receiver<Command>) -> Result<(), Fatal> {
        let now = self.shared.clock.now();
        for at in 0..self.slots.len() {
            let found = self.look_up(at, batch, commands)?;
            self.apply_to(at, batch, &found, now)?;
        }
        self.report_over_cap();
        self.shared.wake();
        self.make_room(batch.len());
        let rows: u64 = self.slots.iter().map(|owned| owned.open.rows()).sum();
        if rows >= self.shared.rows_per_checkpoint {
            // If one is asked for or under way already, this adds nothing.
            let _ = self.shared.checkpoints.try_send(Request::Now { done: None });
        }
        Ok(())
    }

    fn apply_to(
        &mut self,
        at: usize,
        batch: &Batch,
        found: &Found,
        now: Instant,
    ) -> Result<(), Fatal> {
        self.bring_in_for(at, batch)?;
        let shared = Arc::clone(&self.shared);
        let owned = &mut self.slots[at];
        let number = owned.batch + 1;
        let before = owned.slot.counters;
        let mut after = owned.slot.progress.clone();
        batch.reached().iter().for_each(|reached| after.advance(*reached));
        let after = Arc::new(after);
        if batch.events_len(owned.slot.number) > 0 {
            let mut view = (*shared.board.slot(owned.slot.number)).clone();
            view.running = Some((number, Arc::clone(&after)));
            shared.board.announce(owned.slot.number, view);
        }
        let mut accounts = OnBoard { shared: &shared, now, seen: &mut owned.accounts };
        let turned = owned.slot.apply(
            batch,
            &mut Context {
                accounts: &mut accounts,
                ledger: &mut owned.open,
                tenants: &*shared.catalogue,
                lookup: found,
                folding: &mut self.folding,
                number,
                turn: Turn::Read,
                sequence: owned.sequence,
            },
        );
        if let Some(full) = owned.open.full() {
            return Err(Fatal::BlockFull(full));
        }
        owned.batch = number;
        owned.changed = true;
        owned.announce(&shared.board);
        count(&shared.metrics, before, owned.slot.counters);
        let unknown = turned.unknown.iter().map(Refused::unknown_tenant);
        let failed = turned.failed.iter();
        let failed = failed.map(|(incoming, panicked)| poison::event(&shared, incoming, panicked));
        let refused = turned.refused.into_iter().cloned().chain(unknown).chain(failed);
        for refused in refused {
            shared.metrics.count_rejected(refused.rejection.reason(), 1);
            self.rejected.push(shared.rejected_row(&refused));
        }
        Ok(())
    }

    fn at(&self, slot: u8) -> Option<usize> {
        self.slots.iter().position(|owned| owned.slot.number == slot)
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Seal { ids_due, totals_of, reply } => {
                let handed = self.hand_over(ids_due, &totals_of);
                // The checkpoint is gone only when the process is about to end.
                let _ = reply.send(handed);
            }
            Command::Committed(sequences) => {
                for (slot, next) in sequences {
                    self.of(slot, |owned| owned.committed(next));
                }
            }
            Command::IdsMerged(slots) => {
                for slot in slots {
                    self.of(slot, |owned| owned.slot.ids.merged());
                }
            }
            Command::TotalsSaved(slot, upto) => self.saved_totals(slot, upto),
            Command::Recall(slot, account) => {
                self.recall(slot, account);
                self.shared.wake();
            }
            Command::Refresh(account) => self.refresh(account),
            Command::TenantAppeared(tenant) => self.take_in(&tenant),
            Command::Cut(slot, account, reply) => {
                if let Some(at) = self.at(slot) {
                    self.recall(slot, account);
                    // A reader that has gone away needs no answer.
                    let _ = reply.send(self.cut_account(at, account));
                }
            }
            Command::Rebuild(slot, account, window) => self.rebuild(slot, account, window),
            Command::Sweep { slot, from, reply } => {
                // The sweeper is gone only when the process is about to end.
                let _ = reply.send(self.sweep(slot, from));
            }
            Command::Install(slot, results) => self.install(slot, results),
            Command::Move(to, done) => {
                self.move_to(to);
                // Whoever asked is the checkpointer, which is gone only at the end.
                let _ = done.send(());
            }
            Command::Replay(batch, reply) => match self.replay(&batch) {
                Ok(refused) => {
                    let _ = reply.send(refused);
                }
                Err(fatal) => self.failed = Some(fatal),
            },
            Command::Events(slot, ask) => {
                if let Some(at) = self.at(slot) {
                    events::answer(&self.shared, &self.slots[at], || self.cut(at), ask);
                }
            }
            // It ends the loop that called.
            Command::Stop => {}
        }
    }

    fn of(&mut self, slot: u8, change: impl FnOnce(&mut Owned)) {
        if let Some(at) = self.at(slot) {
            change(&mut self.slots[at]);
        }
    }

    fn hand_over(&mut self, ids_due: bool, totals_of: &[u8]) -> Handed {
        let version = self.shared.catalogue.version();
        let taken = self.slots.iter_mut().filter_map(|owned| owned.take(ids_due, version));
        let slots: Vec<Taken> = taken.collect();
        let blocks = slots.iter().flat_map(|taken| &taken.blocks);
        Handed {
            rows: blocks.map(|block| block.rows).sum(),
            ids: self.slots.iter().map(|owned| owned.slot.ids.len()).sum(),
            rejected: std::mem::take(&mut self.rejected),
            totals: totals_of.iter().filter_map(|slot| self.totals(*slot)).collect(),
            slots,
        }
    }

    /// Accounts that changed since the totals of the slot were saved last. Called right after the
    /// slot was sealed, so that accounts and blocks agree.
    fn totals(&self, slot: u8) -> Option<SlotTotals> {
        let watch = Stopwatch::start();
        let owned = &self.slots[self.at(slot)?];
        let mut changed = Vec::new();
        for key in &owned.accounts {
            self.shared.board.peek(*key, |account| {
                if account.changed_at >= owned.totals_upto {
                    changed.push((*key, encode_account(account)));
                }
            });
        }
        self.shared.metrics.totals_seconds.observe(watch.elapsed().as_secs_f64());
        Some((slot, owned.sequence, changed))
    }

    fn refresh(&mut self, key: AccountKey) {
        let now = self.shared.clock.now();
        let catalogue = &self.shared.catalogue;
        self.shared.board.change(key, || None, |account, _| catalogue.reframe(account, now));
    }

    /// Events that were set aside count from now on.
    fn take_in(&mut self, tenant: &str) {
        let now = self.shared.clock.now();
        let shared = Arc::clone(&self.shared);
        for owned in &mut self.slots {
            for key in &owned.accounts {
                shared.board.change(
                    *key,
                    || None,
                    |account, _| {
                        if *account.organization == *tenant && account.aside.0 > 0 {
                            let (events, bytes) = std::mem::take(&mut account.aside);
                            owned.slot.counters.take_in(events);
                            shared.catalogue.give_back(bytes);
                            account.changed_at = owned.sequence;
                            shared.catalogue.reframe(account, now);
                        }
                    },
                );
            }
            owned.changed = true;
            owned.announce(&shared.board);
        }
    }

    fn cut_account(&self, at: usize, account: AccountKey) -> CutAccount {
        let state = self.shared.board.peek(account, |account| account.state.0);
        CutAccount {
            cut: self.cut(at),
            progress: Arc::new(self.slots[at].slot.progress.clone()),
            state: state.unwrap_or_default(),
        }
    }

    fn cut(&self, at: usize) -> Cut {
        let owned = &self.slots[at];
        let committed = owned.unsaved.front().map_or(owned.sequence, |sealed| sealed.sequence);
        let open = owned.open.snapshot(owned.slot.number, owned.sequence);
        Cut {
            slot: owned.slot.number,
            committed,
            recent: owned.unsaved.iter().cloned().chain(open).collect(),
            hold: Arc::new(self.shared.store.hold(owned.slot.number, owned.sequence)),
        }
    }
}

/// Moves the metrics by what a batch changed: once per batch, never per event.
fn count(metrics: &Metrics, before: Counters, after: Counters) {
    let events = &metrics.events;
    metrics.records_consumed.inc_by(after.consumed() - before.consumed());
    events.accepted.inc_by(after.accepted - before.accepted);
    events.duplicate.inc_by(after.duplicate - before.duplicate);
    events.replaced.inc_by(after.replaced - before.replaced);
    events.rejected.inc_by(after.rejected - before.rejected);
    events.set_aside.inc_by(after.set_aside - before.set_aside);
}
