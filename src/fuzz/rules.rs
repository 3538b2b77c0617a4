//! Rules that users write: expressions and filters.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{Target, no_seeds};
use crate::core::catalog::{ChargeFilter, MetricFilter};
use crate::core::expression::{Expression, Input, Outcome, TEXT_BYTES_MAX};
use crate::core::instant::Instant;
use crate::core::matching::{Bucket, Buckets, Matcher};
use crate::core::pricing::{Model, ModelKind};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::value::Value;

/// A line with properties as JSON, and after it the expression.
pub(super) const EXPRESSIONS: Target = Target {
    name: "expressions",
    run: run_expression,
    seeds: no_seeds,
    words: &[
        "event.properties.a",
        "event.timestamp",
        "event.code",
        "round(",
        "ceil(",
        "floor(",
        "concat(",
        "least(",
        "greatest(",
        "'text'",
        " * ",
        " / ",
        " - ",
        "((",
        "))",
        ", ",
        "1e9",
    ],
};

/// JSON: `declared` (lists of values by key), `filters` (a list of such), and `properties`.
pub(super) const FILTERS: Target = Target {
    name: "filters",
    run: run_filters,
    seeds: no_seeds,
    words: &[
        "\"filters\":[",
        "\"declared\":{",
        "\"properties\":{",
        "\"a\":[\"x\"]",
        "__ALL_FILTER_VALUES__",
        "\"a\":\"x\"",
        "null",
        "{}",
        "[]",
        ",",
    ],
};

/// The stand-in for all values that a metric declares; it may declare none.
const ALL_VALUES: &str = "__ALL_FILTER_VALUES__";

fn run_expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (properties, text) = text.split_once('\n').unwrap_or(("{}", text));
    let Ok(expression) = Expression::parse(text) else { return };
    let properties = properties_of(&serde_json::from_str(properties).unwrap_or_default());
    let timestamp = Instant(1_710_504_000_123_456);
    let input = Input { code: "code", timestamp, properties: properties.as_ref() };
    let outcome = expression.evaluate(&input);
    if let Ok(Outcome::Text(text)) = &outcome {
        assert!(text.len() <= TEXT_BYTES_MAX);
    }
    assert_eq!(outcome, expression.evaluate(&input), "the same event gives the same value");
    drop(outcome.map(Outcome::into_text));
}

fn run_filters(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(bytes) else { return };
    let declared = lists(&json["declared"]);
    let declared: Vec<_> =
        declared.into_iter().map(|(key, values)| MetricFilter { key, values }).collect();
    let filters = json["filters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let filters: Vec<_> = filters.iter().map(|filter| filter_of(lists(filter))).collect();
    let properties = properties_of(&json["properties"]);
    let matcher = Matcher::compile(&filters, &declared);
    let mut buckets = Buckets::default();
    matcher.classify(properties.as_ref(), &mut buckets);
    let selected = matcher.select(properties.as_ref());
    let known = |bucket: &Bucket| match bucket {
        Bucket::Filter(index) => *index < filters.len(),
        Bucket::Default => true,
    };
    assert!(buckets.taken().iter().all(known) && known(&selected));
    assert!(buckets.taken().is_sorted(), "filters in order, the default bucket last");
    // A filter with a condition on nothing leaves the default bucket what it takes (6.3).
    let plain = |(_, values): &(String, Vec<String>)| {
        !values.is_empty() && values.iter().all(|value| value != ALL_VALUES)
    };
    let plain =
        |filter: &ChargeFilter| !filter.values.is_empty() && filter.values.iter().all(plain);
    if filters.iter().all(plain) && buckets.taken().contains(&Bucket::Default) {
        assert_eq!(buckets.taken().len(), 1, "what no filter takes is the default's");
    }
    // Whatever came before in the scratch memory is of no matter.
    let before = buckets.taken().to_vec();
    matcher.classify(PropertiesBuf::new().as_ref(), &mut buckets);
    matcher.classify(properties.as_ref(), &mut buckets);
    assert_eq!(buckets.taken(), before);
}

fn filter_of(values: Vec<(String, Vec<String>)>) -> ChargeFilter {
    ChargeFilter {
        id: Uuid::nil(),
        invoice_display_name: None,
        values,
        model: Model::from_properties(ModelKind::Standard, &Value::Null),
        properties: Value::Null,
        pricing_group_keys: Vec::new(),
        created_at: Instant(0),
    }
}

fn lists(json: &Json) -> Vec<(String, Vec<String>)> {
    let texts = |list: &Json| -> Vec<String> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let members = json.as_object().into_iter().flatten();
    members.map(|(key, list)| (key.clone(), texts(list))).collect()
}

fn properties_of(json: &Json) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for (key, value) in json.as_object().into_iter().flatten() {
        match value {
            Json::Null => properties.push(key, Kind::Null, ""),
            Json::Bool(value) => properties.push(key, Kind::Bool, &value.to_string()),
            Json::Number(number) => properties.push(key, Kind::Number, number.as_str()),
            Json::String(text) => properties.push(key, Kind::Text, text),
            tree => properties.push(key, Kind::Tree, &tree.to_string()),
        }
    }
    properties
}
