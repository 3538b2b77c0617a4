//! `odometer bench history`: a store with many events, how fast one account is read back from it,
//! and how soon a service that starts on it answers.
//!
//! No brokers: the embedded log feeds the service. Time is the bench's own, so that all events lie
//! in one month, whatever the day.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::process::CpuTimes;
use super::queries::Latencies;
use super::starts::{self, Questions, Starts};
use super::workload::{ORGANIZATION, Workload, subscription_id};
use super::{catalogue, fold, verify};
use crate::cli::Failure;
use crate::cli::serve::Running;
use crate::config::{LogFormat, LogLevel, Settings};
use crate::core::catalog::directory::Directory;
use crate::core::event::UsageBuf;
use crate::core::instant::Instant;
use crate::engine::account::Known;
use crate::engine::draft::Draft;
use crate::engine::totals::Cells;
use crate::runtime::catalog_apply::CatalogWriter;
use crate::runtime::clock::Stopwatch;
use crate::runtime::scan::{Opened, Rebuild, cut_now, usage};
use crate::runtime::shared::Shared;
use crate::telemetry::logging;

/// When the bench takes place: 2025-11-28T00:00:00Z.
const NOW: Instant = Instant::from_seconds(1_764_288_000);
/// The events are spread over so many milliseconds before that: 25 days.
const SPAN_MS: u64 = 25 * 86_400_000;
/// Events that share one stretch of time; inside of it they are out of order.
const STRETCH: u64 = 60_000;
/// Events of one append.
const PER_APPEND: u64 = 4096;
/// Events that may be in the log and not folded.
const AHEAD_MAX: u64 = 200_000;
/// Pause of the producer when it is too far ahead, and between two looks at what it waits for.
const PAUSE: Duration = Duration::from_millis(2);
/// Merging is over when nothing was merged for so long.
const SETTLED: Duration = Duration::from_secs(3);
/// Accounts that are rebuilt, evenly spread.
const REBUILDS: u64 = 500;
/// Events held at once while an account is folded from memory.
const PILE: usize = 65_536;
/// Flags of `odometer bench history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Events in the store
    #[arg(long, default_value_t = 5_000_000)]
    events: u64,
    /// Subscriptions they are for
    #[arg(long, default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=99_999_999))]
    subscriptions: u64,
    /// Exponent of the Zipf distribution of subscriptions
    #[arg(long, default_value_t = 1.0)]
    zipf: f64,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Leave the store for another run with --store
    #[arg(long)]
    keep: bool,
    /// Store of an earlier run with --keep and the same flags: measure rebuilds and starts on it
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The store of a process that starts
    #[arg(long, hide = true)]
    folder: Option<PathBuf>,
}

/// All that one run measured.
#[derive(Debug, Serialize)]
struct Report {
    events: u64,
    subscriptions: u64,
    fill_per_second: f64,
    totals_bytes_per_event: f64,
    totals_share: f64,
    store_bytes: u64,
    store_bytes_per_event: f64,
    merged_events: u64,
    merged_per_second: f64,
    merge_bytes_per_event: f64,
    rebuild: Latencies,
    rebuild_events_each: f64,
    rebuild_over_memory: f64,
    greatest_events: usize,
    greatest_rebuild_ms: f64,
    greatest_over_memory: f64,
    starts: Starts,
    verified_subscriptions: usize,
}

