//! Writing records, each with an answer once it is on every replica in sync.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::client::{self, Properties};
use super::error::{ConnectError, Trouble, TroubleKind};
use super::logging::Logging;

/// Why a rejected record was rejected, in the header of its dead letter.
pub const HEADER_REASON: &str = "odometer-reason";
/// Where a dead letter came from.
pub const HEADER_TOPIC: &str = "odometer-topic";
/// See [`HEADER_TOPIC`]; decimal text.
pub const HEADER_PARTITION: &str = "odometer-partition";
/// See [`HEADER_TOPIC`]; decimal text.
pub const HEADER_OFFSET: &str = "odometer-offset";

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// The topic.
    pub topic: &'r str,
    /// The partition; none leaves the choice to the key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'r [u8]>,
    /// The value; none writes a tombstone.
    pub payload: Option<&'r [u8]>,
    /// Milliseconds since the epoch; none takes the time of sending.
    pub timestamp_ms: Option<i64>,
    /// Names and values.
    pub headers: &'r [(&'r str, &'r [u8])],
}

/// Why a record could not be taken for sending.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue is full; try again once deliveries have come back.
    #[error("kafka producer queue is full; hint: the brokers are slower than the writers")]
    QueueFull,
    /// The record is longer than the client's `message.max.bytes`.
    #[error("record too large for kafka: {0} bytes; hint: raise message.max.bytes here and there")]
    TooLarge(usize),
    /// Anything else.
    #[error("{0}")]
    Refused(Trouble),
}

/// Where a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// The answer to come for one record: a future, or [`Delivery::wait`].
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<Written, Trouble>>);

impl Delivery {
    /// Waits for the answer; not for use inside an async task.
    pub fn wait(self) -> Result<Written, Trouble> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(closed()))
    }
}

impl Future for Delivery {
    type Output = Result<Written, Trouble>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(closed())))
    }
}

fn closed() -> Trouble {
    Trouble::new(TroubleKind::Fatal, "the producer was closed before the record was acknowledged")
}

struct Answers;

impl ClientContext for Answers {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        Logging.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Logging.error(error, reason);
    }
}

impl ProducerContext for Answers {
    type DeliveryOpaque = Box<oneshot::Sender<Result<Written, Trouble>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, answer: Self::DeliveryOpaque) {
        let outcome = match result {
            Ok(message) => Ok(Written { partition: message.partition(), offset: message.offset() }),
            Err((error, message)) => {
                Err(Trouble::of(error).at(message.topic(), message.partition()))
            }
        };
        // Whoever does not wait for the answer does not want it.
        drop(answer.send(outcome));
    }
}

/// A producer with acknowledgement by all replicas in sync, without doubles, and a bounded queue.
/// May be shared between threads.
pub struct KafkaProducer {
    producer: ThreadedProducer<Answers>,
}

impl KafkaProducer {
    /// Makes a producer; brokers are contacted in the background.
    pub fn connect(properties: &Properties) -> Result<Self, ConnectError> {
        Ok(Self { producer: client::writer(properties).create_with_context(Answers)? })
    }

    /// Puts a record into the queue. Never waits.
    pub fn send(&self, record: &Record<'_>) -> Result<Delivery, SendError> {
        let (sender, receiver) = oneshot::channel();
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header { key, value: Some(*value) });
        }
        let queued = self.producer.send(BaseRecord {
            topic: record.topic,
            partition: record.partition,
            payload: record.payload,
            key: record.key,
            timestamp: record.timestamp_ms,
            headers: (!record.headers.is_empty()).then_some(headers),
            delivery_opaque: Box::new(sender),
        });
        match queued {
            Ok(()) => Ok(Delivery(receiver)),
            Err((error, _)) => Err(match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => SendError::QueueFull,
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    SendError::TooLarge(record.payload.map_or(0, <[u8]>::len))
                }
                _ => SendError::Refused(Trouble::of(&error)),
            }),
        }
    }

    /// Records that are not acknowledged yet.
    pub fn in_flight(&self) -> i32 {
        self.producer.in_flight_count()
    }

    /// Waits until every record has its answer.
    pub fn flush(&self, timeout: Duration) -> Result<(), Trouble> {
        self.producer.flush(timeout).map_err(|error| Trouble::of(&error))
    }
}
