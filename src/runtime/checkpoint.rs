//! Checkpoints: what the workers accepted becomes durable, all of it in one atomic write.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::clock::Stopwatch;
use super::compactor::{Compacting, Job};
use super::dead_letters;
use super::fatal::Fatal;
use super::fault::Fault;
use super::new_ids::NewIds;
use super::shared::{Shared, worker_of};
use super::turns::Turns;
use super::worker::{Command, Handed};
use crate::core::instant::Instant;
use crate::core::planted::{Fault as Planted, planted};
use crate::core::position::Source;
use crate::engine::dedup::BYTES_PER_ID;
use crate::engine::keys::numbers;
use crate::store::{Commit, Gap, LogName, Rejected, SealedBlock, StoreError, Topic, Unmerged};
use crate::telemetry::events::{
    CheckpointFailed, CheckpointWritten, Emit, LimitHit, RejectedDropped,
};

/// What is being done when a checkpoint fails.
const WRITING: &str = "writing a checkpoint";
/// Pause before a failed write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Pause between two looks at a compactor that is behind.
const COMPACTOR_PAUSE: Duration = Duration::from_millis(5);

/// When checkpoints are written.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Longest time between two.
    pub interval: Duration,
    /// Time in which the totals of every slot are saved once.
    pub totals_interval: Duration,
    /// Topic of dead letters, if refused records are to be sent there.
    pub dead_letters: Option<String>,
    /// The partition of the embedded log, which is trimmed once its events are safe.
    pub embedded: Option<Source>,
    /// Room for refused records.
    pub rejected_bytes_max: u64,
}

/// Asks the checkpointer for something.
pub enum Request {
    /// A checkpoint out of turn.
    Now {
        /// Told when it is durable.
        done: Option<Sender<()>>,
    },
    /// A checkpoint with something that becomes durable with what it has done to the slots.
    With {
        /// Does it and says what else is to be written; none: nothing was done. No slot is sealed
        /// meanwhile, so that all of it is in one commit.
        prepare: Box<dyn FnOnce() -> Option<Extra> + Send>,
        /// Told when it is durable.
        done: Sender<()>,
    },
    /// A last checkpoint, and the end.
    Stop,
}

/// What a checkpoint writes beside what the workers hand over.
#[derive(Default)]
pub struct Extra {
    /// Records that are refused.
    pub rejected: Vec<Rejected>,
    /// Refused records whose events are taken in, and when.
    pub replayed: Vec<(u64, Instant)>,
    /// A gap that is accepted.
    pub gap: Option<(Gap, Topic)>,
}

impl Extra {
    fn is_empty(&self) -> bool {
        self.rejected.is_empty() && self.replayed.is_empty() && self.gap.is_none()
    }
}

/// Where the workers hand over what the store lacks, by worker.
pub struct Asked(Vec<Receiver<Handed>>);

impl Asked {
    fn await_all(self) -> Result<Vec<Handed>, Fatal> {
        let received = self.0.into_iter().enumerate().map(|(number, reply)| {
            reply.recv().map_err(|_| Fatal::Thread(format!("worker {number}")))
        });
        received.collect()
    }
}

/// The thread that writes checkpoints.
pub struct Checkpointer {
    shared: Arc<Shared>,
    schedule: Schedule,
    compactor: Sender<Job>,
    /// Tells the merger to look for what is due.
    merger: Sender<()>,
    new_ids: NewIds,
    turns: Turns,
    since_totals: Stopwatch,
}

