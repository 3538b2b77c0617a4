//! Names of the metrics beside their help texts. `docs/metrics.md` lists the same for operators.

/// What a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
    /// Says something in its labels; its value is 1.
    Info,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name as it is scraped, units last, counters with `_total`.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

impl Definition {
    /// The name without the suffix that the text form adds by kind.
    pub(super) fn stem(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }
}

/// Declares the metrics, each as a constant, and the list of all.
macro_rules! definitions {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: Definition =
                Definition { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )+

        /// Every metric of the program.
        pub const ALL: &[Definition] = &[$($constant),+];
    };
}

definitions! {
    EVENTS: Counter "odometer_events_total" ["outcome"]
        "Events by what became of them";
    LEDGER_EVENTS: Gauge "odometer_ledger_events" ["outcome"]
        "Events in the store and in memory since the store was created, by what became of them";
    RECORDS_CONSUMED: Counter "odometer_records_consumed_total" []
        "Events and rejected records that are folded";
    RECORDS_REJECTED: Counter "odometer_records_rejected_total" ["reason"]
        "Records that are no events, by reason";
    BATCHES: Counter "odometer_batches_total" []
        "Batches folded";
    BATCH_EVENTS: Histogram "odometer_batch_events" []
        "Events in one batch";
    LAG_MS: Gauge "odometer_lag_ms" []
        "Age of the newest folded record of the partition that is furthest behind, in milliseconds";
    PARTITION_NEXT_OFFSET: Gauge "odometer_partition_next_offset" ["topic", "partition"]
        "Offset of the next record to fold";
    PARTITION_READING: Gauge "odometer_partition_reading" ["topic", "partition"]
        "1 while the partition is read, 0 once it has stopped";
    PARTITION_AVAILABLE: Gauge "odometer_partition_available_offset" ["topic", "partition", "end"]
        "What the log has of a stopped partition: first offset, and the one after the last";
    GAP_RECORDS: Counter "odometer_gap_records_total" []
        "Offsets that accepted gaps have passed over since the store was created";
    PARTITION_STOPS: Counter "odometer_partition_stops_total" ["reason"]
        "Partitions that stopped being read, by reason";
    CHECKPOINT_SECONDS: Histogram "odometer_checkpoint_seconds" []
        "Time of one checkpoint, in seconds";
    CHECKPOINT_BYTES: Counter "odometer_checkpoint_bytes_total" []
        "Bytes written by checkpoints";
    CHECKPOINT_FAILURES: Counter "odometer_checkpoint_failures_total" []
        "Checkpoints that failed";
    TAIL_BLOCKS: Gauge "odometer_tail_blocks" []
        "Tail blocks that are not merged into history";
    TAIL_BYTES: Gauge "odometer_tail_bytes" []
        "Bytes of tail blocks that are not merged into history";
    MERGE_SECONDS: Histogram "odometer_merge_seconds" []
        "Time of one merge of tail blocks into history, in seconds";
    MERGED_EVENTS: Counter "odometer_merged_events_total" []
        "Events merged into history";
    MERGE_BYTES: Counter "odometer_merge_bytes_total" []
        "Bytes of history written by merges";
    TOTALS_SECONDS: Histogram "odometer_totals_seconds" []
        "Time for which the fold waits while totals of a slot are handed over, in seconds";
    TOTALS_BYTES: Counter "odometer_totals_bytes_total" []
        "Bytes of accounts written when totals were saved";
    IDS_MEMORY_BYTES: Gauge "odometer_ids_memory_bytes" []
        "Memory of the ids of recent events, in bytes";
    IDS_LOOKUPS: Counter "odometer_ids_lookups_total" ["where"]
        "Look-ups of event ids by where they were answered";
    REBUILDS: Counter "odometer_rebuilds_total" []
        "Accounts whose rebuild was started";
    REBUILD_SECONDS: Histogram "odometer_rebuild_seconds" []
        "Time of one finished rebuild, in seconds";
    REBUILD_EVENTS: Counter "odometer_rebuild_events_total" []
        "Events that rebuilds read from the ledger";
    BUCKETS_LEFT: Counter "odometer_buckets_left_total" ["reason"]
        "Buckets left to reads of the ledger for the rest of their window, by reason";
    ACCOUNTS: Gauge "odometer_accounts" []
        "Accounts held in memory";
    ACCOUNTS_BYTES: Gauge "odometer_accounts_bytes" []
        "Memory of accounts by estimate, in bytes";
    ACCOUNTS_LEFT: Counter "odometer_accounts_left_total" []
        "Accounts that left memory to make room";
    ACCOUNTS_RETURNED: Counter "odometer_accounts_returned_total" []
        "Accounts that came back to memory for an event or a question";
    CATALOG_VERSION: Gauge "odometer_catalog_version" []
        "Version of the catalogue that answers are priced with";
    CATALOG_IGNORED: Counter "odometer_catalog_records_ignored_total" ["reason"]
        "Catalogue records without effect, by reason";
    HTTP_REQUESTS: Counter "odometer_http_requests_total" ["route", "status"]
        "Requests answered";
    HTTP_REQUEST_SECONDS: Histogram "odometer_http_request_seconds" ["route"]
        "Time from the last byte of a request to its answer, in seconds";
    OUTBOX_PENDING: Gauge "odometer_outbox_pending" []
        "Messages that wait to leave the process";
    REJECTED_BYTES: Gauge "odometer_rejected_bytes" []
        "Rejected records kept in the store, in bytes";
    REJECTED_REPLAYED: Counter "odometer_rejected_replayed_total" []
        "Rejected records whose events were taken in after all";
    REJECTED_DROPPED: Counter "odometer_rejected_dropped_total" []
        "Rejected records dropped because their room was full";
    LIMIT_HITS: Counter "odometer_limit_hits_total" ["limit"]
        "Times a bound was reached, by the bound's name";
    BUILD: Info "odometer_build_info" ["version"]
        "The running version";
    RESIDENT_BYTES: Gauge "process_resident_memory_bytes" []
        "Memory of the process, in bytes";
}
