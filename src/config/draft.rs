//! Settings while they are put together, source after source, with everything that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::key::{self, Key, Kind};
use super::origin::{Origin, Origins};
use super::problem::{ConfigError, Problem};
use super::settings::{KEYS, Settings};
use super::value::{Input, Value, Values};
use super::{DEFAULTS, environment, kafka, suggest, validate};

/// Largest configuration or secret file. Both are written by hand; more is a slip, such as the path
/// of a device or a log.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    value: Value,
    origin: Origin,
}

/// The settings read so far.
#[derive(Debug, Default)]
pub struct Draft {
    entries: BTreeMap<String, Entry>,
    problems: Vec<Problem>,
    /// Sections in which something could not be read. Checks between their settings would report
    /// what follows from that, so they are left out.
    doubtful: BTreeSet<&'static str>,
}

impl Draft {
    /// Reads the compiled-in file.
    pub fn read_defaults(&mut self) {
        self.read_toml(DEFAULTS, "the defaults", |_| Origin::Default);
    }

    /// Reads the operator's file.
    pub fn read_file(&mut self, path: &Path) {
        let name = format!("file {}", path.display());
        match read_text(path) {
            Ok(text) => {
                let origin = |line| Origin::File { path: path.to_owned(), line };
                self.read_toml(&text, &name, origin);
            }
            Err(reason) => self.problems.push(
                Problem::new(format!("configuration {name} cannot be read"), reason)
                    .hint("give the right path with --config, or leave it out for the defaults"),
            ),
        }
    }

    /// Reads every variable with our prefix.
    pub fn read_environment(&mut self, env: &BTreeMap<String, String>) {
        let variables = environment::variables();
        for (name, value) in env {
            if !name.starts_with(environment::PREFIX) || environment::is_other(name, value) {
                continue;
            }
            if let Some((_, path)) = variables.iter().find(|(known, _)| known == name) {
                self.apply(path, Input::Text(value), Origin::Environment(name.clone()));
                continue;
            }
            let known = variables.iter().map(|(known, _)| known.as_str());
            self.problems.push(with_suggestion(
                Problem::new(
                    format!("environment variable {name} is not a setting"),
                    format!("every variable that starts with {} must be one", environment::PREFIX),
                ),
                suggest::nearest(name, known),
            ));
        }
    }

    /// Reads `section.key` and value pairs.
    pub fn read_flags(&mut self, overrides: &[(String, String)]) {
        for (path, value) in overrides {
            self.apply(path, Input::Text(value), Origin::Flag);
        }
    }

    /// Checks the whole and hands it out.
    pub fn finish(mut self) -> Result<(Settings, Origins), ConfigError> {
        let mut origins = Origins::default();
        for (path, entry) in &self.entries {
            origins.push(path, entry.kind, &entry.value, entry.origin.clone());
        }
        let values = self.resolve_secrets();
        match Settings::from_values(&values) {
            Ok(settings) => {
                let found = validate::check(&settings);
                let sound = found.into_iter().filter(|(s, _)| !self.doubtful.contains(s));
                self.problems.extend(sound.map(|(_, problem)| problem));
                if self.problems.is_empty() {
                    return Ok((settings, origins));
                }
            }
            Err(path) => self.problems.push(Problem::new(
                format!("`{path}` has no usable default"),
                "the compiled-in file of defaults is incomplete",
            )),
        }
        Err(ConfigError { problems: self.problems })
    }

    fn read_toml(&mut self, source: &str, name: &str, origin: impl Fn(usize) -> Origin) {
        let line = |start: usize| 1 + source.bytes().take(start).filter(|b| *b == b'\n').count();
        let table = match DeTable::parse(source) {
            Ok(table) => table,
            Err(error) => {
                let line = line(error.span().map_or(0, |span| span.start));
                let fact = format!("{name} is not TOML");
                self.problems.push(Problem::new(fact, format!("line {line}: {}", error.message())));
                return;
            }
        };
        let mut found = Vec::new();
        for (section, value) in table.get_ref() {
            match value.get_ref() {
                DeValue::Table(keys) if key::is_section(section.get_ref()) => {
                    flatten(section.get_ref(), keys, &mut found);
                }
                _ => {
                    let line = line(section.span().start);
                    self.refuse_section(section.get_ref(), &format!("{name}, line {line}"));
                }
            }
        }
        // The parser sorts by name; problems are told in the order of the file.
        found.sort_by_key(|(start, _, _)| *start);
        for (start, path, value) in found {
            self.apply(&path, Input::Toml(value), origin(line(start)));
        }
    }

    fn refuse_section(&mut self, name: &str, place: &str) {
        if key::is_section(name) {
            let problem = Problem::new(format!("`{name}` is not a table"), format!("in {place}"));
            self.problems.push(problem.hint(format!("write [{name}] on a line of its own")));
            return;
        }
        let paths: Vec<String> = KEYS.iter().map(Key::path).collect();
        let sections = KEYS.iter().map(|key| key.section);
        let known = sections.chain(paths.iter().map(String::as_str));
        let problem = Problem::new(format!("`{name}` is not a section"), format!("in {place}"));
        self.problems.push(with_suggestion(problem, suggest::nearest(name, known)));
    }

