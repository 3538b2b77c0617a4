//! Where the logs end, as far as is known: what lag and readiness are measured by.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::core::instant::Instant;
use crate::core::position::Source;
use crate::engine::progress::Progress;

/// More records are there than have been read.
const OPEN: i64 = i64::MAX - 1;
/// Nobody reads on, so nobody knows how many records there are.
const STOPPED: i64 = i64::MAX;
/// Least lag of a partition that stands still: whoever looks at the lag alone must not take its
/// figures for the newest.
const STOPPED_LAG_MS: i64 = 1;

/// Words for what can part a log from what was read of it. A gap can be accepted; nothing else can.
pub mod gap {
    /// Retention has removed records that were not read.
    pub const OFFSET_GONE: &str = "offset_gone";
    /// The log ends before what was read of it.
    pub const BEYOND_END: &str = "offset_beyond_end";
    /// Another topic has the name.
    pub const RECREATED: &str = "topic_recreated";
    /// The brokers are those of another cluster.
    pub const OTHER_CLUSTER: &str = "other_cluster";
    /// There is no topic of the name.
    pub const TOPIC_GONE: &str = "topic_gone";
    /// The reader was told that something of it is gone; what, is being found out.
    pub const UNKNOWN: &str = "records_gone";

    /// Whether this is a gap, or may turn out to be one.
    pub fn is_gap(reason: &str) -> bool {
        [OFFSET_GONE, BEYOND_END, RECREATED, OTHER_CLUSTER, TOPIC_GONE, UNKNOWN].contains(&reason)
    }
}

/// Why a partition is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// One word of the code.
    pub reason: &'static str,
    /// The offset that is wanted next.
    pub expected: i64,
    /// The first offset that the log has, and the one after its last; none if nobody could say.
    pub available: Option<(i64, i64)>,
    /// What was found.
    pub detail: String,
    /// Whether a reader may still hand out records of it.
    pub read: bool,
}

impl Stop {
    /// A reader was told that records are gone, and has let go of the partition.
    pub fn unknown(expected: i64, detail: String) -> Self {
        Self { reason: gap::UNKNOWN, expected, available: None, detail, read: false }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; expected offset {}", self.reason, self.detail, self.expected)?;
        match self.available {
            Some((low, high)) => write!(f, ", available {low} to {high}"),
            None => write!(f, ", available unknown"),
        }
    }
}

/// The known end of one partition. Its reader moves it, everybody else looks at it.
#[derive(Clone, Debug)]
pub struct End(Arc<AtomicI64>);

impl End {
    /// The partition was read to its end, which is here.
    pub fn at(&self, next: i64) {
        self.0.store(next, Ordering::Release);
    }

    /// A record beyond the known end was read: there may be more.
    pub fn passed(&self) {
        self.0.store(OPEN, Ordering::Release);
    }
}

/// The known ends of all partitions.
#[derive(Debug, Default)]
pub struct Ends {
    known: RwLock<BTreeMap<Source, Arc<AtomicI64>>>,
    at_start: RwLock<BTreeMap<Source, i64>>,
    stopped: RwLock<BTreeMap<Source, Stop>>,
    catalogue: RwLock<Option<Stop>>,
    look: AtomicBool,
}

impl Ends {
    /// Begins to follow a partition that ended here at start.
    pub fn follow(&self, source: Source, end_at_start: i64) -> End {
        let end = Arc::new(AtomicI64::new(end_at_start));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(source, Arc::clone(&end));
        let mut at_start = self.at_start.write().unwrap_or_else(PoisonError::into_inner);
        at_start.entry(source).or_insert(end_at_start);
        End(end)
    }

    /// A partition is not read any more, for this reason.
    pub fn stop(&self, source: Source, stop: Stop) {
        self.follow(source, STOPPED);
        let mut stopped = self.stopped.write().unwrap_or_else(PoisonError::into_inner);
        stopped.insert(source, stop);
    }