/// Runs the bench, or the step of it that starts on a store and answers.
pub fn run(
    args: &HistoryArgs,
    arguments: &[OsString],
    mut settings: Settings,
) -> Result<(), Failure> {
    // Processes that are started tell what they have reached.
    settings.log.level = if args.folder.is_some() { LogLevel::Info } else { LogLevel::Warn };
    settings.log.format = LogFormat::Text;
    logging::init(&settings.log)?;
    settings.kafka.brokers = None;
    settings.catalog.file = None;
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    if let Some(folder) = &args.folder {
        settings.store.path.clone_from(folder);
        return starts::serve(&settings, NOW);
    }
    if let Some(folder) = &args.store {
        settings.store.path.clone_from(folder);
        let report = measure_kept(args, arguments, &settings)?;
        return print(args.json, &report, &report.table());
    }
    let folder = settings.store.path.join(format!("history-{}", std::process::id()));
    settings.store.path.clone_from(&folder);
    let outcome = measure(args, arguments, &settings);
    if args.keep {
        eprintln!("kept: --store {}", folder.display());
        let report = outcome?;
        return print(args.json, &report, &report.table());
    }
    let cleared = super::clear(&folder);
    let report = outcome?;
    cleared?;
    print(args.json, &report, &report.table())
}

fn print(json: bool, report: &impl Serialize, table: &str) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{table}");
    }
    Ok(())
}

/// What is measured on a store that is there.
#[derive(Serialize)]
struct OnKept {
    rebuild: Latencies,
    rebuild_events_each: f64,
    starts: Starts,
}

impl OnKept {
    fn table(&self) -> String {
        let Self { rebuild, rebuild_events_each, starts } = self;
        format!(
            "rebuild      p50 {:.0} us, p99 {:.0} us of {} accounts with {rebuild_events_each:.1} \
             events each\n{}",
            rebuild.p50_us,
            rebuild.p99_us,
            rebuild.count,
            starts.table(),
        )
    }
}

/// Measures rebuilds and starts on a store that is there.
fn measure_kept(
    args: &HistoryArgs,
    arguments: &[OsString],
    settings: &Settings,
) -> Result<OnKept, Failure> {
    let running = Running::start(settings, starts::clock(NOW))?;
    let questions = Questions::ask(&running, &args.workload())?;
    let shared = Arc::clone(&running.service.shared);
    let typical = rebuilds(&shared, typical(args))?;
    drop(shared);
    running.stop("the end of the questions")?;
    Ok(OnKept {
        rebuild_events_each: typical.events as f64 / typical.times.len().max(1) as f64,
        rebuild: Latencies::of(typical.times),
        starts: starts::measure(arguments, &settings.store.path, &questions)?,
    })
}

/// Subscriptions that are evenly spread.
fn typical(args: &HistoryArgs) -> impl Iterator<Item = u64> {
    let step = (args.subscriptions / REBUILDS).max(1) as usize;
    (0..args.subscriptions).step_by(step).skip(1)
}

fn measure(
    args: &HistoryArgs,
    arguments: &[OsString],
    settings: &Settings,
) -> Result<Report, Failure> {
    let workload = args.workload();
    let running = Running::start(settings, starts::clock(NOW))?;
    let (watch, before) = (Stopwatch::start(), CpuTimes::now());
    fill(&running, &workload)?;
    let fill_seconds = watch.elapsed().as_secs_f64();
    let used: Duration = CpuTimes::now().since(&before).values().sum();
    let totals = sample(&running.metrics.encode(), "odometer_totals_seconds_sum ");
    let totals_bytes = running.metrics.totals_bytes.get();
    await_merges(&running);
    let merged_events = running.metrics.merged_events.get();
    let merge_bytes = running.metrics.merge_bytes.get();
    let merging = sample(&running.metrics.encode(), "odometer_merge_seconds_sum ");
    let verified = verify::verify(running.address, &running.metrics, &workload)?;
    let shared = Arc::clone(&running.service.shared);
    let typical = rebuilds(&shared, typical(args))?;
    let greatest = rebuilds(&shared, std::iter::once(0))?;
    let questions = Questions::ask(&running, &workload)?;
    drop(shared);
    running.stop("the end of the fill")?;
    let store_bytes = folder_bytes(&settings.store.path)?;
    let starts = starts::measure(arguments, &settings.store.path, &questions)?;
    Ok(Report {
        events: args.events,
        subscriptions: args.subscriptions,
        fill_per_second: args.events as f64 / fill_seconds,
        totals_bytes_per_event: totals_bytes as f64 / args.events as f64,
        totals_share: totals / used.as_secs_f64().max(f64::EPSILON),
        store_bytes,
        store_bytes_per_event: store_bytes as f64 / args.events as f64,
        merged_events,
        merged_per_second: merged_events as f64 / merging.max(f64::EPSILON),
        merge_bytes_per_event: merge_bytes as f64 / (merged_events as f64).max(1.0),
        rebuild_events_each: typical.events as f64 / typical.times.len().max(1) as f64,
        rebuild_over_memory: typical.over_memory(),
        rebuild: Latencies::of(typical.times),
        greatest_events: greatest.events,
        greatest_rebuild_ms: greatest.times.iter().sum::<Duration>().as_secs_f64() * 1e3,
        greatest_over_memory: greatest.over_memory(),
        starts,
        verified_subscriptions: verified.subscriptions,
    })
}

