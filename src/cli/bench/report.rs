//! Prints what a bench measured.

use std::fmt::Write as _;

use serde::Serialize;

use super::fold::Fold;
use super::queries::Latencies;
use super::verify::Verified;
use super::workload::Workload;
use super::yardstick::Rate;

/// All that one run measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The topic, whose name tells the records.
    pub topic: String,
    /// Bytes of a record, on average.
    pub record_bytes: f64,
    /// librdkafka alone.
    pub yardstick: Rate,
    /// The fold.
    pub fold: Fold,
    /// The fold's rate over the yardstick's.
    pub ratio: f64,
    /// What was compared with what was produced; all of it agreed.
    pub verified: Verified,
    /// Queries when nothing else goes on.
    pub idle_queries: Latencies,
    /// From sending an event until it is visible; not measured on topics that are kept.
    pub visible: Option<Latencies>,
}

impl Report {
    /// A compact table.
    pub fn table(&self, workload: &Workload) -> String {
        let Self { fold, yardstick, verified, .. } = self;
        let mut out = String::new();
        let mut line = |name: &str, text: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:<12}{text}");
        };
        line(
            "records",
            format!(
                "{} of {:.0} bytes for {} subscriptions in {} partitions, zipf {}",
                workload.events,
                self.record_bytes,
                workload.subscriptions,
                workload.partitions,
                workload.zipf
            ),
        );
        line("librdkafka", rate(yardstick));
        line("odometer", rate(&fold.rate));
        line(
            "",
            format!(
                "ratio {:.2}; last checkpoint {:.2} s; catalogue read in {:.1} s; others used \
                 {:.0} % of what the machine did",
                self.ratio,
                fold.sync_seconds,
                fold.catalogue_seconds,
                fold.others * 100.0
            ),
        );
        let mut threads: Vec<(&String, &f64)> = fold.cpu_us.iter().collect();
        threads.sort_by(|a, b| b.1.total_cmp(a.1));
        let threads: Vec<String> =
            threads.iter().map(|(name, us)| format!("{name} {us:.2}")).collect();
        line("cpu us", threads.join(", "));
        line(
            "memory",
            format!(
                "peak {} MiB; before the catalogue {}, before the events {}; {} accounts",
                fold.resident_peak >> 20,
                fold.resident_start >> 20,
                fold.resident_catalogue >> 20,
                fold.accounts
            ),
        );
        line("query load", latencies(&fold.queries));
        line("query idle", latencies(&self.idle_queries));
        if let Some(visible) = &self.visible {
            line("visible", latencies(visible));
        }
        line(
            "verified",
            format!(
                "{} accepted, {} duplicates, {} rejected; figures of {} subscriptions",
                verified.accepted, verified.duplicates, verified.rejected, verified.subscriptions
            ),
        );
        out
    }
}

fn rate(rate: &Rate) -> String {
    format!(
        "{:.0} records/s ({:.1} s), {:.2} us of processor time each",
        rate.per_second, rate.seconds, rate.cpu_us
    )
}

fn latencies(latencies: &Latencies) -> String {
    let Latencies { count, p50_us, p99_us, max_us } = latencies;
    format!("p50 {p50_us:.0} us, p99 {p99_us:.0} us, longest {max_us:.0} us of {count}")
}
