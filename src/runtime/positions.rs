//! Where reading begins: the slots' own positions, held against what the log has.

use std::time::Duration;

use super::fatal::Fatal;
use super::ingest::Assigned;
use super::source::{EMBEDDED_TOPIC, SourceNames};
use crate::core::instant::Instant;
use crate::core::position::Source;
use crate::engine::progress::{Progress, Reached};
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::{KafkaTopics, Properties, Watermarks};
use crate::store::{Store, TopicSeen};
use crate::telemetry::events::{Emit, PartitionStarted, PartitionStopped};
use crate::telemetry::metrics::Metrics;

/// Longest wait for an answer of the brokers at start.
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

/// Registers the partitions of the events topics and decides where each is read from. A partition
/// whose wanted offset is gone stands still, with its reason; the others are read.
pub fn assign_kafka(
    store: &Store,
    topics: &[String],
    properties: &Properties,
    names: &SourceNames,
    metrics: &Metrics,
) -> Result<Vec<Assigned>, Fatal> {
    let log = |error: &dyn std::fmt::Display| Fatal::Log(error.to_string());
    let kafka = KafkaTopics::connect(properties).map_err(|error| log(&error))?;
    let cluster_id = kafka.cluster_id(BROKER_WAIT).map_err(|error| log(&error))?;
    let found = kafka.describe(topics, BROKER_WAIT).map_err(|error| log(&error))?;
    let seen: Vec<TopicSeen> = found
        .iter()
        .map(|topic| TopicSeen {
            name: topic.name.clone(),
            cluster_id: cluster_id.clone(),
            topic_id: uuid::Uuid::from_u128(topic.id),
            partitions: u32::try_from(topic.partitions).unwrap_or(0),
        })
        .collect();
    let registered = store.register_topics(&seen)?;
    let positions = Positions::load(store)?;
    let mut assigned = Vec::new();
    for topic in &registered {
        names.name_topic(topic.label, &topic.seen.name);
        let index = topics.iter().position(|name| *name == topic.seen.name).unwrap_or(0);
        for partition in 0..topic.seen.partitions {
            let number = u16::try_from(partition).map_err(|_| {
                Fatal::Log(format!("topic {} has more than 65536 partitions", topic.seen.name))
            })?;
            let source = Source::new(topic.label, number);
            let marks = kafka
                .watermarks(&topic.seen.name, i32::from(number), BROKER_WAIT)
                .map_err(|error| log(&error))?;
            let name = &topic.seen.name;
            match positions.start(source, marks) {
                Ok(reached) => {
                    PartitionStarted { topic: name, partition, offset: reached.next }.emit(metrics);
                    assigned.push(Assigned {
                        topic: index,
                        name: name.clone(),
                        source,
                        reached,
                        end_at_start: marks.high,
                    });
                }
                Err(detail) => PartitionStopped {
                    topic: name,
                    partition,
                    offset: positions.least(source).map_or(0, |reached| reached.next),
                    reason: "offset_gone",
                    detail: &detail,
                    hint: GAP_HINT,
                }
                .emit(metrics),
            }
        }
    }
    Ok(assigned)
}

/// The one partition of the embedded log.
pub fn assign_embedded(
    store: &Store,
    log: &EmbeddedLog,
    names: &SourceNames,
    metrics: &Metrics,
) -> Result<Assigned, Fatal> {
    let registered = store.register_topics(&[TopicSeen {
        name: EMBEDDED_TOPIC.to_owned(),
        cluster_id: store.store_id().to_string(),
        topic_id: store.store_id(),
        partitions: 1,
    }])?;
    let label = registered.first().map_or(0, |topic| topic.label);
    names.name_topic(label, EMBEDDED_TOPIC);
    let source = Source::new(label, 0);
    let reached = Positions::load(store)?.least(source);
    let reached = reached.unwrap_or(Reached { source, next: 0, log_time: Instant::default() });
    PartitionStarted { topic: EMBEDDED_TOPIC, partition: 0, offset: reached.next }.emit(metrics);
    Ok(Assigned {
        topic: 0,
        name: EMBEDDED_TOPIC.to_owned(),
        source,
        reached,
        end_at_start: i64::try_from(log.end()).unwrap_or(i64::MAX),
    })
}
