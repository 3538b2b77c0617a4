//! Where reading begins: the slots' own positions, held against what the log has.

use std::collections::BTreeSet;
use std::time::Duration;

use crossbeam_channel::Sender;

use super::clock::Stopwatch;
use super::fatal::Fatal;
use super::ingest::Assigned;
use super::shared::Shared;
use super::source::EMBEDDED_TOPIC;
use crate::core::instant::Instant;
use crate::core::position::Source;
use crate::engine::progress::{Progress, Reached};
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::{KafkaTopics, Properties, Watermarks};
use crate::store::{Store, TopicSeen};
use crate::telemetry::events::{Emit, PartitionStarted, PartitionStopped};

/// Time between two looks at the topics: how soon added partitions are read.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Pause within which a stop is noticed.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for an answer of the brokers.
pub const BROKER_WAIT: Duration = Duration::from_secs(30);

const GAP_HINT: &str = "restore the missing records, or restore a backup of the store that goes \
                        back to them; nothing is skipped on its own";

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

    /// The least position of any slot: everything before it is applied by all. None: some slot has
    /// never read the partition, so it is read from its beginning.
    fn least(&self, source: Source) -> Option<Reached> {
        let reached = self.slots.iter().map(|progress| progress.get(source));
        reached.collect::<Option<Vec<_>>>()?.into_iter().min_by_key(|reached| reached.next)
    }

    /// Where a partition is read from, if the log still has it.
    fn start(&self, source: Source, marks: Watermarks) -> Result<Reached, String> {
        let Some(least) = self.least(source) else {
            return Ok(Reached { source, next: marks.low, log_time: Instant::default() });
        };
        if least.next < marks.low {
            return Err(format!(
                "offset {} is wanted, the log begins at {}",
                least.next, marks.low
            ));
        }
        if least.next > marks.high {
            return Err(format!("offset {} is wanted, the log ends at {}", least.next, marks.high));
        }
        Ok(least)
    }
}

/// The partitions of the events topics: found at start, and again whenever some are added.
pub struct Partitions {
    kafka: KafkaTopics,
    cluster_id: String,
    topics: Vec<String>,
    known: BTreeSet<Source>,
}

impl Partitions {
    /// Asks the brokers who they are. Nothing is known of the topics yet.
    pub fn connect(properties: &Properties, topics: &[String]) -> Result<Self, Fatal> {
        let kafka = KafkaTopics::connect(properties).map_err(|error| log(&error))?;
        let cluster_id = kafka.cluster_id(BROKER_WAIT).map_err(|error| log(&error))?;
        Ok(Self { kafka, cluster_id, topics: topics.to_vec(), known: BTreeSet::new() })
    }

    /// Registers the partitions that are there and returns those that were not known before, each
    /// with the place to read from. One whose wanted offset is gone stands still, with its reason.
    pub fn discover(&mut self, shared: &Shared) -> Result<Vec<Assigned>, Fatal> {
        let found = self.kafka.describe(&self.topics, BROKER_WAIT).map_err(|error| log(&error))?;
        let seen = found.iter().map(|topic| TopicSeen {
            name: topic.name.clone(),
            cluster_id: self.cluster_id.clone(),
            topic_id: uuid::Uuid::from_u128(topic.id),
            partitions: u32::try_from(topic.partitions).unwrap_or(0),
        });
        let registered = shared.store.register_topics(&seen.collect::<Vec<_>>())?;
        let mut positions = None;
        let mut assigned = Vec::new();
        for topic in &registered {
            shared.sources.name_topic(topic.label, &topic.seen.name);
            for partition in 0..topic.seen.partitions {
                let number = u16::try_from(partition).map_err(|_| {
                    Fatal::Log(format!("topic {} has more than 65536 partitions", topic.seen.name))
                })?;
                let source = Source::new(topic.label, number);
                if self.known.contains(&source) {
                    continue;
                }
                let positions = match &positions {
                    Some(positions) => positions,
                    None => positions.insert(Positions::load(&shared.store)?),
                };
                assigned.extend(self.start(shared, positions, &topic.seen.name, source)?);
                self.known.insert(source);
            }
        }
        Ok(assigned)
    }

    fn start(
        &self,
        shared: &Shared,
        positions: &Positions,
        name: &str,
        source: Source,
    ) -> Result<Option<Assigned>, Fatal> {
        let number = i32::from(source.partition());
        let partition = u32::from(source.partition());
        let marks =
            self.kafka.watermarks(name, number, BROKER_WAIT).map_err(|error| log(&error))?;
        match positions.start(source, marks) {
            Ok(reached) => {
                let offset = reached.next;
                PartitionStarted { topic: name, partition, offset }.emit(&shared.metrics);
                Ok(Some(Assigned {
                    topic: self.topics.iter().position(|topic| topic == name).unwrap_or(0),
                    name: name.to_owned(),
                    source,
                    reached,
                    end_at_start: marks.high,
                }))
            }
            Err(detail) => {
                PartitionStopped {
                    topic: name,
                    partition,
                    offset: positions.least(source).map_or(0, |reached| reached.next),
                    reason: "offset_gone",
                    detail: &detail,
                    hint: GAP_HINT,
                }
                .emit(&shared.metrics);
                shared.ends.stop(source, detail);
                Ok(None)
            }
        }
    }

    /// Looks for added partitions and re-created topics until the service stops. New partitions go
    /// to the readers in turn.
    pub fn watch(mut self, shared: &Shared, readers: &[Sender<Assigned>]) -> Result<(), Fatal> {
        let mut since = Stopwatch::start();
        let mut turn = 0;
        while !shared.is_stopping() {
            if since.elapsed() < LOOK_EVERY {
                std::thread::sleep(LOOK_PAUSE);
                continue;
            }
            since = Stopwatch::start();
            let found = match self.discover(shared) {
                Ok(found) => found,
                // A topic that was created again has other records at the offsets we know.
                Err(fatal @ Fatal::Topic(_)) => return Err(fatal),
                Err(trouble) => {
                    tracing::warn!(%trouble, "the topics cannot be looked at");
                    continue;
                }
            };
            for assigned in found {
                turn += 1;
                if let Some(reader) = readers.get(turn % readers.len().max(1)) {
                    // A reader that is gone has reported why.
                    let _ = reader.send(assigned);
                }
            }
        }
        Ok(())
    }
}

fn log(error: &dyn std::fmt::Display) -> Fatal {
    Fatal::Log(error.to_string())
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

    fn start(next: &[Option<i64>], low: i64, high: i64) -> Result<i64, String> {
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
        assert!(start(&[Some(4)], 5, 10).unwrap_err().contains("begins at 5"));
        assert!(start(&[Some(11)], 5, 10).unwrap_err().contains("ends at 10"));
    }
}
