//! `odometer bench soak`: whether memory stays flat under new transaction ids at full rate.
//!
//! With brokers the events come through a topic that keeps little, written by a process of its own;
//! without, they go into the embedded log. The first
//! minute runs as fast as the machine lets both; after it `--events-per-second` holds the rate
//! back, as every event is kept and an hour at full rate may be more than a disk has room for.

mod budget;
mod embedded;
mod produce;
mod report;
mod slope;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use rustix::fs::statvfs;

use self::budget::Budget;
use self::embedded::Appender;
use self::produce::Producer;
use self::report::{Report, Sample};
use super::process::resident_bytes;
use super::queries::Queries;
use super::workload::Workload;
use super::{apart, catalog_topic, clear, dead_letter_topic};
use crate::cli::Failure;
use crate::cli::serve::Running;
use crate::config::{LogLevel, Settings};
use crate::log::kafka::admin::{create_passing_topic, create_topic, delete_topics};
use crate::runtime::clock::{Clock, Stopwatch};
use crate::telemetry::logging;

/// Pause between two looks at how far the fold is.
const TICK: Duration = Duration::from_millis(20);
/// Time between two samples of memory.
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
/// Time between two lines that tell how the run goes.
const LINE_EVERY: Duration = Duration::from_mins(1);
/// How long the rate is not held back: what it is then is the full rate.
const FULL: Duration = Duration::from_mins(1);
/// Events that may be in the topic and not yet applied: the broker must not drop any of them.
const AHEAD_MAX: u64 = 400_000;
/// Bytes that each partition keeps: all that may be ahead fits one of them, so that none of it is
/// dropped however unevenly it is spread.
const PARTITION_BYTES: u64 = 256 << 20;
/// Bytes of one file of the topic: only whole files are dropped.
const SEGMENT_BYTES: u64 = 32 << 20;
/// The run ends when the disk has less room than this: others may need it.
const FREE_BYTES_MIN: u64 = 4 << 30;
/// A fold that does not move for so long is given up. Memory is what is measured: a broker that
/// waits its turn on a busy machine does no harm.
const SILENCE_MAX: Duration = Duration::from_mins(10);
/// Pause between two questions of a reader beside the fold.
const READER_PAUSE: Duration = Duration::from_millis(50);

/// Flags of `odometer bench soak`.
#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    /// How long events come
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    minutes: u64,
    /// Most events a second after the first minute [default: as many as there can be]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events_per_second: Option<u64>,
    /// Subscriptions they are for
    #[arg(long, default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=99_999_999))]
    subscriptions: u64,
    /// Partitions of the topic
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    partitions: u32,
    /// Print JSON with all samples instead of a table
    #[arg(long)]
    json: bool,
    /// Write events to this topic, as many as standard input tells
    #[arg(long, hide = true)]
    produce: Option<String>,
}

/// Runs the soak, or the process that writes its events. `arguments` are those of this process.
pub fn run(args: &SoakArgs, arguments: &[OsString], mut settings: Settings) -> Result<(), Failure> {
    settings.log.level = LogLevel::Warn;
    logging::init(&settings.log)?;
    if let Some(topic) = &args.produce {
        settings.kafka.catalog_topic = catalog_topic(topic);
        return produce::run(&settings, topic);
    }
    let workload = args.workload();
    let topic = workload.topic();
    let folder = apart(&mut settings, &topic);
    let outcome = Soak { args, arguments, settings: &settings, topic: &topic }.measure(&workload);
    let cleared = clear(&folder);
    let topics = [topic.clone(), catalog_topic(&topic), dead_letter_topic(&topic)];
    let deleted = match settings.kafka.brokers {
        Some(_) => delete_topics(&settings.kafka_properties(), &topics),
        None => Ok(()),
    };
    let report = outcome?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    report.judge()?;
    deleted?;
    cleared
}

impl SoakArgs {
    fn workload(&self) -> Workload {
        Workload {
            // As many as there is time for.
            events: 0,
            subscriptions: self.subscriptions,
            partitions: self.partitions,
            duplicates: 0.0,
            bad: 0.0,
            zipf: 1.0,
            base_ms: Clock::System.now().micros() / 1000,
        }
    }
}

/// One run.
struct Soak<'a> {
    args: &'a SoakArgs,
    arguments: &'a [OsString],
    settings: &'a Settings,
    topic: &'a str,
}

