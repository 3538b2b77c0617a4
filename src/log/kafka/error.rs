//! What can go wrong with Kafka, as values: the fact, the detail, and a hint.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A client could not be set up. No broker was asked yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// A property is unknown or has a value that librdkafka refuses.
    #[error("kafka property refused: {0}; hint: see the configuration page of librdkafka")]
    Property(String),
    /// The client could not be created.
    #[error("kafka client not created: {0}; hint: check the TLS and SASL settings")]
    Client(String),
}

impl From<KafkaError> for ConnectError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, what, name, value) => {
                Self::Property(format!("{name}={value}: {what}"))
            }
            other => Self::Client(other.to_string()),
        }
    }
}

/// What kind of trouble it is, and so what may be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// The wanted offset is no longer, or not yet, in the partition. The partition stands still.
    OffsetOutOfRange,
    /// The topic or the partition does not exist, or is another one of the same name.
    UnknownTopic,
    /// The broker refuses who we are or what we may do.
    Unauthorized,
    /// No broker answers; librdkafka keeps trying.
    Unreachable,
    /// A record cannot be read from its batch: damaged, or compressed in an unknown way.
    Unreadable,
    /// The client as a whole is of no further use.
    Fatal,
    /// Anything else; librdkafka keeps trying.
    Other,
}

impl TroubleKind {
    /// Short stable name, for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OffsetOutOfRange => "offset_out_of_range",
            Self::UnknownTopic => "unknown_topic",
            Self::Unauthorized => "unauthorized",
            Self::Unreachable => "unreachable",
            Self::Unreadable => "unreadable",
            Self::Fatal => "fatal",
            Self::Other => "other",
        }
    }

    /// Whether reading goes on by itself once the cause is gone.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Other)
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::OffsetOutOfRange => {
                "the topic's retention may have removed records that were not read yet"
            }
            Self::UnknownTopic => {
                "check the topic's name and that it was not deleted and re-created"
            }
            Self::Unauthorized => "check the credentials and the access rules of the topic",
            Self::Unreachable => "check bootstrap.servers, the network and the brokers",
            Self::Unreadable => "check the topic's compression and the broker's disks",
            Self::Fatal => "restart; if it persists, see the log for librdkafka's reason",
            Self::Other => "see the log for librdkafka's reason",
        }
    }

    /// The kind of a code of librdkafka or of the protocol.
    pub(super) fn of(code: RDKafkaErrorCode) -> Self {
        use RDKafkaErrorCode as Code;
        match code {
            Code::OffsetOutOfRange | Code::AutoOffsetReset => Self::OffsetOutOfRange,
            Code::UnknownTopic
            | Code::UnknownPartition
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopicId
            | Code::InvalidTopic => Self::UnknownTopic,
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication => Self::Unauthorized,
            Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::RequestTimedOut => Self::Unreachable,
            Code::BadMessage
            | Code::BadCompression
            | Code::NotImplemented
            | Code::InvalidMessage
            | Code::UnsupportedCompressionType => Self::Unreadable,
            Code::Fatal => Self::Fatal,
            _ => Self::Other,
        }
    }
}

/// One thing that went wrong, with the partition it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind it is.
    pub kind: TroubleKind,
    /// Topic and partition, if it concerns one.
    pub place: Option<(String, i32)>,
    /// librdkafka's own words.
    pub detail: String,
}

impl Trouble {
    pub(super) fn new(kind: TroubleKind, detail: impl Into<String>) -> Self {
        Self { kind, place: None, detail: detail.into() }
    }

    /// Trouble that an operation as a whole met with.
    pub(super) fn of(error: &KafkaError) -> Self {
        let kind = error.rdkafka_error_code().map_or(TroubleKind::Other, TroubleKind::of);
        Self::new(kind, error.to_string())
    }

    #[must_use]
    pub(super) fn at(mut self, topic: &str, partition: i32) -> Self {
        self.place = Some((topic.to_owned(), partition));
        self
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka: {}", self.kind.name())?;
        if let Some((topic, partition)) = &self.place {
            write!(f, " at {topic}-{partition}")?;
        }
        write!(f, ": {}; hint: {}", self.detail, self.kind.hint())
    }
}

impl std::error::Error for Trouble {}
