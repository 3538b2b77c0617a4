//! Things worth telling: each type's `emit` writes the log line and moves the metric.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::metrics::Metrics;

/// Something that happened and is told once.
pub trait Emit {
    /// Writes the log line and moves the metrics.
    fn emit(self, metrics: &Metrics);
}

/// The settings are read and the program goes on to start.
#[derive(Clone, Copy, Debug)]
pub struct Starting<'a> {
    /// The operator's file, if there is one.
    pub file: Option<&'a Path>,
    /// Brokers, or none for the embedded log.
    pub brokers: Option<&'a str>,
}

impl Emit for Starting<'_> {
    fn emit(self, _: &Metrics) {
        let file = self.file.map(|file| file.display().to_string());
        let brokers = self.brokers.unwrap_or("none, embedded log");
        tracing::info!(version = env!("CARGO_PKG_VERSION"), file, brokers, "starting");
    }
}

/// The store is open.
#[derive(Clone, Copy, Debug)]
pub struct StoreOpened<'a> {
    /// Its folder.
    pub path: &'a Path,
    /// Number of its slots.
    pub slots: u16,
    /// Version of its layout.
    pub format: u32,
    /// Whether it was just created.
    pub created: bool,
}

impl Emit for StoreOpened<'_> {
    fn emit(self, _: &Metrics) {
        let Self { path, slots, format, created } = self;
        tracing::info!(path = %path.display(), slots, format, created, "store opened");
    }
}

/// A partition is read from now on.
#[derive(Clone, Copy, Debug)]
pub struct PartitionStarted<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its number.
    pub partition: u32,
    /// Where reading starts.
    pub offset: i64,
}

impl Emit for PartitionStarted<'_> {
    fn emit(self, metrics: &Metrics) {
        let Self { topic, partition, offset } = self;
        let gauges = metrics.partition(topic, partition);
        gauges.reading.set(1);
        metrics.show_available(topic, partition, None);
        gauges.next_offset.set(u64::try_from(offset).unwrap_or(0));
        tracing::info!(topic, partition, offset, "partition started");
    }
}

/// A partition is not read any more, and its figures stand still until somebody acts.
#[derive(Clone, Copy, Debug)]
pub struct PartitionStopped<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its number.
    pub partition: u32,
    /// Where reading would go on.
    pub offset: i64,
    /// The first offset that the log has, and the one after its last, if they are known.
    pub available: Option<(i64, i64)>,
    /// Why, in one word of the code, such as `offset_gone`.
    pub reason: &'static str,
    /// What was found.
    pub detail: &'a str,
    /// What to do about it.
    pub hint: &'a str,
}

impl Emit for PartitionStopped<'_> {
    fn emit(self, metrics: &Metrics) {
        let Self { topic, partition, offset, available, reason, detail, hint } = self;
        let gauges = metrics.partition(topic, partition);
        gauges.reading.set(0);
        gauges.next_offset.set(u64::try_from(offset).unwrap_or(0));
        metrics.show_available(topic, partition, available);
        metrics.count_stop(reason);
        let (low, high) = (available.map(|ends| ends.0), available.map(|ends| ends.1));
        tracing::error!(
            topic,
            partition,
            offset,
            available_from = low,
            available_to = high,
            reason,
            detail,
            hint,
            "partition stopped"
        );
    }
}

/// Somebody has decided to go on behind a gap.
#[derive(Clone, Copy, Debug)]
pub struct GapAccepted<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// Why the partition stood still.
    pub reason: &'a str,
    /// The offset that was wanted.
    pub expected: i64,
    /// Where reading goes on.
    pub from: i64,
    /// Offsets that are known to be passed over.
    pub records: u64,
    /// Who has decided.
    pub by: &'a str,
}

impl Emit for GapAccepted<'_> {
    fn emit(self, metrics: &Metrics) {
        let Self { topic, partition, reason, expected, from, records, by } = self;
        metrics.gap_records.inc_by(records);
        tracing::warn!(topic, partition, reason, expected, from, records, by, "gap accepted");
    }
}

/// A checkpoint is durable.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointWritten {
    /// How long it took.
    pub took: Duration,
    /// Bytes written.
    pub bytes: u64,
    /// Events that became durable.
    pub events: u64,
}

impl Emit for CheckpointWritten {
    fn emit(self, metrics: &Metrics) {
        metrics.checkpoint_seconds.observe(self.took.as_secs_f64());
        metrics.checkpoint_bytes.inc_by(self.bytes);
        tracing::debug!(took = ?self.took, bytes = self.bytes, events = self.events, "checkpoint");
    }
}

/// A checkpoint could not be written. Nothing is lost, and nothing becomes durable.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointFailed<E> {
    /// What the store said.
    pub error: E,
}

