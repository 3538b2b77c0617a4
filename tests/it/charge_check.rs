//! What is accepted when a charge is saved: the worked examples of the rules, and the input that
//! upstream cannot handle.

use odometer::core::catalog::check::*;
use odometer::core::catalog::{Aggregation, MetricFilter};
use odometer::core::value::Value;
use odometer::log::catalog::value_from_json;

fn tree(json: &str) -> Value {
    value_from_json(&serde_json::from_str(json).unwrap())
}

/// Refusals as `field:code,code field:code`.
fn show(errors: &Errors) -> String {
    let fields: Vec<String> =
        errors.iter().map(|(field, codes)| format!("{field}:{}", codes.join(","))).collect();
    fields.join(" ")
}

fn check(model: &str, properties: &str) -> String {
    show(&check_properties(model, Some(Aggregation::Count), &tree(properties), true))
}

#[test]
fn amounts_are_texts_of_finite_decimals() {
    for good in ["0", "-0", "0.00", "007", "+7", " 7\\n", "7.", ".5", "5e-1", "1d3", "1_000", "12_"]
    {
        assert_eq!(check("standard", &format!(r#"{{"amount":"{good}"}}"#)), "", "{good}");
    }
    let texts =
        ["-0.01", "", " ", ".", "-", "7,5", "7 5", "e1", "7e", "0x7", "1__000", "_1", "NaN"];
    let texts = texts.map(|text| format!("\"{text}\""));
    let others = ["3", "null", "true", "[]", "{}"].map(str::to_owned);
    for bad in texts.into_iter().chain(others) {
        let found = check("standard", &format!(r#"{{"amount":{bad}}}"#));
        assert_eq!(found, "amount:invalid_amount", "{bad}");
    }
}

#[test]
fn worked_examples_of_models() {
    assert_eq!(
        check(
            "standard",
            r#"{"amount":"1.5","pricing_group_keys":["team",7],
            "presentation_group_keys":["team"]}"#
        ),
        "pricing_group_keys:invalid_type presentation_group_keys:invalid_type"
    );
    assert_eq!(
        check("package", r#"{"package_size":2.0}"#),
        "amount:invalid_amount free_units:invalid_free_units package_size:invalid_package_size"
    );
    let on_latest = check_properties(
        "percentage",
        Some(Aggregation::Latest),
        &tree(r#"{"rate":"1","free_units_per_events":0}"#),
        true,
    );
    assert_eq!(
        show(&on_latest),
        "billable_metric:invalid_value free_units_per_events:invalid_free_units_per_events"
    );
    assert_eq!(
        check(
            "graduated",
            r#"{"graduated_ranges":[
            {"from_value":0,"to_value":4,"per_unit_amount":"1","flat_amount":0},
            {"from_value":6,"to_value":null,"per_unit_amount":null,"flat_amount":"0"}]}"#
        ),
        "flat_amount:invalid_amount per_unit_amount:invalid_amount \
         graduated_ranges:invalid_graduated_ranges"
    );
    assert_eq!(
        check(
            "graduated_percentage",
            r#"{"graduated_percentage_ranges":[
            {"from_value":0,"to_value":6},{"from_value":7,"to_value":9}]}"#
        ),
        "flat_amount:invalid_amount,invalid_amount rate:invalid_rate,invalid_rate \
         graduated_percentage_ranges:invalid_graduated_percentage_ranges"
    );
}

#[test]
fn per_transaction_bounds_need_a_licence() {
    const LOWER: &str =
        "per_transaction_max_amount:per_transaction_max_lower_than_per_transaction_min";
    let bounds = |min: &str, max: &str| {
        let (least, most) = ("per_transaction_min_amount", "per_transaction_max_amount");
        format!(r#"{{"rate":"1","{least}":{min},"{most}":{max}}}"#)
    };
    let check = |min, max| check("percentage", &bounds(min, max));
    assert_eq!(check(r#""8""#, r#""7.99""#), LOWER);
    assert_eq!(check(r#""8""#, r#""8.0""#), "");
    assert_eq!(check(r#""""#, r#""4""#), "", "a blank text passes and has no number");
    let wrong_type = "per_transaction_min_amount:invalid_amount";
    assert_eq!(check("9", r#""4""#), format!("{wrong_type} {LOWER}"));
    assert_eq!(check("true", r#""4""#), wrong_type);
    assert!(check(r#""NaN""#, r#""4""#).ends_with(LOWER));
    assert!(!check(r#""-Infinity""#, r#""4""#).contains("lower_than"));
    let unlicensed =
        check_properties("percentage", None, &tree(&bounds(r#""8""#, r#""7""#)), false);
    assert!(unlicensed.is_empty());
}

#[test]
fn bounds_of_ranges() {
    // From and to of each range, then how many codes graduated and volume give.
    let table = [
        ("0-;", 0, 0),
        ("1-;", 0, 0),
        ("0-7;8-30;31-;", 0, 0),
        ("0-7;7-30;30-;", 0, 2),
        ("0-7;9-30;32-;", 2, 0),
        ("0-7;7-30;31-;", 0, 1),
        ("2-;", 1, 1),
        ("0-7;", 1, 1),
        ("0-;1-;", 1, 1),
        ("0-7;8-8;9-;", 1, 1),
        ("0-7;5-30;31-;", 1, 1),
        ("0-7;12-30;31-;", 1, 1),
        ("0-2.5;2.5-4;4-;", 0, 2),
        ("0-2.5;3.5-4.0;5-;", 0, 0),
        ("0-\"7\";8-;", 0, 0),
        ("null-7;7-;", 1, 2),
        ("0-true;0-;", 1, 2),
    ];
    for (list, graduated, volume) in table {
        let range = |text: &str| {
            let (from, to) = text.split_once('-').unwrap();
            let to = if to.is_empty() { "null" } else { to };
            let prices = r#""per_unit_amount":"1","flat_amount":"0""#;
            format!(r#"{{"from_value":{from},"to_value":{to},{prices}}}"#)
        };
        let ranges: Vec<String> = list.split_terminator(';').map(range).collect();
        for (model, expected) in [("graduated", graduated), ("volume", volume)] {
            let properties = format!(r#"{{"{model}_ranges":[{}]}}"#, ranges.join(","));
            let found = check_properties(model, None, &tree(&properties), true);
            assert_eq!(found.flatten().count(), expected, "{model} {list}: {found:?}");
        }
    }
}

#[test]
fn lists_of_ranges_that_are_none() {
    let missing = "volume_ranges:missing_volume_ranges";
    for nothing in ["null", "[]", "{}", "false", "\"\""] {
        assert_eq!(check("volume", &format!(r#"{{"volume_ranges":{nothing}}}"#)), missing);
    }
    for wrong in ["7", "\"x\"", "true", "{\"a\":1}", "[1,2]"] {
        let found = check("volume", &format!(r#"{{"volume_ranges":{wrong}}}"#));
        assert_eq!(found, "volume_ranges:invalid_volume_ranges");
    }
}

#[test]
fn presentation_keys() {
    let table = [
        (r#"[{"value":"a"},{"value":"b","options":{"display_in_invoice":false}}]"#, ""),
        (r#"[{"value":"a"},{"value":"a"},{"value":"b"}]"#, "too_many_keys,value_is_duplicated"),
        (r#"[{"value":"a"},{"value":"a","note":1}]"#, "invalid_type,value_is_duplicated"),
        (r#"[{"value":"a","note":1},{"value":"a"}]"#, "invalid_type"),
        (r#""team""#, "invalid_type,too_many_keys"),
        (r#"{"value":"team"}"#, "invalid_type"),
        ("7", "invalid_type,too_many_keys"),
        ("7.5", "invalid_type"),
        ("true", "invalid_type"),
        (r#"[{"value":"a","options":null}]"#, "invalid_type"),
        (r#"[{"value":"a","options":{}}]"#, "invalid_type"),
        (r#"[{"value":"a","options":{"display_in_invoice":"true"}}]"#, "invalid_type"),
        ("[]", ""),
        ("\" \"", ""),
    ];
    for (keys, codes) in table {
        let found = check("dynamic", &format!(r#"{{"presentation_group_keys":{keys}}}"#));
        let expected = if codes.is_empty() {
            String::new()
        } else {
            format!("presentation_group_keys:{codes}")
        };
        assert_eq!(found, expected, "{keys}");
    }
}

#[test]
fn the_newer_name_of_pricing_keys_counts() {
    let found = |properties| check("dynamic", properties);
    assert_eq!(found(r#"{"pricing_group_keys":["a"],"grouped_by":"x"}"#), "");
    assert_eq!(found(r#"{"grouped_by":"x"}"#), "grouped_by:invalid_type");
    assert_eq!(found(r#"{"pricing_group_keys":{}}"#), "pricing_group_keys:invalid_type");
    assert_eq!(found(r#"{"pricing_group_keys":[" "]}"#), "pricing_group_keys:invalid_type");
    assert_eq!(pricing_group_keys(&tree(r#"{"grouped_by":["a"]}"#)), ["a"]);
}

#[test]
fn preparation() {
    let prepare = |model, properties: &str| prepare_charge(Some(model), &tree(properties));
    assert_eq!(prepare("standard", "{}"), tree(r#"{"amount":"0"}"#));
    assert_eq!(prepare("standard", "[1]"), tree(r#"{"amount":"0"}"#));
    assert_eq!(prepare("package", r#"{"package_size":5}"#), tree(r#"{"package_size":5}"#));
    assert_eq!(
        prepare("standard", r#"{"rate":"1","amount":"1.50","grouped_by":["a","",null]}"#),
        tree(r#"{"amount":"1.50","pricing_group_keys":["a"]}"#)
    );
    assert_eq!(prepare("standard", r#"{"amount":null}"#), tree(r#"{"amount":null}"#));
    let both =
        r#"{"amount":"1","pricing_group_keys":"","presentation_group_keys":[{"value":"a"}]}"#;
    let kept = tree(r#"{"amount":"1","presentation_group_keys":[{"value":"a"}]}"#);
    assert_eq!(prepare("standard", both), kept);
    assert_eq!(prepare_filter(Some("standard"), &tree(both)), tree(r#"{"amount":"1"}"#));
    assert_eq!(prepare_filter(Some("standard"), &tree("{}")), tree("{}"));
    for model in MODELS {
        let errors = check_properties(model, Some(Aggregation::Sum), &prepare(model, "{}"), true);
        assert!(errors.is_empty(), "the default of {model} is refused: {errors:?}");
    }
}

fn draft<'a>(model: &'a str, properties: &'a Value) -> ChargeDraft<'a> {
    ChargeDraft {
        model: Some(model),
        metric: Some(MetricTraits { aggregation: Some(Aggregation::Sum), recurring: true }),
        properties,
        code: "calls",
        code_taken: false,
        pay_in_advance: false,
        prorated: false,
        invoiceable: true,
        min_amount_cents: Some(0),
        regroup_paid_fees: None,
        licence: true,
    }
}

#[test]
fn the_worked_example_of_a_charge() {
    let properties = tree(r#"{"volume_ranges":[]}"#);
    let draft = ChargeDraft {
        metric: Some(MetricTraits { aggregation: Some(Aggregation::Max), recurring: false }),
        code_taken: true,
        pay_in_advance: true,
        prorated: true,
        min_amount_cents: Some(500),
        regroup_paid_fees: Some("invoice"),
        ..draft("volume", &properties)
    };
    assert_eq!(
        show(&check_charge(&draft)),
        "properties:missing_volume_ranges code:value_already_exist \
         pay_in_advance:invalid_aggregation_type_or_charge_model \
         regroup_paid_fees:only_compatible_with_pay_in_advance_and_non_invoiceable \
         prorated:invalid_billable_metric_or_charge_model \
         min_amount_cents:not_compatible_with_pay_in_advance"
    );
}

#[test]
fn proration_by_model_and_timing() {
    let none = tree("{}");
    // Model, then whether it may be prorated in arrears and in advance.
    for (model, arrears, advance) in [
        ("standard", true, true),
        ("graduated", true, false),
        ("volume", true, false),
        ("package", false, false),
        ("percentage", false, false),
        ("dynamic", false, false),
    ] {
        for (pay_in_advance, allowed) in [(false, arrears), (true, advance)] {
            let draft = ChargeDraft { prorated: true, pay_in_advance, ..draft(model, &none) };
            let refused = !check_charge(&draft).codes("prorated").is_empty();
            assert_eq!(refused, !allowed, "{model}, in advance: {pay_in_advance}");
        }
    }
}

#[test]
fn models_and_flags() {
    let none = tree("{}");
    let dynamic = draft("dynamic", &none);
    assert!(check_charge(&dynamic).is_empty());
    let on_count = Some(MetricTraits { aggregation: Some(Aggregation::Count), recurring: false });
    let incompatible = "charge_model:invalid_aggregation_type_or_charge_model";
    assert_eq!(show(&check_charge(&ChargeDraft { metric: on_count, ..dynamic })), incompatible);
    assert_eq!(show(&check_charge(&draft("custom", &none))), incompatible);
    assert_eq!(
        show(&check_charge(&ChargeDraft { model: None, ..dynamic })),
        "charge_model:value_is_invalid,value_is_mandatory"
    );
    let hidden = ChargeDraft { invoiceable: false, ..dynamic };
    assert_eq!(show(&check_charge(&hidden)), "invoiceable:must_be_true_unless_pay_in_advance");
    let regrouped = ChargeDraft { regroup_paid_fees: Some("x"), ..dynamic };
    assert_eq!(show(&check_charge(&regrouped)), "regroup_paid_fees:value_is_invalid");
}

#[test]
fn values_of_filters() {
    let declared = [MetricFilter { key: "region".into(), values: vec!["eu".into(), "1".into()] }];
    let table = [
        (r#"{"region":["eu","eu"]}"#, ""),
        (r#"{"region":["__ALL_FILTER_VALUES__"]}"#, ""),
        (r#"{"region":[1]}"#, ""),
        (r#"{"region":["__ALL_FILTER_VALUES__","eu"]}"#, "values:value_is_invalid"),
        (r#"{"region":["EU","x"]}"#, "values:value_is_invalid"),
        (r#"{"region":[]}"#, "values:value_is_mandatory"),
        (r#"{"region":"eu"}"#, "values:value_is_mandatory"),
        (r#"{"region":null}"#, "values:value_is_mandatory,value_is_invalid"),
        ("{}", "values:value_is_mandatory"),
        ("null", "values:value_is_mandatory"),
        (
            r#"{"cloud":["aws"],"region":[]}"#,
            "billable_metric_filter:relation_must_exist values:value_is_invalid",
        ),
        (r#"{"cloud":["__ALL_FILTER_VALUES__"]}"#, "billable_metric_filter:relation_must_exist"),
    ];
    for (values, codes) in table {
        assert_eq!(show(&check_filter_values(&declared, &tree(values))), codes, "{values}");
    }
    assert_eq!(filter_values(&tree(r#"{"region":[1]}"#)), [("region".into(), vec!["1".into()])]);
}

#[test]
fn codes_of_new_charges() {
    let code = |taken: &[&str]| charge_code("api", taken.iter().copied());
    assert_eq!(code(&[]), "api");
    assert_eq!(code(&["api_2"]), "api");
    assert_eq!(code(&["api"]), "api_2");
    assert_eq!(code(&["api", "api_2", "api_7"]), "api_8");
    assert_eq!(code(&["api", "api_", "api_x", "apis_9"]), "api_2");
    let huge = "9".repeat(40);
    assert_eq!(code(&["api", &format!("api_{huge}")]), format!("api_1{}", "0".repeat(40)));
}

mod any_input {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Names that the checks look for, so that trees reach into them.
    const NAMES: [&str; 14] = [
        "amount",
        "rate",
        "package_size",
        "free_units",
        "graduated_ranges",
        "volume_ranges",
        "graduated_percentage_ranges",
        "from_value",
        "to_value",
        "per_transaction_min_amount",
        "per_transaction_max_amount",
        "pricing_group_keys",
        "presentation_group_keys",
        "value",
    ];

    const NUMBERS: [&str; 8] =
        ["0", "-1", "1.5", "1e400", "1e-400", "99999999999999999999", "", "x"];

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            select(&NUMBERS[..]).prop_map(|text| Value::Number(text.to_owned())),
            "[-+0-9eE_. ]{0,5}|NaN|Infinity".prop_map(Value::Text),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let member = (select(&NAMES[..]).prop_map(str::to_owned), inner.clone());
            prop_oneof![
                vec(inner, 0..4).prop_map(Value::List),
                vec(member, 0..8).prop_map(Value::Object),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_tree_stops_a_check(tree in value(), model in select(&MODELS[..])) {
            check_properties(model, Some(Aggregation::Latest), &tree, true);
            check_filter_values(&[], &tree);
            // What preparation keeps it keeps again, but for a list of keys that it has emptied:
            // that one is blank to the second pass (2.3).
            let prepared = prepare_filter(Some(model), &tree);
            let kept = without_emptied_keys(&prepared);
            prop_assert_eq!(prepare_filter(Some(model), &prepared), kept);
        }
    }

    fn without_emptied_keys(prepared: &Value) -> Value {
        let members = prepared.as_object().unwrap_or_default().iter();
        let emptied = |name: &str, value: &Value| {
            name == "pricing_group_keys" && *value == Value::List(Vec::new())
        };
        Value::Object(members.filter(|(name, value)| !emptied(name, value)).cloned().collect())
    }

    #[test]
    fn a_list_of_empty_keys_is_kept_empty() {
        let keys = |list| Value::Object(vec![("pricing_group_keys".to_owned(), Value::List(list))]);
        let sent = keys(vec![Value::Text(String::new())]);
        assert_eq!(prepare_filter(Some("standard"), &sent), keys(Vec::new()));
    }
}
