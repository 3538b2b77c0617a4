//! Reads members of a tree and collects every problem on the way, so that a file is mended in one
//! go.

use std::cell::RefCell;
use std::fmt;

use crate::core::instant::Instant;
use crate::core::period::text;
use crate::core::value::Value;

/// Something in a catalogue file that is wrong, or doubtful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, e.g. `organizations[0].plans[1].interval`.
    pub path: String,
    /// What.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, path: impl Into<String>, message: impl Into<String>) {
        self.push(path.into(), message.into(), None);
    }

    pub(super) fn hint(
        &self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(path.into(), message.into(), Some(hint.into()));
    }

    fn push(&self, path: String, message: String, hint: Option<String>) {
        self.0.borrow_mut().push(Problem { path, message, hint });
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// How alike two names must be for one to be suggested for the other.
const LIKENESS_MIN: f64 = 0.7;

/// A hint that names the known word most like the given one.
pub(super) fn suggestion<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// A value with the place it stands at.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) path: String,
    pub(super) problems: &'a Problems,
}

/// An object whose member names are known to be right.
pub(super) struct Object<'a> {
    node: Node<'a>,
}

impl<'a> Node<'a> {
    /// The value as an object that has none but the known members.
    pub(super) fn object(self, known: &[&str]) -> Option<Object<'a>> {
        let Some(members) = self.value.as_object() else {
            self.problems.add(self.path, "must be a mapping");
            return None;
        };
        for (name, _) in members {
            if !known.contains(&name.as_str()) {
                let hint = suggestion(name, known.iter().copied())
                    .unwrap_or_else(|| format!("known keys: {}", known.join(", ")));
                self.problems.hint(&self.path, format!("unknown key `{name}`"), hint);
            }
        }
        Some(Object { node: self })
    }

    /// The elements; null is an empty list.
    pub(super) fn elements(self) -> Vec<Node<'a>> {
        match self.value {
            Value::Null => Vec::new(),
            Value::List(list) => list
                .iter()
                .enumerate()
                .map(|(place, value)| Node {
                    value,
                    path: format!("{}[{place}]", self.path),
                    problems: self.problems,
                })
                .collect(),
            _ => {
                self.problems.add(self.path, "must be a list");
                Vec::new()
            }
        }
    }

    /// The text; none with a problem if it is blank or something else.
    fn text(&self) -> Option<String> {
        match self.value {
            Value::Text(text) if !text.trim().is_empty() => return Some(text.clone()),
            Value::Text(_) => self.problems.add(&self.path, "must not be blank"),
            Value::Number(text) => self.problems.hint(
                &self.path,
                "must be a text",
                format!("put it in quotes: \"{text}\""),
            ),
            _ => self.problems.add(&self.path, "must be a text"),
        }
        None
    }
}

impl<'a> Object<'a> {
    pub(super) fn problems(&self) -> &'a Problems {
        self.node.problems
    }

    pub(super) fn path(&self) -> &str {
        &self.node.path
    }

    /// The path of a member.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.node.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.node.path)
        }
    }

    pub(super) fn member(&self, name: &str) -> Node<'a> {
        Node {
            value: self.node.value.get(name),
            path: self.path_of(name),
            problems: self.node.problems,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.node.value.get(name).is_null()
    }

    /// A mandatory text; blank with a problem if it is missing.
    pub(super) fn text(&self, name: &str) -> String {
        if !self.has(name) {
            self.problems().add(self.path_of(name), "is missing");
            return String::new();
        }
        self.member(name).text().unwrap_or_default()
    }

    pub(super) fn optional_text(&self, name: &str) -> Option<String> {
        if self.has(name) { self.member(name).text() } else { None }
    }

    /// A flag, false if it is absent.
    pub(super) fn flag(&self, name: &str) -> bool {
        match self.member(name).value {
            Value::Null => false,
            Value::Bool(value) => *value,
            _ => {
                self.problems().add(self.path_of(name), "must be true or false");
                false
            }
        }
    }

    /// An integer, 0 if it is absent.
    pub(super) fn integer(&self, name: &str) -> i64 {
        match self.member(name).value {
            Value::Null => 0,
            Value::Number(text) if text.parse::<i64>().is_ok() => text.parse().unwrap_or_default(),
            _ => {
                self.problems().add(self.path_of(name), "must be an integer");
                0
            }
        }
    }

    /// A number as written; a text that is one counts too.
    pub(super) fn number(&self, name: &str) -> Option<&'a str> {
        match self.member(name).value {
            Value::Number(text) | Value::Text(text) => Some(text),
            Value::Null => {
                self.problems().add(self.path_of(name), "is missing");
                None
            }
            _ => {
                self.problems().add(self.path_of(name), "must be a number");
                None
            }
        }
    }

    /// A date and time with offset, or a date, which stands for its midnight in UTC.
    pub(super) fn optional_instant(&self, name: &str) -> Option<Instant> {
        let given = self.optional_text(name)?;
        let read = text::parse(&given).or_else(|_| text::parse(&format!("{given}T00:00:00Z")));
        if read.is_err() {
            self.problems().hint(
                self.path_of(name),
                format!("`{given}` is no date and time"),
                "write 2024-01-31 or 2024-01-31T08:30:00Z",
            );
        }
        read.ok()
    }

    /// One of a list of names, with a suggestion if it is another.
    pub(super) fn named<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        known: &[&str],
    ) -> Option<T> {
        let given = self.optional_text(name)?;
        let value = read(&given);
        if value.is_none() {
            let hint = suggestion(&given, known.iter().copied())
                .unwrap_or_else(|| format!("one of: {}", known.join(", ")));
            self.problems().hint(self.path_of(name), format!("unknown `{given}`"), hint);
        }
        value
    }

    pub(super) fn list(&self, name: &str) -> Vec<Node<'a>> {
        self.member(name).elements()
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.list(name).iter().filter_map(Node::text).collect()
    }
}
