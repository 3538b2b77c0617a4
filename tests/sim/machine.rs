//! One life of the service, from its start to the next crash: the parts that threads would run,
//! each moved on by hand.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use crossbeam_channel::{Receiver, Sender, bounded};
use odometer::config::Settings;
use odometer::core::instant::Instant;
use odometer::core::position::Source;
use odometer::engine::account::Folding;
use odometer::engine::batch::Batch;
use odometer::engine::keys::{SlotNumber, numbers};
use odometer::engine::ledger::AccountKey;
use odometer::engine::progress::Progress;
use odometer::log::decode::Limits;
use odometer::log::kafka::Watermarks;
use odometer::runtime::catalog_log::CatalogReader;
use odometer::runtime::checkpoint::{Checkpointer, Extra, Request, Schedule};
use odometer::runtime::clock::Clock;
use odometer::runtime::compactor::{self, JOBS_WAITING_MAX, Job};
use odometer::runtime::fault::Fault;
use odometer::runtime::ingest::{Assigned, Assignment, BatchLimits, Reader};
use odometer::runtime::owner::progress_of;
use odometer::runtime::positions::Positions;
use odometer::runtime::prepared::Prepared;
use odometer::runtime::rebuilds::{self, RebuildJobs};
use odometer::runtime::scanner;
use odometer::runtime::shared::{Shared, worker_of};
use odometer::runtime::source::EventSource;
use odometer::runtime::sweeper::Swept;
use odometer::runtime::usages::{Question, Reflects, Refusal, Usages};
use odometer::runtime::view::View;
use odometer::runtime::worker::{BATCHES_WAITING_MAX, Command, CutAccount, Worker};
use odometer::store::{Store, StoreOptions, TopicSeen};
use odometer::telemetry::metrics::Metrics;
use uuid::Uuid;

use crate::cases::Dice;
use crate::disk::Disk;
use crate::logs::Log;

/// Name of the topic of events.
pub const EVENTS: &str = "events";
/// Name of the topic of dead letters.
const DEAD_LETTERS: &str = "dead";
/// Time that never comes: what is due is decided by the seed.
const NEVER: std::time::Duration = std::time::Duration::from_secs(1 << 30);

/// Pause between two looks at a reader for which nothing can be done.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(5);

/// A worker with what waits for it.
struct Seat {
    worker: Worker,
    commands: Receiver<Command>,
    batches: Receiver<Arc<Batch>>,
    queue: Sender<Arc<Batch>>,
}

/// What all lives of one world have in common.
pub struct Site {
    pub disk: Arc<Disk>,
    pub settings: Settings,
    pub options: StoreOptions,
    pub clock: Clock,
    pub events: Log,
    pub catalogue: Log,
    pub ids_bytes_max: usize,
    pub batch: BatchLimits,
    /// Dead letters that have left.
    pub sent: std::sync::Mutex<Vec<odometer::store::OutboxEntry>>,
}

/// One life.
pub struct Machine {
    pub shared: Arc<Shared>,
    seats: Vec<Seat>,
    reader: Option<Reader>,
    assignments: Sender<Assignment>,
    checkpointer: Checkpointer,
    requests: Receiver<Request>,
    jobs: Receiver<Job>,
    rebuilds: RebuildJobs,
    folding: Folding,
    catalog: CatalogReader,
    assigned_later: Option<Receiver<Assignment>>,
}

impl Site {
    /// Starts: opens the store and begins to have the slots back. The catalogue is not read yet,
    /// and neither are the events.
    pub fn start(&self, dice: &mut Dice) -> Machine {
        let store = Store::open(self.disk.folder(), &self.options).unwrap();
        self.disk.opened();
        let store = Arc::new(store.watched_by(Arc::clone(&self.disk) as _));
        let metrics = Arc::new(Metrics::new());
        let prepared =
            Prepared::around(&store, &self.settings, self.clock.clone(), metrics, Fault::None);
        let Prepared { shared, commands, requests, catalog_progress } = prepared.unwrap();
        let (rebuilds, rebuild_jobs) = rebuilds::queues();
        let workers = commands.len();
        let seats = commands.into_iter().enumerate().map(|(number, commands)| {
            let (queue, batches) = bounded(BATCHES_WAITING_MAX);
            let mut worker = Worker::new(Arc::clone(&shared), rebuilds.clone());
            let mine = |slot: &SlotNumber| worker_of(*slot, workers) == number;
            let mine: Vec<SlotNumber> = numbers(shared.slots).filter(mine).collect();
            worker.begin(&mine, self.ids_bytes_max).unwrap();
            Seat { worker, commands, batches, queue }
        });
        let seats = seats.collect();
        let (compactor, jobs) = bounded(JOBS_WAITING_MAX);
        let (merger, _) = bounded(1);
        let schedule = Schedule {
            interval: NEVER,
            totals_interval: NEVER,
            dead_letters: Some(DEAD_LETTERS.to_owned()),
            embedded: None,
            rejected_bytes_max: self.options.rejected_bytes_max,
        };
        let checkpointer = Checkpointer::new(Arc::clone(&shared), schedule, compactor, merger);
        let from = [(0, catalog_progress.next_offset)];
        let reading = self.catalogue.reading(&from, Dice::new(dice.below(1 << 30) as u64, 1));
        let source = EventSource::Other(Box::new(reading));
        let topic = "catalogue".to_owned();
        let catalog = CatalogReader::new(Arc::clone(&shared), topic, source, catalog_progress);
        let (assignments, assigned_later) = bounded(16);
        Machine {
            folding: shared.folding(),
            seats,
            reader: None,
            assignments,
            checkpointer: checkpointer.unwrap(),
            requests,
            jobs,
            rebuilds: rebuild_jobs,
            catalog,
            assigned_later: Some(assigned_later),
            shared,
        }
    }

