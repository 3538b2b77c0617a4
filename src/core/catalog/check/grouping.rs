//! Grouping keys (section 6).

use super::errors::Errors;
use super::is_blank;
use crate::core::catalog::PresentationKey;
use crate::core::value::Value;

/// Presentation keys that a charge may have.
const PRESENTATION_KEYS_MAX: usize = 2;

pub(super) fn check(properties: &Value, errors: &mut Errors) {
    let (field, keys) = pricing(properties);
    let accepted = match keys {
        Value::Null => true,
        Value::List(keys) => keys.iter().all(|key| key.as_text().is_some() && !is_blank(key)),
        _ => false,
    };
    if !accepted {
        errors.add(field, "invalid_type");
    }
    check_presentation(properties, errors);
}

/// The pricing keys, by the name that counts: the older one only where the newer is null.
fn pricing(properties: &Value) -> (&'static str, &Value) {
    match properties.get("pricing_group_keys") {
        Value::Null => ("grouped_by", properties.get("grouped_by")),
        keys => ("pricing_group_keys", keys),
    }
}

fn check_presentation(properties: &Value, errors: &mut Errors) {
    const FIELD: &str = "presentation_group_keys";
    let keys = properties.get(FIELD);
    if is_blank(keys) {
        return;
    }
    let list = keys.as_list();
    let mut seen = Vec::new();
    let mut good = list.is_some();
    for key in list.unwrap_or_default() {
        let value = key.get("value");
        let text = value.as_text().filter(|_| !is_blank(value));
        seen.extend(text);
        if text.is_none() || !has_known_members(key) {
            good = false;
            break;
        }
    }
    if !good {
        errors.add(FIELD, "invalid_type");
    }
    if size(keys) > PRESENTATION_KEYS_MAX {
        errors.add(FIELD, "too_many_keys");
    }
    let repeated = |(place, value): (usize, &&str)| seen[..place].contains(value);
    if seen.iter().enumerate().any(repeated) {
        errors.add(FIELD, "value_is_duplicated");
    }
}

fn has_known_members(key: &Value) -> bool {
    key.as_object().is_some_and(|members| {
        members.iter().all(|(name, value)| match name.as_str() {
            "value" => true,
            "options" => is_options(value),
            _ => false,
        })
    })
}

fn is_options(value: &Value) -> bool {
    value.as_object().is_some_and(|options| match options {
        [(name, shown)] => name == "display_in_invoice" && matches!(shown, Value::Bool(_)),
        _ => false,
    })
}

/// How many keys a value of any type counts as; an integer has the size of a machine word.
fn size(value: &Value) -> usize {
    match value {
        Value::List(list) => list.len(),
        Value::Object(members) => members.len(),
        Value::Text(text) => text.chars().count(),
        Value::Number(text) if super::properties::is_integer_literal(text) => 8,
        _ => 0,
    }
}

/// The pricing group keys of accepted properties.
pub fn pricing_group_keys(properties: &Value) -> Vec<String> {
    let (_, keys) = pricing(properties);
    let texts = keys.as_list().unwrap_or_default().iter().filter_map(Value::as_text);
    texts.map(str::to_owned).collect()
}

/// The presentation group keys of accepted properties. A key is shown on invoices unless it says
/// not.
pub fn presentation_group_keys(properties: &Value) -> Vec<PresentationKey> {
    let keys = properties.get("presentation_group_keys").as_list().unwrap_or_default();
    let read = |key: &Value| {
        let shown = key.get("options").get("display_in_invoice");
        Some(PresentationKey {
            value: key.get("value").as_text()?.to_owned(),
            display_in_invoice: *shown != Value::Bool(false),
        })
    };
    keys.iter().filter_map(read).collect()
}
