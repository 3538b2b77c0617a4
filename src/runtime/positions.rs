//! Where reading begins: the slots' own positions, held against what the log has.

use std::time::Duration;

use super::ends::{Stop, gap};
use super::fatal::Fatal;
use super::ingest::Assigned;
use super::shared::Shared;
use super::source::EMBEDDED_TOPIC;
use crate::core::instant::Instant;
use crate::core::planted::{Fault, planted};
use crate::core::position::Source;
use crate::engine::progress::{Progress, Reached};
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::Watermarks;
use crate::store::{Store, TopicSeen};
use crate::telemetry::events::{Emit, PartitionStarted};

/// Longest wait for an answer of the brokers.
pub const BROKER_WAIT: Duration = Duration::from_secs(30);

/// Where the slots stand, partition by partition.
pub struct Positions {
    slots: Vec<Progress>,
}

impl Positions {
    /// The positions that the store has.
    pub fn load(store: &Store) -> Result<Self, Fatal> {
        let slots = (0..store.slots()).map(|slot| {
            let state = store.slot(slot).map_err(Fatal::store("reading a slot's head"))?;
            Ok(super::owner::progress_of(&state.head))
        });
        Ok(Self { slots: slots.collect::<Result<_, Fatal>>()? })
    }

    /// The positions of the slots that are back, and of the others those that the store has.
    pub fn now(shared: &Shared) -> Result<Self, Fatal> {
        let mut positions = Self::load(&shared.store)?;
        for (slot, progress) in (0..).zip(&mut positions.slots) {
            let view = shared.board.slot(slot);
            if view.ready {
                *progress = (*view.progress).clone();
            }
        }
        Ok(positions)
    }

    /// The least position of any slot: everything before it is applied by all. None: some slot has
    /// never read the partition, so it is read from its beginning.
    pub fn least(&self, source: Source) -> Option<Reached> {
        let reached = self.slots.iter().map(|progress| progress.get(source));
        let reached = reached.collect::<Option<Vec<_>>>()?.into_iter();
        if planted(Fault::ReadFromFurthest) {
            return reached.max_by_key(|reached| reached.next);
        }
        let least = reached.min_by_key(|reached| reached.next)?;
        if planted(Fault::LogTimeLostAtStart) {
            return Some(Reached { log_time: Instant::default(), ..least });
        }
        Some(least)
    }

    /// The greatest log time that any slot has reached in a partition.
    pub fn log_time(&self, source: Source) -> Instant {
        let reached = self.slots.iter().filter_map(|progress| progress.get(source));
        reached.map(|reached| reached.log_time).max().unwrap_or_default()
    }

    /// Where a partition is read from, if the log still has it.
    pub fn start(&self, source: Source, marks: Watermarks) -> Result<Reached, Stop> {
        let Some(least) = self.least(source) else {
            return Ok(Reached { source, next: marks.low, log_time: Instant::default() });
        };
        let (reason, detail) = if least.next < marks.low {
            (gap::OFFSET_GONE, format!("the log begins at {}", marks.low))
        } else if least.next > marks.high {
            (gap::BEYOND_END, format!("the log ends at {}", marks.high))
        } else {
            return Ok(least);
        };
        let available = Some((marks.low, marks.high));
        Err(Stop { reason, expected: least.next, available, detail, read: false })
    }
}

/// The one partition of the embedded log.
pub fn assign_embedded(shared: &Shared, log: &EmbeddedLog) -> Result<Assigned, Fatal> {
    let store = &shared.store;
    let registered = store.register_topics(&[TopicSeen {
        name: EMBEDDED_TOPIC.to_owned(),
        cluster_id: store.store_id().to_string(),
        topic_id: store.store_id(),
        partitions: 1,
    }])?;
    let label = registered.first().map_or(0, |topic| topic.label);
    shared.sources.name_topic(label, EMBEDDED_TOPIC);
    let source = Source::new(label, 0);
    let reached = Positions::load(store)?.least(source);
    let reached = reached.unwrap_or(Reached { source, next: 0, log_time: Instant::default() });
    PartitionStarted { topic: EMBEDDED_TOPIC, partition: 0, offset: reached.next }
        .emit(&shared.metrics);
    Ok(Assigned {
        topic: 0,
        name: EMBEDDED_TOPIC.to_owned(),
        source,
        reached,
        end_at_start: i64::try_from(log.end()).unwrap_or(i64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source = Source::new(0, 3);

    /// Slots that stand at these offsets; none has never read the partition.
    fn positions(next: &[Option<i64>]) -> Positions {
        let reached = |next| Reached { source: SOURCE, next, log_time: Instant(next) };
        let slot = |next: &Option<i64>| Progress::new(next.iter().map(|n| reached(*n)).collect());
        Positions { slots: next.iter().map(slot).collect() }
    }

    fn start(next: &[Option<i64>], low: i64, high: i64) -> Result<i64, Stop> {
        let marks = Watermarks { low, high };
        positions(next).start(SOURCE, marks).map(|reached| reached.next)
    }

    #[test]
    fn reading_begins_where_the_slot_furthest_behind_stands() {
        assert_eq!(start(&[Some(7), Some(4), Some(9)], 0, 10), Ok(4));
        assert_eq!(start(&[Some(10)], 0, 10), Ok(10), "at the end");
        assert_eq!(start(&[Some(4)], 4, 10), Ok(4), "at the beginning");
    }

    #[test]
    fn a_partition_that_some_slot_never_read_is_read_from_its_beginning() {
        assert_eq!(start(&[Some(7), None], 2, 10), Ok(2));
    }

    #[test]
    fn a_gap_is_told_and_nothing_is_skipped() {
        let stop = start(&[Some(4)], 5, 10).unwrap_err();
        assert_eq!((stop.reason, stop.expected), (gap::OFFSET_GONE, 4));
        assert_eq!(stop.available, Some((5, 10)));
        assert_eq!(start(&[Some(11)], 5, 10).unwrap_err().reason, gap::BEYOND_END);
    }
}