    /// Takes one setting over; a wrong one is noted and the earlier value stays.
    fn apply(&mut self, path: &str, input: Input<'_>, origin: Origin) {
        match key::find(path) {
            None => {
                let paths: Vec<String> = KEYS.iter().map(Key::path).collect();
                let nearest = suggest::nearest(path, paths.iter().map(String::as_str));
                let fact = format!("`{path}` is not a setting");
                let problem = Problem::new(fact, format!("from {origin}"));
                self.problems.push(with_suggestion(problem, nearest));
            }
            Some((key, Some(property))) => self.apply_property(key, property, input, origin),
            Some((key, None)) => match (key.kind, input) {
                (Kind::Properties, Input::Text(text)) => self.apply_properties(key, text, &origin),
                (kind, _) => match kind.read(input) {
                    Ok(value) => self.insert(path, kind, value, origin),
                    Err(expected) => {
                        let shown = match kind {
                            Kind::Secret => "a value".to_owned(),
                            _ => input.describe(),
                        };
                        self.refuse_value(key, path, &format!("{shown} from {origin}"), &expected);
                    }
                },
            },
        }
    }

    /// Takes over `name=value;name=value`, the form of the table where only one text can be given.
    fn apply_properties(&mut self, key: &'static Key, text: &str, origin: &Origin) {
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((name, value)) => {
                    let value = Input::Text(value.trim());
                    self.apply_property(key, name.trim(), value, origin.clone());
                }
                // The part is not shown: it may be the end of a secret that holds a semicolon.
                None => self.refuse_value(
                    key,
                    &key.path(),
                    &format!("a part without an equals sign from {origin}"),
                    "name=value;name=value",
                ),
            }
        }
    }

    fn apply_property(&mut self, key: &Key, name: &str, input: Input<'_>, origin: Origin) {
        let path = format!("{}.{name}", key.path());
        if let Some(problem) = kafka::refuse(name, &path, &origin) {
            self.doubtful.insert(key.section);
            self.problems.push(problem);
            return;
        }
        match input.property() {
            Some(value) => self.insert(&path, key.kind, Value::Text(value), origin),
            None => self.refuse_value(
                key,
                &path,
                &format!("{} from {origin}", input.describe()),
                "a text, a number, true or false",
            ),
        }
    }

    fn insert(&mut self, path: &str, kind: Kind, value: Value, origin: Origin) {
        self.entries.insert(path.to_owned(), Entry { kind, value, origin });
    }

    fn refuse_value(&mut self, key: &Key, path: &str, given: &str, expected: &str) {
        self.doubtful.insert(key.section);
        let fact = format!("`{path}` has a value it cannot have");
        self.problems.push(Problem::new(fact, given).hint(format!("it takes {expected}")));
    }

    /// The values with every secret that is kept in a file put in its place.
    fn resolve_secrets(&mut self) -> Values {
        let mut values: Values =
            self.entries.iter().map(|(path, entry)| (path.clone(), entry.value.clone())).collect();
        for key in KEYS.iter().filter(|key| key.kind == Kind::Secret) {
            let path = key.path();
            let file_path = format!("{path}_file");
            let (Some(direct), Some(file)) =
                (self.entries.get(&path), self.entries.get(&file_path))
            else {
                continue;
            };
            let Value::Text(name) = &file.value else { continue };
            if name.is_empty() {
                continue;
            }
            let problem = if direct.value == Value::Text(String::new()) {
                match read_secret(Path::new(name)) {
                    Ok(secret) => {
                        values.insert(path, Value::Text(secret));
                        continue;
                    }
                    Err(reason) => Problem::new(
                        format!("`{file_path}` names a file without a usable secret"),
                        format!("{name} from {}: {reason}", file.origin),
                    ),
                }
            } else {
                Problem::new(
                    format!("both `{path}` and `{file_path}` are given"),
                    format!("from {} and from {}", direct.origin, file.origin),
                )
                .hint("give one of them, and set the other to an empty text")
            };
            self.doubtful.insert(key.section);
            self.problems.push(problem);
        }
        values
    }
}

/// Settings of a section as (start in the source, path, value), tables of properties flattened:
/// TOML reads the bare key `fetch.min.bytes` as tables within tables.
fn flatten<'a>(
    prefix: &str,
    table: &'a DeTable<'a>,
    found: &mut Vec<(usize, String, &'a DeValue<'a>)>,
) {
    for (name, value) in table {
        let path = format!("{prefix}.{}", name.get_ref());
        let is_properties =
            matches!(key::find(&path), Some((Key { kind: Kind::Properties, .. }, _)));
        match value.get_ref() {
            DeValue::Table(inner) if is_properties => flatten(&path, inner, found),
            value => found.push((name.span().start, path, value)),
        }
    }
}

fn with_suggestion(problem: Problem, nearest: Option<&str>) -> Problem {
    match nearest {
        Some(nearest) => problem.hint(format!("did you mean `{nearest}`?")),
        None => problem.hint("`odometer config show` lists every setting"),
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// The content of a secret file without the line break that editors and `echo` put at its end.
fn read_secret(path: &Path) -> Result<String, String> {
    let text = read_text(path)?;
    let trimmed =
        text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
    if trimmed.is_empty() { Err("it is empty".to_owned()) } else { Ok(trimmed.to_owned()) }
}
