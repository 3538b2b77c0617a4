//! The records of the event logs (specification chapter 4).

use odometer::core::decimal::Decimal;
use serde_json::{Map, Value as Json};

use super::calendar::SECOND;

/// Log time, partition, offset, index: compared in this order (10.4).
pub type Place = (i64, u16, i64, u32);

/// Decimals that the price of an event keeps (4.1).
const PRICE_DECIMALS: i32 = 15;

/// An event as it was sent, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub subscription: Option<String>,
    pub transaction: String,
    pub code: String,
    /// Microseconds.
    pub timestamp: i64,
    pub properties: Map<String, Json>,
    /// 0 if there is none.
    pub precise_cents: Decimal,
    pub place: Place,
}

impl Event {
    /// Reads what was sent (4.1, 4.8).
    pub fn read(record: &Json, place: Place) -> Self {
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        Self {
            subscription: text("external_subscription_id"),
            transaction: text("transaction_id").unwrap(),
            code: text("code").unwrap(),
            timestamp: micros(&record["timestamp"]),
            properties: record["properties"].as_object().cloned().unwrap_or_default(),
            precise_cents: price(&record["precise_total_amount_cents"]),
            place,
        }
    }

    /// The text form of a property; none if it is missing or null (4.2).
    pub fn text(&self, key: &str) -> Option<String> {
        match self.properties.get(key)? {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(decimal(number.as_str()).to_string()),
            other => Some(other.to_string()),
        }
    }

    /// The value of a group or of a breakdown: an empty text is none (2.5).
    pub fn group_text(&self, key: &str) -> Option<String> {
        self.text(key).filter(|text| !text.is_empty())
    }

    /// The number that a property holds, if it is a valid one (4.2).
    pub fn number(&self, key: &str) -> Option<Decimal> {
        let text = self.text(key)?;
        let unsigned = text.strip_prefix('-').unwrap_or(&text);
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let valid = match unsigned.split_once('.') {
            None => digits(unsigned),
            Some((whole, fraction)) => digits(whole) && digits(fraction),
        };
        valid.then(|| Decimal::parse_numeric(&text).unwrap())
    }

    /// Whether the event adds its value (5.8).
    pub fn adds(&self) -> bool {
        self.text("operation_type").is_none_or(|operation| operation == "add")
    }

    /// When it happened, ties by position (10.4).
    pub fn order(&self) -> (i64, Place) {
        (self.timestamp, self.place)
    }
}

/// A JSON number.
pub fn decimal(text: &str) -> Decimal {
    Decimal::parse_literal(text).unwrap()
}

/// Seconds since the epoch, cut to microseconds.
fn micros(timestamp: &Json) -> i64 {
    let seconds = match timestamp {
        Json::String(text) => decimal(text),
        number => decimal(&number.to_string()),
    };
    (seconds * Decimal::from_i64(SECOND)).floor(0).to_i64().unwrap()
}

fn price(sent: &Json) -> Decimal {
    let text = match sent {
        Json::Null => return Decimal::ZERO,
        Json::String(text) => text.clone(),
        number => number.to_string(),
    };
    let leading = text.find(|c: char| !"-.0123456789".contains(c)).unwrap_or(text.len());
    let number = Decimal::parse_literal(&text[..leading]).unwrap_or_default();
    number.round(PRICE_DECIMALS)
}

/// Of all copies of a transaction the one with the smallest position counts; events without a
/// subscription are no copies of each other (4.6).
pub fn first_copies(events: &[Event]) -> Vec<&Event> {
    let beaten = |event: &Event| {
        events.iter().any(|other| {
            event.subscription.is_some()
                && other.subscription == event.subscription
                && other.transaction == event.transaction
                && other.place < event.place
        })
    };
    events.iter().filter(|event| !beaten(event)).collect()
}