    /// The partitions that are to be read, from the first of these numbers on.
    fn assigned(&self, shared: &Shared, first: usize) -> Vec<Assigned> {
        let seen = TopicSeen {
            name: EVENTS.to_owned(),
            cluster_id: "cluster".to_owned(),
            topic_id: Uuid::from_u128(7),
            partitions: u32::try_from(self.events.len()).unwrap(),
        };
        let label = shared.store.register_topics(&[seen]).unwrap()[0].label;
        shared.sources.name_topic(label, EVENTS);
        let positions = Positions::now(shared).unwrap();
        let assigned = (first..self.events.len()).map(|partition| {
            let source = Source::new(label, u16::try_from(partition).unwrap());
            let marks = Watermarks { low: 0, high: self.events.end(partition) };
            let reached = positions.start(source, marks).unwrap();
            Assigned {
                topic: 0,
                name: EVENTS.to_owned(),
                source,
                reached,
                end_at_start: marks.high,
            }
        });
        assigned.collect()
    }
}

impl Machine {
    /// Begins to read the events, once the catalogue has been read.
    pub fn read_events(&mut self, site: &Site, dice: &mut Dice) {
        let Some(later) = self.assigned_later.take() else { return };
        let assigned = site.assigned(&self.shared, 0);
        let place = |a: &Assigned| (i32::from(a.source.partition()), a.reached.next);
        let places: Vec<(i32, i64)> = assigned.iter().map(place).collect();
        let reading = site.events.reading(&places, Dice::new(dice.below(1 << 30) as u64, 2));
        let mut reader = Reader::new(
            Arc::clone(&self.shared),
            EventSource::Other(Box::new(reading)),
            &assigned,
            Limits::default(),
            site.batch,
            self.seats.iter().map(|seat| seat.queue.clone()).collect(),
            later,
        );
        reader.begin();
        self.reader = Some(reader);
    }

    /// Whether events are read.
    pub fn reads_events(&self) -> bool {
        self.reader.is_some()
    }

    /// Reads partitions, too, that have been added.
    pub fn add_partitions(&mut self, site: &Site, first: usize) {
        if self.reader.is_some() {
            for partition in site.assigned(&self.shared, first) {
                self.assignments.send(Assignment::Add(partition)).unwrap();
            }
        }
    }

    /// Applies what the catalogue log has.
    pub fn read_catalogue(&mut self) {
        self.catalog.step().unwrap();
    }

    /// Reads a batch, if the workers have room. Returns whether they had.
    pub fn read(&mut self) -> bool {
        // What begins anew hands out a batch by itself.
        let room = self.seats.iter().all(|seat| seat.queue.len() + 2 <= BATCHES_WAITING_MAX);
        if let Some(reader) = self.reader.as_mut().filter(|_| room) {
            reader.step().unwrap();
        }
        room
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.seats.len()
    }

    /// Has a worker apply the batch that waits longest, once all its slots are back.
    pub fn fold(&mut self, worker: usize) -> bool {
        let seat = &mut self.seats[worker];
        if !seat.worker.is_back() {
            return false;
        }
        let Ok(batch) = seat.batches.try_recv() else { return false };
        seat.worker.apply(&batch, &seat.commands).unwrap();
        true
    }

    /// Has a worker obey the command that waits longest.
    pub fn obey(&mut self, worker: usize) -> bool {
        let seat = &mut self.seats[worker];
        let Ok(command) = seat.commands.try_recv() else { return false };
        seat.worker.take(command);
        true
    }

    /// Whether commands wait for anybody.
    pub fn is_quiet(&self) -> bool {
        self.seats.iter().all(|seat| seat.commands.is_empty())
    }

    /// Takes a step of the recovery of a worker's slots.
    pub fn recover(&mut self, worker: usize) -> bool {
        let seat = &mut self.seats[worker];
        !seat.worker.is_back() && seat.worker.take_step().unwrap()
    }

    /// Whether all slots are back.
    pub fn is_back(&self) -> bool {
        self.seats.iter().all(|seat| seat.worker.is_back())
    }

    /// Does a rebuild that waits.
    pub fn scan(&mut self) -> bool {
        let Some(job) = self.rebuilds.waiting() else { return false };
        scanner::work(&self.shared, job, &mut self.folding);
        true
    }

