//! `odometer bench`: fold rate, latencies and memory on real Kafka, beside what librdkafka alone
//! does with the same topic in the same run.
//!
//! Producing and the yardstick run in processes of their own, so that their memory and their
//! threads are not taken for the service's.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of a bench are read by people"
)]

mod aggregations;
mod cases;
mod catalogue;
mod client;
mod fold;
mod history;
mod process;
mod produce;
mod queries;
mod report;
mod soak;
mod starts;
mod verify;
mod visible;
mod workload;
mod yardstick;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, Subcommand, ValueEnum};

use self::report::Report;
use self::workload::Workload;
use self::yardstick::Rate;
use super::Failure;
use crate::config::{LogLevel, Settings};
use crate::log::kafka::admin::{create_topic, delete_topics};
use crate::runtime::catalog_apply::CatalogWriter;
use crate::runtime::clock::{Clock, Stopwatch};
use crate::telemetry::logging;

/// Flags of `odometer bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    /// Another bench than the one on Kafka
    #[command(subcommand)]
    other: Option<Other>,
    /// Records to produce
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// Subscriptions they are for
    #[arg(long, default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=99_999_999))]
    subscriptions: u64,
    /// Partitions of the topic
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: u32,
    /// Share of records that are copies of earlier ones
    #[arg(long, default_value_t = 0.02)]
    duplicates: f64,
    /// Share of records that are no JSON
    #[arg(long, default_value_t = 0.0001)]
    bad: f64,
    /// Exponent of the Zipf distribution of subscriptions
    #[arg(long, default_value_t = 1.0)]
    zipf: f64,
    /// Leave the topics for another run with --reuse
    #[arg(long)]
    keep: bool,
    /// Topic of an earlier run with --keep, on the same day; its name tells the other flags
    #[arg(long, value_name = "TOPIC")]
    reuse: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// What a process of its own does
    #[arg(long, hide = true, requires = "topic")]
    step: Option<Step>,
    /// The topic of the step
    #[arg(long, hide = true)]
    topic: Option<String>,
}

/// Benches that need no Kafka.
#[derive(Debug, Subcommand)]
enum Other {
    /// Whether a subscription with very many events answers as fast as one with ten
    Aggregations(aggregations::AggregationsArgs),
    /// Measure how fast accounts are read back from a store with many events, and how soon a
    /// service that starts on it answers
    History(history::HistoryArgs),
    /// Watch memory while all-new transaction ids come for an hour, from brokers if there are any
    Soak(soak::SoakArgs),
}

/// What runs in a process of its own.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    Produce,
    Yardstick,
}

/// Runs a bench, or one of its steps. `arguments` are those of this process.
pub fn run(args: &BenchArgs, arguments: &[OsString], settings: Settings) -> Result<(), Failure> {
    match &args.other {
        Some(Other::Aggregations(args)) => return aggregations::run(args, settings),
        Some(Other::History(args)) => return history::run(args, arguments, settings),
        Some(Other::Soak(args)) => return soak::run(args, arguments, settings),
        None => {}
    }
    if settings.kafka.brokers.is_none() {
        return Err("a bench needs brokers\n  hint: dev/with-kafka odometer bench".into());
    }
    let mut settings = settings;
    settings.log.level = LogLevel::Warn;
    logging::init(&settings.log)?;
    match (args.step, &args.topic) {
        (Some(step), Some(topic)) => {
            let workload = named(topic)?;
            settings.kafka.catalog_topic = catalog_topic(topic);
            step.run(&settings, topic, &workload)
        }
        _ => bench(args, arguments, settings),
    }
}

fn named(topic: &str) -> Result<Workload, Failure> {
    let unknown = || format!("{topic} is no topic of a bench").into();
    Workload::from_topic(topic).ok_or_else(unknown)
}

fn catalog_topic(topic: &str) -> String {
    format!("{topic}.catalog")
}

fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}.dead")
}

impl Step {
    fn run(self, settings: &Settings, topic: &str, workload: &Workload) -> Result<(), Failure> {
        match self {
            Self::Produce => {
                let watch = Stopwatch::start();
                catalogue::write(&CatalogWriter::kafka(settings)?, workload)?;
                eprintln!("catalogue written in {:.1} s", watch.elapsed().as_secs_f64());
                let watch = Stopwatch::start();
                produce::produce(settings, topic, workload)?;
                eprintln!("records written in {:.1} s", watch.elapsed().as_secs_f64());
            }
            Self::Yardstick => {
                let rate = yardstick::measure(settings, topic, workload)?;
                println!("{}", serde_json::to_string(&rate)?);
            }
        }
        Ok(())
    }

