//! Writing to the log of events: our own topic, or the embedded log.
//!
//! A record is stamped no earlier than the newest log time that was applied, so that events that
//! are accepted later never stand before those that count already because a clock was behind.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

use super::crew::Crew;
use super::fatal::Fatal;
use super::shared::Shared;
use super::source::EMBEDDED_TOPIC;
use crate::config::Settings;
use crate::core::instant::Instant;
use crate::core::position::Source;
use crate::engine::keys::numbers;
use crate::log::decode;
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::admin::create_topic;
use crate::log::kafka::{KafkaProducer, Record, SendError, Written};

/// Records that may wait for the embedded log. More are refused at once: each waits for one write
/// to disk, and whoever sends faster than that has to be told.
const RECORDS_WAITING_MAX: usize = 1024;
/// Records that go into the embedded log with one write to disk.
const GROUP_RECORDS_MAX: usize = 512;
/// Bytes of such a group, its first record left out.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// Within this time the writer of the embedded log notices that the service stops.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// Partitions of our own topic, if it is not there yet. Order between them does not matter, so one
/// is right until an operator wants more.
const PARTITIONS: u32 = 1;

/// A record that is durable in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The partition.
    pub source: Source,
    /// The offset of the record.
    pub offset: i64,
    /// Its time stamp, whole milliseconds.
    pub stamp: Instant,
}

/// Why a record is not known to be in the log.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Too much waits already.
    #[error("the log takes no more at this moment")]
    Busy,
    /// The log takes no record of this length.
    #[error("the record is longer than the log takes")]
    TooLarge,
    /// It may be there or not.
    #[error("the record was not acknowledged: {0}")]
    Unacknowledged(String),
}

/// Writes records of accepted events. May be shared between threads.
pub struct Publisher {
    shared: Arc<Shared>,
    log: Log,
    /// What records may be, so that none is written that would be refused when it is read.
    pub limits: decode::Limits,
}

enum Log {
    Kafka {
        producer: KafkaProducer,
        topic: String,
    },
    Embedded(Sender<Waiting>),
    /// No topic of our own is configured.
    Off,
}

/// A record on its way into the embedded log.
struct Waiting {
    record: Vec<u8>,
    reply: oneshot::Sender<Result<(u64, Instant), String>>,
}

/// The topic of ours that accepted events are written to, made if it is not there.
///
/// # Errors
///
/// The brokers refuse to create it.
pub fn own_topic(settings: &Settings) -> Result<Option<String>, Fatal> {
    let topic = settings.kafka.http_events_topic.clone();
    let Some(topic) = topic.filter(|_| settings.kafka.brokers.is_some()) else { return Ok(None) };
    create_topic(&settings.kafka_properties(), &topic, PARTITIONS)
        .map_err(|error| Fatal::Log(error.to_string()))?;
    Ok(Some(topic))
}

impl Publisher {
    /// A publisher, and its thread if it needs one.
    ///
    /// # Errors
    ///
    /// The producer cannot be made, or the thread not be started.
    pub fn start(
        crew: &Crew,
        settings: &Settings,
        limits: decode::Limits,
        embedded: Option<&EmbeddedLog>,
    ) -> Result<(Arc<Self>, Option<JoinHandle<()>>), Fatal> {
        let shared = Arc::clone(&crew.shared);
        let (log, thread) = if let Some(log) = embedded {
            let (sender, records) = bounded(RECORDS_WAITING_MAX);
            let (shared, log) = (Arc::clone(&shared), log.clone());
            let write = move || append_groups(&shared, &log, &records);
            (Log::Embedded(sender), Some(crew.start("publisher".to_owned(), write)?))
        } else if let Some(topic) = settings.kafka.http_events_topic.clone() {
            let producer = KafkaProducer::connect(&settings.kafka_properties())
                .map_err(|error| Fatal::Log(error.to_string()))?;
            (Log::Kafka { producer, topic }, None)
        } else {
            (Log::Off, None)
        };
        Ok((Arc::new(Self { shared, log, limits }), thread))
    }

    /// The topic that is written to; none if nothing can be written.
    pub fn topic(&self) -> Option<&str> {
        match &self.log {
            Log::Kafka { topic, .. } => Some(topic),
            Log::Embedded(_) => Some(EMBEDDED_TOPIC),
            Log::Off => None,
        }
    }

