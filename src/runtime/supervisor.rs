//! Starts everything in order and stops it in the reverse.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::watch;

use super::catalog_log::{self, CatalogReader};
use super::checkpoint::{Checkpointer, Request, Schedule};
use super::clock::Clock;
use super::compactor;
use super::crew::Crew;
use super::fatal::Fatal;
use super::fault::Fault;
use super::ingest::{Assigned, Assignment, BatchLimits, Reader};
use super::partitions::Partitions;
use super::positions;
use super::prepared::Prepared;
use super::publish::{Publisher, own_topic};
use super::rebuilds::{self, RebuildJobs, Rebuilds};
use super::scanner;
use super::shared::{Shared, worker_of};
use super::source::EventSource;
use super::worker::{BATCHES_WAITING_MAX, Command, Worker};
use super::{catalog_start, merger, operator, outbox, sweeper};
use crate::config::Settings;
use crate::engine::batch::Batch;
use crate::engine::keys::numbers;
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::admin::create_topic;
use crate::log::kafka::{KafkaProducer, KafkaSource};
use crate::store::{CatalogProgress, LogName, Lost, Store, StoreOptions};
use crate::telemetry::events::{Emit, StoreOpened};
use crate::telemetry::metrics::Metrics;

/// Added partitions that may wait for a reader, which looks for them between two batches.
const ASSIGNMENTS_WAITING_MAX: usize = 64;

/// A running service.
pub struct Service {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Set to the reason once the service cannot go on.
    pub fatal: watch::Receiver<Option<String>>,
    /// Writes accepted events to the log.
    pub publisher: Arc<Publisher>,
    /// The embedded log of events, if that is what is read.
    pub events_log: Option<EmbeddedLog>,
    /// The embedded catalogue log, if that is what is read.
    pub catalog_log: Option<EmbeddedLog>,
    readers: Vec<JoinHandle<()>>,
    checkpointer: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
}

impl Service {
    /// Opens the store, recovers the slots in the background, reads the catalogue to its end and
    /// begins to read events. Returns as soon as requests can be answered or wait.
    pub fn start(settings: &Settings, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, Fatal> {
        Self::start_with(settings, clock, metrics, Fault::None)
    }

    /// [`Service::start`] with something that goes wrong on purpose.
    pub fn start_with(
        settings: &Settings,
        clock: Clock,
        metrics: Arc<Metrics>,
        fault: Fault,
    ) -> Result<Self, Fatal> {
        let store = Arc::new(open_store(settings, &metrics)?);
        let Prepared { shared, commands, requests, catalog_progress } =
            Prepared::around(&store, settings, clock, metrics, fault)?;
        let (fatal, fatal_seen) = watch::channel(None);
        let crew = Crew { shared, fatal };
        let shared = Arc::clone(&crew.shared);
        let starting = Starting { settings, crew, fatal_seen };
        let started = starting.run(commands, requests, catalog_progress);
        if started.is_err() {
            // What has been started already ends, so that the store is closed.
            shared.stopping.store(true, Ordering::Release);
            for worker in &shared.commands {
                let _ = worker.try_send(Command::Stop);
            }
        }
        started
    }
    /// Writes a checkpoint now and returns once it is durable.
    pub fn checkpoint(&self) -> Result<(), Fatal> {
        let (done, durable) = bounded(1);
        let gone = || Fatal::Thread("checkpoint".to_owned());
        let request = Request::Now { done: Some(done) };
        self.shared.checkpoints.send(request).map_err(|_| gone())?;
        durable.recv().map_err(|_| gone())
    }

    /// Stops reading, writes a last checkpoint and ends all threads.
    pub fn stop(self) -> Result<(), Fatal> {
        self.shared.stopping.store(true, Ordering::Release);
        for reader in self.readers {
            let _ = reader.join();
        }
        // A checkpointer that has failed is gone already.
        let _ = self.shared.checkpoints.send(Request::Stop);
        let _ = self.checkpointer.join();
        for worker in &self.shared.commands {
            // A worker that has failed is gone already.
            let _ = worker.send(Command::Stop);
        }
        for thread in self.workers.into_iter().chain(self.helpers) {
            let _ = thread.join();
        }
        match self.fatal.borrow().clone() {
            None => Ok(()),
            Some(reason) => Err(Fatal::Log(reason)),
        }
    }
}

/// The threads of the readers, and where they are told of partitions that were added.
type Readers = (Vec<JoinHandle<()>>, Vec<Sender<Assignment>>);

/// The queues of the workers, and their threads.
type Workers = (Vec<Sender<Arc<Batch>>>, Vec<JoinHandle<()>>);

/// The steps of a start.
struct Starting<'a> {
    settings: &'a Settings,
    crew: Crew,
    fatal_seen: watch::Receiver<Option<String>>,
}

