//! Members of a request, read as Rails casts them (specification 1.3 and chapter 9).

use crate::core::catalog::check::{Errors, is_blank};
use crate::core::decimal::Decimal;
use crate::core::value::Value;

const MANDATORY: &str = "value_is_mandatory";

/// The members of one object of a request. Lists and objects where a scalar belongs count as
/// absent, as upstream's filter of permitted members has it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a Value);

impl<'a> Input<'a> {
    /// Whether the member was sent at all, be it as null.
    pub fn has(self, name: &str) -> bool {
        self.0.as_object().is_some_and(|members| members.iter().any(|(key, _)| key == name))
    }

    /// The member as it is; null if it is absent.
    pub fn value(self, name: &str) -> &'a Value {
        self.0.get(name)
    }

    /// A text; numbers and booleans are spelled out. None if null or absent.
    pub fn text(self, name: &str) -> Option<String> {
        text_of(self.value(name))
    }

    /// A text that is not blank.
    pub fn present(self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// A text that must not be blank; if it is, the field is refused.
    pub fn mandatory(self, name: &'static str, errors: &mut Errors) -> String {
        let text = self.present(name);
        if text.is_none() {
            errors.add(name, MANDATORY);
        }
        text.unwrap_or_default()
    }

    /// The text that a member has from now on: the sent one, be it none, or else the `old` one.
    pub fn text_or_kept(self, name: &str, old: Option<&str>) -> Option<String> {
        if self.has(name) { self.text(name) } else { old.map(str::to_owned) }
    }

    /// The text that a mandatory member has from now on; if it is sent blank, the field is refused.
    pub fn mandatory_or_kept(self, name: &'static str, old: &str, errors: &mut Errors) -> String {
        if self.has(name) { self.mandatory(name, errors) } else { old.to_owned() }
    }

    /// A boolean; none if null, absent, or an empty text.
    pub fn flag(self, name: &str) -> Option<bool> {
        boolean(self.value(name))
    }

    /// A whole number of cents or such; a fraction is cut off. None if null, absent or blank, an
    /// error if it is no number, or too large.
    pub fn integer(self, name: &str) -> Result<Option<i64>, NotANumber> {
        let value = self.value(name);
        let number = match value {
            Value::Number(text) => Decimal::parse_literal(text),
            Value::Text(text) if !is_blank(value) => Decimal::parse_amount(text),
            Value::Bool(_) => None,
            _ => return Ok(None),
        };
        number.and_then(|number| number.trunc_i64()).map(Some).ok_or(NotANumber)
    }

    /// The elements of a list without nulls; none if it is absent or no list.
    pub fn list(self, name: &str) -> Option<impl Iterator<Item = &'a Value> + Clone + use<'a>> {
        Some(self.value(name).as_list()?.iter().filter(|value| !value.is_null()))
    }

    /// A list of texts; none if it is absent or no list.
    pub fn texts(self, name: &str) -> Option<Vec<String>> {
        Some(self.list(name)?.filter_map(text_of).collect())
    }
}

/// A member that has to be a number is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

/// A scalar as text.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

/// A scalar as a boolean (1.3); none for null and the empty text.
pub fn boolean(value: &Value) -> Option<bool> {
    let text = text_of(value)?;
    match text.as_str() {
        "" => None,
        "false" | "f" | "off" | "0" | "FALSE" | "F" | "OFF" => Some(false),
        _ => Some(true),
    }
}
