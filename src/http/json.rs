//! JSON as Rails prints it (specification 0.3), straight into a string.

use std::fmt::Write;

use uuid::Uuid;

use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::period::Date;
use crate::core::period::text::{write_millis, write_seconds};
use crate::core::value::Value;

/// Digits of `\u` escapes.
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a string with its quotes. Beside what JSON demands, `<`, `>`, `&` and the two line
/// separators of JavaScript are escaped.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if !is_escaped(c) {
            continue;
        }
        out.push_str(&text[plain..at]);
        escape(out, c);
        plain = at + c.len_utf8();
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

const fn is_escaped(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn escape(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        c => {
            out.push_str("\\u");
            for shift in [12, 8, 4, 0] {
                out.push(char::from(HEX[(c as usize >> shift) & 0xf]));
            }
        }
    }
}

/// Appends a string, or null.
pub fn string_or_null(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => out.push_str("null"),
    }
}

/// Appends an integer.
pub fn integer(out: &mut String, value: i64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a decimal: a string in positional notation.
pub fn decimal(out: &mut String, value: &Decimal) {
    out.push('"');
    let _ = value.write_decstr(out);
    out.push('"');
}

/// Appends an id as a string in its usual form.
pub fn uuid(out: &mut String, id: Uuid) {
    let mut buffer = Uuid::encode_buffer();
    out.push('"');
    out.push_str(id.hyphenated().encode_lower(&mut buffer));
    out.push('"');
}

/// Appends an instant as a string in UTC, whole seconds.
pub fn seconds(out: &mut String, at: Instant) {
    out.push('"');
    let _ = write_seconds(out, at);
    out.push('"');
}

/// Appends an instant as a string in UTC, to the millisecond.
pub fn millis(out: &mut String, at: Instant) {
    out.push('"');
    let _ = write_millis(out, at);
    out.push('"');
}

/// Appends a date as a string.
pub fn date(out: &mut String, date: Date) {
    let _ = write!(out, "\"{date}\"");
}

/// Appends a tree as it was given. Numbers keep their text.
pub fn value(out: &mut String, tree: &Value) {
    match tree {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(text) => out.push_str(text),
        Value::Text(text) => string(out, text),
        Value::List(items) => list(out, ARRAY, items, value),
        Value::Object(members) => list(out, OBJECT, members, |out, (name, member)| {
            key(out, name);
            value(out, member);
        }),
    }
}

/// An object under construction: members with commas between them, in the order they are added.
pub struct Object<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Object<'a> {
    /// Prints an object whose members `members` adds.
    pub fn print(out: &'a mut String, members: impl FnOnce(&mut Self)) {
        out.push('{');
        let mut object = Self { out, first: true };
        members(&mut object);
        object.out.push('}');
    }

    /// Adds a member that `print` prints.
    pub fn member(&mut self, name: &str, print: impl FnOnce(&mut String)) -> &mut Self {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        key(self.out, name);
        print(self.out);
        self
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.member(name, |out| string(out, text))
    }

    /// Adds a text, or null.
    pub fn maybe_text(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        self.member(name, |out| string_or_null(out, text))
    }

    /// Adds an id.
    pub fn id(&mut self, name: &str, id: Uuid) -> &mut Self {
        self.member(name, |out| uuid(out, id))
    }

    /// Adds an integer.
    pub fn integer(&mut self, name: &str, number: i64) -> &mut Self {
        self.member(name, |out| integer(out, number))
    }

    /// Adds a boolean.
    pub fn flag(&mut self, name: &str, flag: bool) -> &mut Self {
        self.member(name, |out| out.push_str(if flag { "true" } else { "false" }))
    }

    /// Adds null.
    pub fn null(&mut self, name: &str) -> &mut Self {
        self.member(name, |out| out.push_str("null"))
    }

    /// Adds an instant, whole seconds.
    pub fn seconds(&mut self, name: &str, at: Instant) -> &mut Self {
        self.member(name, |out| seconds(out, at))
    }

    /// Adds a value that `print` prints, or null.
    pub fn maybe<T>(
        &mut self,
        name: &str,
        value: Option<T>,
        print: impl FnOnce(&mut String, T),
    ) -> &mut Self {
        match value {
            Some(value) => self.member(name, |out| print(out, value)),
            None => self.null(name),
        }
    }

    /// Adds an instant, whole seconds, or null.
    pub fn maybe_seconds(&mut self, name: &str, at: Option<Instant>) -> &mut Self {
        self.maybe(name, at, seconds)
    }

    /// Adds an array of items that `print` prints.
    pub fn array<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        print: impl FnMut(&mut String, T),
    ) -> &mut Self {
        self.member(name, |out| list(out, ARRAY, items, print))
    }
}

/// Appends a list of items with commas between them.
pub fn list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (at, value) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        item(out, value);
    }
    out.push(close);
}

/// The brackets of an array.
pub const ARRAY: [char; 2] = ['[', ']'];
/// The brackets of an object.
pub const OBJECT: [char; 2] = ['{', '}'];

/// Appends the key of an object with its colon.
pub fn key(out: &mut String, name: &str) {
    string(out, name);
    out.push(':');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(print: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        print(&mut out);
        out
    }

    #[test]
    fn strings_are_escaped_as_rails_does() {
        for (text, expected) in [
            ("", r#""""#),
            ("plain ünï 🦀", r#""plain ünï 🦀""#),
            ("a<b>&c", r#""a\u003cb\u003e\u0026c""#),
            ("\u{2028}x\u{2029}", r#""\u2028x\u2029""#),
            ("\"\\/", r#""\"\\/""#),
            ("\n\r\t\u{8}\u{c}", r#""\n\r\t\b\f""#),
            ("\0\u{1f}\u{7f}", "\"\\u0000\\u001f\u{7f}\""),
        ] {
            let json = printed(|out| string(out, text));
            assert_eq!(json, expected);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn numbers_and_lists() {
        assert_eq!(printed(|out| integer(out, i64::MIN)), "-9223372036854775808");
        let half = Decimal::parse_literal("12.50").unwrap();
        assert_eq!(printed(|out| decimal(out, &half)), "\"12.5\"");
        assert_eq!(printed(|out| list(out, ARRAY, [1, 2, 3], integer)), "[1,2,3]");
        assert_eq!(printed(|out| list(out, OBJECT, [], integer)), "{}");
        assert_eq!(printed(|out| string_or_null(out, None)), "null");
        assert_eq!(printed(|out| key(out, "a\"")), "\"a\\\"\":");
    }
}
