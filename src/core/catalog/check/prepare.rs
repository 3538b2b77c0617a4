//! What becomes of sent properties before they are checked and stored (section 2).
//!
//! Members of `custom_agg` metrics are not kept: such metrics are refused everywhere.

use super::is_blank;
use crate::core::value::Value;

/// The properties of a charge: its model's default where none are given, else those members that
/// the model knows (2.1 to 2.3).
pub fn prepare_charge(model: Option<&str>, properties: &Value) -> Value {
    let given = as_object(properties);
    if is_blank(&given) {
        return model.map_or(Value::Object(Vec::new()), default_properties);
    }
    keep(model, &given, true)
}

/// The properties of a filter in a plan or charge request: there is no default, and presentation
/// keys belong to the charge (2.4).
pub fn prepare_filter(model: Option<&str>, properties: &Value) -> Value {
    keep(model, &as_object(properties), false)
}

/// The value without null elements of lists, at every depth.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::List(list) => {
            Value::List(list.iter().filter(|value| !value.is_null()).map(without_nulls).collect())
        }
        Value::Object(members) => {
            let clean = |(name, value): &(String, Value)| (name.clone(), without_nulls(value));
            Value::Object(members.iter().map(clean).collect())
        }
        other => other.clone(),
    }
}

/// Anything but an object counts as absent.
fn as_object(properties: &Value) -> Value {
    match properties {
        Value::Object(_) => without_nulls(properties),
        _ => Value::Object(Vec::new()),
    }
}

fn keep(model: Option<&str>, properties: &Value, presentation: bool) -> Value {
    let Some(model) = model else { return Value::Object(Vec::new()) };
    let members = properties.as_object().unwrap_or_default();
    let sent = |name: &str| members.iter().rev().find(|(sent, _)| sent == name);
    let mut kept: Vec<_> =
        members_of(model).iter().filter_map(|name| sent(name)).cloned().collect();
    let groups = ["pricing_group_keys", "grouped_by"];
    if let Some(keys) = groups.map(|name| properties.get(name)).into_iter().find(|k| !is_blank(k)) {
        kept.push(("pricing_group_keys".to_owned(), without_empty(keys)));
    }
    let shown = properties.get("presentation_group_keys");
    if presentation && !is_blank(shown) {
        kept.push(("presentation_group_keys".to_owned(), shown.clone()));
    }
    Value::Object(kept)
}

/// A list loses its `""`; anything else is left to the check.
fn without_empty(keys: &Value) -> Value {
    match keys {
        Value::List(keys) => {
            Value::List(keys.iter().filter(|key| key.as_text() != Some("")).cloned().collect())
        }
        other => other.clone(),
    }
}

/// The members that a model reads, in the order in which they are stored (2.2).
pub fn members_of(model: &str) -> &'static [&'static str] {
    match model {
        "standard" => &["amount"],
        "graduated" => &["graduated_ranges"],
        "volume" => &["volume_ranges"],
        "graduated_percentage" => &["graduated_percentage_ranges"],
        "package" => &["amount", "free_units", "package_size"],
        "percentage" => &[
            "rate",
            "fixed_amount",
            "free_units_per_events",
            "free_units_per_total_aggregation",
            "per_transaction_min_amount",
            "per_transaction_max_amount",
        ],
        _ => &[],
    }
}

fn default_properties(model: &str) -> Value {
    let zero = || Value::Text("0".to_owned());
    let integer = |value: &str| Value::Number(value.to_owned());
    let object = |members: Vec<(&str, Value)>| {
        Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let open_range = |prices: &[&'static str]| {
        let mut members = vec![("from_value", integer("0")), ("to_value", Value::Null)];
        members.extend(prices.iter().map(|name| (*name, zero())));
        Value::List(vec![object(members)])
    };
    match model {
        "standard" => object(vec![("amount", zero())]),
        "graduated" => {
            object(vec![("graduated_ranges", open_range(&["per_unit_amount", "flat_amount"]))])
        }
        "volume" => {
            object(vec![("volume_ranges", open_range(&["per_unit_amount", "flat_amount"]))])
        }
        "package" => object(vec![
            ("package_size", integer("1")),
            ("amount", zero()),
            ("free_units", integer("0")),
        ]),
        "percentage" => object(vec![("rate", zero())]),
        "graduated_percentage" => {
            let ranges = open_range(&["rate", "fixed_amount", "flat_amount"]);
            object(vec![("graduated_percentage_ranges", ranges)])
        }
        _ => object(vec![]),
    }
}