impl Starting<'_> {
    fn run(
        self,
        commands: Vec<Receiver<Command>>,
        requests: Receiver<Request>,
        catalog_progress: CatalogProgress,
    ) -> Result<Service, Fatal> {
        let (rebuilds, rebuild_jobs) = rebuilds::queues();
        let (batches, workers) = self.start_workers(commands, &rebuilds)?;
        drop(rebuilds);
        let (events_log, catalog_log) = self.embedded_logs();
        let mut readers = vec![self.start_catalog(catalog_log.as_ref(), catalog_progress)?];
        let (assigned, partitions) = self.assign(events_log.as_ref())?;
        let embedded = events_log.as_ref().and_then(|_| assigned.first()).map(|a| a.source);
        let (jobs, compactor_jobs) = bounded(compactor::JOBS_WAITING_MAX);
        // One place: who is at work looks again before it rests.
        let (merger, merge_looks) = bounded(1);
        let shared = Arc::clone(&self.crew.shared);
        let checkpointer = Checkpointer::new(shared, self.schedule(embedded), jobs, merger)?;
        let checkpointer =
            self.crew.start("checkpoint".to_owned(), move || checkpointer.run(&requests))?;
        let mut helpers = self.start_helpers(compactor_jobs, rebuild_jobs)?;
        let shared = Arc::clone(&self.crew.shared);
        helpers.push(self.crew.start("merger".to_owned(), move || {
            merger::run(&shared, &merge_looks);
            Ok(())
        })?);
        helpers.extend(self.start_outbox()?);
        let (publisher, thread) = self.start_publisher(events_log.as_ref())?;
        helpers.extend(thread);
        let (threads, assignments) =
            self.start_readers(events_log.as_ref(), &assigned, &batches)?;
        readers.extend(threads);
        if let Some(partitions) = partitions {
            let shared = Arc::clone(&self.crew.shared);
            let watch = move || partitions.watch(&shared, &assignments);
            helpers.push(self.crew.start("partitions".to_owned(), watch)?);
        }
        Ok(Service {
            shared: Arc::clone(&self.crew.shared),
            fatal: self.fatal_seen,
            publisher,
            events_log,
            catalog_log,
            readers,
            checkpointer,
            workers,
            helpers,
        })
    }

    fn brokers(&self) -> bool {
        self.settings.kafka.brokers.is_some()
    }

    fn start_workers(
        &self,
        commands: Vec<Receiver<Command>>,
        rebuilds: &Rebuilds,
    ) -> Result<Workers, Fatal> {
        let mut queues = Vec::new();
        let mut threads = Vec::new();
        let slots = self.crew.shared.slots;
        let ids_bytes_max = self.settings.dedup.memory_bytes_max / usize::from(slots.max(1));
        for (number, commands) in commands.into_iter().enumerate() {
            let (queue, batches) = bounded(BATCHES_WAITING_MAX);
            let shared = Arc::clone(&self.crew.shared);
            let rebuilds = rebuilds.clone();
            let mine = move |slot: &u8| worker_of(*slot, shared.commands.len()) == number;
            let mine: Vec<u8> = numbers(slots).filter(mine).collect();
            let shared = Arc::clone(&self.crew.shared);
            threads.push(self.crew.start(format!("worker-{number}"), move || {
                Worker::new(shared, rebuilds).run(&mine, ids_bytes_max, &commands, &batches)
            })?);
            queues.push(queue);
        }
        Ok((queues, threads))
    }

    fn embedded_logs(&self) -> (Option<EmbeddedLog>, Option<EmbeddedLog>) {
        if self.brokers() {
            return (None, None);
        }
        let log = |name| Some(EmbeddedLog::new(Arc::clone(&self.crew.shared.store), name));
        (log(LogName::Events), log(LogName::Catalog))
    }

    /// Reads the catalogue log to its present end, and goes on reading it in the background.
    fn start_catalog(
        &self,
        embedded: Option<&EmbeddedLog>,
        progress: CatalogProgress,
    ) -> Result<JoinHandle<()>, Fatal> {
        let shared = Arc::clone(&self.crew.shared);
        let (source, end) = match embedded {
            Some(log) => {
                let next = u64::try_from(progress.next_offset).unwrap_or(0);
                let end = i64::try_from(log.end()).unwrap_or(i64::MAX);
                (EventSource::Embedded { log: log.clone(), next }, end)
            }
            None => match catalog_start::kafka_source(self.settings, &shared.store, progress)? {
                Ok((source, end)) => (EventSource::Kafka(Box::new(source)), end),
                Err(stop) => {
                    catalog_log::stop_reading(&shared, &self.settings.kafka.catalog_topic, stop);
                    return self.crew.start("catalog".to_owned(), || Ok(()));
                }
            },
        };
        let topic = self.settings.kafka.catalog_topic.clone();
        let mut reader = CatalogReader::new(shared, topic, source, progress);
        reader.read_to(end)?;
        self.crew.start("catalog".to_owned(), move || reader.run())
    }

    /// The partitions to be read, and who looks out for more.
    fn assign(
        &self,
        embedded: Option<&EmbeddedLog>,
    ) -> Result<(Vec<Assigned>, Option<Partitions>), Fatal> {
        let shared = &self.crew.shared;
        if let Some(log) = embedded {
            return Ok((vec![positions::assign_embedded(shared, log)?], None));
        }
        let properties = self.settings.kafka_properties();
        if shared.ends.catalogue_stop().is_none() {
            // On brokers that are others nothing is created.
            own_topic(self.settings)?;
        }
        let topics = self.settings.kafka.all_events_topics();
        let mut partitions = Partitions::connect(&properties, &topics)?;
        let (found, result) = partitions.discover(shared);
        result?;
        Ok((found.assigned, Some(partitions)))
    }

    fn schedule(&self, embedded: Option<crate::core::position::Source>) -> Schedule {
        let checkpoint = &self.settings.checkpoint;
        let dead_letters = self.settings.kafka.dead_letter_topic.clone();
        Schedule {
            interval: Duration::from_millis(checkpoint.interval_ms),
            totals_interval: Duration::from_millis(checkpoint.totals_interval_ms),
            dead_letters: dead_letters.filter(|_| self.brokers()),
            embedded,
            rejected_bytes_max: self.settings.rejected.bytes_max,
        }
    }

    fn start_helpers(
        &self,
        jobs: Receiver<compactor::Job>,
        rebuilds: RebuildJobs,
    ) -> Result<Vec<JoinHandle<()>>, Fatal> {
        let shared = Arc::clone(&self.crew.shared);
        let compactor = self.crew.start("compactor".to_owned(), move || {
            compactor::run(&shared, &jobs);
            Ok(())
        })?;
        let shared = Arc::clone(&self.crew.shared);
        let scanner = self.crew.start("scanner".to_owned(), move || {
            scanner::run(&shared, &rebuilds);
            Ok(())
        })?;
        let shared = Arc::clone(&self.crew.shared);
        let sweeper = self.crew.start("sweeper".to_owned(), move || {
            sweeper::run(&shared);
            Ok(())
        })?;
        Ok(vec![compactor, scanner, sweeper])
    }

    fn start_publisher(
        &self,
        embedded: Option<&EmbeddedLog>,
    ) -> Result<(Arc<Publisher>, Option<JoinHandle<()>>), Fatal> {
        Publisher::start(&self.crew, self.settings, operator::limits(self.settings), embedded)
    }

    fn start_outbox(&self) -> Result<Option<JoinHandle<()>>, Fatal> {
        let Some(topic) = self.settings.kafka.dead_letter_topic.as_ref().filter(|_| self.brokers())
        else {
            return Ok(None);
        };
        let properties = self.settings.kafka_properties();
        create_topic(&properties, topic, 1).map_err(|error| Fatal::Log(error.to_string()))?;
        let producer =
            KafkaProducer::connect(&properties).map_err(|error| Fatal::Log(error.to_string()))?;
        let shared = Arc::clone(&self.crew.shared);
        let thread = self.crew.start("outbox".to_owned(), move || {
            outbox::run(&shared, &producer);
            Ok(())
        })?;
        Ok(Some(thread))
    }

    fn start_readers(
        &self,
        embedded: Option<&EmbeddedLog>,
        assigned: &[Assigned],
        batches: &[Sender<Arc<Batch>>],
    ) -> Result<Readers, Fatal> {
        let readers = if embedded.is_some() {
            1
        } else {
            reader_threads(self.settings).min(assigned.len()).max(1)
        };
        let mut threads = Vec::new();
        let mut assignments = Vec::new();
        for number in 0..readers {
            let (assignment, assigned_later) = bounded(ASSIGNMENTS_WAITING_MAX);
            assignments.push(assignment);
            let mine: Vec<Assigned> =
                assigned.iter().skip(number).step_by(readers).cloned().collect();
            let source = self.source(embedded, &mine)?;
            let reader = Reader::new(
                Arc::clone(&self.crew.shared),
                source,
                &mine,
                operator::limits(self.settings),
                BatchLimits {
                    events_max: self.settings.fold.batch_events_max,
                    bytes_max: self.settings.fold.batch_bytes_max,
                },
                batches.to_vec(),
                assigned_later,
            );
            threads.push(self.crew.start(format!("reader-{number}"), move || reader.run())?);
        }
        Ok((threads, assignments))
    }

    fn source(
        &self,
        embedded: Option<&EmbeddedLog>,
        assigned: &[Assigned],
    ) -> Result<EventSource, Fatal> {
        if let Some(log) = embedded {
            let next = assigned.first().map_or(0, |assigned| assigned.reached.next);
            let next = u64::try_from(next).unwrap_or(0);
            return Ok(EventSource::Embedded { log: log.clone(), next });
        }
        let log = |error: &dyn std::fmt::Display| Fatal::Log(error.to_string());
        let properties = self.settings.kafka_properties();
        let topics = self.settings.kafka.all_events_topics();
        let mut source = KafkaSource::connect(&properties, &topics).map_err(|error| log(&error))?;
        let partitions: Vec<(usize, i32, i64)> = assigned
            .iter()
            .map(|a| (a.topic, i32::from(a.source.partition()), a.reached.next))
            .collect();
        source.assign(&partitions).map_err(|error| log(&error))?;
        Ok(EventSource::Kafka(Box::new(source)))
    }
}