    /// Runs the step with the flags of this process. Returns what it printed.
    fn spawn(self, arguments: &[OsString], topic: &str) -> Result<String, Failure> {
        let name = match self {
            Self::Produce => "produce",
            Self::Yardstick => "yardstick",
        };
        let output = Command::new(std::env::current_exe()?)
            .args(arguments.iter().skip(1))
            .args(["--step", name, "--topic", topic])
            .stderr(Stdio::inherit())
            .output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        Err(format!("the step {name} failed").into())
    }
}

/// Has a service of these settings read its own topics and write to a folder of its own, which is
/// returned.
fn apart(settings: &mut Settings, topic: &str) -> PathBuf {
    let folder = settings.store.path.join(format!("{topic}-{}", std::process::id()));
    settings.store.path.clone_from(&folder);
    settings.kafka.events_topics = vec![topic.to_owned()];
    settings.kafka.catalog_topic = catalog_topic(topic);
    settings.kafka.dead_letter_topic = Some(dead_letter_topic(topic));
    settings.kafka.http_events_topic = None;
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    settings.catalog.file = None;
    folder
}

fn bench(args: &BenchArgs, arguments: &[OsString], mut settings: Settings) -> Result<(), Failure> {
    let workload = match &args.reuse {
        Some(topic) => named(topic)?,
        None => args.workload(),
    };
    let topic = workload.topic();
    let folder = apart(&mut settings, &topic);
    let outcome = measure(args, arguments, &settings, &topic, &workload);
    let cleared = clear(&folder);
    if !args.keep && args.reuse.is_none() {
        let topics = [topic.clone(), catalog_topic(&topic), dead_letter_topic(&topic)];
        delete_topics(&settings.kafka_properties(), &topics)?;
    } else {
        eprintln!("kept: --reuse {topic}");
    }
    let report = outcome?;
    cleared?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table(&workload));
    }
    Ok(())
}

fn measure(
    args: &BenchArgs,
    arguments: &[OsString],
    settings: &Settings,
    topic: &str,
    workload: &Workload,
) -> Result<Report, Failure> {
    if args.reuse.is_none() {
        let properties = settings.kafka_properties();
        create_topic(&properties, topic, workload.partitions)?;
        create_topic(&properties, &dead_letter_topic(topic), 1)?;
        Step::Produce.spawn(arguments, topic)?;
    }
    produce::check(settings, topic, workload)?;
    let yardstick: Rate = serde_json::from_str(&Step::Yardstick.spawn(arguments, topic)?)?;
    let (fold, running) = fold::measure(settings, workload)?;
    let verified = verify::verify(running.address, &running.metrics, workload)?;
    let idle_queries = queries::idle(running.address, workload)?;
    // Further events would make a topic that is kept another than its name says.
    let visible = if args.keep || args.reuse.is_some() {
        None
    } else {
        Some(visible::measure(settings, topic, workload, &running)?)
    };
    running.stop("the end of the bench")?;
    Ok(Report {
        topic: topic.to_owned(),
        record_bytes: record_bytes(workload),
        yardstick,
        ratio: fold.rate.per_second / yardstick.per_second,
        fold,
        verified,
        idle_queries,
        visible,
    })
}

impl BenchArgs {
    fn workload(&self) -> Workload {
        Workload {
            events: self.events,
            subscriptions: self.subscriptions,
            partitions: self.partitions,
            duplicates: self.duplicates,
            bad: self.bad,
            zipf: self.zipf,
            base_ms: Clock::System.now().micros() / 1000,
        }
    }
}

fn record_bytes(workload: &Workload) -> f64 {
    const SAMPLE: u64 = 1000;
    let mut text = String::new();
    for number in 0..SAMPLE {
        workload.write(number, workload.subscription(number), &mut text);
    }
    text.len() as f64 / SAMPLE as f64
}

/// Removes the store of a bench, whether or not there is one.
fn clear(folder: &Path) -> Result<(), Failure> {
    let folder: PathBuf = folder.to_owned();
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
