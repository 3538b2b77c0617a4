//! Where each setting came from, and the settings printed with it.

use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::key::Kind;
use super::secret::{MASK, is_secret_property};
use super::settings::KEYS;
use super::value::Value;

/// The place that gave a setting its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The compiled-in file of defaults.
    Default,
    /// The operator's file.
    File {
        /// The file.
        path: PathBuf,
        /// The line in it, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "file {} line {line}", path.display()),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// One printed setting. Secrets are masked before they get here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    path: String,
    value: String,
    origin: Origin,
}

/// All settings in printable form, each with its origin. It holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    lines: Vec<Line>,
}

impl Origins {
    /// Notes a setting; `kind` and the path decide whether its value is masked.
    pub(super) fn push(&mut self, path: &str, kind: Kind, value: &Value, origin: Origin) {
        let masked = match (kind, value) {
            (Kind::Secret, Value::Text(text)) => !text.is_empty(),
            (Kind::Properties, _) => is_secret_property(path),
            _ => false,
        };
        let value = if masked { toml_text(MASK) } else { print(value) };
        self.lines.push(Line { path: path.to_owned(), value, origin });
    }

    /// Where the setting `section.key` came from; none when there is no such setting.
    pub fn of(&self, path: &str) -> Option<&Origin> {
        self.lines.iter().find(|line| line.path == path).map(|line| &line.origin)
    }

    /// The settings in force as TOML.
    pub fn show(&self) -> String {
        self.print(false)
    }

    /// The settings in force as TOML, each line ending in `# from: ...`.
    pub fn show_with_origin(&self) -> String {
        self.print(true)
    }

    fn print(&self, with_origin: bool) -> String {
        let mut out = String::new();
        let mut section = "";
        for key in KEYS {
            if key.section != section {
                let blank = if out.is_empty() { "" } else { "\n" };
                // Writing to a string cannot fail, here and below.
                let _ = writeln!(out, "{blank}[{}]", key.section);
                section = key.section;
            }
            let path = key.path();
            if key.kind == Kind::Properties {
                let _ = writeln!(out, "\n[{path}]");
                let prefix = format!("{path}.");
                for line in &self.lines {
                    if let Some(name) = line.path.strip_prefix(&prefix) {
                        line.print(&mut out, &toml_text(name), with_origin);
                    }
                }
            } else if let Some(line) = self.lines.iter().find(|line| line.path == path) {
                line.print(&mut out, key.name, with_origin);
            }
        }
        out
    }
}

impl Line {
    fn print(&self, out: &mut String, name: &str, with_origin: bool) {
        let _ = write!(out, "{name} = {}", self.value);
        if with_origin {
            let _ = write!(out, "  # from: {}", self.origin);
        }
        out.push('\n');
    }
}

fn print(value: &Value) -> String {
    match value {
        Value::Text(text) => toml_text(text),
        Value::Integer(number) => number.to_string(),
        Value::List(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| toml_text(text)).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}

/// A TOML basic string: always on one line, unlike the library's own choice for long texts.
fn toml_text(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
