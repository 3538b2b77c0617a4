//! `odometer catalog`: lint, diff and apply a catalogue file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Failure;
use crate::catalog_file::{self, ApplyPlan, Options};
use crate::config::Settings;
use crate::core::catalog::apply::apply;
use crate::core::catalog::book::Book;
use crate::core::catalog::directory::MemoryDirectory;
use crate::core::instant::Instant;
use crate::log::catalog::decode_record;
use crate::log::kafka::admin::create_eternal_topic;
use crate::log::kafka::{KafkaSource, KafkaTopics};
use crate::runtime::catalog_apply::{CatalogWriter, plan};
use crate::runtime::clock::Clock;
use crate::runtime::positions::BROKER_WAIT;
use crate::runtime::source::EventSource;
use crate::runtime::supervisor::Service;
use crate::telemetry::metrics::Metrics;

/// Records taken from the catalogue log at once.
const RECORDS_MAX: usize = 256;
/// Bytes taken from the catalogue log at once.
const BYTES_MAX: usize = 16 << 20;
/// Longest wait for the next record.
const WAIT: Duration = Duration::from_millis(100);

/// Subcommands of `odometer catalog`.
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Check a catalogue file by itself
    Lint {
        /// The file
        file: PathBuf,
    },
    /// Show what applying a file would change
    Diff(FileArgs),
    /// Append what a file changes to the catalogue log
    Apply(FileArgs),
}

/// A file and how to compare it.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The file
    file: PathBuf,
    /// Also remove what is not in the file; customers and organisations stay
    #[arg(long)]
    prune: bool,
}

/// Runs a subcommand. Settings are loaded only if it needs them.
pub fn run(
    command: &CatalogCommand,
    settings: impl FnOnce() -> Result<Settings, Failure>,
) -> Result<(), Failure> {
    match command {
        CatalogCommand::Lint { file } => lint(file),
        CatalogCommand::Diff(args) => change(&settings()?, args, false),
        CatalogCommand::Apply(args) => change(&settings()?, args, true),
    }
}

/// Checks a file by itself. What can be applied but is hardly meant is printed as a warning.
pub fn lint(file: &Path) -> Result<(), Failure> {
    let text = read(file)?;
    let base = file.parent().unwrap_or(Path::new(""));
    let desired = catalog_file::parse(&text, base).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        format!("{} cannot be applied\n{}", file.display(), lines.join("\n"))
    })?;
    for warning in catalog_file::lint(&desired) {
        println!("warning: {warning}");
    }
    println!("{}: ok", file.display());
    Ok(())
}

fn change(settings: &Settings, args: &FileArgs, append: bool) -> Result<(), Failure> {
    let text = read(&args.file)?;
    let now = Clock::System.now();
    let options = Options { now, prune: args.prune };
    let base = args.file.parent().unwrap_or(Path::new(""));
    if settings.kafka.brokers.is_some() {
        let (book, directory) = read_topic(settings)?;
        let plan = plan(&text, base, &book, &directory, options)?;
        print_plan(&plan);
        if append {
            CatalogWriter::kafka(settings)?.append(&plan.into_records(), now)?;
        }
        return Ok(());
    }
    // The embedded log lives in the store, which one process holds at a time. A service that runs
    // on it takes a file at its start, by `catalog.file`.
    let service = Service::start(settings, Clock::System, Arc::new(Metrics::new()))?;
    let catalogue = Arc::clone(&service.shared.catalogue);
    let plan = plan(&text, base, &catalogue.book(), &catalogue.rows, options)?;
    print_plan(&plan);
    if append && let Some(log) = service.catalog_log.clone() {
        CatalogWriter::Embedded(log).append(&plan.into_records(), now)?;
    }
    Ok(service.stop()?)
}

fn print_plan(plan: &ApplyPlan) {
    for line in &plan.lines {
        println!("{line}");
    }
    if plan.is_empty() {
        println!("nothing changes");
    }
}

/// The catalogue as its topic tells it, from the first record to the present end.
fn read_topic(settings: &Settings) -> Result<(Book, MemoryDirectory), Failure> {
    let properties = settings.kafka_properties();
    let topic = settings.kafka.catalog_topic.clone();
    create_eternal_topic(&properties, &topic)?;
    let marks = KafkaTopics::connect(&properties)?.watermarks(&topic, 0, BROKER_WAIT)?;
    let mut source = KafkaSource::connect(&properties, &[topic])?;
    source.assign(&[(0, 0, marks.low)])?;
    let mut source = EventSource::Kafka(Box::new(source));
    let (mut book, mut directory) = (Book::default(), MemoryDirectory::default());
    let (mut next, mut log_time) = (marks.low, Instant::default());
    while next < marks.high {
        let mut records = Vec::new();
        let drained = source.drain(RECORDS_MAX, BYTES_MAX, WAIT, &mut |message| {
            let payload = message.payload.map(<[u8]>::to_vec);
            records.push((message.offset, message.timestamp_ms, payload));
        });
        if let Some(trouble) = drained.troubles.iter().find(|t| !t.kind.is_transient()) {
            return Err(trouble.to_string().into());
        }
        for (offset, timestamp, payload) in records {
            next = offset + 1;
            log_time = timestamp.map_or(log_time, |at| log_time.max(Instant::from_millis(at)));
            let Some(Ok(record)) = payload.as_deref().map(decode_record) else { continue };
            let outcome = apply(&book, &directory, record, offset, log_time);
            if let Ok(applied) = outcome.result {
                directory.take(&applied.rows);
            }
            book = outcome.book;
        }
        for (_, _, end) in drained.ends {
            next = next.max(end);
        }
    }
    Ok((book, directory))
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| format!("{} cannot be read\n  {error}", file.display()).into())
}