impl<E: Display> Emit for CheckpointFailed<E> {
    fn emit(self, metrics: &Metrics) {
        metrics.checkpoint_failures.inc();
        let hint = "check the free space and the health of the store's disk";
        tracing::error!(error = %self.error, hint, "checkpoint failed");
    }
}

/// Rejected records were dropped because their room is full.
#[derive(Clone, Copy, Debug)]
pub struct RejectedDropped {
    /// How many.
    pub records: u64,
    /// The room, in bytes.
    pub bytes_max: u64,
}

impl Emit for RejectedDropped {
    fn emit(self, metrics: &Metrics) {
        let Self { records, bytes_max } = self;
        let hint = "see why records are rejected, or raise rejected.bytes_max";
        // A full room drops records at every checkpoint: the first time is news, the counter tells
        // the rest.
        if metrics.rejected_dropped.inc_by(records) == 0 {
            tracing::warn!(records, bytes_max, hint, "rejected records dropped, room full");
        } else {
            tracing::debug!(records, bytes_max, "rejected records dropped, room full");
        }
    }
}

/// A catalogue record has no effect.
#[derive(Clone, Copy, Debug)]
pub struct CatalogRecordIgnored<'a> {
    /// Its offset in the catalogue log.
    pub offset: i64,
    /// Why, in one word of the code, such as `stale`.
    pub reason: &'static str,
    /// What was found.
    pub detail: &'a str,
}

impl Emit for CatalogRecordIgnored<'_> {
    fn emit(self, metrics: &Metrics) {
        let Self { offset, reason, detail } = self;
        metrics.count_catalog_ignored(reason);
        tracing::warn!(offset, reason, detail, "catalogue record ignored");
    }
}

/// A bound was reached.
#[derive(Clone, Copy, Debug)]
pub struct LimitHit {
    /// The bound: the path of its setting, or the name of its constant.
    pub limit: &'static str,
}

impl Emit for LimitHit {
    fn emit(self, metrics: &Metrics) {
        let limit = self.limit;
        // The first time is news; after that the counter tells how often.
        if metrics.count_limit_hit(limit) {
            tracing::warn!(limit, "limit reached");
        } else {
            tracing::debug!(limit, "limit reached");
        }
    }
}

/// Buckets are no longer kept event by event: for the rest of their window they are read from the
/// ledger when somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct BucketsLeft {
    /// Why.
    pub why: WhyLeft,
    /// How many; 0 is no event at all.
    pub buckets: u64,
}

/// Why a bucket is no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyLeft {
    /// It has more groups or values than are kept.
    OverCap,
    /// It goes by the order of position, and that is too far from the order of time.
    GivenUp,
}

impl WhyLeft {
    const fn name(self) -> &'static str {
        match self {
            Self::OverCap => "over_cap",
            Self::GivenUp => "given_up",
        }
    }
}

impl Emit for BucketsLeft {
    fn emit(self, metrics: &Metrics) {
        let Self { why, buckets } = self;
        if buckets == 0 {
            return;
        }
        let reason = why.name();
        // As with bounds, the first time is news.
        if metrics.count_buckets_left(reason, buckets) {
            tracing::warn!(reason, buckets, "buckets are read from the ledger");
        } else {
            tracing::debug!(reason, buckets, "buckets are read from the ledger");
        }
    }
}

/// The server takes requests.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
}

impl Emit for Listening {
    fn emit(self, _: &Metrics) {
        tracing::info!(address = %self.address, "listening");
    }
}

/// Everything that stood in the logs at start is folded.
#[derive(Clone, Copy, Debug)]
pub struct CaughtUp {
    /// Events folded for it.
    pub events: u64,
    /// How long it took.
    pub took: Duration,
}

impl Emit for CaughtUp {
    fn emit(self, _: &Metrics) {
        tracing::info!(events = self.events, took = ?self.took, "caught up");
    }
}

/// The program was asked to end.
#[derive(Clone, Copy, Debug)]
pub struct ShutdownStarted {
    /// By what, such as `SIGTERM`.
    pub cause: &'static str,
}

impl Emit for ShutdownStarted {
    fn emit(self, _: &Metrics) {
        tracing::info!(cause = self.cause, "shutting down");
    }
}

/// The last checkpoint is durable and everything is closed.
#[derive(Clone, Copy, Debug)]
pub struct ShutdownDone {
    /// How long it took.
    pub took: Duration,
}

impl Emit for ShutdownDone {
    fn emit(self, _: &Metrics) {
        tracing::info!(took = ?self.took, "stopped");
    }
}

#[cfg(test)]
mod tests {
    use super::super::logging::tests::logged;
    use super::*;
    use crate::config::{Log, LogFormat, LogLevel};

