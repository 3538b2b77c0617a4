//! `charge_validation.json`: which charge properties are accepted (charge properties 2 to 5).

use odometer::core::catalog::Aggregation;
use odometer::core::catalog::check::check_properties;
use odometer::log::catalog::value_from_json;
use serde_json::Value as Json;

use crate::usage_inputs::texts;
use crate::vectors_run::Verdict;

/// Checks the properties. Expected codes must be there; more may be.
pub fn check(case: &Json) -> Verdict {
    let metric = case["billable_metric"]["aggregation_type"].as_str();
    let found = check_properties(
        case["charge_model"].as_str().unwrap(),
        metric.and_then(Aggregation::from_name),
        &value_from_json(&case["properties"]),
        case["premium_license"].as_bool().unwrap(),
    );
    let expect = &case["expect"];
    let mut errors = expect["errors"].as_object().into_iter().flatten();
    let listed = errors.all(|(field, codes)| {
        texts(codes).iter().all(|code| found.codes(field).contains(&code.as_str()))
    });
    let right = expect["valid"] == found.is_empty() && listed;
    let failure = (!right).then(|| format!("found {found:?}, expected {expect}"));
    Verdict::of(failure.into_iter().collect())
}
