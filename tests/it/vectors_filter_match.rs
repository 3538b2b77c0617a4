//! `filter_match.json`: which charge filter takes an event (specification 6.3, 9.9).

use odometer::core::catalog::{ChargeFilter, MetricFilter};
use odometer::core::instant::Instant;
use odometer::core::matching::{Bucket, Condition, Matcher, rules};
use odometer::core::pricing::Model;
use odometer::core::value::Value;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::usage_inputs::{condition, properties};
use crate::vectors::load;

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
    let texts = |json: &Json| json.as_array().expect("values").iter().map(text).collect();
    list.iter()
        .map(|json| MetricFilter { key: text(&json["key"]), values: texts(&json["values"]) })
        .collect()
}

fn text(json: &Json) -> String {
    json.as_str().expect("a text").to_owned()
}

fn shown(condition: &Condition) -> Json {
    Json::Object(condition.iter().map(|(key, texts)| (key.clone(), json!(texts))).collect())
}

/// The keys of a clause are in no particular order, nor are the clauses.
fn sorted(clauses: &Json) -> Vec<String> {
    let sorted = |clause: &Json| {
        let mut members: Vec<_> = clause.as_object().expect("a clause").iter().collect();
        members.sort_by_key(|(key, _)| *key);
        format!("{members:?}")
    };
    let mut clauses: Vec<String> =
        clauses.as_array().expect("clauses").iter().map(sorted).collect();
    clauses.sort();
    clauses
}

#[test]
fn filters_take_and_leave_what_the_vectors_say() {
    let cases = load("filter_match.json");
    assert_eq!(cases.len(), 13);
    for case in &cases {
        let filters = filters(case);
        let names: Vec<&Json> = case["charge_filters"]
            .as_array()
            .expect("filters")
            .iter()
            .map(|f| &f["name"])
            .collect();
        let expected = &case["expect"];
        if case["mode"] == "match_event" {
            let event = properties(&case["event_properties"]);
            let matcher = Matcher::compile(&filters, &declared(case));
            let selected = match matcher.select(event.as_ref()) {
                Bucket::Filter(index) => names[index].clone(),
                Bucket::Default => Json::Null,
            };
            assert_eq!(selected, expected["selected_filter"], "{}", case["id"]);
        } else {
            let index = names.iter().position(|name| **name == case["for_filter"]).expect("it");
            let rule = &rules(&filters, &declared(case))[index];
            let matching: Map<String, Json> =
                expected["matching_filters"].as_object().unwrap().clone();
            assert_eq!(shown(&rule.matching), Json::Object(matching), "{}", case["id"]);
            let ignored = Json::Array(rule.ignored.iter().map(shown).collect());
            assert_eq!(sorted(&ignored), sorted(&expected["ignored_filters"]), "{}", case["id"]);
        }
    }
}
