//! Trying out an expression (specification 9.2). It reads nothing and changes nothing.

use super::Refusal;
use super::input::{Input, text_of};
use crate::core::catalog::check::is_blank;
use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::expression::{Expression, Input as Seen};
use crate::core::instant::Instant;
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::value::Value;

/// The value of `expression` for `event`, as it would be kept with the event (4.5). An absent event
/// is an empty one, of this moment.
///
/// # Errors
///
/// Refusals of `expression` or `event`, in this order.
pub fn evaluate_expression(body: &Value, now: Instant) -> Result<String, Refusal> {
    let text = Input(body).present("expression");
    let text = text.ok_or_else(|| Refusal::invalid("expression", "value_is_mandatory"))?;
    let expression = Expression::parse(&text)
        .map_err(|_| Refusal::invalid("expression", "invalid_expression"))?;
    let event = Input(Input(body).value("event"));
    let invalid = || Refusal::invalid("event", "invalid_event");
    let timestamp = timestamp(event.value("timestamp"), now).ok_or_else(invalid)?;
    let code = event.text("code").unwrap_or_default();
    let properties = properties(event.value("properties"));
    let seen = Seen { code: &code, timestamp, properties: properties.as_ref() };
    let value = expression.evaluate(&seen).map_err(|_| invalid())?;
    Ok(value.into_text())
}

/// Seconds as a number or a text, cut to whole ones. None for anything else.
fn timestamp(value: &Value, now: Instant) -> Option<Instant> {
    if is_blank(value) {
        return Some(now.floor_second());
    }
    let seconds = match value {
        Value::Number(text) => Decimal::parse_literal(text),
        Value::Text(text) => Decimal::parse_amount(text),
        _ => None,
    };
    Some(Instant::from_seconds(seconds?.floor(0).trunc_i64()?))
}

/// Properties are texts here, whatever they were sent as.
fn properties(value: &Value) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for (key, value) in value.as_object().unwrap_or_default() {
        properties.set(key, Kind::Text, &spelled(value));
    }
    properties
}

/// A value as upstream spells it: numbers with a fraction or an exponent pass through a double.
fn spelled(value: &Value) -> String {
    match value {
        Value::Number(text) if text.contains(['.', 'e', 'E']) => {
            Double::parse_literal(text).map_or_else(|| text.clone(), |double| double.to_string())
        }
        Value::List(items) => {
            format!("[{}]", items.iter().map(inner).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let member = |(key, value): &(String, Value)| format!("{key:?} => {}", inner(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        other => text_of(other).unwrap_or_default(),
    }
}

/// A value inside of another.
fn inner(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        other => spelled(other),
    }
}
