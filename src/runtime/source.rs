//! Where events are read from: partitions of Kafka topics, or the embedded log.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::core::position::Source;
use crate::log::embedded::{EVENTS_TOPIC, EmbeddedLog};
use crate::log::kafka::{ConnectError, KafkaSource, Message, Trouble};

/// Names of the topics by their labels.
#[derive(Debug, Default)]
pub struct SourceNames(RwLock<BTreeMap<u16, String>>);

impl SourceNames {
    /// Gives a label its name.
    pub fn name_topic(&self, label: u16, topic: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(label, topic.to_owned());
    }

    /// `topic-partition`.
    pub fn name(&self, source: Source) -> String {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let topic = names.get(&source.topic()).map_or("?", String::as_str);
        format!("{topic}-{}", source.partition())
    }

    /// The name of a partition's topic, if it is known.
    pub fn topic(&self, source: Source) -> Option<String> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&source.topic()).cloned()
    }

    /// Whether a partition belongs to a topic.
    pub fn is_of(&self, source: Source, topic: &str) -> bool {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&source.topic()).is_some_and(|name| name == topic)
    }

    /// The partition with this topic and number, if the topic is read.
    pub fn find(&self, topic: &str, partition: i32) -> Option<Source> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (label, _) = names.iter().find(|(_, name)| *name == topic)?;
        Some(Source::new(*label, u16::try_from(partition).ok()?))
    }
}

/// What one drain gave beside the records.
#[derive(Default)]
pub struct Drained {
    /// Partitions that were read to their end: topic, partition, offset to go on from.
    pub ends: Vec<(usize, i32, i64)>,
    /// What went wrong, and with which partition.
    pub troubles: Vec<Trouble>,
    /// The log cannot be read on at all, and why.
    pub gap: Option<String>,
}

/// Partitions that are neither Kafka's nor the embedded log: those that a test makes up.
pub trait Partitions: Send {
    /// As [`EventSource::assign`].
    fn assign(&mut self, partitions: &[(usize, i32, i64)]);

    /// As [`EventSource::drain`], without waiting.
    fn drain(
        &mut self,
        events_max: usize,
        bytes_max: usize,
        sink: &mut dyn FnMut(Message<'_>),
    ) -> Drained;
}

/// A log of events.
pub enum EventSource {
    /// Made up.
    Other(Box<dyn Partitions>),
    /// Partitions of Kafka topics.
    Kafka(Box<KafkaSource>),
    /// The embedded log from an offset on.
    Embedded {
        /// The log.
        log: EmbeddedLog,
        /// The offset to be read next.
        next: u64,
    },
}

impl EventSource {
    /// Reads these partitions from now on: topic, partition, offset of the first record wanted.
    pub fn assign(&mut self, partitions: &[(usize, i32, i64)]) -> Result<(), Trouble> {
        match self {
            Self::Kafka(source) => source.assign(partitions),
            Self::Other(source) => {
                source.assign(partitions);
                Ok(())
            }
            // One partition, whose place the source keeps itself.
            Self::Embedded { .. } => Ok(()),
        }
    }

    /// Reads through a new client, as soon as it is assigned something.
    ///
    /// # Errors
    ///
    /// There can be no other client; the old one stays.
    pub fn renew(&mut self) -> Result<(), ConnectError> {
        match self {
            Self::Kafka(source) => source.renew(),
            Self::Other(_) | Self::Embedded { .. } => Ok(()),
        }
    }

    /// Hands over what is there, within bounds; the first record always. Waits up to `timeout` if
    /// there is nothing.
    pub fn drain(
        &mut self,
        events_max: usize,
        bytes_max: usize,
        timeout: Duration,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Drained {
        match self {
            Self::Other(source) => source.drain(events_max, bytes_max, sink),
            Self::Kafka(source) => {
                let drained = source.drain(events_max, bytes_max, timeout, sink);
                let ends = drained.ends.iter();
                Drained {
                    ends: ends.map(|end| (end.topic, end.partition, end.next_offset)).collect(),
                    troubles: drained.troubles,
                    gap: None,
                }
            }
            Self::Embedded { log, next } => {
                let records = match log.read(*next, events_max, bytes_max, timeout) {
                    Ok(records) => records,
                    Err(error) => {
                        return Drained { gap: Some(error.to_string()), ..Drained::default() };
                    }
                };
                for record in records {
                    *next = record.offset + 1;
                    sink(Message {
                        topic: 0,
                        partition: 0,
                        offset: i64::try_from(record.offset).unwrap_or(i64::MAX),
                        timestamp_ms: Some(record.timestamp.micros().div_euclid(1000)),
                        payload: Some(&record.bytes),
                        key: None,
                    });
                }
                let end = i64::try_from(*next).unwrap_or(i64::MAX);
                Drained { ends: vec![(0, 0, end)], ..Drained::default() }
            }
        }
    }
}

/// The name that stands for the embedded log in headers and metrics.
pub const EMBEDDED_TOPIC: &str = EVENTS_TOPIC;
