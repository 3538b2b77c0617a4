//! Reading members of charge properties, and writing members of explanations.

use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::value::Value;

/// A number as charges hold them: a text in the grammar of amounts, or a JSON number. A literal with
/// a fraction or an exponent was read as a double (charge properties 3.3). None for anything else.
pub(super) fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Text(text) => Decimal::parse_amount(text),
        Value::Number(text) if is_integer_literal(text) => Decimal::parse_literal(text),
        Value::Number(text) => Double::parse_literal(text).map(Double::shortest),
        _ => None,
    }
}

/// A number, or 0 where there is none: what a stored charge lacks costs nothing (6.2).
pub(super) fn number_or_zero(value: &Value) -> Decimal {
    number(value).unwrap_or_default()
}

/// Whether a JSON number literal has neither fraction nor exponent.
pub(super) fn is_integer_literal(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

/// A decimal in an explanation: a text.
pub(super) fn shown(value: &Decimal) -> Value {
    Value::Text(value.decstr())
}

/// An integer in an explanation: a number.
pub(super) fn shown_integer(value: &Decimal) -> Value {
    Value::Number(value.trunc(0).to_string())
}

/// An object of an explanation.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// An explanation without members.
pub(super) const fn nothing() -> Value {
    Value::Object(Vec::new())
}
