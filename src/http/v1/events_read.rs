//! Events as they are sent (specification 4.1, 4.2).

use std::fmt::Write;

use crate::core::double::Double;
use crate::core::value::Value;
use crate::http::backend::Draft;
use crate::http::json;

/// The members of an event that matter. Lists and objects given for a scalar count as absent, and
/// so does everything of what is no object.
pub fn draft(event: &Value) -> Draft {
    let member = |name: &str| text(event.get(name));
    let properties = event.get("properties");
    Draft {
        transaction: member("transaction_id"),
        subscription: member("external_subscription_id"),
        code: member("code"),
        timestamp: member("timestamp"),
        precise_cents: member("precise_total_amount_cents"),
        properties: properties.as_object().map(|_| {
            let mut out = String::new();
            write_value(&mut out, properties);
            out
        }),
    }
}

/// The text form of a scalar.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(literal) => Some(number_text(literal)),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

/// Integers keep all digits; a number with a fraction or an exponent is what a double makes of it,
/// in its shortest form. One beyond the range of doubles stays as it is, and is refused later.
fn number_text(literal: &str) -> String {
    let double = literal.contains(['.', 'e', 'E']).then(|| Double::parse_literal(literal));
    double.flatten().map_or_else(|| literal.to_owned(), |double| double.to_string())
}

/// Appends a value as JSON. Its depth is bounded by the parser that read it.
fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(literal) => out.push_str(&number_text(literal)),
        Value::Text(text) => write_text(out, text),
        Value::List(items) => json::list(out, json::ARRAY, items, write_value),
        Value::Object(members) => json::list(out, json::OBJECT, members, |out, (key, member)| {
            write_text(out, key);
            out.push(':');
            write_value(out, member);
        }),
    }
}

/// Appends a text as it is passed on: escaped no more than JSON demands.
fn write_text(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{}", serde_json::Value::from(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body;

    fn read(json: &str) -> Draft {
        draft(&body::events(json.as_bytes()).unwrap())
    }

    #[test]
    fn scalars_become_text_and_the_rest_is_absent() {
        let sent = read(
            r#"{"transaction_id":12,"external_subscription_id":true,"code":["c"],
                "timestamp":1693842312.344,"precise_total_amount_cents":"12.5x","properties":[1],
                "external_customer_id":"ignored"}"#,
        );
        let expected = Draft {
            transaction: Some("12".into()),
            subscription: Some("true".into()),
            timestamp: Some("1693842312.344".into()),
            precise_cents: Some("12.5x".into()),
            ..Draft::default()
        };
        assert_eq!(sent, expected);
        let nulls = r#"{"transaction_id":null,"timestamp":null,"properties":null,"code":{}}"#;
        assert_eq!(read(nulls), Draft::default());
    }

    #[test]
    fn numbers_with_a_fraction_or_an_exponent_go_through_doubles() {
        let sent = read(
            r#"{"properties":{"a":10.0,"b":1e3,"c":0.1234567890123456789,"d":"1e3",
                "e":123456789012345678901234567890,"f":[1.50,{"g":-0.0}],"h":1e400,"i":1E-7}}"#,
        );
        let expected = "{\"a\":10.0,\"b\":1000.0,\"c\":0.12345678901234568,\"d\":\"1e3\",\
                        \"e\":123456789012345678901234567890,\"f\":[1.5,{\"g\":0.0}],\
                        \"h\":1e+400,\"i\":1.0e-07}";
        assert_eq!(sent.properties.as_deref(), Some(expected));
    }
}