impl Checkpointer {
    /// A checkpointer that hands ids and totals to the compactor, and wakes the merger.
    pub fn new(
        shared: Arc<Shared>,
        schedule: Schedule,
        compactor: Sender<Job>,
        merger: Sender<()>,
    ) -> Result<Self, Fatal> {
        let unsaved = numbers(shared.slots).map(|slot| {
            let state = shared.store.slot(slot)?;
            let blocks = state.head.next_sequence.saturating_sub(state.totals_upto);
            // The store knows the bytes of all blocks that are not merged, which are the same ones
            // and some before them.
            let Unmerged { blocks: all, bytes, .. } = shared.store.unmerged(slot)?;
            Ok((blocks, bytes / all.max(1) * blocks))
        });
        let unsaved: Result<Vec<(u64, u64)>, StoreError> = unsaved.collect();
        let turns = Turns::new(unsaved.map_err(Fatal::store("reading a slot's head"))?);
        Ok(Self {
            shared,
            schedule,
            compactor,
            merger,
            new_ids: NewIds::default(),
            turns,
            since_totals: Stopwatch::start(),
        })
    }

    /// Writes checkpoints until it is told to stop; the last one is written then.
    pub fn run(mut self, requests: &Receiver<Request>) -> Result<(), Fatal> {
        loop {
            match requests.recv_timeout(self.schedule.interval) {
                Ok(Request::Now { done }) => {
                    self.checkpoint(Extra::default())?;
                    // Whoever asked may have given up waiting.
                    done.map(|done| done.send(()));
                }
                Ok(Request::With { prepare, done }) => {
                    if let Some(extra) = prepare() {
                        self.checkpoint(extra)?;
                        let _ = done.send(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.checkpoint(Extra::default())?,
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return self.checkpoint(Extra::default());
                }
            }
        }
    }

    /// Takes from all workers what the store lacks and writes it. It is tried until it succeeds:
    /// the workers hold on to everything meanwhile, and stop reading when they hold too much.
    fn checkpoint(&mut self, extra: Extra) -> Result<(), Fatal> {
        let ids_due = self.ids_due();
        let totals_of = self.totals_due();
        let asked = self.ask(ids_due, &totals_of)?;
        self.write(asked, extra)
    }

    /// Writes what the workers hand over, once all have.
    ///
    /// # Errors
    ///
    /// A worker is gone, or the service stops and the store does not take the last checkpoint.
    pub fn write(&mut self, asked: Asked, extra: Extra) -> Result<(), Fatal> {
        let watch = Stopwatch::start();
        let mut handed = asked.await_all()?;
        self.show_gauges(&handed);
        self.shared.fault.tamper(&mut handed);
        if planted(Planted::PositionsStoredEarly) {
            Fault::PositionsEarly.tamper(&mut handed);
        }
        let idle = |handed: &Handed| handed.slots.is_empty() && handed.rejected.is_empty();
        if handed.iter().all(idle) && extra.is_empty() {
            // Totals may be due all the same: slots take turns, whether or not records come.
            self.hand_on(handed);
            return Ok(());
        }
        let commit = self.commit_of(&handed, extra);
        let stats = loop {
            match self.shared.fault.around(|| self.shared.store.commit(&commit)) {
                Ok(stats) => break stats,
                Err(error) => self.failed(error)?,
            }
        };
        self.shared.troubles.works(WRITING);
        if stats.rejected_dropped > 0 {
            let bytes_max = self.schedule.rejected_bytes_max;
            RejectedDropped { records: stats.rejected_dropped, bytes_max }
                .emit(&self.shared.metrics);
        }
        let rows = handed.iter().map(|handed| handed.rows).sum();
        CheckpointWritten { took: watch.elapsed(), bytes: stats.bytes, events: rows }
            .emit(&self.shared.metrics);
        if !commit.blocks.is_empty() {
            self.new_ids.committed();
        }
        for block in &commit.blocks {
            self.turns.committed(block.slot, block.bytes.len() as u64);
        }
        self.tell_workers(&handed);
        self.hand_on(handed);
        // If it is at work it looks again before it rests.
        let _ = self.merger.try_send(());
        Ok(())
    }

    /// A full disk is waited for. After any other failed write nobody knows what the disk has, and
    /// the engine takes no more: what is not written is read again from the log at the next start.
    fn failed(&self, error: StoreError) -> Result<(), Fatal> {
        let Shared { troubles, store, .. } = &*self.shared;
        if self.shared.is_stopping() || !troubles.passes(&error, store) {
            CheckpointFailed { error: &error }.emit(&self.shared.metrics);
            return Err(Fatal::store(WRITING)(error));
        }
        self.shared.metrics.checkpoint_failures.inc();
        self.shared.troubles.failed(WRITING, &error);
        std::thread::sleep(RETRY_PAUSE);
        Ok(())
    }

    /// What only somebody who sees all slots can tell, once per checkpoint.
    fn show_gauges(&self, handed: &[Handed]) {
        let Shared { metrics, board, ends, clock, store, .. } = &*self.shared;
        metrics.accounts.set(board.len() as u64);
        metrics.accounts_bytes.set(board.bytes() as u64);
        let ids: usize = handed.iter().map(|handed| handed.ids).sum();
        metrics.ids_memory_bytes.set((ids * BYTES_PER_ID) as u64);
        metrics.rejected_bytes.set(store.rejected_state().bytes);
        let now = clock.now();
        let lags =
            numbers(self.shared.slots).map(|slot| ends.lag_ms(&board.slot(slot).progress, now));
        metrics.lag_ms.set(lags.max().and_then(|lag| u64::try_from(lag).ok()).unwrap_or(0));
    }

    /// Asks all workers for what the store lacks, for ids if they are due, and for the totals of
    /// these slots.
    ///
    /// # Errors
    ///
    /// A worker is gone.
    pub fn ask(&self, ids_due: bool, totals_of: &[u8]) -> Result<Asked, Fatal> {
        let workers = self.shared.commands.len();
        let mut replies = Vec::with_capacity(workers);
        for (number, worker) in self.shared.commands.iter().enumerate() {
            let (reply, handed) = bounded(1);
            let mine = totals_of.iter().filter(|slot| worker_of(**slot, workers) == number);
            let totals_of = mine.copied().collect();
            let gone = |_| Fatal::Thread(format!("worker {number}"));
            worker.send(Command::Seal { ids_due, totals_of, reply }).map_err(gone)?;
            replies.push(handed);
        }
        Ok(Asked(replies))
    }

    /// Whether new ids are to be brought in, and none are at present. If the compactor does not
    /// keep up, no more is committed until it has: they are held in memory.
    fn ids_due(&mut self) -> bool {
        let shared = &self.shared;
        // Before all slots are back there is nothing new, and the sum below says nothing.
        if !shared.all_back() {
            return false;
        }
        let accepted = numbers(shared.slots).map(|slot| {
            let counters = shared.board.slot(slot).counters;
            counters.accepted + counters.replaced
        });
        let accepted: u64 = accepted.sum();
        if shared.compacting.ids() && self.new_ids.are_overdue(accepted) {
            LimitHit { limit: "IDS_OVERDUE" }.emit(&shared.metrics);
            self.await_compactor(Compacting::ids);
        }
        let due = !shared.compacting.ids() && self.new_ids.are_due(accepted);
        if due {
            self.new_ids.begin(accepted);
        }
        due
    }

    /// Waits while the compactor is at this kind of work.
    fn await_compactor(&self, works: impl Fn(&Compacting) -> bool) {
        while works(&self.shared.compacting) && !self.shared.is_stopping() {
            std::thread::sleep(COMPACTOR_PAUSE);
        }
    }

    /// The slots whose totals are saved this time. If the compactor does not keep up, no more is
    /// committed until it has: what would have to be folded again at a start has a bound.
    fn totals_due(&mut self) -> Vec<u8> {
        let shared = &self.shared;
        let all_back = shared.all_back();
        if all_back {
            for slot in shared.take_pressed() {
                self.turns.press(slot);
            }
        }
        // An owner that pressed for a slot folds nothing until it is saved, and asks only once.
        let overdue = self.turns.is_overdue();
        if (overdue || self.turns.is_pressed()) && shared.compacting.totals() {
            if overdue {
                LimitHit { limit: "REFOLD_BYTES_MAX" }.emit(&shared.metrics);
            }
            self.await_compactor(Compacting::totals);
        }
        if !all_back {
            self.since_totals = Stopwatch::start();
            return Vec::new();
        }
        if shared.compacting.totals() {
            return Vec::new();
        }
        let each = self.schedule.totals_interval / u32::from(shared.slots.max(1));
        let turns = self.since_totals.elapsed().as_micros() / each.as_micros().max(1);
        if turns > 0 {
            self.since_totals = Stopwatch::start();
        }
        self.turns.due(usize::try_from(turns).unwrap_or(usize::MAX))
    }

    fn commit_of(&self, handed: &[Handed], extra: Extra) -> Commit {
        let Extra { rejected, replayed, gap } = extra;
        let mut commit = Commit { replayed, gap, ..Commit::default() };
        for taken in handed.iter().flat_map(|handed| &handed.slots) {
            commit.heads.push((taken.slot, taken.head.clone()));
            commit.blocks.extend(taken.blocks.iter().map(|sealed| SealedBlock {
                slot: taken.slot,
                sequence: sealed.sequence,
                bytes: sealed.bytes.to_vec(),
            }));
        }
        let of_workers = handed.iter().flat_map(|handed| &handed.rejected);
        for rejected in of_workers.chain(&rejected) {
            if let Some(topic) = &self.schedule.dead_letters {
                commit.outbox.push(dead_letters::entry(topic, rejected));
            }
            if !planted(Planted::RejectedNotStored) {
                commit.rejected.push(rejected.clone());
            }
        }
        commit.trims = self.trim(&commit).into_iter().collect();
        commit
    }

    /// Up to where the embedded log is not needed any more: every slot has it in this very commit.
    fn trim(&self, commit: &Commit) -> Option<(LogName, u64)> {
        let source = self.schedule.embedded?;
        if commit.heads.len() != usize::from(self.shared.slots) {
            return None;
        }
        let next = commit.heads.iter().map(|(_, head)| {
            let found = head.sources.iter().find(|reached| reached.source == source);
            found.map_or(0, |reached| reached.next_offset)
        });
        Some((LogName::Events, u64::try_from(next.min()?).unwrap_or(0)))
    }

    fn tell_workers(&self, handed: &[Handed]) {
        for (worker, handed) in self.shared.commands.iter().zip(handed) {
            let heads = handed.slots.iter().map(|taken| (taken.slot, taken.head.next_sequence));
            // A worker that is gone is noticed by the next checkpoint.
            let _ = worker.send(Command::Committed(heads.collect()));
        }
    }

    /// Gives the compactor what follows from committed blocks. It has room: one of each is under
    /// way at most.
    fn hand_on(&mut self, handed: Vec<Handed>) {
        let mut ids = Vec::new();
        let mut upto = Vec::new();
        let mut totals = Vec::new();
        for handed in handed {
            for taken in handed.slots {
                if taken.ids_taken {
                    upto.push((taken.slot, taken.head.next_sequence));
                    ids.push((taken.slot, taken.ids));
                }
            }
            totals.extend(handed.totals);
        }
        for (slot, _, accounts) in &totals {
            let bytes = accounts.iter().map(|(_, bytes)| bytes.len() as u64).sum();
            self.turns.saved(*slot, bytes);
            self.shared.metrics.totals_bytes.inc_by(bytes);
        }
        if !totals.is_empty() {
            self.shared.compacting.set_totals(true);
            let _ = self.compactor.send(Job::Totals(totals));
        }
        if !upto.is_empty() {
            self.shared.compacting.set_ids(true);
            let _ = self.compactor.send(Job::Ids { ids, upto });
        }
    }
}
