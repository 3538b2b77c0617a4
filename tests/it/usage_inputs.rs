//! Inputs of aggregation and usage, read from the golden cases.

use std::collections::HashSet;

use odometer::core::catalog::{Aggregation, BillableMetric, MetricFilter, Rounding, RoundingMode};
use odometer::core::decimal::Decimal;
use odometer::core::event::Usage;
use odometer::core::instant::Instant;
use odometer::core::matching::{Condition, Group};
use odometer::core::period::{Zone, text};
use odometer::core::position::Position;
use odometer::core::properties::PropertiesBuf;
use odometer::log::decode::{Decoder, Limits};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::vectors::decimal;

/// Texts per key.
pub fn condition(json: &Json) -> Condition {
    let texts = |json: &Json| match json {
        Json::Array(_) => texts(json),
        other => vec![plain(other)],
    };
    let members = json.as_object().into_iter().flatten();
    members.map(|(key, values)| (key.clone(), texts(values))).collect()
}

/// Event properties as the service takes them in.
pub fn properties(json: &Json) -> PropertiesBuf {
    taken_in(&json!({"properties": json})).0
}

/// Properties and amount of an event as the service takes them in.
fn taken_in(json: &Json) -> (PropertiesBuf, Option<Decimal>) {
    let record = json!({
        "organization_id": "o", "external_subscription_id": "s", "transaction_id": "t",
        "code": "c", "timestamp": 0,
        "properties": json["properties"],
        "precise_total_amount_cents": json["precise_total_amount_cents"],
    });
    let mut taken = None;
    let bytes = record.to_string().into_bytes();
    Decoder::new().decode(Some(&bytes), &Limits::default(), &mut |_, event| {
        let event = event.unwrap_or_else(|refused| panic!("{json}: {refused}"));
        taken = Some((event.properties.to_owned(), event.precise_cents));
    });
    taken.unwrap()
}

/// An instant; a null or missing one is none.
pub fn instant(json: &Json) -> Option<Instant> {
    json.as_str().map(|text| text::parse(text).unwrap())
}

/// A list of texts; a missing one is empty.
pub fn texts(json: &Json) -> Vec<String> {
    let list = json.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(plain).collect()
}

/// A scalar as its text, a number with the digits it was written with.
pub fn plain(json: &Json) -> String {
    assert!(!json.is_array() && !json.is_object() && !json.is_null(), "{json} is no scalar");
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// The zone of a case.
pub fn zone(json: &Json) -> Zone {
    json.as_str().map_or(Zone::UTC, |name| Zone::parse(name).unwrap())
}

/// The metric of a case.
pub fn metric(json: &Json) -> BillableMetric {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let mode = match json["rounding_function"].as_str() {
        Some("round") => Some(RoundingMode::Round),
        Some("ceil") => Some(RoundingMode::Ceil),
        Some("floor") => Some(RoundingMode::Floor),
        _ => None,
    };
    let precision = json["rounding_precision"].as_i64().unwrap_or(0);
    let precision = i32::try_from(precision).unwrap();
    BillableMetric {
        id: Uuid::from_u128(7),
        code: text("code").unwrap_or_default(),
        name: text("name").unwrap_or_default(),
        description: None,
        aggregation: Aggregation::from_name(json["aggregation_type"].as_str().unwrap()).unwrap(),
        field_name: text("field_name"),
        recurring: json["recurring"] == true,
        rounding: mode.map(|mode| Rounding { mode, precision }),
        expression: text("expression"),
        filters: json["filters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|filter| MetricFilter {
                key: filter["key"].as_str().unwrap().to_owned(),
                values: texts(&filter["values"]),
            })
            .collect(),
        created_at: Instant(0),
    }
}

/// Seconds since the epoch as a number or a decimal text, or an ISO text.
pub fn event_time(json: &Json) -> Instant {
    if let Some(seconds) = decimal(json) {
        return Instant(seconds.mul_pow10(6).trunc_i64().unwrap());
    }
    instant(json).unwrap_or_else(|| panic!("no time: {json}"))
}

/// One event of a case, owned.
pub struct OwnedEvent {
    timestamp: Instant,
    position: Position,
    transaction: String,
    properties: PropertiesBuf,
    precise_cents: Option<Decimal>,
}

impl OwnedEvent {
    /// The event that was received as number `offset`.
    pub fn new(json: &Json, offset: i64) -> Self {
        let (properties, precise_cents) = taken_in(json);
        Self {
            timestamp: event_time(&json["timestamp"]),
            position: Position { offset, ..Position::default() },
            transaction: json["transaction_id"].as_str().unwrap_or_default().to_owned(),
            properties,
            precise_cents,
        }
    }

    /// As aggregations read it.
    pub fn usage(&self) -> Usage<'_> {
        Usage {
            timestamp: self.timestamp,
            position: self.position,
            transaction: &self.transaction,
            properties: self.properties.as_ref(),
            precise_cents: self.precise_cents.clone(),
        }
    }
}

/// The events of a case in order of position, without strangers and, where the case says so,
/// without repeated transactions: an id is taken for all time and codes, also by a deleted event.
pub fn events(case: &Json) -> Vec<OwnedEvent> {
    let mut owned = Vec::new();
    let mut taken = HashSet::new();
    for (json, offset) in case["events"].as_array().into_iter().flatten().zip(0..) {
        let stranger = ["code", "external_subscription_id"]
            .into_iter()
            .any(|name| json[name].is_string() && json[name] != case["billable_metric"][name]);
        let deleted = !json["deleted_at"].is_null();
        let id = (json["external_subscription_id"].as_str(), json["transaction_id"].as_str());
        let repeated = id.1.is_some() && !taken.insert(id);
        let repeated = repeated && case["deduplicate_transactions"] == true;
        if !stranger && !deleted && !repeated {
            owned.push(OwnedEvent::new(json, offset));
        }
    }
    owned
}

/// The events in order of (timestamp, position).
pub fn ordered(owned: &[OwnedEvent]) -> Vec<Usage<'_>> {
    let mut usages: Vec<Usage<'_>> = owned.iter().map(OwnedEvent::usage).collect();
    usages.sort_by_key(|usage| (usage.timestamp, usage.position));
    usages
}

/// The group of a map under these keys; an empty text is no value.
pub fn group(json: &Json, keys: &[String]) -> Group {
    let value = |key: &String| json[key].as_str().filter(|text| !text.is_empty()).map(Box::from);
    Group(keys.iter().map(value).collect())
}

/// A group as a result shows it.
pub fn shown_group(keys: &[String], group: &Group) -> Json {
    let members = keys.iter().cloned().zip(&group.0);
    let shown = |value: &Option<Box<str>>| value.as_deref().map_or(Json::Null, Json::from);
    Json::Object(members.map(|(key, value)| (key, shown(value))).collect::<Map<_, _>>())
}
