//! Plain trees to and from JSON. Numbers keep the digits they were written with; only an exponent
//! gets a sign where it had none (`1e3` becomes `1e+3`).

use serde_json::{Map, Number};

use crate::core::value::Value;

/// The JSON form of a tree. Of equal names in an object the last counts, as [`Value::get`] reads
/// it.
pub fn value_to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => serde_json::Value::Bool(*value),
        Value::Number(text) => number(text),
        Value::Text(text) => serde_json::Value::String(text.clone()),
        Value::List(list) => serde_json::Value::Array(list.iter().map(value_to_json).collect()),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), value_to_json(value)));
            serde_json::Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// A number that is no JSON literal would spoil the whole document, so it is written as text.
fn number(text: &str) -> serde_json::Value {
    match text.parse::<Number>() {
        Ok(_) => serde_json::Value::Number(Number::from_string_unchecked(text.to_owned())),
        Err(_) => serde_json::Value::String(text.to_owned()),
    }
}

/// The tree of a JSON value.
pub fn value_from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Number(number.as_str().to_owned()),
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(list) => Value::List(list.iter().map(value_from_json).collect()),
        serde_json::Value::Object(members) => {
            let member = |(name, value): (&String, _)| (name.clone(), value_from_json(value));
            Value::Object(members.iter().map(member).collect())
        }
    }
}
