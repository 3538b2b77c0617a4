//! Which charge properties are accepted: every recorded case of the property check.

use odometer::core::catalog::Aggregation;
use odometer::core::catalog::check::check_properties;
use odometer::log::catalog::value_from_json;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Case {
    id: String,
    name: String,
    charge_model: String,
    billable_metric: Metric,
    properties: serde_json::Value,
    premium_license: bool,
    expect: Expect,
}

#[derive(Deserialize)]
struct Metric {
    aggregation_type: String,
}

#[derive(Deserialize)]
struct Expect {
    valid: bool,
    #[serde(default)]
    errors: BTreeMap<String, Vec<String>>,
}

/// What differs from the expectation, if anything. Expected codes must be there; more may be.
fn difference(case: &Case) -> Option<String> {
    let found = check_properties(
        &case.charge_model,
        Aggregation::from_name(&case.billable_metric.aggregation_type),
        &value_from_json(&case.properties),
        case.premium_license,
    );
    let listed =
        case.expect.errors.iter().all(|(field, codes)| {
            codes.iter().all(|code| found.codes(field).contains(&code.as_str()))
        });
    let right = found.is_empty() == case.expect.valid && listed;
    (!right).then(|| format!("{} ({}): found {found:?}", case.id, case.name))
}

#[test]
fn every_recorded_case_is_judged_alike() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../vectors/charge_validation.json")).unwrap();
    assert_eq!(cases.len(), 161, "cases have been lost");
    assert!(cases.iter().any(|case| !case.expect.errors.is_empty()));
    let wrong: Vec<String> = cases.iter().filter_map(difference).collect();
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}
