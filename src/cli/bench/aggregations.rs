//! `odometer bench aggregations`: whether a subscription with very many events answers as fast as
//! one with ten, for every aggregation.
//!
//! Both are asked in turns, in the same run: in peace, for the first time after a start, right
//! after an event that came a few thousand events late, and right after one that is older than all.

use std::ops::Range;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::cases::{self, CASES, CUSTOMER, Case};
use super::catalogue::API_KEY_SHA256;
use super::clear;
use super::client::Client;
use super::queries::Latencies;
use crate::cli::Failure;
use crate::cli::serve::Running;
use crate::config::{LogLevel, Settings};
use crate::log::embedded::EmbeddedLog;
use crate::runtime::catalog_apply;
use crate::runtime::clock::{Clock, Stopwatch};
use crate::telemetry::logging;

/// Events of the small subscriptions.
const FEW: u64 = 10;
/// Questions per subscription in peace.
const QUESTIONS: usize = 1_000;
/// Questions asked before any is counted.
const WARM_UP: usize = 50;
/// Late events per subscription, each followed by one question, where each has it repaired from the
/// ledger: that takes long.
const LATE_REPAIRED: u64 = 100;
/// Very late ones: some aggregations read all events again after each.
const VERY_LATE: u64 = 20;
/// Events of one record of the log, and records of one append.
const PER_RECORD: u64 = 100;
const PER_APPEND: usize = 20;
/// Events that may be in the log and not yet applied.
const AHEAD_MAX: u64 = 200_000;
/// Pause between two looks at what is applied.
const LOOK_PAUSE: Duration = Duration::from_millis(1);
/// Longest wait for what was appended.
const APPLIED_WAIT: Duration = Duration::from_mins(5);
/// How late a very late event is, in microseconds: before all others.
const VERY_LATE_BY: i64 = 3_600_000_000;
/// How late a late event is: as events lie a microsecond apart, so many of a large subscription
/// come after it.
const LATE_BY: i64 = 4_000;

/// Flags of `odometer bench aggregations`.
#[derive(Clone, Debug, Args)]
pub struct AggregationsArgs {
    /// Events of each large subscription
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Starts of the service after which each subscription is asked once
    #[arg(long, default_value_t = 5)]
    restarts: u32,
    /// Late events of each subscription, each followed by one question
    #[arg(long, default_value_t = 1_000)]
    late: u64,
    /// Only these aggregations
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// One situation: the small subscription, the large one, and the large one's p99 over the small
/// one's.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Compared {
    few: Latencies,
    many: Latencies,
    p99_ratio: f64,
}

impl Compared {
    fn of([few, many]: [Vec<Duration>; 2]) -> Self {
        let (few, many) = (Latencies::of(few), Latencies::of(many));
        Self { few, many, p99_ratio: many.p99_us / few.p99_us }
    }
}

/// One aggregation.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    in_peace: Compared,
    after_start: Compared,
    after_late_event: Compared,
    after_very_late_event: Compared,
}

/// Runs the bench in a folder of its own.
pub fn run(args: &AggregationsArgs, mut settings: Settings) -> Result<(), Failure> {
    settings.log.level = LogLevel::Warn;
    logging::init(&settings.log)?;
    settings.kafka.brokers = None;
    settings.catalog.file = None;
    settings.http.listen = ([127, 0, 0, 1], 0).into();
    let folder = settings.store.path.join(format!("aggregations-{}", std::process::id()));
    settings.store.path.clone_from(&folder);
    let outcome = measure(args, &settings);
    let cleared = clear(&folder);
    let rows = outcome?;
    cleared?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print(args, &rows);
    }
    Ok(())
}

