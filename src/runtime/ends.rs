//! Where the logs end, as far as is known: what lag and readiness are measured by.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::core::instant::Instant;
use crate::core::position::Source;
use crate::engine::progress::Progress;

/// More records are there than have been read.
const OPEN: i64 = i64::MAX;

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
    stopped: RwLock<BTreeMap<Source, String>>,
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
    pub fn stop(&self, source: Source, reason: String) {
        self.follow(source, OPEN);
        let mut stopped = self.stopped.write().unwrap_or_else(PoisonError::into_inner);
        stopped.insert(source, reason);
    }

    /// Whether a partition may be there: it is followed, or nothing of its topic is yet.
    pub fn knows(&self, source: Source) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_topic = |other: &Source| other.topic() == source.topic();
        known.contains_key(&source) || !known.keys().any(of_topic)
    }

    /// Partitions that are not read, and why.
    pub fn stopped(&self) -> Vec<(Source, String)> {
        let stopped = self.stopped.read().unwrap_or_else(PoisonError::into_inner);
        stopped.iter().map(|(source, reason)| (*source, reason.clone())).collect()
    }

    /// How far behind: 0 when every partition is applied up to its known end, else the greatest
    /// distance of "now" from the log time reached in those that are not (specification 1.8).
    pub fn lag_ms(&self, progress: &Progress, now: Instant) -> i64 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let behind = known.iter().filter_map(|(source, end)| {
            if progress.next(*source) >= end.load(Ordering::Acquire) {
                return None;
            }
            let reached = progress.get(*source);
            let log_time = reached.map_or(Instant::default(), |reached| reached.log_time);
            Some(now.micros().saturating_sub(log_time.micros()).max(0) / 1000)
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
        if !self.stopped().is_empty() {
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
        ends.stop(FIRST, "gone".to_owned());
        assert_eq!(ends.stopped(), [(FIRST, "gone".to_owned())]);
        assert!(!ends.caught_up(&progress(&[(FIRST, 5)])));
        assert_eq!(ends.lag_ms(&progress(&[(FIRST, 5)]), NOW), 5_000);
    }
}
