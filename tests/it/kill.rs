//! The kill test: `kill -9` under load, again and again, and after every restart every total and
//! every counter against a judge that reads the topic by itself (`tests/rig/judge.py`).
//!
//! `ODOMETER_KILL_TEST=long` runs it with 5 M records instead of 0.3 M.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::json;

use crate::rig::{Place, Script, Service, brokers, until};

const PARTITIONS: i32 = 6;
/// Longest pause around the write of a checkpoint that a kill is aimed at.
const PAUSE_MS: u64 = 40;

/// One run.
#[derive(Clone, Copy)]
struct Form {
    records: u64,
    subscriptions: u64,
    /// Slices of the records. In each the service is killed while the slice is written.
    rounds: u64,
    /// Records a second, so that a slice lasts long enough to be hit; 0 means no bound.
    rate: u64,
    interval_ms: u64,
    /// A defect to be found.
    fault: Option<&'static str>,
}

const SHORT: Form = Form {
    records: 300_000,
    subscriptions: 10_000,
    rounds: 24,
    rate: 8_000,
    interval_ms: 100,
    fault: None,
};
const LONG: Form = Form { records: 5_000_000, rate: 0, interval_ms: 500, ..SHORT };
const DEFECT: Form = Form {
    records: 40_000,
    subscriptions: 200,
    rounds: 8,
    rate: 8_000,
    fault: Some("positions_early"),
    ..SHORT
};

/// What happened.
#[derive(Default, Debug)]
struct Report {
    kills: u64,
    inside_checkpoint: u64,
    records: u64,
    comparisons: u64,
    totals: u64,
    differences: u64,
    shown: Vec<String>,
}

impl Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "kill test: {} kills, {} of them inside a checkpoint, {} records, {} comparisons, {} \
             totals compared, {} differences",
            self.kills,
            self.inside_checkpoint,
            self.records,
            self.comparisons,
            self.totals,
            self.differences
        )
    }
}

#[test]
fn no_kill_changes_a_total_or_a_counter() {
    #[allow(clippy::disallowed_methods)] // the form is chosen by the caller of the test
    let form = match std::env::var("ODOMETER_KILL_TEST").as_deref() {
        Ok("long") => LONG,
        Ok(other) => panic!("ODOMETER_KILL_TEST is {other:?}; the only other form is \"long\""),
        Err(_) => SHORT,
    };
    let mut run = Run::new(form);
    for round in 0..form.rounds {
        run.round(round);
        assert_eq!(run.report.differences, 0, "{}\n{:#?}", run.report, run.report.shown);
    }
    run.finish();
    println!("{}", run.report);
    assert_eq!(run.report.records, form.records);
    assert!(run.report.kills >= 20, "{}", run.report);
    assert!(run.report.inside_checkpoint >= 5, "{}", run.report);
}

#[test]
fn positions_that_run_ahead_of_their_rows_are_found() {
    let mut run = Run::new(DEFECT);
    let mut rounds = 0..DEFECT.rounds;
    while run.report.differences == 0 {
        let round = rounds.next().unwrap_or_else(|| panic!("not found: {}", run.report));
        run.round(round);
    }
    println!("with positions stored early: {}", run.report);
    let shown = run.report.shown.join("\n");
    assert!(shown.contains(" units is ") && shown.contains(" events_count is "), "{shown}");
}

struct Run {
    form: Form,
    place: Place,
    service: Option<Service>,
    compare: Script,
    report: Report,
    dice: u64,
}

impl Run {
    fn new(form: Form) -> Self {
        let place = Place::new("kill", PARTITIONS);
        let subscriptions = form.subscriptions.to_string();
        let catalog = crate::rig::tool("dev/python")
            .args(["tests/rig/catalog.py", "--subscriptions", &subscriptions])
            .output()
            .expect("dev/python runs");
        assert!(catalog.status.success(), "{}", String::from_utf8_lossy(&catalog.stderr));
        std::fs::write(place.path("catalog.yaml"), catalog.stdout).unwrap();
        let compare = Script::start(
            "dev/python",
            "compare.py",
            &[
                "--serve",
                "--brokers",
                brokers(),
                "--topic",
                &place.events,
                "--subscriptions",
                &subscriptions,
            ],
        );
        let mut run =
            Self { form, place, service: None, compare, report: Report::default(), dice: 1 };
        run.start(0);
        run
    }

