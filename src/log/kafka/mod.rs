//! Kafka: the only place that knows librdkafka.
//!
//! Reading is by manual assignment from stored positions ([`KafkaSource`]); nothing here commits
//! offsets or joins a group. What must hold for exact totals is enforced in [`client`] and cannot
//! be set otherwise.

pub mod admin;
pub mod client;
mod drain;
mod error;
mod logging;
pub mod producer;
pub mod source;
pub mod topics;

pub use self::client::Properties;
pub use self::error::{ConnectError, Trouble, TroubleKind};
pub use self::producer::{Delivery, KafkaProducer, Record, SendError, Written};
pub use self::source::{Drained, KafkaSource, Message, PartitionEnd};
pub use self::topics::{KafkaTopics, Topic, Watermarks};
