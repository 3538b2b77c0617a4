//! A usage event as the rules see it (specification 4.1).

use super::decimal::Decimal;
use super::instant::Instant;
use super::position::Position;
use super::properties::{Properties, PropertiesBuf};

/// One usage event, borrowed from wherever it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// The tenant.
    pub organization: &'a str,
    /// External subscription id. None never counts and never deduplicates; `""` only the former.
    pub subscription: Option<&'a str>,
    /// The producer's id of the event, unique per (tenant, external subscription id), for all time.
    pub transaction: &'a str,
    /// Code of the billable metric; it need not exist.
    pub code: &'a str,
    /// When the usage happened.
    pub timestamp: Instant,
    /// What was used.
    pub properties: Properties<'a>,
    /// Price of the event in cents, given by the producer for dynamic charges.
    pub precise_cents: Option<Decimal>,
    /// Whether the metric's expression has been applied already, by the HTTP API (4.5).
    pub evaluated: bool,
}

/// One event as an aggregation reads it: selected by code, ordered by (timestamp, position).
#[derive(Clone, Debug, PartialEq)]
pub struct Usage<'a> {
    /// When the usage happened.
    pub timestamp: Instant,
    /// Where the event stands in the logs.
    pub position: Position,
    /// The producer's id.
    pub transaction: &'a str,
    /// What was used.
    pub properties: Properties<'a>,
    /// Price in cents, for dynamic charges.
    pub precise_cents: Option<Decimal>,
}

/// An event of one account that owns its data: one that was read back, or is kept for later.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageBuf {
    /// Code of the billable metric.
    pub code: Box<str>,
    /// When the usage happened.
    pub timestamp: Instant,
    /// Where the event stands in the logs.
    pub position: Position,
    /// The producer's id.
    pub transaction: Box<str>,
    /// What was used.
    pub properties: PropertiesBuf,
    /// Price in cents, for dynamic charges.
    pub precise_cents: Option<Decimal>,
}

impl UsageBuf {
    /// A copy of a borrowed event.
    pub fn of(code: &str, usage: &Usage<'_>) -> Self {
        Self {
            code: code.into(),
            timestamp: usage.timestamp,
            position: usage.position,
            transaction: usage.transaction.into(),
            properties: usage.properties.to_owned(),
            precise_cents: usage.precise_cents.clone(),
        }
    }

    /// The event as aggregations read it.
    pub fn usage(&self) -> Usage<'_> {
        Usage {
            timestamp: self.timestamp,
            position: self.position,
            transaction: &self.transaction,
            properties: self.properties.as_ref(),
            precise_cents: self.precise_cents.clone(),
        }
    }

    /// Bytes it takes in memory.
    pub fn weight(&self) -> usize {
        let texts = self.code.len() + self.transaction.len();
        size_of::<Self>() + texts + self.properties.as_ref().as_bytes().len()
    }
}

/// Why a record was not accepted. Such a record takes no transaction id (specification 4.8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The record has no value.
    #[error("the record is a tombstone")]
    Tombstone,
    /// The record is longer than the limit.
    #[error("the record has {bytes} bytes, more than {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The bytes are no UTF-8.
    #[error("the record is not UTF-8")]
    NotUtf8,
    /// The bytes are no JSON.
    #[error("the record is not JSON: {0}")]
    NotJson(String),
    /// Lists and objects are nested deeper than the limit.
    #[error("the record is nested deeper than {0} levels")]
    TooDeep(usize),
    /// JSON, but neither an event nor a list of events.
    #[error("the record is not an event object")]
    NotAnObject,
    /// A list holds more events than the limit.
    #[error("the record holds more than {0} events")]
    TooManyEvents(usize),
    /// A mandatory field is missing, null or blank.
    #[error("{0}: value_is_mandatory")]
    Mandatory(&'static str),
    /// A field cannot be read.
    #[error("{0}: invalid_format")]
    Invalid(&'static str),
    /// A number has more digits than the limit, or an identifier more bytes.
    #[error("{0}: value_is_out_of_range")]
    OutOfRange(&'static str),
    /// The tenant is not known, and there is no room to keep the record aside.
    #[error("organization_id: unknown_organization")]
    UnknownOrganization,
    /// The metric's expression failed on this event (4.5).
    #[error("expression_evaluation_failed: {0}")]
    Expression(String),
    /// Reading the record failed in a way that is a defect of ours; the partition goes on.
    #[error("internal_decode: {0}")]
    InternalDecode(String),
    /// Counting the event failed in a way that is a defect of ours; the partition goes on.
    #[error("internal: {0}")]
    Internal(String),
}

impl Rejection {
    /// Short stable name: the metric's label and what `rejected` is listed by.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::TooLarge { .. } => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson(_) => "not_json",
            Self::TooDeep(_) => "too_deep",
            Self::NotAnObject => "not_an_object",
            Self::TooManyEvents(_) => "too_many_events",
            Self::Mandatory(_) => "value_is_mandatory",
            Self::Invalid(_) => "invalid_format",
            Self::OutOfRange(_) => "value_is_out_of_range",
            Self::UnknownOrganization => "unknown_organization",
            Self::Expression(_) => "expression_evaluation_failed",
            Self::InternalDecode(_) => "internal_decode",
            Self::Internal(_) => "internal",
        }
    }
}
