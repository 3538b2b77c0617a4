//! What a caller asks to be recorded, and the checks that need nothing but the catalogue
//! (specification 4.1, 4.5, 9.7).

use super::record;
use crate::core::catalog::book::Tenant;
use crate::core::decimal::Decimal;
use crate::core::event::Rejection;
use crate::core::expression::{Expression, Input};
use crate::core::instant::Instant;
use crate::core::properties::{Kind, PropertiesBuf};
use crate::log::decode::{Decoder, Limits, timestamp};

/// Stands for an identifier that is missing while the rest of the event is looked at.
const PLACEHOLDER: &str = "-";

/// The members of one event as they were sent, scalars as text. What is absent, null, or of a form
/// that counts as absent is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The producer's id.
    pub transaction: Option<String>,
    /// External subscription id.
    pub subscription: Option<String>,
    /// Code of the billable metric.
    pub code: Option<String>,
    /// Epoch seconds.
    pub timestamp: Option<String>,
    /// Price in cents.
    pub precise_cents: Option<String>,
    /// A JSON object, its numbers as the API reads them (specification 4.2).
    pub properties: Option<String>,
}

/// An event that passed the checks.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// The producer's id.
    pub transaction: String,
    /// External subscription id.
    pub subscription: Option<String>,
    /// Code of the billable metric.
    pub code: String,
    /// When the usage happened.
    pub timestamp: Instant,
    /// Price in cents.
    pub precise_cents: Option<Decimal>,
    /// What was used, the expression's result included.
    pub properties: PropertiesBuf,
}

/// What is wrong with one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fields, each with one reason.
    Fields(Vec<(&'static str, &'static str)>),
    /// The metric's expression failed, with its message (4.5).
    Expression(String),
}

impl Fault {
    /// One field and its reason.
    pub fn field(name: &'static str, reason: &'static str) -> Self {
        Self::Fields(vec![(name, reason)])
    }

    /// A transaction id that is taken.
    pub fn taken() -> Self {
        Self::field("transaction_id", "value_already_exist")
    }
}

/// Which of two faults of one event is told (9.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The expression's: a request for one event.
    ExpressionFirst,
    /// That of a missing field: a request for a batch.
    PresenceFirst,
}

/// Checks drafts one after the other.
pub struct Checker<'a> {
    /// External id of the organisation.
    pub organization: &'a str,
    /// Its metrics.
    pub tenant: &'a Tenant,
    /// What an event without a timestamp is given.
    pub now: Instant,
    /// What records may be.
    pub limits: Limits,
    /// What is told first.
    pub order: Order,
}

impl Checker<'_> {
    /// The event, with the result of its metric's expression.
    ///
    /// # Errors
    ///
    /// The first fault in the order of specification 9.7.
    pub fn check(&self, decoder: &mut Decoder, draft: &Draft) -> Result<NewEvent, Fault> {
        let timestamp = match &draft.timestamp {
            None => self.now,
            Some(text) => timestamp::from_seconds_text(text)
                .ok_or_else(|| Fault::field("timestamp", "invalid_format"))?,
        };
        let mut event = self.read(decoder, draft, timestamp)?;
        let missing = missing(draft);
        if !missing.is_empty() && self.order == Order::PresenceFirst {
            return Err(Fault::Fields(missing));
        }
        self.evaluate(&mut event)?;
        if missing.is_empty() { Ok(event) } else { Err(Fault::Fields(missing)) }
    }

    /// An event whose identifiers and timestamp do not matter, at `now`.
    ///
    /// # Errors
    ///
    /// What cannot be kept.
    pub(super) fn read_now(&self, decoder: &mut Decoder, draft: &Draft) -> Result<NewEvent, Fault> {
        self.read(decoder, draft, self.now)
    }

    /// Reads the event as the fold will read it, so that nothing is accepted which would be refused
    /// there. Identifiers that are missing are left to the caller.
    fn read(
        &self,
        decoder: &mut Decoder,
        draft: &Draft,
        timestamp: Instant,
    ) -> Result<NewEvent, Fault> {
        let present = |text: &Option<String>| {
            let text = text.as_deref().filter(|text| !is_blank(text));
            text.unwrap_or(PLACEHOLDER).to_owned()
        };
        let record = record::of_draft(
            self.organization,
            &present(&draft.transaction),
            &present(&draft.code),
            timestamp,
            draft,
        );
        let mut read = Err(Rejection::NotAnObject);
        // In a batch the event stands one level deeper.
        let depth_max = self.limits.depth_max.saturating_sub(1);
        let limits = Limits { depth_max, ..self.limits };
        decoder.decode(Some(record.as_bytes()), &limits, &mut |_, outcome| {
            read = outcome.map(|event| NewEvent {
                transaction: event.transaction.to_owned(),
                subscription: event.subscription.map(str::to_owned),
                code: event.code.to_owned(),
                timestamp: event.timestamp,
                precise_cents: event.precise_cents,
                properties: event.properties.to_owned(),
            });
        });
        read.map_err(|rejection| match rejection {
            Rejection::Invalid(field) => Fault::field(field, "invalid_format"),
            Rejection::OutOfRange(field) => Fault::field(field, "value_is_out_of_range"),
            Rejection::Mandatory(field) => Fault::field(field, "value_is_mandatory"),
            Rejection::TooLarge { .. } => Fault::field("properties", "value_is_out_of_range"),
            _ => Fault::field("properties", "invalid_format"),
        })
    }

    /// Applies the expression of the newest version of the event's metric (10.5).
    ///
    /// # Errors
    ///
    /// [`Fault::Expression`] if it fails.
    pub(super) fn evaluate(&self, event: &mut NewEvent) -> Result<(), Fault> {
        let Some(metric) = self.tenant.metric(&event.code) else { return Ok(()) };
        let text = metric.expression.as_deref().filter(|text| !is_blank(text));
        let (Some(text), Some(field)) = (text, metric.field_name.as_deref()) else {
            return Ok(());
        };
        let expression =
            Expression::parse(text).map_err(|error| Fault::Expression(error.to_string()))?;
        let input = Input {
            code: &event.code,
            timestamp: event.timestamp,
            properties: event.properties.as_ref(),
        };
        let outcome = expression.evaluate(&input);
        let result = outcome.map_err(|error| Fault::Expression(error.to_string()))?.into_text();
        event.properties.set(field, Kind::Text, &result);
        Ok(())
    }
}

fn missing(draft: &Draft) -> Vec<(&'static str, &'static str)> {
    [("transaction_id", &draft.transaction), ("code", &draft.code)]
        .into_iter()
        .filter(|(_, text)| text.as_deref().is_none_or(is_blank))
        .map(|(name, _)| (name, "value_is_mandatory"))
        .collect()
}

/// Blank is whatever consists of Unicode white space, as where records are decoded.
fn is_blank(text: &str) -> bool {
    text.trim_start().is_empty()
}
