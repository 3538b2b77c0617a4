//! What a soak has shown, and whether it is good enough.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::Seen;
use super::budget::Budget;
use super::slope::Slope;
use crate::cli::Failure;
use crate::cli::bench::process::resident_bytes;
use crate::cli::bench::queries::Latencies;
use crate::cli::serve::Running;

/// A leak in the way of an event costs at least a pointer or a flag in a table for some of them.
/// Half a byte an event is below all of those, and above what caches gain while they settle.
const LEAK_BYTES_PER_EVENT: f64 = 0.5;

/// Bytes of a mebibyte.
const MIB: f64 = 1_048_576.0;

/// One look at the process.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Seconds since events began to come.
    pub seconds: f64,
    /// Resident memory, bytes.
    pub resident: u64,
    /// Events applied.
    pub events: u64,
    /// Bytes the process has written to disk.
    pub written: u64,
    /// Bytes of the store.
    pub store: u64,
    /// Accounts in memory.
    pub accounts: usize,
}

impl Sample {
    /// Looks now, so long after the beginning.
    pub fn now(at: Duration, events: u64, running: &Running) -> Self {
        Self {
            seconds: at.as_secs_f64(),
            resident: resident_bytes().0,
            events,
            written: written_bytes(),
            store: running.service.shared.store.usage().map_or(0, |usage| usage.disk_bytes),
            accounts: running.service.shared.board.len(),
        }
    }

    /// One line for whoever waits.
    pub fn line(&self) -> String {
        format!(
            "{:>6.0} s  {:>5} MiB resident  {:>11} events  {:>7} accounts  {:>6} MiB on disk  \
             {:>7} MiB written",
            self.seconds,
            self.resident >> 20,
            self.events,
            self.accounts,
            self.store >> 20,
            self.written >> 20
        )
    }
}

/// Bytes this process has handed to devices. Zero where there is no `/proc`.
fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// What a soak has shown.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Seconds in which events came.
    pub seconds: f64,
    /// Events applied.
    pub events: u64,
    /// Events a second while nothing held them back.
    pub full_rate: f64,
    /// The bound that was set.
    pub events_per_second_max: Option<u64>,
    /// Events a second over the whole run.
    pub rate: f64,
    /// Bytes written to disk.
    pub written: u64,
    /// Bytes of the store at the end.
    pub store: u64,
    /// Accounts in memory at the end.
    pub accounts: usize,
    /// The limits on memory.
    pub budget: Budget,
    /// The most resident memory there was.
    pub resident_peak: u64,
    /// How resident memory grew in the second half, in MiB an hour.
    pub slope: Option<Slope>,
    /// The greatest slope that is let pass, in MiB an hour.
    pub slope_max: f64,
    /// Questions meanwhile.
    pub queries: Option<Latencies>,
    /// Why it ended before its time.
    pub failure: Option<String>,
    /// All samples.
    pub samples: Vec<Sample>,
}

impl Report {
    /// Sums up.
    pub fn of(
        events_per_second_max: Option<u64>,
        budget: Budget,
        seen: Seen,
        queries: Option<&Latencies>,
        accounts: usize,
    ) -> Result<Self, Failure> {
        let Seen { samples, full } = seen;
        let last = *samples.last().ok_or("a soak without a sample")?;
        let half = samples.iter().skip_while(|sample| sample.seconds < last.seconds / 2.0);
        let second: Vec<&Sample> = half.collect();
        let points: Vec<(f64, f64)> =
            second.iter().map(|s| (s.seconds / 3600.0, s.resident as f64 / MIB)).collect();
        let begun = second.first().copied().unwrap_or(&last);
        let hours = ((last.seconds - begun.seconds) / 3600.0).max(f64::EPSILON);
        let per_hour = (last.events - begun.events) as f64 / hours;
        let rate = |(at, events): (f64, u64)| events as f64 / at.max(f64::EPSILON);
        Ok(Self {
            seconds: last.seconds,
            events: last.events,
            full_rate: full.map_or(0.0, |(at, events)| rate((at.as_secs_f64(), events))),
            events_per_second_max,
            rate: rate((last.seconds, last.events)),
            written: last.written,
            store: last.store,
            accounts,
            budget,
            resident_peak: resident_bytes().1,
            slope: Slope::of(&points),
            slope_max: LEAK_BYTES_PER_EVENT * per_hour / MIB,
            queries: queries.copied(),
            failure: None,
            samples,
        })
    }

    /// A compact table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:<12}{text}");
        };
        let bound = self.events_per_second_max.map_or(String::new(), |max| {
            format!(", held back to {max} a second after the first minute")
        });
        line(
            "events",
            format!(
                "{} in {:.0} s, all new: {:.0} a second; full rate {:.0}{bound}",
                self.events, self.seconds, self.rate, self.full_rate
            ),
        );
        line(
            "disk",
            format!("{} MiB written, the store has {} MiB", self.written >> 20, self.store >> 20),
        );
        if let Some(Latencies { count, p50_us, p99_us, max_us }) = self.queries {
            let text = format!("{count}: p50 {p50_us:.0} us, p99 {p99_us:.0}, max {max_us:.0}");
            line("queries", text);
        }
        for limit in &self.budget.limits {
            line("limit", format!("{:>6} MiB  {}", limit.bytes >> 20, limit.name));
        }
        line("budget", format!("{:>6} MiB", self.budget.bytes >> 20));
        line(
            "peak",
            format!("{:>6} MiB resident, {} accounts", self.resident_peak >> 20, self.accounts),
        );
        let slope = self.slope.map_or("too few samples".to_owned(), |Slope { slope, error }| {
            format!(
                "{slope:.1} MiB an hour in the second half, standard error {error:.1}; \
                 let pass: {:.1}",
                self.slope_max
            )
        });
        line("slope", slope);
        out
    }

    /// Refuses memory beyond the budget, and memory that grows.
    pub fn judge(&self) -> Result<(), Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.into());
        }
        if self.resident_peak > self.budget.bytes {
            return Err("the process took more memory than its limits add up to".into());
        }
        let Some(slope) = self.slope else {
            return Err("too short for a slope\n  hint: --minutes".into());
        };
        if slope.exceeds(self.slope_max) {
            return Err("resident memory grew in the second half".into());
        }
        Ok(())
    }
}