/// Opens the store of these settings, or creates it.
///
/// # Errors
///
/// It is in use, of a newer release, or cannot be read.
pub fn open_store(settings: &Settings, metrics: &Metrics) -> Result<Store, Fatal> {
    let path = &settings.store.path;
    let created = !path.join("CURRENT").exists();
    let store = Store::open(path, &store_options(settings))?;
    let format = u32::from(crate::store::STORE_FORMAT);
    StoreOpened { path, slots: settings.store.slots, format, created }.emit(metrics);
    match store.lost() {
        None => {}
        Some(Lost::CutOff) => tracing::warn!(
            "the last write was cut off; nobody was told that it was durable, and nothing else is \
             missing"
        ),
        Some(Lost::Damaged(detail)) => tracing::error!(
            detail,
            hint = "check the disk, and run `odometer verify`",
            "the last writes are damaged, the store went back to the moment before them; the \
             brokers give again what came after"
        ),
    }
    Ok(store)
}

/// How the store of these settings is opened.
pub fn store_options(settings: &Settings) -> StoreOptions {
    StoreOptions {
        slots: u8::try_from(settings.store.slots).unwrap_or(u8::MAX),
        rejected_bytes_max: settings.rejected.bytes_max,
        redelivered: settings.kafka.brokers.is_some(),
        ..StoreOptions::default()
    }
}

/// Threads that fold.
pub fn worker_threads(settings: &Settings) -> usize {
    threads(settings.fold.worker_threads, 2)
}

/// Threads that read.
pub fn reader_threads(settings: &Settings) -> usize {
    threads(settings.fold.ingest_threads, 4)
}

/// A number of threads: as set, or one for so many cores.
fn threads(set: usize, cores_each: usize) -> usize {
    if set > 0 {
        return set;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / cores_each).max(1)
}
