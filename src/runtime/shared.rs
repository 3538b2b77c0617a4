//! What all threads share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use tokio::sync::Notify;

use super::catalogue::Catalogue;
use super::checkpoint::Request;
use super::clock::Clock;
use super::compactor::Compacting;
use super::ends::Ends;
use super::fault::Fault;
use super::ignored::Ignored;
use super::poison::Unfit;
use super::trouble::Troubles;
use super::worker::Command;
use crate::core::aggregate::kept::Caps;
use crate::core::matching::Buckets;
use crate::core::usage::ScanLimits;
use crate::engine::account::Folding;
use crate::engine::batch::Refused;
use crate::engine::keys::{KeyHasher, SlotNumber, names_hash, numbers, slot_of};
use crate::engine::ledger::AccountKey;
use crate::runtime::source::SourceNames;
use crate::serving::board::Board;
use crate::store::{Rejected, Store, StoreError};
use crate::telemetry::metrics::Metrics;

/// Everything that is made once at start and then only looked at.
pub struct Shared {
    /// The store.
    pub store: Arc<Store>,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The accounts.
    pub board: Board,
    /// Where "now" comes from.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Hashes under the store's secret.
    pub hasher: KeyHasher,
    /// Number of slots.
    pub slots: u16,
    /// Bounds of one bucket that is kept.
    pub caps: Caps,
    /// Bounds of a scan.
    pub scan_limits: ScanLimits,
    /// Asks the checkpointer for a checkpoint out of turn.
    pub checkpoints: Sender<Request>,
    /// New rows after which a worker asks for one.
    pub rows_per_checkpoint: u64,
    /// Where the logs end.
    pub ends: Ends,
    /// Names of the partitions.
    pub sources: SourceNames,
    /// Commands to the workers, by worker.
    pub commands: Vec<Sender<Command>>,
    /// Catalogue records that did nothing lately.
    pub ignored: Ignored,
    /// What the compactor has under way.
    pub compacting: Compacting,
    /// Slots that somebody waits for while they are being recovered.
    pub asked: Vec<AtomicBool>,
    /// Slots whose owner wants their totals saved, to let accounts go.
    pub pressed: Vec<AtomicBool>,
    /// Room for accounts, bytes.
    pub accounts_bytes_max: usize,
    /// Told whenever a rebuild is through, and whenever the offsets have moved.
    pub moved: Notify,
    /// Accounts whose totals cannot be folded.
    pub unfit: Unfit,
    /// What a test wants to go wrong.
    pub fault: Fault,
    /// What the store refuses at present.
    pub troubles: Troubles,
    /// Set once the service has to stop.
    pub stopping: AtomicBool,
}

impl Shared {
    /// What folding needs.
    pub fn folding(&self) -> Folding {
        let (caps, key, buckets) = (self.caps, self.hasher.values(), Buckets::default());
        Folding { caps, key, buckets, over_cap: 0 }
    }

    /// The slot and the key of an account.
    pub fn account(
        &self,
        organization: &str,
        subscription: Option<&str>,
    ) -> (SlotNumber, AccountKey) {
        let slot = slot_of(names_hash(organization, subscription), self.slots);
        (slot, self.hasher.account(organization, subscription))
    }

    /// The commands of the worker that owns a slot.
    pub fn owner(&self, slot: SlotNumber) -> &Sender<Command> {
        &self.commands[worker_of(slot, self.commands.len())]
    }

    /// Has a slot recovered before others.
    pub fn ask_for(&self, slot: SlotNumber) {
        if let Some(asked) = self.asked.get(usize::from(slot)) {
            asked.store(true, Ordering::Release);
        }
    }

    /// Has an account back before its slot, and its slot before others. If too much waits for the
    /// owner already, the account comes with its slot.
    pub fn ask_for_account(&self, slot: SlotNumber, account: AccountKey) {
        self.ask_for(slot);
        let _ = self.owner(slot).try_send(Command::Recall(slot, account));
    }

    /// Whether all slots are back from the store.
    pub fn all_back(&self) -> bool {
        numbers(self.slots).all(|slot| self.board.slot(slot).ready)
    }

    /// Whether somebody waits for a slot.
    pub fn is_asked(&self, slot: SlotNumber) -> bool {
        self.asked.get(usize::from(slot)).is_some_and(|asked| asked.load(Ordering::Acquire))
    }

    /// Has the totals of a slot saved with the next checkpoint.
    pub fn press(&self, slot: SlotNumber) {
        if let Some(pressed) = self.pressed.get(usize::from(slot)) {
            pressed.store(true, Ordering::Release);
        }
    }

    /// The slots whose totals are to be saved soon. They are told once.
    pub fn take_pressed(&self) -> Vec<SlotNumber> {
        let taken = |slot: &SlotNumber| {
            let pressed = self.pressed.get(usize::from(*slot));
            pressed.is_some_and(|pressed| pressed.swap(false, Ordering::AcqRel))
        };
        numbers(self.slots).filter(taken).collect()
    }

    /// Whether an account that was not on the board is in the store alone: then it has to be asked
    /// for. Of a slot that no account has left, none is.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn is_away(&self, slot: SlotNumber, account: AccountKey) -> Result<bool, StoreError> {
        Ok(self.board.has_left(slot) && self.store.totals(slot, account)?.is_some())
    }

    /// Whether the service has to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Wakes readers that wait for totals or offsets.
    pub fn wake(&self) {
        self.moved.notify_waiters();
    }

    /// Shows what the store has kept: names of topics that are not read any more, and what accepted
    /// gaps have cost.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn show_kept(&self) -> Result<(), StoreError> {
        for topic in self.store.topics()? {
            self.sources.name_topic(topic.label, &topic.seen.name);
        }
        let passed = self.store.gaps()?.iter().map(|gap| gap.records).sum();
        self.metrics.gap_records.inc_by(passed);
        Ok(())
    }

    /// A refused record as the store keeps it.
    pub fn rejected_row(&self, refused: &Refused) -> Rejected {
        Rejected {
            source: self.sources.name(refused.position.source),
            offset: refused.position.offset,
            index: refused.position.index,
            reason: refused.rejection.reason().to_owned(),
            detail: refused.rejection.to_string(),
            log_time: refused.position.log_time,
            bytes: refused.bytes.clone(),
            replayed: None,
        }
    }
}

/// The worker that owns a slot.
pub fn worker_of(slot: SlotNumber, workers: usize) -> usize {
    usize::from(slot) % workers.max(1)
}