fn measure(args: &AggregationsArgs, settings: &Settings) -> Result<Vec<Row>, Failure> {
    let wanted = |case: &&Case| args.only.is_empty() || args.only.iter().any(|n| n == case.name);
    let chosen: Vec<&Case> = CASES.iter().filter(wanted).collect();
    let sizes = [FEW, args.events];
    let mut running = Running::start(settings, Clock::System)?;
    let file = cases::file(&sizes, API_KEY_SHA256);
    catalog_apply::apply_text(&running.service, settings, &file)?;
    let begun = running.service.shared.clock.now().micros();
    let watch = Stopwatch::start();
    for case in &chosen {
        for size in sizes {
            fill(&running, case, size, begun)?;
        }
        eprintln!("{}: filled after {:.1} s", case.name, watch.elapsed().as_secs_f64());
    }
    let in_peace = each(&chosen, |case| in_peace(&running, case, sizes))?;
    let mut after_start: Vec<[Vec<Duration>; 2]> = vec![Default::default(); chosen.len()];
    for round in 0..args.restarts {
        running.stop("a restart of the bench")?;
        running = Running::start(settings, Clock::System)?;
        let mut client = Client::connect(running.address)?;
        // The first request of a process finds cold what all of them need.
        client.get("/livez")?;
        for (case, times) in chosen.iter().zip(&mut after_start) {
            wait_for_slots(&running, case, sizes)?;
            for at in order(u64::from(round)) {
                times[at].push(ask(&mut client, case, sizes[at])?);
            }
        }
    }
    let late_of = |case: &Case| if case.is_repaired() { LATE_REPAIRED } else { args.late };
    let late = each(&chosen, |case| {
        after_late_events(&running, case, sizes, begun - LATE_BY, 0..late_of(case))
    })?;
    let oldest = begun - VERY_LATE_BY;
    let very_late = each(&chosen, |case| {
        let first = late_of(case);
        after_late_events(&running, case, sizes, oldest, first..first + VERY_LATE)
    })?;
    running.stop("the end of the bench")?;
    let rows = chosen.iter().zip(in_peace).zip(after_start).zip(late).zip(very_late);
    Ok(rows
        .map(|((((case, in_peace), after_start), late), very_late)| Row {
            name: case.name,
            in_peace: Compared::of(in_peace),
            after_start: Compared::of(after_start),
            after_late_event: Compared::of(late),
            after_very_late_event: Compared::of(very_late),
        })
        .collect())
}

fn each<T>(
    cases: &[&Case],
    mut measure: impl FnMut(&Case) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    cases.iter().map(|case| measure(case)).collect()
}

