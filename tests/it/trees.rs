//! Trees of JSON as the core holds them.

use odometer::core::value::Value;
use serde_json::Value as Json;

/// A JSON tree as charges and events hold it.
pub fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(number.as_str().to_owned()),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(list) => Value::List(list.iter().map(to_value).collect()),
        Json::Object(members) => {
            Value::Object(members.iter().map(|(key, v)| (key.clone(), to_value(v))).collect())
        }
    }
}
