//! Values: read from TOML or from plain text, checked against their kind, turned into Rust types.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::DeValue;

use super::choice::{LogFormat, LogLevel, SaslMechanism, SecurityProtocol};
use super::key::Kind;
use super::secret::{Properties, Secret};

/// A checked value of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Any kind that is written as a text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Several texts.
    List(Vec<String>),
}

/// Checked values by path, `section.name`; properties of a table each under their own path.
pub type Values = BTreeMap<String, Value>;

/// A value as a source gives it.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// From the environment or a flag.
    Text(&'a str),
    /// From a file.
    Toml(&'a DeValue<'a>),
}

impl Input<'_> {
    /// The value for messages. Not for secrets.
    pub fn describe(&self) -> String {
        match self {
            Self::Text(text) => format!("`{text}`"),
            Self::Toml(value) => match value {
                DeValue::String(text) => format!("`{text}`"),
                DeValue::Integer(number) => format!("`{number}`"),
                DeValue::Boolean(flag) => format!("`{flag}`"),
                other => format!("a value of type {}", other.type_str()),
            },
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Toml(value) => value.as_str(),
        }
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Self::Text(text) => text.trim().replace('_', "").parse().ok(),
            Self::Toml(value) => {
                let number = value.as_integer()?;
                i64::from_str_radix(number.as_str(), number.radix()).ok()
            }
        }
    }

    fn list(&self) -> Option<Vec<String>> {
        match self {
            Self::Text(text) => Some(
                text.split(',')
                    .map(|part| part.trim().to_owned())
                    .filter(|p| !p.is_empty())
                    .collect(),
            ),
            Self::Toml(value) => {
                let texts = value.as_array()?.iter().map(|item| item.get_ref().as_str());
                texts.map(|text| text.map(str::to_owned)).collect()
            }
        }
    }

    /// A librdkafka property: every plain value has a text form there.
    pub fn property(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some((*text).to_owned()),
            Self::Toml(DeValue::String(text)) => Some(text.to_string()),
            Self::Toml(DeValue::Integer(number)) => Some(number.to_string()),
            Self::Toml(DeValue::Float(number)) => Some(number.as_str().to_owned()),
            Self::Toml(DeValue::Boolean(flag)) => Some(flag.to_string()),
            Self::Toml(_) => None,
        }
    }
}

impl Kind {
    /// The value, or what was expected in its place.
    pub fn read(self, input: Input<'_>) -> Result<Value, String> {
        match self {
            Self::Text | Self::Path | Self::Secret => {
                let text = input.text().ok_or("a text in quotes")?;
                Ok(Value::Text(text.to_owned()))
            }
            Self::Integer { min, max } => match input.integer() {
                Some(number) if (min..=max).contains(&number) => Ok(Value::Integer(number)),
                _ => Err(format!("a whole number from {min} to {max}")),
            },
            Self::Choice(words) => match input.text() {
                Some(text) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
                _ => Err(one_of(words)),
            },
            Self::List => input.list().map(Value::List).ok_or("a list of texts".to_owned()),
            Self::Address => match input.text() {
                Some(text) if text.parse::<SocketAddr>().is_ok() => {
                    Ok(Value::Text(text.to_owned()))
                }
                _ => Err("an IP address and a port, such as 127.0.0.1:8080".to_owned()),
            },
            Self::Properties => Err("a table of librdkafka properties".to_owned()),
        }
    }
}

fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("one of {}", words.join(", "))
}

/// How a setting's type is made from its checked value.
pub trait FromValue: Sized {
    /// The setting at `section.name`; none when it is absent or of another type.
    fn from_value(values: &Values, section: &str, name: &str) -> Option<Self>;
}

fn get<'a>(values: &'a Values, section: &str, name: &str) -> Option<&'a Value> {
    values.get(&format!("{section}.{name}"))
}

fn text<'a>(values: &'a Values, section: &str, name: &str) -> Option<&'a str> {
    match get(values, section, name)? {
        Value::Text(text) => Some(text),
        Value::Integer(_) | Value::List(_) => None,
    }
}

/// Implements [`FromValue`] for types that are made from a text.
macro_rules! from_text {
    ($($type:ty: $make:expr;)+) => { $(
        impl FromValue for $type {
            fn from_value(values: &Values, section: &str, name: &str) -> Option<Self> {
                let make: fn(&str) -> Option<Self> = $make;
                make(text(values, section, name)?)
            }
        }
    )+ };
}

from_text! {
    String: |text| Some(text.to_owned());
    PathBuf: |text| Some(PathBuf::from(text));
    Secret: |text| Some(Secret::new(text.to_owned()));
    SocketAddr: |text| text.parse().ok();
    SecurityProtocol: Self::from_word;
    SaslMechanism: Self::from_word;
    LogLevel: Self::from_word;
    LogFormat: Self::from_word;
    // An empty text says that there is none.
    Option<String>: |text| Some((!text.is_empty()).then(|| text.to_owned()));
    Option<PathBuf>: |text| Some((!text.is_empty()).then(|| PathBuf::from(text)));
}

/// Implements [`FromValue`] for integers.
macro_rules! from_integer {
    ($($type:ty),+) => { $(
        impl FromValue for $type {
            fn from_value(values: &Values, section: &str, name: &str) -> Option<Self> {
                match get(values, section, name)? {
                    Value::Integer(number) => Self::try_from(*number).ok(),
                    Value::Text(_) | Value::List(_) => None,
                }
            }
        }
    )+ };
}

from_integer!(u16, u64, usize);

impl FromValue for Vec<String> {
    fn from_value(values: &Values, section: &str, name: &str) -> Option<Self> {
        match get(values, section, name)? {
            Value::List(texts) => Some(texts.clone()),
            Value::Text(_) | Value::Integer(_) => None,
        }
    }
}

impl FromValue for Properties {
    fn from_value(values: &Values, section: &str, name: &str) -> Option<Self> {
        let prefix = format!("{section}.{name}.");
        let entries = values.iter().filter_map(|(path, value)| match value {
            Value::Text(text) => Some((path.strip_prefix(&prefix)?.to_owned(), text.clone())),
            Value::Integer(_) | Value::List(_) => None,
        });
        Some(Self(entries.collect()))
    }
}
