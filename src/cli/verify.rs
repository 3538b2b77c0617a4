//! `odometer verify`: whether the store of a stopped service is what its ledger gives.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value as Json, json};

use super::Failure;
use crate::config::Settings;
use crate::runtime::clock::Stopwatch;
use crate::runtime::verify::log::Log;
use crate::runtime::verify::{Findings, Subject, Tally};

/// Flags of `odometer verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Read the topics again, too, up to where the store has applied them
    #[arg(long)]
    log: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// What was done, and how long it took.
struct Outcome {
    findings: Findings,
    /// Seconds that the ledger took, and the log.
    seconds: (f64, f64),
    log: Option<Log>,
}

/// Verifies, prints what was found, and fails if anything differs.
pub fn verify(settings: &Settings, args: &VerifyArgs) -> Result<(), Failure> {
    let mut subject = Subject::open(settings)?;
    let mut of_topics = Findings::default();
    let mut log = None;
    if args.log {
        let connected = Log::connect(&subject, settings, &mut of_topics)?;
        subject.prepare(connected.floors());
        log = Some(connected);
    }
    let watch = Stopwatch::start();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut findings = subject.verify(threads);
    let ledger_seconds = watch.elapsed().as_secs_f64();
    let watch = Stopwatch::start();
    if let Some(log) = &mut log {
        log.compare(&subject, &mut findings)?;
    }
    findings.merge(of_topics);
    let seconds = (ledger_seconds, watch.elapsed().as_secs_f64());
    let outcome = Outcome { findings, seconds, log };
    if args.json {
        println!("{}", outcome.to_json());
    } else {
        print!("{}", outcome.to_text());
    }
    let findings = &outcome.findings;
    match findings.differences.first() {
        None => Ok(()),
        Some(first) => Err(format!(
            "the store differs in {} places\n  first: {first}\n  hint: restore a backup; what the \
             log still has is folded again after it",
            findings.differing
        )
        .into()),
    }
}

/// Events a second, in whole numbers.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn rate(events: u64, seconds: f64) -> u64 {
    // A stretch too short to be measured has no rate.
    if seconds > 0.0 { (events as f64 / seconds) as u64 } else { 0 }
}

impl Outcome {
    fn to_text(&self) -> String {
        let Tally { events, accounts, ids, .. } = self.findings.tally;
        let Tally { windows_equal, windows_alike, windows_to_scan, accounts_to_rebuild, .. } =
            self.findings.tally;
        let mut text = format!(
            "ledger: {events} events of {accounts} accounts, {ids} ids, {} events a second\n\
             totals: {windows_equal} windows equal, {windows_alike} with equal figures, \
             {windows_to_scan} left to a scan; {accounts_to_rebuild} accounts under older rules\n",
            rate(events, self.seconds.0)
        );
        for part in self.log.iter().flat_map(|log| &log.parts) {
            let from = if part.from == 0 { "" } else { ", what was before is no longer there" };
            let _ = writeln!(text, "log: {} offsets {} to {}{from}", part.name, part.from, part.to);
        }
        for apart in self.log.iter().flat_map(|log| &log.apart) {
            let _ = writeln!(text, "log: {} is not comparable: {}", apart.name, apart.why);
        }
        if let Some(log) = &self.log {
            let speed = rate(log.records, self.seconds.1);
            let _ = writeln!(text, "log: {} records, {speed} a second", log.records);
        }
        for difference in &self.findings.differences {
            let _ = writeln!(text, "differs: {difference}");
        }
        let untold = self.findings.differing - self.findings.differences.len() as u64;
        if untold > 0 {
            let _ = writeln!(text, "differs: {untold} further places");
        }
        if self.findings.differing == 0 {
            text += "the store is sound\n";
        }
        text
    }

    fn to_json(&self) -> Json {
        let tally = self.findings.tally;
        let differences: Vec<Json> = self
            .findings
            .differences
            .iter()
            .map(|found| {
                json!({
                    "slot": found.slot, "kind": found.kind, "place": found.place,
                    "what": found.what,
                })
            })
            .collect();
        let log = self.log.as_ref().map(|log| {
            let parts = log.parts.iter();
            let parts: Vec<Json> = parts
                .map(|part| json!({"partition": part.name, "from": part.from, "to": part.to}))
                .collect();
            let apart = log.apart.iter();
            let apart: Vec<Json> =
                apart.map(|apart| json!({"partition": apart.name, "reason": apart.why})).collect();
            json!({
                "not_comparable": apart,
                "records": log.records,
                "records_per_second": rate(log.records, self.seconds.1),
                "partitions": parts,
            })
        });
        json!({
            "sound": self.findings.differing == 0,
            "events": tally.events,
            "events_per_second": rate(tally.events, self.seconds.0),
            "accounts": tally.accounts,
            "ids": tally.ids,
            "windows_equal": tally.windows_equal,
            "windows_with_equal_figures": tally.windows_alike,
            "windows_left_to_a_scan": tally.windows_to_scan,
            "accounts_under_older_rules": tally.accounts_to_rebuild,
            "log": log,
            "differing": self.findings.differing,
            "differences": differences,
        })
    }
}