    /// The next pseudo-random number below a bound.
    fn dice(&mut self, below: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.dice >> 33) % below.max(1)
    }

    fn command(&self, round: u64) -> Command {
        let mut command = self.place.program(&["serve"]);
        let catalog = self.place.path("catalog.yaml");
        let set = |name: &str, value: &dyn Display| ["--set".to_owned(), format!("{name}={value}")];
        command
            .args(set("catalog.file", &catalog.display()))
            .args(set("events.record_bytes_max", &65_536))
            .args(set("events.depth_max", &64))
            .args(set("checkpoint.interval_ms", &self.form.interval_ms))
            .args(set("checkpoint.totals_interval_ms", &(self.form.interval_ms * 20)));
        let fault = match (self.form.fault, aimed(round)) {
            (Some(fault), _) => Some(fault.to_owned()),
            (None, true) => Some(format!("pause_in_commit:{}", pause_ms(round))),
            (None, false) => None,
        };
        if let Some(fault) = fault {
            command.env("ODOMETER_TEST_FAULT", fault);
        }
        command
    }

    fn start(&mut self, round: u64) {
        self.service = Some(Service::start(self.command(round)));
    }

    fn service(&mut self) -> &mut Service {
        self.service.as_mut().unwrap()
    }

    /// Writes a slice, kills the service meanwhile, starts it again and compares everything.
    fn round(&mut self, round: u64) {
        let slice = self.form.records / self.form.rounds;
        let start = round * slice;
        let records = if round + 1 == self.form.rounds { self.form.records - start } else { slice };
        let consumed = "odometer_records_consumed_total";
        let wanted = self.service().metric(consumed) + self.dice(records / 2) + 1;
        let mut producer = Script::start(
            "dev/python",
            "produce.py",
            &[
                "--brokers",
                brokers(),
                "--topic",
                &self.place.events,
                "--start",
                &start.to_string(),
                "--records",
                &records.to_string(),
                "--subscriptions",
                &self.form.subscriptions.to_string(),
                "--rate",
                &self.form.rate.to_string(),
            ],
        );
        let service = self.service.as_ref().unwrap();
        until("the service is under load", || (service.metric(consumed) >= wanted).then_some(()));
        self.kill(round);
        let under_load = producer.runs();
        // Some kills hit the recovery from the one before.
        if round % 6 == 5 {
            self.start(round + 2);
            self.kill(round + 2);
        }
        self.start(round + 1);
        let sent = producer.finish();
        assert!(under_load, "the slice was written before the kill: {sent}");
        assert_eq!(sent["confirmed"], records);
        self.report.records += records;
        self.compare();
    }

    fn kill(&mut self, round: u64) {
        let mut service = self.service.take().unwrap();
        let mut inside = false;
        if aimed(round) && self.form.fault.is_none() {
            service.skip_lines();
            service.wait_line("commit begins");
            inside = true;
            let moment = self.dice(pause_ms(round) * 3 / 2);
            std::thread::sleep(Duration::from_millis(moment));
        }
        // The last mark tells, and it may have been written since.
        for message in service.kill() {
            match message.as_str() {
                "commit begins" => inside = true,
                "commit ends" => inside = false,
                _ => {}
            }
        }
        self.report.kills += 1;
        self.report.inside_checkpoint += u64::from(inside);
    }

    fn compare(&mut self) {
        let url = self.service().url.clone();
        let told = self.compare.ask(&json!({ "settle": true, "counters": true, "url": url }));
        assert!(told.get("error").is_none(), "{told}");
        assert_eq!(told["subscriptions"], self.form.subscriptions, "{told}");
        let count = |name: &str| told[name].as_u64().unwrap();
        assert!(count("events") > 0 && told["counters"]["duplicate"] != 0, "{told}");
        self.report.comparisons += 1;
        self.report.totals += count("totals");
        self.report.differences += count("differences");
        let shown = told["shown"].as_array().unwrap().iter();
        self.report.shown.extend(shown.map(|line| line.as_str().unwrap().to_owned()));
    }

    /// A clean end and a start from it, and what was rejected by reason.
    fn finish(&mut self) {
        let told = self.compare.ask(&json!({ "settle": true }));
        let judged: BTreeMap<String, u64> =
            serde_json::from_value(told["counters"]["rejected"].clone()).unwrap();
        let expected: u64 = judged.values().sum();
        let mut letters = BTreeSet::new();
        let reader = dead_letters(&self.place.dead_letters);
        until("all dead letters are sent", || {
            while let Some(message) = reader.poll(Duration::from_millis(100)) {
                letters.insert(letter(&message.unwrap()));
            }
            (letters.len() as u64 >= expected).then_some(())
        });
        let mut reasons = BTreeMap::new();
        for letter in letters {
            *reasons.entry(letter.reason).or_insert(0) += 1;
        }
        assert_eq!(reasons, judged, "rejected records by reason");
        let (status, _) = self.service.take().unwrap().terminate();
        assert!(status.success(), "{status}");
        self.start(1);
        self.compare();
        assert_eq!(self.report.differences, 0, "{}\n{:#?}", self.report, self.report.shown);
    }
}

/// Whether the kill of this round is aimed at the write of a checkpoint.
fn aimed(round: u64) -> bool {
    round.is_multiple_of(2)
}

/// Every other aimed kill hits a write as it is, without a pause.
fn pause_ms(round: u64) -> u64 {
    if round.is_multiple_of(4) { PAUSE_MS } else { 0 }
}

/// A rejected record; sent once or more, told apart by where it came from.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Letter {
    source: String,
    offset: String,
    index: String,
    reason: String,
}

fn letter(message: &impl Message) -> Letter {
    let headers = message.headers().unwrap();
    let text = |name: &str| {
        let found = headers.iter().find(|header| header.key == name).unwrap();
        String::from_utf8(found.value.unwrap().to_vec()).unwrap()
    };
    Letter {
        source: text("odometer-source"),
        offset: text("odometer-offset"),
        index: text("odometer-index"),
        reason: text("odometer-reason"),
    }
}

fn dead_letters(topic: &str) -> BaseConsumer {
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", "rig")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    reader
}