    fn emitted(event: impl Emit, metrics: &Metrics) -> String {
        let log = Log { level: LogLevel::Info, targets: vec![], format: LogFormat::Text };
        logged(&log, || event.emit(metrics))
    }

    fn has(metrics: &Metrics, line: &str) -> bool {
        metrics.encode().lines().any(|l| l == line)
    }

    #[test]
    fn a_stopped_partition_is_an_error_with_reason_and_hint() {
        let metrics = Metrics::new();
        let started = PartitionStarted { topic: "events_raw", partition: 1, offset: 9 };
        let text = emitted(started, &metrics);
        assert!(text.contains("INFO") && text.contains("offset=9"), "{text}");
        assert!(has(
            &metrics,
            "odometer_partition_reading{topic=\"events_raw\",partition=\"1\"} 1"
        ));
        let text = emitted(
            PartitionStopped {
                topic: "events_raw",
                partition: 1,
                offset: 12,
                available: Some((40, 50)),
                reason: "offset_gone",
                detail: "the log starts at 40",
                hint: "restore the records",
            },
            &metrics,
        );
        for part in ["ERROR", "partition stopped", "offset_gone", "hint=\"restore the records\""] {
            assert!(text.contains(part), "{text}");
        }
        assert!(has(
            &metrics,
            "odometer_partition_reading{topic=\"events_raw\",partition=\"1\"} 0"
        ));
        let available =
            "odometer_partition_available_offset{topic=\"events_raw\",partition=\"1\",end=\"low\"}";
        assert!(has(&metrics, &format!("{available} 40")));
        emitted(PartitionStarted { topic: "events_raw", partition: 1, offset: 40 }, &metrics);
        assert!(!metrics.encode().contains(available), "it is read again");
        assert!(has(&metrics, "odometer_partition_stops_total{reason=\"offset_gone\"} 1"));
    }

    #[test]
    fn what_repeats_is_news_once_and_counted_always() {
        let metrics = Metrics::new();
        let dropped = RejectedDropped { records: 4, bytes_max: 100 };
        assert!(emitted(dropped, &metrics).contains("WARN"));
        assert_eq!(emitted(dropped, &metrics), "");
        assert!(has(&metrics, "odometer_rejected_dropped_total 8"));
        let (soft, hard) = (
            LimitHit { limit: "limits.groups_soft_max" },
            LimitHit { limit: "limits.groups_hard_max" },
        );
        assert!(emitted(soft, &metrics).contains("WARN"));
        assert_eq!(emitted(soft, &metrics), "");
        assert!(emitted(hard, &metrics).contains("WARN"));
        assert!(has(&metrics, "odometer_limit_hits_total{limit=\"limits.groups_soft_max\"} 2"));
    }

    #[test]
    fn checkpoints_move_their_metrics() {
        let metrics = Metrics::new();
        let written = CheckpointWritten { took: Duration::from_millis(3), bytes: 500, events: 20 };
        assert_eq!(emitted(written, &metrics), "", "a checkpoint every second is no news");
        let text = emitted(CheckpointFailed { error: "no space left" }, &metrics);
        assert!(text.contains("ERROR") && text.contains("error=no space left"), "{text}");
        assert!(has(&metrics, "odometer_checkpoint_bytes_total 500"));
        assert!(has(&metrics, "odometer_checkpoint_seconds_count 1"));
        assert!(has(&metrics, "odometer_checkpoint_failures_total 1"));
    }

    #[test]
    fn every_change_of_state_is_one_line_at_info() {
        let metrics = Metrics::new();
        let store = StoreOpened { path: Path::new("/d"), slots: 64, format: 1, created: true };
        let texts = [
            emitted(Starting { file: Some(Path::new("/f")), brokers: None }, &metrics),
            emitted(store, &metrics),
            emitted(Listening { address: ([127, 0, 0, 1], 8080).into() }, &metrics),
            emitted(CaughtUp { events: 3, took: Duration::from_secs(1) }, &metrics),
            emitted(ShutdownStarted { cause: "SIGTERM" }, &metrics),
            emitted(ShutdownDone { took: Duration::from_secs(1) }, &metrics),
        ];
        let told = [
            "file=\"/f\" brokers=\"none, embedded log\"",
            "path=/d slots=64 format=1 created=true",
            "address=127.0.0.1:8080",
            "events=3 took=1s",
            "cause=\"SIGTERM\"",
            "took=1s",
        ];
        for (text, told) in texts.iter().zip(told) {
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("INFO") && text.contains(told), "{text}");
        }
        let ignored = CatalogRecordIgnored { offset: 7, reason: "stale", detail: "plan moved" };
        assert!(emitted(ignored, &metrics).contains("WARN"));
        assert!(has(&metrics, "odometer_catalog_records_ignored_total{reason=\"stale\"} 1"));
    }
}
