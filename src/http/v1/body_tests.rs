//! Bodies, byte for byte.

use crate::core::catalog::PricingUnit;
use crate::core::usage::{ChargeUsage, FilterUsage, GroupUsage, Presented, PricingUnitSum, Sum};
use crate::http::tests::sample;

use super::print;

type Values<'a> = &'a [(&'a str, Option<&'a str>)];

fn values(values: Values<'_>) -> Vec<(String, Option<Box<str>>)> {
    values.iter().map(|(key, value)| ((*key).to_owned(), value.map(Box::from))).collect()
}

fn presented(by: Values<'_>, units: &str) -> Presented {
    Presented { presentation_by: values(by), units: sample::decimal(units) }
}

/// The part of the body that starts with the charge's filters.
fn rows(row: ChargeUsage<'_>) -> String {
    let body = print(&sample::usage(vec![row]));
    serde_json::from_str::<serde_json::Value>(&body).unwrap();
    let (_, rest) = body.split_once("\"aggregation_type\":\"count_agg\"},").unwrap();
    rest.strip_suffix("}]}}").unwrap().to_owned()
}

#[test]
fn the_complete_example() {
    let (charge, metric) = (sample::charge(), sample::metric());
    assert_eq!(print(&sample::usage(vec![sample::row(&charge, &metric)])), sample::BODY);
}

#[test]
fn a_plan_without_charges() {
    let body = print(&sample::usage(Vec::new()));
    assert!(body.ends_with(r#""lago_invoice_id":null,"charges_usage":[]}}"#), "{body}");
}

#[test]
fn several_rows_stand_in_order() {
    let (mut charge, metric) = (sample::charge(), sample::metric());
    charge.filters.clear();
    let row = || ChargeUsage { filters: Vec::new(), ..sample::row(&charge, &metric) };
    let body = print(&sample::usage(vec![row(), row()]));
    let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(parsed["customer_usage"]["charges_usage"].as_array().unwrap().len(), 2);
    assert!(body.contains(r#""filters":[],"grouped_usage":[],"presentation_breakdowns":[]},{"#));
}

#[test]
fn names_are_escaped_and_shown() {
    let (mut charge, mut metric) = (sample::charge(), sample::metric());
    charge.invoice_display_name = Some("R&D <x>".into());
    charge.filters[0].invoice_display_name = Some("\"EU\"".into());
    charge.filters[0].values = vec![
        ("region".into(), vec!["eu".into(), "__ALL_FILTER_VALUES__".into()]),
        ("k\u{2028}".into(), Vec::new()),
    ];
    metric.name = "caf\u{e9}".into();
    let body = print(&sample::usage(vec![sample::row(&charge, &metric)]));
    for part in [
        r#""charge_model":"standard","invoice_display_name":"R\u0026D \u003cx\u003e"}"#,
        r#""invoice_display_name":"\"EU\"","values":{"#,
        r#""values":{"region":["eu","__ALL_FILTER_VALUES__"],"k\u2028":[]}"#,
        "\"name\":\"caf\u{e9}\"",
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
}

#[test]
fn groups_merge_filters_and_show_missing_values_as_null() {
    let (charge, metric) = (sample::charge(), sample::metric());
    let group = GroupUsage {
        grouped_by: values(&[("zone", Some("a")), ("tier", None)]),
        sum: sample::sum(2, 40),
        filters: vec![FilterUsage {
            filter: charge.filters.first(),
            sum: sample::sum(2, 40),
            breakdowns: Vec::new(),
        }],
        breakdowns: vec![presented(&[("user", None)], "2")],
    };
    let row =
        ChargeUsage { filters: Vec::new(), grouped: vec![group], ..sample::row(&charge, &metric) };
    assert_eq!(
        rows(row),
        concat!(
            r#""filters":[],"grouped_usage":[{"units":"2.0","total_aggregated_units":"2.0","#,
            r#""events_count":2,"amount_cents":40,"pricing_unit_details":null,"#,
            r#""grouped_by":{"zone":"a","tier":null},"filters":[{"units":"2.0","#,
            r#""total_aggregated_units":"2.0","events_count":2,"amount_cents":40,"#,
            r#""pricing_unit_details":null,"invoice_display_name":null,"#,
            r#""values":{"region":["eu"]},"presentation_breakdowns":[]}],"#,
            r#""presentation_breakdowns":[{"presentation_by":{"user":null},"units":"2.0"}]}],"#,
            r#""presentation_breakdowns":[]"#,
        )
    );
}

#[test]
fn breakdowns_stand_at_every_level() {
    let (charge, metric) = (sample::charge(), sample::metric());
    let mut row = sample::row(&charge, &metric);
    row.filters.truncate(1);
    row.filters[0].breakdowns = vec![presented(&[("user", Some("x"))], "-2.50")];
    row.breakdowns = vec![
        presented(&[("user", Some("a")), ("team", Some("<b>"))], "1e25"),
        presented(&[("user", None), ("team", None)], "0"),
    ];
    let json = rows(row);
    let at_filter =
        r#""presentation_breakdowns":[{"presentation_by":{"user":"x"},"units":"-2.5"}]}],"#;
    let at_charge = concat!(
        r#""grouped_usage":[],"presentation_breakdowns":["#,
        r#"{"presentation_by":{"user":"a","team":"\u003cb\u003e"},"#,
        r#""units":"10000000000000000000000000.0"},"#,
        r#"{"presentation_by":{"user":null,"team":null},"units":"0.0"}]"#,
    );
    assert!(json.contains(at_filter), "{json}");
    assert!(json.ends_with(at_charge), "{json}");
}

#[test]
fn pricing_units_stand_in_every_row() {
    let unit = PricingUnit {
        code: "tokens".into(),
        short_name: "TOK".into(),
        conversion_rate: sample::decimal("0.50"),
    };
    let (mut charge, metric) = (sample::charge(), sample::metric());
    charge.pricing_unit = Some(unit.clone());
    let priced = |sum: Sum<'static>, amount_cents| Sum {
        pricing_unit: Some(PricingUnitSum { amount_cents, unit: &unit }),
        ..sum
    };
    let mut row = sample::row(&charge, &metric);
    row.sum = priced(sample::sum(5, 70), 140);
    row.filters[0].sum = priced(sample::sum(2, 40), 80);
    row.filters[1].sum = priced(sample::sum(3, 30), 60);
    let body = print(&sample::usage(vec![row]));
    let details = |cents| {
        format!(
            "\"pricing_unit_details\":{{\"amount_cents\":{cents},\"short_name\":\"TOK\",\
             \"conversion_rate\":\"0.5\"}}"
        )
    };
    let charge = format!("\"amount_currency\":\"EUR\",{},\"charge\":", details(140));
    assert!(body.contains(&charge), "{body}");
    for cents in [80, 60] {
        assert!(
            body.contains(&format!("{},\"invoice_display_name\":null,\"values\"", details(cents)))
        );
    }
}