    /// Moves on whatever a reader may wait for.
    fn turn(&mut self) -> bool {
        let workers = 0..self.workers();
        // Each has its share: a reader may ask again whenever it is woken.
        let obeyed = workers.clone().any(|worker| self.obey(worker));
        let scanned = self.scan();
        obeyed || scanned || workers.into_iter().any(|worker| self.recover(worker))
    }

    /// Writes a checkpoint: ids and the totals of these slots are handed on with it, if nothing of
    /// the kind is under way. Returns what is durable, by slot.
    pub fn checkpoint(&mut self, ids: bool, totals: &[u8]) -> Vec<Progress> {
        while self.requests.try_recv().is_ok() {}
        let ids = ids && self.is_back() && !self.shared.compacting.ids();
        let late = !self.is_back() || self.shared.compacting.totals();
        let asked = self.checkpointer.ask(ids, if late { &[] } else { totals }).unwrap();
        for worker in 0..self.workers() {
            while self.obey(worker) {}
        }
        // The store of a service that goes on is tried until it takes what it is given.
        self.shared.stopping.store(true, Ordering::Release);
        self.checkpointer.write(asked, Extra::default()).unwrap();
        self.shared.stopping.store(false, Ordering::Release);
        self.durable()
    }

    /// What the store says of the slots.
    pub fn durable(&self) -> Vec<Progress> {
        let state = |slot| self.shared.store.slot(slot).unwrap();
        numbers(self.shared.slots).map(|slot| progress_of(&state(slot).head)).collect()
    }

    /// Brings in ids or totals that wait.
    pub fn compact(&mut self) -> bool {
        let Ok(job) = self.jobs.try_recv() else { return false };
        let is_ids = matches!(job, Job::Ids { .. });
        self.shared.stopping.store(true, Ordering::Release);
        compactor::work(&self.shared, job);
        self.shared.stopping.store(false, Ordering::Release);
        let compacting = &self.shared.compacting;
        let left = if is_ids { compacting.ids() } else { compacting.totals() };
        assert!(!left, "the store has refused what follows from its blocks");
        true
    }

    /// Merges what may be merged of a slot.
    pub fn merge(&mut self, slot: u8) -> bool {
        self.shared.store.merge(slot, &|| true).unwrap().is_some()
    }

    /// Sends dead letters and takes them out of the outbox.
    pub fn send(&mut self, site: &Site) -> bool {
        let store = &self.shared.store;
        let entries = store.outbox(store.outbox_state().first, 4, 1 << 20).unwrap();
        let Some((last, _)) = entries.last() else { return false };
        let next = last + 1;
        site.sent.lock().unwrap().extend(entries.into_iter().map(|(_, entry)| entry));
        store.acknowledge(next).unwrap();
        true
    }

    /// Has the accounts of a slot looked after whose rules have changed.
    pub fn sweep(&mut self, slot: SlotNumber) -> Option<Swept> {
        let (reply, answer) = bounded(1);
        self.shared.owner(slot).send(Command::Sweep { slot, from: 0, reply }).unwrap();
        let worker = worker_of(slot, self.workers());
        while self.obey(worker) {}
        answer.try_recv().ok()
    }

    /// The ledger of an account at this moment, if its slot is back.
    pub fn cut(&mut self, slot: SlotNumber, account: AccountKey) -> Option<CutAccount> {
        if !self.shared.board.slot(slot).ready {
            return None;
        }
        let (reply, mut cut) = tokio::sync::oneshot::channel();
        let worker = worker_of(slot, self.workers());
        self.seats[worker].worker.take(Command::Cut(slot, account, reply));
        Some(cut.try_recv().expect("a worker that has the slot"))
    }

    /// Asks, and does meanwhile what the answer waits for.
    pub fn ask<V: View<Body = String>>(
        &mut self,
        question: &Question,
        view: &V,
    ) -> Result<(Reflects, Option<String>), Refusal> {
        thread_local! {
            static WAITING: tokio::runtime::Runtime =
                // One thread for reads, so that they are over in the order in which they begin.
                tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .max_blocking_threads(1)
                    .build()
                    .unwrap();
        }
        let usages = Usages::new(Arc::clone(&self.shared));
        WAITING.with(|waiting| {
            waiting.block_on(async {
                // Unconstrained, so that it waits only for what it has not got.
                let answer = usages.answer(question, |_| false, view);
                let mut answer = std::pin::pin!(tokio::task::unconstrained(answer));
                loop {
                    let look = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context)));
                    if let Poll::Ready(answer) = look.await {
                        return answer;
                    }
                    // Nothing moves while a read is under way, however long that takes.
                    tokio::task::spawn_blocking(|| ()).await.unwrap();
                    let look = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context)));
                    if let Poll::Ready(answer) = look.await {
                        return answer;
                    }
                    if !self.turn() {
                        // Whoever is not told looks again by itself, after a while.
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                }
            })
        })
    }

    /// The clock.
    pub fn now(&self) -> Instant {
        self.shared.clock.now()
    }
}
