//! The fold, timed: from the first read until the last record is visible and on disk.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::process::{CpuTimes, machine_busy, resident_bytes};
use super::queries::{Latencies, Queries};
use super::workload::Workload;
use super::yardstick::Rate;
use crate::cli::Failure;
use crate::cli::serve::Running;
use crate::config::Settings;
use crate::runtime::clock::{Clock, Stopwatch};

/// Pause between two looks at how far the fold is.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// A fold that does not move for so long is given up.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// Pause between two questions of a reader while the fold runs.
const UNDER_LOAD_PAUSE: Duration = Duration::from_millis(5);

/// What a fold gave.
#[derive(Debug, Serialize)]
pub struct Fold {
    /// From the first read until the last record was visible and on disk.
    pub rate: Rate,
    /// Seconds of it between the last record's visibility and its being on disk.
    pub sync_seconds: f64,
    /// Microseconds of processor time for one record, by group of threads.
    pub cpu_us: BTreeMap<String, f64>,
    /// Part of the machine's processor time in that time that other processes used, the brokers
    /// among them.
    pub others: f64,
    /// Seconds in which the catalogue was read.
    pub catalogue_seconds: f64,
    /// Accounts with usage.
    pub accounts: usize,
    /// Resident memory before the catalogue was read.
    pub resident_start: u64,
    /// Resident memory when the first event was read.
    pub resident_catalogue: u64,
    /// The most resident memory there was until the last record was on disk.
    pub resident_peak: u64,
    /// Queries while the fold ran.
    pub queries: Latencies,
}

/// Starts the service on the bench's topics and folds all records.
pub fn measure(settings: &Settings, workload: &Workload) -> Result<(Fold, Running), Failure> {
    let (resident_start, _) = resident_bytes();
    let starting = Stopwatch::start();
    let running = Running::start(settings, Clock::System)?;
    let watch = Stopwatch::start();
    let catalogue_seconds = starting.elapsed().as_secs_f64();
    let (before, busy_before) = (CpuTimes::now(), machine_busy());
    let (resident_catalogue, _) = resident_bytes();
    let queries = Queries::start(running.address, workload.clone(), UNDER_LOAD_PAUSE)?;
    await_consumed(&running, workload.events)?;
    let visible = watch.elapsed();
    running.service.checkpoint()?;
    let took = watch.elapsed();
    let used = CpuTimes::now().since(&before);
    let busy = machine_busy().saturating_sub(busy_before);
    let (_, resident_peak) = resident_bytes();
    let cpu = used.values().sum();
    let each =
        |(group, time): (String, Duration)| (group, Rate::of(workload.events, took, time).cpu_us);
    let fold = Fold {
        rate: Rate::of(workload.events, took, cpu),
        sync_seconds: took.saturating_sub(visible).as_secs_f64(),
        cpu_us: used.into_iter().map(each).collect(),
        others: busy.saturating_sub(cpu).as_secs_f64() / busy.as_secs_f64().max(f64::EPSILON),
        catalogue_seconds,
        accounts: running.service.shared.board.len(),
        resident_start,
        resident_catalogue,
        resident_peak,
        queries: queries.stop()?,
    };
    Ok((fold, running))
}

/// Waits until so many records are applied. They are counted once readers can see them.
pub fn await_consumed(running: &Running, records: u64) -> Result<(), Failure> {
    let (mut seen, mut moved) = (0, Stopwatch::start());
    loop {
        if let Some(reason) = running.service.fatal.borrow().clone() {
            return Err(reason.into());
        }
        let consumed = running.metrics.records_consumed.get();
        if consumed >= records {
            return Ok(());
        }
        if consumed != seen {
            (seen, moved) = (consumed, Stopwatch::start());
        } else if moved.elapsed() > SILENCE_MAX {
            return Err(format!("the fold stands still after {seen} of {records} records").into());
        }
        std::thread::sleep(LOOK_PAUSE);
    }
}
