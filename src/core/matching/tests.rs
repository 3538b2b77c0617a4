use uuid::Uuid;

use super::*;
use crate::core::catalog::ChargeFilter;
use crate::core::instant::Instant;
use crate::core::properties::{Kind, PropertiesBuf};

fn filter(age: i64, values: &[(&str, &[&str])]) -> ChargeFilter {
    ChargeFilter {
        id: Uuid::from_u128(u128::try_from(age).unwrap()),
        invoice_display_name: None,
        values: condition(values),
        model: crate::core::pricing::Model::Dynamic,
        properties: crate::core::value::Value::Null,
        pricing_group_keys: Vec::new(),
        created_at: Instant(age),
    }
}

fn condition(values: &[(&str, &[&str])]) -> Condition {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    values.iter().map(|(key, values)| ((*key).to_owned(), texts(values))).collect()
}

fn declared() -> Vec<MetricFilter> {
    condition(&[("steps", &["25", "50", "75", "100"]), ("size", &["512", "1024"])])
        .into_iter()
        .map(|(key, values)| MetricFilter { key, values })
        .collect()
}

fn check(matcher: &Matcher, properties: &[(&str, &str)], expected: &[Bucket]) {
    let mut event = PropertiesBuf::new();
    for (key, text) in properties {
        event.push(key, Kind::Text, text);
    }
    let mut buckets = Buckets::default();
    matcher.classify(event.as_ref(), &mut buckets);
    assert_eq!(buckets.taken(), expected, "{properties:?}");
}

#[test]
fn the_most_specific_of_nested_filters_counts() {
    let filters = [
        filter(3, &[("steps", &[ALL_VALUES]), ("size", &[ALL_VALUES])]),
        filter(2, &[("steps", &["25"]), ("size", &["512"])]),
        filter(1, &[("steps", &["25"]), ("size", &["512"]), ("model", &["llama-2"])]),
    ];
    let matcher = Matcher::compile(&filters, &declared());
    let model = |model| [("steps", "25"), ("size", "512"), ("model", model)];
    check(&matcher, &model("llama-2"), &[Bucket::Filter(2)]);
    check(&matcher, &model("gpt"), &[Bucket::Filter(1)]);
    check(&matcher, &[("steps", "50"), ("size", "512")], &[Bucket::Filter(0)]);
    check(&matcher, &[("steps", "10"), ("size", "512")], &[Bucket::Default]);
    check(&matcher, &[], &[Bucket::Default]);
}

#[test]
fn the_oldest_of_identical_filters_counts() {
    let filters = [filter(9, &[("size", &["512"])]), filter(1, &[("size", &["512"])])];
    let matcher = Matcher::compile(&filters, &declared());
    check(&matcher, &[("size", "512")], &[Bucket::Filter(1)]);
}

#[test]
fn overlapping_filters_both_count() {
    let keys = [filter(1, &[("region", &["us"])]), filter(2, &[("cloud", &["aws"])])];
    let both = [Bucket::Filter(0), Bucket::Filter(1)];
    check(&Matcher::compile(&keys, &[]), &[("region", "us"), ("cloud", "aws")], &both);

    let values =
        [filter(1, &[("cloud", &["aws", "gcp"])]), filter(2, &[("cloud", &["gcp", "az"])])];
    let matcher = Matcher::compile(&values, &[]);
    check(&matcher, &[("cloud", "gcp")], &both);
    check(&matcher, &[("cloud", "aws")], &[Bucket::Filter(0)]);
    check(&matcher, &[("cloud", "az")], &[Bucket::Filter(1)]);
}

#[test]
fn a_request_overrides_a_filters_own_condition_and_binds_every_bucket() {
    let filters = [filter(1, &[("cloud", &["aws"])])];
    let asked = condition(&[("cloud", &["gcp"])]);
    let matcher = Matcher::compile_asked(&filters, &[], &asked);
    check(&matcher, &[("cloud", "gcp")], &[Bucket::Filter(0), Bucket::Default]);
    check(&matcher, &[("cloud", "aws")], &[]);
    check(&matcher, &[], &[]);
}

#[test]
fn an_excluded_empty_text_excludes_a_missing_property() {
    let filters = [filter(1, &[("a", &["1"])]), filter(2, &[("a", &["1"]), ("b", &["", "x"])])];
    let matcher = Matcher::compile(&filters, &[]);
    // A missing `b` does not match the second filter, and yet is excluded from the first; the
    // default bucket leaves it to the first. No bucket counts it.
    check(&matcher, &[("a", "1")], &[]);
    check(&matcher, &[("a", "1"), ("b", "y")], &[Bucket::Filter(0)]);
}

#[test]
fn a_charge_without_filters_has_one_bucket_that_takes_all() {
    check(&Matcher::compile(&[], &[]), &[("a", "b")], &[Bucket::Default]);
}

#[test]
fn a_filter_of_many_values_takes_each_of_them_alone() {
    let values: Vec<String> = (0..200).map(|number| format!("v{number:03}")).collect();
    let texts: Vec<&str> = values.iter().map(String::as_str).collect();
    let even: Vec<&str> = texts.iter().copied().step_by(2).collect();
    let filters = [filter(1, &[("a", &even)]), filter(2, &[("a", &texts), ("b", &["1"])])];
    let matcher = Matcher::compile(&filters, &[]);
    for (at, text) in texts.iter().enumerate() {
        let expected = if at % 2 == 0 { Bucket::Filter(0) } else { Bucket::Default };
        check(&matcher, &[("a", text)], &[expected]);
        check(&matcher, &[("a", text), ("b", "1")], &[Bucket::Filter(1)]);
    }
}
