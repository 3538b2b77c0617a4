//! `filter_match.json`: which charge filter takes an event (specification 6.3, 9.9).

use odometer::core::catalog::{ChargeFilter, MetricFilter};
use odometer::core::instant::Instant;
use odometer::core::matching::{Bucket, Condition, Matcher, rules};
use odometer::core::pricing::Model;
use odometer::core::value::Value;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::usage_inputs::{condition, properties, texts};
use crate::vectors_run::Verdict;

fn filters(case: &Json) -> Vec<ChargeFilter> {
    let list = case["charge_filters"].as_array().expect("charge filters");
    let filter = |(index, json): (usize, &Json)| ChargeFilter {
        id: Uuid::from_u128(index as u128),
        invoice_display_name: None,
        values: condition(&json["values"]),
        model: Model::Dynamic,
        properties: Value::Null,
        pricing_group_keys: Vec::new(),
        created_at: Instant(i64::try_from(index).unwrap()),
    };
    list.iter().enumerate().map(filter).collect()
}

fn declared(case: &Json) -> Vec<MetricFilter> {
    let list = case["metric_filters"].as_array().expect("metric filters");
    let key = |json: &Json| json["key"].as_str().expect("a key").to_owned();
    list.iter()
        .map(|json| MetricFilter { key: key(json), values: texts(&json["values"]) })
        .collect()
}

fn shown(condition: &Condition) -> Json {
    Json::Object(condition.iter().map(|(key, texts)| (key.clone(), json!(texts))).collect())
}

/// The keys of a clause are in no particular order, nor are its values and the clauses.
fn sorted(clauses: &Json) -> Vec<String> {
    let sorted = |clause: &Json| {
        let clause = unordered(clause);
        let mut members: Vec<_> = clause.as_object().expect("a clause").iter().collect();
        members.sort_by_key(|(key, _)| *key);
        format!("{members:?}")
    };
    let mut clauses: Vec<String> =
        clauses.as_array().expect("clauses").iter().map(sorted).collect();
    clauses.sort();
    clauses
}

/// Finds the event's filter, or the values that a filter takes and leaves to others.
pub fn check(case: &Json) -> Verdict {
    let filters = filters(case);
    let named = case["charge_filters"].as_array().expect("filters").iter();
    let names: Vec<&Json> = named.map(|filter| &filter["name"]).collect();
    let mut failures = Vec::new();
    let mut compare = |name: &str, actual: Json, expected: Json| {
        if actual != expected {
            failures.push(format!("{name} is {actual}, expected {expected}"));
        }
    };
    match case["mode"].as_str() {
        Some("match_event") => {
            let event = properties(&case["event_properties"]);
            let matcher = Matcher::compile(&filters, &declared(case));
            let selected = match matcher.select(event.as_ref()) {
                Bucket::Filter(index) => names[index].clone(),
                Bucket::Default => Json::Null,
            };
            for (name, expected) in case["expect"].as_object().expect("members") {
                assert_eq!(name, "selected_filter", "the mode selects a filter");
                compare(name, selected.clone(), expected.clone());
            }
        }
        Some("match_and_ignore") => {
            let rules = rules(&filters, &declared(case));
            // The default bucket is the last one; it has no name.
            let place = |name: &Json| names.iter().position(|own| *own == name).expect("it");
            let named = Some(&case["for_filter"]).filter(|name| !name.is_null());
            let rule = &rules[named.map_or(rules.len() - 1, place)];
            for (name, expected) in case["expect"].as_object().expect("members") {
                match name.as_str() {
                    "matching_filters" => {
                        // No condition at all may be written as an empty list.
                        let none = expected.as_array().is_some_and(Vec::is_empty);
                        let expected = if none { json!({}) } else { expected.clone() };
                        compare(name, unordered(&shown(&rule.matching)), unordered(&expected));
                    }
                    "ignored_filters" => {
                        let ignored = rule.ignored.iter().map(shown).collect();
                        compare(name, json!(sorted(&ignored)), json!(sorted(expected)));
                    }
                    other => panic!("unknown expectation {other}"),
                }
            }
        }
        other => panic!("unknown mode {other:?}"),
    }
    Verdict::of(failures)
}

/// A condition with the values of each key in order: it is a set that takes them.
fn unordered(condition: &Json) -> Json {
    let members = condition.as_object().expect("a condition").iter();
    let sorted = members.map(|(key, values)| {
        let mut texts = texts(values);
        texts.sort();
        (key.clone(), json!(texts))
    });
    Json::Object(sorted.collect())
}
