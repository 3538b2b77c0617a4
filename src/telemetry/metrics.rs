//! The metrics: typed handles, and their text for scrapes.
//!
//! Handles are atomics behind an `Arc`. Those with fixed labels are made at start, so that touching
//! them takes no lock and they are scraped as 0 before the first hit. The fold touches them once
//! per batch, never per event.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::names::{self, Definition};
use super::process;

/// Media type of [`Metrics::encode`]: OpenMetrics, which Prometheus reads since its version 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A value that goes up and down and is never negative.
pub type Gauge = gauge::Gauge<u64, AtomicU64>;

/// Bucket bounds as (first, factor, count).
type Bounds = (f64, f64, u16);

/// 1 to 65 536 events: from single records to full batches.
const BATCH_EVENTS_BOUNDS: Bounds = (1.0, 4.0, 9);
/// 1 ms to 16 s: a checkpoint that takes longer is a stalled disk.
const CHECKPOINT_BOUNDS: Bounds = (0.001, 2.0, 15);
/// 0.1 ms to 26 s: from an account with a few events to one with its whole history on a cold disk.
const REBUILD_BOUNDS: Bounds = (0.0001, 4.0, 10);
/// 1 ms to 16 s: from a quiet slot to one that has fallen behind.
const MERGE_BOUNDS: Bounds = (0.001, 2.0, 15);
/// 50 µs to 6.5 s: a warm answer takes tens of microseconds, a scan may take seconds.
const HTTP_BOUNDS: Bounds = (0.000_05, 2.0, 18);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    r#where: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limit {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Partition {
    topic: String,
    partition: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionEnd {
    topic: String,
    partition: u32,
    end: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// Counters of events, one for each thing that can become of an event.
#[derive(Clone, Debug)]
pub struct EventCounters {
    /// It counts.
    pub accepted: Counter,
    /// A copy with a smaller position counts already.
    pub duplicate: Counter,
    /// It took the place of a copy with a greater position.
    pub replaced: Counter,
    /// It cannot count.
    pub rejected: Counter,
    /// Its organization is not known yet.
    pub set_aside: Counter,
}

/// Gauges of all events since the store was created, one for each thing that can become of one.
#[derive(Clone, Debug)]
pub struct LedgerGauges {
    /// They count.
    pub accepted: Gauge,
    /// A copy with a smaller position counts.
    pub duplicate: Gauge,
    /// They took the place of a copy with a greater position.
    pub replaced: Gauge,
    /// They cannot count.
    pub rejected: Gauge,
    /// Their organization is not known yet.
    pub set_aside: Gauge,
}

/// Counters of id look-ups, by where the answer was found.
#[derive(Clone, Debug)]
pub struct LookupCounters {
    /// In the set of recent ids.
    pub memory: Counter,
    /// In the store or its filters.
    pub store: Counter,
}

/// Gauges of one partition, to be kept by whoever reads it.
#[derive(Clone, Debug)]
pub struct PartitionGauges {
    /// Offset of the next record to fold.
    pub next_offset: Gauge,
    /// 1 while the partition is read, else 0.
    pub reading: Gauge,
}

/// All metrics of the program. Each handle says in [`names`] what it means.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// [`names::EVENTS`].
    pub events: EventCounters,
    /// [`names::LEDGER_EVENTS`].
    pub ledger: LedgerGauges,
    /// [`names::RECORDS_CONSUMED`].
    pub records_consumed: Counter,
    records_rejected: Family<Reason, Counter>,
    /// [`names::BATCHES`].
    pub batches: Counter,
    /// [`names::BATCH_EVENTS`].
    pub batch_events: Histogram,
    /// [`names::LAG_MS`].
    pub lag_ms: Gauge,
    partition_next_offset: Family<Partition, Gauge>,
    partition_reading: Family<Partition, Gauge>,
    partition_available: Family<PartitionEnd, Gauge>,
    /// [`names::GAP_RECORDS`].
    pub gap_records: Counter,
    partition_stops: Family<Reason, Counter>,
    /// [`names::CHECKPOINT_SECONDS`].
    pub checkpoint_seconds: Histogram,
    /// [`names::CHECKPOINT_BYTES`].
    pub checkpoint_bytes: Counter,
    /// [`names::CHECKPOINT_FAILURES`].
    pub checkpoint_failures: Counter,
    /// [`names::TAIL_BLOCKS`].
    pub tail_blocks: Gauge,
    /// [`names::TAIL_BYTES`].
    pub tail_bytes: Gauge,
    /// [`names::MERGE_SECONDS`].
    pub merge_seconds: Histogram,
    /// [`names::MERGED_EVENTS`].
    pub merged_events: Counter,
    /// [`names::MERGE_BYTES`].
    pub merge_bytes: Counter,
    /// [`names::TOTALS_SECONDS`].
    pub totals_seconds: Histogram,
    /// [`names::TOTALS_BYTES`].
    pub totals_bytes: Counter,
    /// [`names::IDS_MEMORY_BYTES`].
    pub ids_memory_bytes: Gauge,
    /// [`names::IDS_LOOKUPS`].
    pub ids_lookups: LookupCounters,
    /// [`names::REBUILDS`].
    pub rebuilds: Counter,
    /// [`names::REBUILD_SECONDS`].
    pub rebuild_seconds: Histogram,
    /// [`names::REBUILD_EVENTS`].
    pub rebuild_events: Counter,
    buckets_left: Family<Reason, Counter>,
    /// [`names::ACCOUNTS`].
    pub accounts: Gauge,
    /// [`names::ACCOUNTS_BYTES`].
    pub accounts_bytes: Gauge,
    /// [`names::ACCOUNTS_LEFT`].
    pub accounts_left: Counter,
    /// [`names::ACCOUNTS_RETURNED`].
    pub accounts_returned: Counter,
    /// [`names::CATALOG_VERSION`].
    pub catalog_version: Gauge,
    catalog_ignored: Family<Reason, Counter>,
    http_requests: Family<Request, Counter>,
    http_request_seconds: Family<Route, Histogram, fn() -> Histogram>,
    /// [`names::OUTBOX_PENDING`].
    pub outbox_pending: Gauge,
    /// [`names::REJECTED_BYTES`].
    pub rejected_bytes: Gauge,
    /// [`names::REJECTED_REPLAYED`].
    pub rejected_replayed: Counter,
    /// [`names::REJECTED_DROPPED`].
    pub rejected_dropped: Counter,
    limit_hits: Family<Limit, Counter>,
    resident_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        let events = register(r, &names::EVENTS, Family::<Outcome, Counter>::default());
        let event = |outcome| events.get_or_create_owned(&Outcome { outcome });
        let ledger = register(r, &names::LEDGER_EVENTS, Family::<Outcome, Gauge>::default());
        let kept = |outcome| ledger.get_or_create_owned(&Outcome { outcome });
        let lookups = register(r, &names::IDS_LOOKUPS, Family::<Place, Counter>::default());
        let lookup = |place| lookups.get_or_create_owned(&Place { r#where: place });
        let http_seconds: fn() -> Histogram = || histogram(HTTP_BOUNDS);
        let http_seconds = Family::new_with_constructor(http_seconds);
        let build = Info::new(Build { version: env!("CARGO_PKG_VERSION") });
        r.register(names::BUILD.stem(), names::BUILD.help, build);
        Self {
            events: EventCounters {
                accepted: event("accepted"),
                duplicate: event("duplicate"),
                replaced: event("replaced"),
                rejected: event("rejected"),
                set_aside: event("set_aside"),
            },
            ledger: LedgerGauges {
                accepted: kept("accepted"),
                duplicate: kept("duplicate"),
                replaced: kept("replaced"),
                rejected: kept("rejected"),
                set_aside: kept("set_aside"),
            },
            records_consumed: register(r, &names::RECORDS_CONSUMED, Counter::default()),
            records_rejected: register(r, &names::RECORDS_REJECTED, Family::default()),
            batches: register(r, &names::BATCHES, Counter::default()),
            batch_events: register(r, &names::BATCH_EVENTS, histogram(BATCH_EVENTS_BOUNDS)),
            lag_ms: register(r, &names::LAG_MS, Gauge::default()),
            partition_next_offset: register(r, &names::PARTITION_NEXT_OFFSET, Family::default()),
            partition_reading: register(r, &names::PARTITION_READING, Family::default()),
            partition_available: register(r, &names::PARTITION_AVAILABLE, Family::default()),
            gap_records: register(r, &names::GAP_RECORDS, Counter::default()),
            partition_stops: register(r, &names::PARTITION_STOPS, Family::default()),
            checkpoint_seconds: register(
                r,
                &names::CHECKPOINT_SECONDS,
                histogram(CHECKPOINT_BOUNDS),
            ),
            checkpoint_bytes: register(r, &names::CHECKPOINT_BYTES, Counter::default()),
            checkpoint_failures: register(r, &names::CHECKPOINT_FAILURES, Counter::default()),
            tail_blocks: register(r, &names::TAIL_BLOCKS, Gauge::default()),
            tail_bytes: register(r, &names::TAIL_BYTES, Gauge::default()),
            merge_seconds: register(r, &names::MERGE_SECONDS, histogram(MERGE_BOUNDS)),
            merged_events: register(r, &names::MERGED_EVENTS, Counter::default()),
            merge_bytes: register(r, &names::MERGE_BYTES, Counter::default()),
            totals_seconds: register(r, &names::TOTALS_SECONDS, histogram(MERGE_BOUNDS)),
            totals_bytes: register(r, &names::TOTALS_BYTES, Counter::default()),
            ids_memory_bytes: register(r, &names::IDS_MEMORY_BYTES, Gauge::default()),
            ids_lookups: LookupCounters { memory: lookup("memory"), store: lookup("store") },
            rebuilds: register(r, &names::REBUILDS, Counter::default()),
            rebuild_seconds: register(r, &names::REBUILD_SECONDS, histogram(REBUILD_BOUNDS)),
            rebuild_events: register(r, &names::REBUILD_EVENTS, Counter::default()),
            buckets_left: register(r, &names::BUCKETS_LEFT, Family::default()),
            accounts: register(r, &names::ACCOUNTS, Gauge::default()),
            accounts_bytes: register(r, &names::ACCOUNTS_BYTES, Gauge::default()),
            accounts_left: register(r, &names::ACCOUNTS_LEFT, Counter::default()),
            accounts_returned: register(r, &names::ACCOUNTS_RETURNED, Counter::default()),
            catalog_version: register(r, &names::CATALOG_VERSION, Gauge::default()),
            catalog_ignored: register(r, &names::CATALOG_IGNORED, Family::default()),
            http_requests: register(r, &names::HTTP_REQUESTS, Family::default()),
            http_request_seconds: register(r, &names::HTTP_REQUEST_SECONDS, http_seconds),
            outbox_pending: register(r, &names::OUTBOX_PENDING, Gauge::default()),
            rejected_bytes: register(r, &names::REJECTED_BYTES, Gauge::default()),
            rejected_replayed: register(r, &names::REJECTED_REPLAYED, Counter::default()),
            rejected_dropped: register(r, &names::REJECTED_DROPPED, Counter::default()),
            limit_hits: register(r, &names::LIMIT_HITS, Family::default()),
            resident_bytes: register(r, &names::RESIDENT_BYTES, Gauge::default()),
            registry,
        }
    }

    /// Counts `records` that were rejected for `reason`.
    pub fn count_rejected(&self, reason: &'static str, records: u64) {
        self.records_rejected.get_or_create(&Reason { reason }).inc_by(records);
    }

    /// The gauges of a partition. Keep them: finding them takes a lock.
    pub fn partition(&self, topic: &str, partition: u32) -> PartitionGauges {
        let labels = Partition { topic: topic.to_owned(), partition };
        PartitionGauges {
            next_offset: self.partition_next_offset.get_or_create_owned(&labels),
            reading: self.partition_reading.get_or_create_owned(&labels),
        }
    }

    /// Counts an answered request. `route` is the pattern of the route, never the path that was
    /// asked for: paths hold ids, and every id would be a time series.
    pub fn count_request(&self, route: &'static str, status: u16, took: Duration) {
        self.http_requests.get_or_create(&Request { route, status }).inc();
        self.http_request_seconds.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    /// Shows what the log has of a stopped partition; nothing once it is read, or nobody knows.
    pub fn show_available(&self, topic: &str, partition: u32, available: Option<(i64, i64)>) {
        let labels = |end| PartitionEnd { topic: topic.to_owned(), partition, end };
        for (end, offset) in
            [("low", available.map(|ends| ends.0)), ("high", available.map(|ends| ends.1))]
        {
            match offset.and_then(|offset| u64::try_from(offset).ok()) {
                Some(offset) => {
                    self.partition_available.get_or_create(&labels(end)).set(offset);
                }
                None => {
                    self.partition_available.remove(&labels(end));
                }
            }
        }
    }

    /// Counts a stopped partition.
    pub(super) fn count_stop(&self, reason: &'static str) {
        self.partition_stops.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a catalogue record without effect.
    pub(super) fn count_catalog_ignored(&self, reason: &'static str) {
        self.catalog_ignored.get_or_create(&Reason { reason }).inc();
    }

    /// Counts buckets that are no longer kept; true the first time.
    pub(super) fn count_buckets_left(&self, reason: &'static str, buckets: u64) -> bool {
        self.buckets_left.get_or_create(&Reason { reason }).inc_by(buckets) == 0
    }

    /// Counts that a bound was reached; true the first time.
    pub(super) fn count_limit_hit(&self, limit: &'static str) -> bool {
        self.limit_hits.get_or_create(&Limit { limit }).inc() == 0
    }

    /// The text of a scrape, of the media type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        if let Some(bytes) = process::resident_bytes() {
            self.resident_bytes.set(bytes);
        }
        let mut out = String::new();
        // Writing to a string cannot fail, and no metric of ours refuses to be encoded.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

fn histogram((first, factor, count): Bounds) -> Histogram {
    Histogram::new(exponential_buckets(first, factor, count))
}

fn register<M>(registry: &mut Registry, definition: &Definition, metric: M) -> M
where
    M: Metric + EncodeMetric + TypedMetric + Clone,
{
    // The registry ends each help text with a stop.
    registry.register(definition.stem(), definition.help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::names::Kind;
    use super::*;

    /// One sample at least of every metric.
    fn touched() -> Metrics {
        let metrics = Metrics::new();
        metrics.count_rejected("not_json", 3);
        metrics.partition("events_raw", 2).next_offset.set(41);
        metrics.show_available("events_raw", 2, Some((50, 60)));
        metrics.count_request("/livez", 200, Duration::from_millis(2));
        metrics.count_stop("offset_gone");
        metrics.count_catalog_ignored("stale");
        metrics.count_limit_hit("groups_soft_max");
        metrics.count_buckets_left("over_cap", 1);
        metrics
    }

    #[test]
    fn every_defined_metric_is_scraped_and_nothing_else() {
        let text = touched().encode();
        let mut scraped = BTreeMap::new();
        for line in text.lines() {
            if let Some((stem, kind)) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
            {
                scraped.insert(stem.to_owned(), kind.to_owned());
            }
        }
        let defined: BTreeMap<String, String> = names::ALL
            .iter()
            .map(|d| (d.stem().to_owned(), format!("{:?}", d.kind).to_lowercase()))
            .collect();
        assert_eq!(scraped, defined);
        assert_eq!(defined.len(), names::ALL.len());
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn samples_have_the_names_labels_and_values_that_are_documented() {
        let metrics = touched();
        metrics.events.set_aside.inc_by(7);
        metrics.ledger.replaced.set(9);
        metrics.batch_events.observe(5.0);
        let text = metrics.encode();
        for line in [
            "odometer_events_total{outcome=\"set_aside\"} 7",
            "odometer_events_total{outcome=\"accepted\"} 0",
            "odometer_ledger_events{outcome=\"replaced\"} 9",
            "odometer_records_rejected_total{reason=\"not_json\"} 3",
            "odometer_partition_next_offset{topic=\"events_raw\",partition=\"2\"} 41",
            "odometer_http_requests_total{route=\"/livez\",status=\"200\"} 1",
            "odometer_ids_lookups_total{where=\"store\"} 0",
            "odometer_batch_events_bucket{le=\"4.0\"} 0",
            "odometer_batch_events_bucket{le=\"16.0\"} 1",
            "odometer_build_info{version=\"0.1.0\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        for definition in names::ALL {
            let sample = text.lines().find(|l| l.starts_with(definition.name)).unwrap();
            for label in definition.labels {
                assert!(sample.contains(&format!("{label}=\"")), "{label} is not in {sample}");
            }
        }
    }

    #[test]
    fn names_follow_the_rules() {
        for definition in names::ALL {
            let counts = definition.name.ends_with("_total");
            assert_eq!(counts, definition.kind == Kind::Counter, "{}", definition.name);
            assert!(!definition.help.ends_with('.'), "{}", definition.help);
        }
    }

    #[test]
    fn the_page_lists_every_metric_with_its_labels_and_help() {
        let page = include_str!("../../docs/metrics.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = names::ALL
            .iter()
            .map(|d| {
                let kind = format!("{:?}", d.kind).to_lowercase();
                let labels: Vec<String> = d.labels.iter().map(|l| format!("`{l}`")).collect();
                format!("| `{}` | {kind} | {} | {} |", d.name, labels.join(", "), d.help)
            })
            .collect();
        assert_eq!(rows, expected);
    }
}