    /// The reader of a stopped partition has let go of it, and has handed out all before `next`.
    pub fn leave(&self, source: Source, next: i64) {
        let mut stopped = self.stopped.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = stopped.get_mut(&source) {
            stop.read = false;
            stop.expected = stop.expected.max(next);
        }
    }

    /// A partition may be read again; whoever does so follows it anew.
    pub fn resume(&self, source: Source) {
        let mut stopped = self.stopped.write().unwrap_or_else(PoisonError::into_inner);
        if stopped.remove(&source).is_some() {
            let mut at_start = self.at_start.write().unwrap_or_else(PoisonError::into_inner);
            at_start.remove(&source);
        }
    }

    /// Why a partition is not read; none if it is.
    pub fn stop_of(&self, source: Source) -> Option<Stop> {
        let stopped = self.stopped.read().unwrap_or_else(PoisonError::into_inner);
        stopped.get(&source).cloned()
    }

    /// Whether a partition may be there: it is followed, or nothing of its topic is yet.
    pub fn knows(&self, source: Source) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_topic = |other: &Source| other.topic() == source.topic();
        known.contains_key(&source) || !known.keys().any(of_topic)
    }

    /// Partitions that are not read, and why.
    pub fn stopped(&self) -> Vec<(Source, Stop)> {
        let stopped = self.stopped.read().unwrap_or_else(PoisonError::into_inner);
        stopped.iter().map(|(source, stop)| (*source, stop.clone())).collect()
    }

    /// The catalogue log is not read any more: answers go on with the catalogue as it is.
    pub fn stop_catalogue(&self, stop: Stop) {
        let mut catalogue = self.catalogue.write().unwrap_or_else(PoisonError::into_inner);
        *catalogue = Some(stop);
    }

    /// Why the catalogue log is not read; none if it is.
    pub fn catalogue_stop(&self) -> Option<Stop> {
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has whoever watches the partitions look at once.
    pub fn ask_look(&self) {
        self.look.store(true, Ordering::Release);
    }

    /// Whether somebody has asked for a look since the last time.
    pub fn take_look(&self) -> bool {
        self.look.swap(false, Ordering::AcqRel)
    }

    /// How far behind: 0 when every partition is applied up to its known end, else the greatest
    /// distance of "now" from the log time reached in those that are not (specification 1.8).
    pub fn lag_ms(&self, progress: &Progress, now: Instant) -> i64 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let behind = known.iter().filter_map(|(source, end)| {
            let end = end.load(Ordering::Acquire);
            if progress.next(*source) >= end {
                return None;
            }
            let least = if end == STOPPED { STOPPED_LAG_MS } else { 0 };
            let reached = progress.get(*source);
            let log_time = reached.map_or(Instant::default(), |reached| reached.log_time);
            let lag = now.micros().saturating_sub(log_time.micros()) / 1000;
            Some(lag.max(least))
        });
        behind.max().unwrap_or(0)
    }

    /// Whether everything is applied that was there at start in partitions of this kind.
    pub fn applied_start(&self, progress: &Progress, kind: impl Fn(Source) -> bool) -> bool {
        let at_start = self.at_start.read().unwrap_or_else(PoisonError::into_inner);
        let mut ends = at_start.iter().filter(|(source, _)| kind(**source));
        ends.all(|(source, end)| progress.next(*source) >= *end)
    }

    /// Whether everything that was there at start is applied. Never while a partition is stopped.
    pub fn caught_up(&self, progress: &Progress) -> bool {
        if !self.stopped().is_empty() || self.catalogue_stop().is_some() {
            return false;
        }
        let at_start = self.at_start.read().unwrap_or_else(PoisonError::into_inner);
        at_start.iter().all(|(source, end)| progress.next(*source) >= *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::progress::Reached;

    const NOW: Instant = Instant(9_000_000);
    const FIRST: Source = Source::new(0, 0);
    const SECOND: Source = Source::new(0, 1);

    fn progress(reached: &[(Source, i64)]) -> Progress {
        let reached = reached.iter().map(|&(source, next)| {
            // Record `n` has the log time of n seconds.
            Reached { source, next, log_time: Instant((next - 1).max(0) * 1_000_000) }
        });
        Progress::new(reached.collect())
    }

    #[test]
    fn a_partition_is_unknown_once_others_of_its_topic_are_followed() {
        let ends = Ends::default();
        assert!(ends.knows(SECOND), "nothing is known of the topic yet");
        ends.follow(FIRST, 5);
        assert!(ends.knows(FIRST) && !ends.knows(SECOND));
        assert!(ends.knows(Source::new(1, 0)), "of another topic");
    }

    #[test]
    fn lag_is_that_of_the_partition_furthest_behind() {
        let ends = Ends::default();
        let first = ends.follow(FIRST, 5);
        ends.follow(SECOND, 8);
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 5), (SECOND, 8)]), NOW), 0);
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 4), (SECOND, 7)]), NOW), 6_000);
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 5), (SECOND, 7)]), NOW), 3_000);
        first.passed();
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 6), (SECOND, 8)]), NOW), 4_000);
        first.at(6);
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 6), (SECOND, 8)]), NOW), 0);
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 4), (SECOND, 8)]), Instant(0)), 0);
    }

    #[test]
    fn a_partition_without_records_is_not_behind() {
        let ends = Ends::default();
        ends.follow(FIRST, 0);
        assert_eq!(ends.lag_ms(&progress(&[]), NOW), 0);
        assert!(ends.caught_up(&progress(&[])));
    }

    #[test]
    fn what_came_after_the_start_is_not_waited_for() {
        let ends = Ends::default();
        let end = ends.follow(FIRST, 5);
        assert!(!ends.caught_up(&progress(&[(FIRST, 4)])));
        end.passed();
        assert!(ends.caught_up(&progress(&[(FIRST, 5)])));
    }

    #[test]
    fn the_start_of_some_partitions_may_be_asked_for_alone() {
        let ends = Ends::default();
        ends.follow(FIRST, 5);
        ends.follow(SECOND, 8);
        let first = |source| source == FIRST;
        assert!(ends.applied_start(&progress(&[(FIRST, 5)]), first));
        assert!(!ends.applied_start(&progress(&[(FIRST, 4), (SECOND, 8)]), first));
        assert!(!ends.applied_start(&progress(&[(FIRST, 5)]), |_| true));
    }

    #[test]
    fn a_stopped_partition_is_behind_for_good() {
        let ends = Ends::default();
        ends.follow(FIRST, 5);
        let stop = Stop {
            reason: gap::OFFSET_GONE,
            expected: 5,
            available: Some((7, 9)),
            detail: "the log begins later".to_owned(),
            read: true,
        };
        ends.stop(FIRST, stop.clone());
        let told = "offset_gone: the log begins later; expected offset 5, available 7 to 9";
        assert_eq!(stop.to_string(), told);
        assert_eq!(ends.stopped(), [(FIRST, stop)]);
        ends.leave(FIRST, 6);
        assert_eq!(ends.stop_of(FIRST).map(|stop| (stop.read, stop.expected)), Some((false, 6)));
        assert!(!ends.caught_up(&progress(&[(FIRST, 5)])));
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 5)]), NOW), 5_000);
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 5)]), Instant(0)), 1, "whatever the clocks say");
    }

    #[test]
    fn a_partition_that_is_read_again_is_caught_up_at_its_new_end() {
        let ends = Ends::default();
        ends.stop(FIRST, Stop::unknown(3, String::new()));
        ends.resume(FIRST);
        ends.follow(FIRST, 8);
        assert_eq!(ends.stop_of(FIRST), None);
        assert!(!ends.caught_up(&progress(&[(FIRST, 7)])));
        assert!(ends.caught_up(&progress(&[(FIRST, 8)])));
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 8)]), NOW), 0);
    }
}
