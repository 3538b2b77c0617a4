//! Values of a charge filter (section 8).

use super::errors::Errors;
use super::is_blank;
use crate::core::catalog::MetricFilter;
use crate::core::value::Value;

/// Stands for every declared value of a key.
pub const ALL_FILTER_VALUES: &str = "__ALL_FILTER_VALUES__";

const FIELD: &str = "values";
const MANDATORY: &str = "value_is_mandatory";
const INVALID: &str = "value_is_invalid";

/// Checks the values of one filter against the filters that its metric declares. Keys are checked
/// in the order sent, and the first that fails ends the check.
pub fn check_filter_values(declared: &[MetricFilter], values: &Value) -> Errors {
    let mut errors = Errors::default();
    let Some(keys) = values.as_object().filter(|_| !is_blank(values)) else {
        errors.add(FIELD, MANDATORY);
        return errors;
    };
    for (key, values) in keys {
        let filter = declared.iter().find(|filter| filter.key == *key);
        if filter.is_none() {
            errors.add("billable_metric_filter", "relation_must_exist");
        }
        check_key(filter.map_or(&[], |filter| &filter.values), values, &mut errors);
        if !errors.is_empty() {
            break;
        }
    }
    errors
}

fn check_key(declared: &[String], values: &Value, errors: &mut Errors) {
    match values {
        Value::Null => errors.extend(FIELD, [MANDATORY, INVALID]),
        Value::List(values) if !values.is_empty() => {
            let texts: Vec<String> = values.iter().map(to_text).collect();
            let all = texts.len() == 1 && texts[0] == ALL_FILTER_VALUES;
            if !all && texts.iter().any(|text| !declared.contains(text)) {
                errors.add(FIELD, INVALID);
            }
        }
        _ => errors.add(FIELD, MANDATORY),
    }
}

/// The values of an accepted filter, as they are stored.
pub fn filter_values(values: &Value) -> Vec<(String, Vec<String>)> {
    let texts = |values: &Value| values.as_list().unwrap_or_default().iter().map(to_text).collect();
    let keys = values.as_object().unwrap_or_default();
    keys.iter().map(|(key, values)| (key.clone(), texts(values))).collect()
}

/// Elements that are no text are compared and stored as text.
fn to_text(value: &Value) -> String {
    match value {
        Value::Null | Value::List(_) | Value::Object(_) => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) | Value::Text(text) => text.clone(),
    }
}