impl HistoryArgs {
    fn workload(&self) -> Workload {
        Workload {
            events: self.events,
            subscriptions: self.subscriptions,
            partitions: 1,
            duplicates: 0.0,
            bad: 0.0,
            zipf: self.zipf,
            base_ms: NOW.micros() / 1000,
        }
    }
}

/// Appends the catalogue and the events, and waits until they are folded and on disk.
fn fill(running: &Running, workload: &Workload) -> Result<(), Failure> {
    let service = &running.service;
    let (Some(events), Some(catalog)) = (service.events_log.clone(), service.catalog_log.clone())
    else {
        return Err("the bench runs on the embedded log".into());
    };
    catalogue::write(&CatalogWriter::Embedded(catalog), workload)?;
    let last = subscription_id(workload.subscriptions - 1);
    while service.shared.catalogue.rows.subscriptions(ORGANIZATION, &last).is_empty() {
        std::thread::sleep(PAUSE);
    }
    let mut from = 0;
    while from < workload.events {
        let to = (from + PER_APPEND).min(workload.events);
        let records: Vec<String> = (from..to).map(|number| record(workload, number)).collect();
        let records: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
        events.append(&records, Instant::from_millis(base_ms(workload, from)))?;
        from = to;
        while from.saturating_sub(running.metrics.records_consumed.get()) > AHEAD_MAX {
            if let Some(reason) = service.fatal.borrow().clone() {
                return Err(reason.into());
            }
            std::thread::sleep(PAUSE);
        }
    }
    fold::await_consumed(running, workload.events)?;
    Ok(service.checkpoint()?)
}

/// Milliseconds of the end of the stretch that an event lies in.
fn base_ms(workload: &Workload, number: u64) -> i64 {
    let stretches = workload.events.div_ceil(STRETCH);
    let behind = (stretches - 1 - number / STRETCH) * (SPAN_MS / stretches);
    workload.base_ms - behind.cast_signed()
}

fn record(workload: &Workload, number: u64) -> String {
    let mut text = String::new();
    let at = Workload { base_ms: base_ms(workload, number), ..workload.clone() };
    at.write(number, workload.subscription(number), &mut text);
    text
}