    /// Writes a record and waits until it is durable: on every replica in sync, or on disk. A
    /// caller that goes away does not take the record back.
    ///
    /// # Errors
    ///
    /// See [`PublishError`].
    pub async fn publish(&self, record: Vec<u8>, key: &str) -> Result<Appended, PublishError> {
        match &self.log {
            Log::Off => Err(PublishError::Busy),
            Log::Kafka { producer, topic } => {
                let stamp = stamp(&self.shared);
                let sent = producer.send(&Record {
                    topic,
                    partition: None,
                    key: Some(key.as_bytes()),
                    payload: Some(&record),
                    timestamp_ms: Some(stamp.micros().div_euclid(1000)),
                    headers: &[],
                });
                let delivery = sent.map_err(|error| match error {
                    SendError::QueueFull => PublishError::Busy,
                    SendError::TooLarge(_) => PublishError::TooLarge,
                    SendError::Refused(trouble) => {
                        PublishError::Unacknowledged(trouble.to_string())
                    }
                })?;
                let written = delivery.await;
                let Written { partition, offset } =
                    written.map_err(|trouble| PublishError::Unacknowledged(trouble.to_string()))?;
                self.appended(topic, partition, offset, stamp)
            }
            Log::Embedded(sender) => {
                let (reply, written) = oneshot::channel();
                sender.try_send(Waiting { record, reply }).map_err(|error| match error {
                    TrySendError::Full(_) => PublishError::Busy,
                    TrySendError::Disconnected(_) => stopped(),
                })?;
                let written = written.await.map_err(|_| stopped())?;
                let (offset, stamp) = written.map_err(PublishError::Unacknowledged)?;
                let offset = i64::try_from(offset).unwrap_or(i64::MAX);
                self.appended(EMBEDDED_TOPIC, 0, offset, stamp)
            }
        }
    }

    fn appended(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        stamp: Instant,
    ) -> Result<Appended, PublishError> {
        let source = self.shared.sources.find(topic, partition);
        // The record is there; a partition that was added a moment ago is not read yet.
        let unread = || PublishError::Unacknowledged(format!("{topic}-{partition} is not read"));
        Ok(Appended { source: source.ok_or_else(unread)?, offset, stamp })
    }
}

fn stopped() -> PublishError {
    PublishError::Unacknowledged("the service stops".to_owned())
}

/// Now, or the newest log time that was applied if that is later; whole milliseconds.
fn stamp(shared: &Shared) -> Instant {
    let events = numbers(shared.slots).filter_map(|slot| {
        let progress = shared.board.slot(slot).progress.clone();
        progress.iter().map(|reached| reached.log_time).max()
    });
    // What cannot be read is of no help here; the catalogue's reader reports a failing store.
    let catalogue = shared.store.catalog_progress().map(|progress| progress.log_time).ok();
    let newest = events.chain(catalogue).max().unwrap_or_default();
    shared.clock.now().max(newest).floor_ms()
}

/// What is being done when the embedded log takes nothing.
const APPENDING: &str = "appending to the embedded log";

/// Appends what waits, with one write to disk for all of it, until the service stops.
fn append_groups(
    shared: &Shared,
    log: &EmbeddedLog,
    records: &Receiver<Waiting>,
) -> Result<(), Fatal> {
    loop {
        let first = match records.recv_timeout(LOOK_PAUSE) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) if !shared.is_stopping() => continue,
            Err(_) => return Ok(()),
        };
        let mut bytes = 0;
        let mut group = vec![first];
        while group.len() < GROUP_RECORDS_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = records.try_recv() else { break };
            bytes += next.record.len();
            group.push(next);
        }
        let stamp = stamp(shared);
        let slices: Vec<&[u8]> = group.iter().map(|waiting| waiting.record.as_slice()).collect();
        let appended = log.append(&slices, stamp);
        for (offset, waiting) in (0..).zip(group) {
            let answer = match &appended {
                Ok(first) => Ok((first + offset, stamp)),
                Err(error) => Err(error.to_string()),
            };
            // Whoever does not wait any more does not want it.
            let _ = waiting.reply.send(answer);
        }
        match appended {
            Ok(_) => shared.troubles.works(APPENDING),
            Err(error) if shared.troubles.passes(&error, &shared.store) => {
                shared.troubles.failed(APPENDING, &error);
            }
            // Whether it is there the next start tells.
            Err(error) => return Err(Fatal::store(APPENDING)(error)),
        }
    }
}