/// In which order the two subscriptions are asked: they take turns, so that what happens by itself
/// once in a while meets both alike.
const fn order(round: u64) -> [usize; 2] {
    if round.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// Appends the events of one subscription, in the order of their times.
fn fill(running: &Running, case: &Case, events: u64, begun: i64) -> Result<(), Failure> {
    let log = log_of(running)?;
    let mut number = 0;
    while number < events {
        let mut records = Vec::new();
        while records.len() < PER_APPEND && number < events {
            let last = (number + PER_RECORD).min(events);
            let mut record = String::from("[");
            for own in number..last {
                if own > number {
                    record.push(',');
                }
                // All events lie in the past, a microsecond apart.
                let micros = begun - i64::try_from(events - own).unwrap_or(0);
                case.write(events, own, micros, &mut record);
            }
            record.push(']');
            records.push(record);
            number = last;
        }
        append(running, log, &records)?;
        while number.saturating_sub(rows(running, case, events)) > AHEAD_MAX {
            std::thread::sleep(LOOK_PAUSE);
        }
    }
    await_rows(running, case, events, events)?;
    check(running, case, events)
}

fn log_of(running: &Running) -> Result<&EmbeddedLog, Failure> {
    running.service.events_log.as_ref().ok_or_else(|| "this bench needs the embedded log".into())
}

fn append(running: &Running, log: &EmbeddedLog, records: &[String]) -> Result<(), Failure> {
    let records: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
    log.append(&records, running.service.shared.clock.now())?;
    Ok(())
}

fn rows(running: &Running, case: &Case, size: u64) -> u64 {
    let shared = &running.service.shared;
    let (_, key) = shared.account(cases::ORGANIZATION, Some(&case.subscription(size)));
    shared.board.peek(key, |account| account.rows).unwrap_or(0)
}

fn await_rows(running: &Running, case: &Case, size: u64, events: u64) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    while rows(running, case, size) < events {
        if watch.elapsed() > APPLIED_WAIT {
            return Err(format!("{}: events are missing", case.subscription(size)).into());
        }
        std::thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}

/// The figures are right, or the bench ends.
fn check(running: &Running, case: &Case, size: u64) -> Result<(), Failure> {
    let Some(units) = case.units(size) else { return Ok(()) };
    let mut client = Client::connect(running.address)?;
    let body: serde_json::Value = serde_json::from_slice(client.get(&path(case, size))?)?;
    let shown = &body["customer_usage"]["charges_usage"][0]["units"];
    let right = format!("{units}.0");
    if shown.as_str() == Some(&right) {
        return Ok(());
    }
    Err(format!("{}: {shown} units instead of {right}", case.subscription(size)).into())
}

fn path(case: &Case, size: u64) -> String {
    let subscription = case.subscription(size);
    format!("/api/v1/customers/{CUSTOMER}/current_usage?external_subscription_id={subscription}")
}

fn ask(client: &mut Client, case: &Case, size: u64) -> Result<Duration, Failure> {
    let path = path(case, size);
    let watch = Stopwatch::start();
    client.get(&path)?;
    Ok(watch.elapsed())
}

fn in_peace(
    running: &Running,
    case: &Case,
    sizes: [u64; 2],
) -> Result<[Vec<Duration>; 2], Failure> {
    let mut client = Client::connect(running.address)?;
    let mut times: [Vec<Duration>; 2] = Default::default();
    for number in 0..WARM_UP + QUESTIONS {
        for at in order(number as u64) {
            let took = ask(&mut client, case, sizes[at])?;
            if number >= WARM_UP {
                times[at].push(took);
            }
        }
    }
    Ok(times)
}

/// Waits until the accounts are back, without asking for them.
fn wait_for_slots(running: &Running, case: &Case, sizes: [u64; 2]) -> Result<(), Failure> {
    for size in sizes {
        await_rows(running, case, size, size)?;
        let shared = &running.service.shared;
        let (slot, _) = shared.account(cases::ORGANIZATION, Some(&case.subscription(size)));
        while !shared.board.slot(slot).ready {
            std::thread::sleep(LOOK_PAUSE);
        }
    }
    Ok(())
}

/// Sends events of this time and the microseconds before it, and asks after each. `numbers` are
/// theirs among those that come after the first ones.
fn after_late_events(
    running: &Running,
    case: &Case,
    sizes: [u64; 2],
    latest: i64,
    numbers: Range<u64>,
) -> Result<[Vec<Duration>; 2], Failure> {
    let log = log_of(running)?;
    let mut client = Client::connect(running.address)?;
    let mut times: [Vec<Duration>; 2] = Default::default();
    for late in numbers {
        for at in order(late) {
            let size = sizes[at];
            let mut record = String::new();
            let micros = latest - i64::try_from(late).unwrap_or(0);
            case.write(size, size + late, micros, &mut record);
            append(running, log, &[record])?;
            await_rows(running, case, size, size + late + 1)?;
            times[at].push(ask(&mut client, case, size)?);
        }
    }
    Ok(times)
}

fn print(args: &AggregationsArgs, rows: &[Row]) {
    println!(
        "Microseconds, p50 and p99, with {FEW} events and with {}; the ratio of the p99s",
        args.events
    );
    println!(
        "{:<16}{:>32}{:>32}{:>32}{:>32}",
        "", "in peace", "after a start", "after a late event", "after the oldest"
    );
    for row in rows {
        let text = |Compared { few, many, p99_ratio }: Compared| {
            format!(
                "{:.0} {:.0}, {:.0} {:.0}: {p99_ratio:.2}",
                few.p50_us, few.p99_us, many.p50_us, many.p99_us
            )
        };
        println!(
            "{:<16}{:>32}{:>32}{:>32}{:>32}",
            row.name,
            text(row.in_peace),
            text(row.after_start),
            text(row.after_late_event),
            text(row.after_very_late_event)
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::catalog::book::Book;
    use crate::core::catalog::directory::MemoryDirectory;
    use crate::core::instant::Instant;

    #[test]
    fn the_catalogue_of_the_bench_is_a_catalogue() {
        let file = cases::file(&[FEW, 1000], API_KEY_SHA256);
        let options = crate::catalog_file::Options { now: Instant(0), prune: false };
        let none = MemoryDirectory::default();
        catalog_apply::plan(&file, Path::new(""), &Book::default(), &none, options).unwrap();
    }
}