/// Waits until nothing more is merged.
fn await_merges(running: &Running) {
    let (mut seen, mut moved) = (0, Stopwatch::start());
    while moved.elapsed() < SETTLED {
        let merged = running.metrics.merged_events.get();
        if merged != seen {
            (seen, moved) = (merged, Stopwatch::start());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Rebuilds of some accounts, and the same events folded from memory.
#[derive(Default)]
struct Rebuilds {
    times: Vec<Duration>,
    events: usize,
    from_memory: Duration,
}

impl Rebuilds {
    fn over_memory(&self) -> f64 {
        let took: Duration = self.times.iter().sum();
        took.as_secs_f64() / self.from_memory.as_secs_f64().max(f64::EPSILON)
    }
}

/// Rebuilds the running window of accounts, and compares it with the totals that are kept.
fn rebuilds(
    shared: &Shared,
    subscriptions: impl Iterator<Item = u64>,
) -> Result<Rebuilds, Failure> {
    let mut all = Rebuilds::default();
    for subscription in subscriptions {
        let id = subscription_id(subscription);
        let (slot, account) = shared.account(ORGANIZATION, Some(&id));
        let Some(Some(frame)) = shared.board.peek(account, |known| known.frame.clone()) else {
            continue;
        };
        let spell = frame.spell_holding(NOW).ok_or("no window holds the bench's time")?;
        let kept = shared.board.peek(account, |known| match known.known(&frame, spell.window) {
            Known::Totals(totals) => Some(totals.cells.clone()),
            Known::Nothing | Known::Unknown => None,
        });
        let watch = Stopwatch::start();
        let cut = cut_now(shared, slot, account).ok_or("the owner of a slot is gone")?.cut;
        let opened = Opened { account, frame: Arc::clone(&frame), spell, generation: 0 };
        let mut wanted = Rebuild { opened, draft: Draft::anew(&frame, spell), failed: None };
        let mut folding = shared.folding();
        cut.rebuild(&shared.store, std::slice::from_mut(&mut wanted), &mut folding)?;
        let (cells, _) = wanted.draft.finish(&frame, spell);
        all.times.push(watch.elapsed());
        if Some(&cells) != kept.flatten().as_ref() {
            return Err(format!("the rebuild of {id} is not what was folded").into());
        }
        let (mut folded, mut pile) = (Cells::default(), Vec::with_capacity(PILE));
        let mut fold = |pile: &mut Vec<UsageBuf>| {
            let watch = Stopwatch::start();
            for event in pile.iter() {
                folded.fold(&frame, spell, &event.code, &event.usage(), &mut folding);
            }
            all.from_memory += watch.elapsed();
            all.events += pile.len();
            pile.clear();
        };
        cut.each_event(&shared.store, account, (Instant::MIN, Instant::MAX), &mut |row| {
            pile.push(UsageBuf::of(row.code, &usage(row)));
            if pile.len() == PILE {
                fold(&mut pile);
            }
            Ok(())
        })?;
        fold(&mut pile);
        if cells != folded {
            return Err(format!("the events of {id} are not what was rebuilt").into());
        }
    }
    Ok(all)
}

/// The value of a sample of a scrape.
fn sample(text: &str, name: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

impl Report {
    fn table(&self) -> String {
        let Self { rebuild, .. } = self;
        format!(
            "store        {} events of {} subscriptions, {} MiB, {:.0} bytes an event\n\
             fill         {:.0} events/s, {:.0} bytes of totals written an event; their owners \
             spend {:.1} % of all processor time on them\n\
             merge        {} events, {:.0} events/s of its thread, {:.0} bytes written an event\n\
             rebuild      p50 {:.0} us, p99 {:.0} us of {} accounts with {:.1} events each; \
             {:.1} times a fold from memory\n\
             greatest     {} events in {:.1} ms, {:.1} times a fold from memory\n\
             {}\
             verified     figures of {} subscriptions, every rebuild, every start\n",
            self.events,
            self.subscriptions,
            self.store_bytes >> 20,
            self.store_bytes_per_event,
            self.fill_per_second,
            self.totals_bytes_per_event,
            self.totals_share * 100.0,
            self.merged_events,
            self.merged_per_second,
            self.merge_bytes_per_event,
            rebuild.p50_us,
            rebuild.p99_us,
            rebuild.count,
            self.rebuild_events_each,
            self.rebuild_over_memory,
            self.greatest_events,
            self.greatest_rebuild_ms,
            self.greatest_over_memory,
            self.starts.table(),
            self.verified_subscriptions,
        )
    }
}