impl Soak<'_> {
    fn measure(&self, workload: &Workload) -> Result<Report, Failure> {
        let producer = match self.settings.kafka.brokers {
            Some(_) => Some(self.producer(workload)?),
            None => None,
        };
        let running = Running::start(self.settings, Clock::System)?;
        let mut writer = match producer {
            Some(producer) => Writer::Kafka(producer),
            None => Writer::Embedded(Appender::start(&running, workload)?),
        };
        let budget = Budget::of(self.settings, resident_bytes().0);
        let reader = Queries::start(running.address, workload.clone(), READER_PAUSE)?;
        let mut seen = Seen::default();
        let watched = self.watch(&running, &mut writer, &mut seen);
        let queries = reader.stop();
        let written = writer.end();
        let accounts = running.service.shared.board.len();
        // The store is closed before its folder goes, whatever has happened.
        let stopped = running.stop("the end of the soak");
        let mut report =
            Report::of(self.args.events_per_second, budget, seen, queries.as_ref().ok(), accounts)?;
        report.failure = watched.err().map(|failure| failure.0);
        if report.failure.is_none() {
            queries?;
            written?;
            stopped?;
        }
        Ok(report)
    }

    /// The topics, and the process that fills them.
    fn producer(&self, workload: &Workload) -> Result<Producer, Failure> {
        let properties = self.settings.kafka_properties();
        let bytes = (PARTITION_BYTES, SEGMENT_BYTES);
        create_passing_topic(&properties, self.topic, workload.partitions, bytes)?;
        create_topic(&properties, &dead_letter_topic(self.topic), 1)?;
        Producer::spawn(self.arguments, self.topic)
    }

    /// Lets events come and takes samples until the time is over.
    fn watch(
        &self,
        running: &Running,
        writer: &mut Writer,
        seen: &mut Seen,
    ) -> Result<(), Failure> {
        let length = Duration::from_secs(60 * self.args.minutes);
        let watch = Stopwatch::start();
        let (mut told, mut last, mut moved) = (0, 0, Stopwatch::start());
        loop {
            if let Some(reason) = running.service.fatal.borrow().clone() {
                return Err(reason.into());
            }
            let at = watch.elapsed();
            let consumed = running.metrics.records_consumed.get();
            if consumed != last {
                (last, moved) = (consumed, Stopwatch::start());
            } else if moved.elapsed() > SILENCE_MAX {
                return Err(format!("the fold stands still after {consumed} records").into());
            }
            if seen.full.is_none() && (at >= FULL || at >= length) {
                seen.full = Some((at, consumed));
            }
            if at >= SAMPLE_EVERY * u32::try_from(seen.samples.len())? {
                seen.samples.push(Sample::now(at, consumed, running));
                self.require_room()?;
            }
            if at >= LINE_EVERY * told {
                told += 1;
                seen.samples.last().inspect(|sample| eprintln!("{}", sample.line()));
            }
            if at >= length {
                return Ok(());
            }
            writer.allow(self.due(at, seen.full).min(consumed + AHEAD_MAX))?;
            std::thread::sleep(TICK);
        }
    }

    /// Events that may have been sent by now.
    fn due(&self, at: Duration, full: Option<(Duration, u64)>) -> u64 {
        let (Some(rate), Some((since, sent))) = (self.args.events_per_second, full) else {
            return u64::MAX;
        };
        sent + (at.saturating_sub(since).as_secs_f64() * rate as f64) as u64
    }

    fn require_room(&self) -> Result<(), Failure> {
        let free = free_bytes(&self.settings.store.path)?;
        if free >= FREE_BYTES_MIN {
            return Ok(());
        }
        Err(format!(
            "only {} MiB are free on the disk of {}\n  hint: --events-per-second",
            free >> 20,
            self.settings.store.path.display()
        )
        .into())
    }
}

/// Where events go.
enum Writer {
    Kafka(Producer),
    Embedded(Appender),
}

impl Writer {
    /// Lets it have written so many events in all.
    fn allow(&mut self, events: u64) -> Result<(), Failure> {
        match self {
            Self::Kafka(producer) => producer.allow(events),
            Self::Embedded(appender) => appender.allow(events),
        }
    }

    fn end(self) -> Result<(), Failure> {
        match self {
            Self::Kafka(producer) => producer.end(),
            Self::Embedded(_) => Ok(()),
        }
    }
}

/// What a run has shown.
#[derive(Default)]
struct Seen {
    samples: Vec<Sample>,
    /// When the rate began to be held back, and the events applied until then.
    full: Option<(Duration, u64)>,
}

fn free_bytes(folder: &Path) -> Result<u64, Failure> {
    let disk = statvfs(folder)?;
    Ok(disk.f_bavail * disk.f_frsize)
}
