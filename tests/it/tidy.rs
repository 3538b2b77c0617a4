//! House rules as failing tests: who may know whom, what is named where, what never stays behind.
//!
//! Every rule is a function from a file to findings, so that each is shown to fail on a sample.

use std::fs;
use std::path::Path;

/// Widest line, in characters.
const COLUMNS_MAX: usize = 100;
/// Longest source file, in lines: beyond, a file has a second noun.
const LINES_MAX: usize = 500;

/// What each folder of `src` may name, besides itself. The order is that of the architecture: the
/// core knows nobody, the shell knows all.
const LAYERS: [(&str, &[&str]); 13] = [
    ("core", &[]),
    ("engine", &["core"]),
    ("serving", &["engine", "core"]),
    ("store", &["engine", "core"]),
    ("log", &["store", "engine", "core"]),
    ("catalog_file", &["log", "core"]),
    ("config", &[]),
    ("telemetry", &["config"]),
    (
        "runtime",
        &["catalog_file", "config", "telemetry", "log", "store", "serving", "engine", "core"],
    ),
    ("http", &["config", "telemetry", "runtime", "engine", "core"]),
    (
        "cli",
        &[
            "catalog_file",
            "config",
            "telemetry",
            "http",
            "runtime",
            "log",
            "store",
            "serving",
            "engine",
            "core",
        ],
    ),
    ("fuzz", &["catalog_file", "http", "log", "store", "engine", "core"]),
    ("main.rs", &["cli"]),
];

/// Names that only some places may use: the name, where it is barred, and exceptions to that.
const NAMES: [(&str, &[&str], &[&str]); 25] = [
    // The pure core does no IO, has no time of its own and knows no wire format.
    ("tokio", &["src/core", "src/engine"], &[]),
    ("serde", &["src/core", "src/engine"], &[]),
    ("serde_json", &["src/core", "src/engine"], &[]),
    ("tracing", &["src/core", "src/engine"], &[]),
    ("Mutex", &["src/core", "src/engine"], &[]),
    ("RwLock", &["src/core", "src/engine"], &[]),
    ("std::time", &["src/core", "src/engine"], &[]),
    ("std::fs", &["src/core", "src/engine"], &[]),
    ("std::env", &["src/core", "src/engine", "src/store", "src/log", "src/runtime"], &[]),
    ("std::thread", &["src/core", "src/engine"], &[]),
    // One owner for each foreign library.
    ("SystemTime", &["src"], &["src/runtime/clock.rs"]),
    ("std::time::Instant", &["src"], &["src/runtime/clock.rs"]),
    ("dashmap", &["src"], &["src/serving/board.rs"]),
    ("rocksdb", &["src"], &["src/store"]),
    ("rdkafka", &["src"], &["src/log/kafka"]),
    ("object_store", &["src"], &["src/runtime/backup/bucket.rs", "src/runtime/backup/signing.rs"]),
    ("axum", &["src"], &["src/http"]),
    ("hyper", &["src"], &["src/http"]),
    // A route is registered with its description, or not at all.
    ("MethodRouter", &["src"], &["src/http/route.rs", "src/http/router.rs"]),
    ("hyper_util", &["src"], &["src/http"]),
    ("tokio", &["src"], &["src/http", "src/runtime", "src/log/kafka", "src/cli/serve.rs"]),
    // Floats round; where a rule of the specification asks for them there is one file.
    ("f32", &["src/core"], &["src/core/double.rs"]),
    ("f64", &["src/core"], &["src/core/double.rs"]),
    // Each block there states why it is sound.
    (
        "unsafe",
        &["src", "tests", "benches"],
        &["src/log/kafka/drain.rs", "src/log/kafka/topics.rs"],
    ),
    ("unbounded_channel", &["src"], &[]),
];

/// Marks of unfinished work. Written in halves, so that this list is not a finding itself.
const MARKERS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("todo", "!("),
    concat!("dbg", "!("),
    concat!("unimplemented", "!("),
];

/// Hosts that a fresh clone may name; others exist on one network only.
const HOSTS: [&str; 19] = [
    "127.0.0.1",
    "localhost",
    "github.com",
    "raw.githubusercontent.com",
    "docs.rs",
    "rustup.rs",
    "www.rust-lang.org",
    "doc.rust-lang.org",
    "maven.apache.org",
    "kafka.apache.org",
    "www.apache.org",
    "www.w3.org",
    "json-schema.org",
    "prometheus",
    "kafka",
    "odometer",
    "grafana",
    "other",
    "h",
];

/// Folders of one machine. Written in halves, as above.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("../sha", "red"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// A file of the tree: its path from the root, with `/`, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is(&self, extensions: &[&str]) -> bool {
        extensions.iter().any(|extension| self.path.ends_with(extension))
    }

    /// The folder (or file) of `src` that the file belongs to.
    fn layer(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split('/').next()
    }

    fn below(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            self.path
                .strip_prefix(place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// Rust without its comments and texts, line breaks kept: what is left are names and signs.
fn code_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && is_char(rest) {
            quoted(rest, '\'')
        } else {
            0
        };
        if skipped == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            out.push(' ');
            rest = &rest[skipped..];
        }
    }
    out
}

/// Length of a raw text that begins here.
fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.chars().take_while(|c| *c == '#').count();
    let body = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close)?;
    Some(rest.len() - body.len() + end + close.len())
}

/// Length of a text in quotes that begins here.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Whether a quote begins a character and not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a path is named, not merely part of a longer name.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + path.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// Layers that a file names: after `crate::`, in a group behind it, or after so many `super::` that
/// the crate's root is reached.
fn layers_named(file: &File) -> Vec<String> {
    let code: String = code_of(&file.text).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(heads(group));
        } else {
            found.push(head(rest));
        }
    }
    let depth = depth(&file.path);
    for (at, _) in code.match_indices("super::") {
        let before = &code[..at];
        let supers = 1 + before.matches("super::").count()
            - before.trim_end_matches("super::").matches("super::").count();
        let name = head(&code[at + "super::".len()..]);
        if supers >= depth && LAYERS.iter().any(|(layer, _)| *layer == name) {
            found.push(name);
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The name that a path begins with.
fn head(path: &str) -> String {
    path.chars().take_while(|c| is_name(*c)).collect()
}

/// The names that the paths of a group begin with.
fn heads(group: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = 0;
    let mut start = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => break,
            '}' => open -= 1,
            ',' if open == 0 => start = true,
            c if start && is_name(c) => {
                found.push(head(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    found
}

/// How many modules a source file lies below the crate's root.
fn depth(path: &str) -> usize {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.trim_end_matches("/mod.rs").split('/').count()
}

fn layering(file: &File) -> Vec<String> {
    let Some(layer) = file.layer().filter(|_| file.is(&[".rs"])) else { return Vec::new() };
    if layer == "lib.rs" {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return vec![format!("the layer {layer} has no place in the order")];
    };
    let named = layers_named(file);
    let barred = named.iter().filter(|name| **name != layer && !allowed.contains(&name.as_str()));
    barred.map(|name| format!("{layer} must not know {name}")).collect()
}

fn owned_names(file: &File) -> Vec<String> {
    if !file.is(&[".rs"]) {
        return Vec::new();
    }
    let code = code_of(&file.text);
    let barred = NAMES.iter().filter(|(name, places, except)| {
        file.below(places) && !file.below(except) && names(&code, name)
    });
    barred.map(|(name, _, _)| format!("{name} must not be named here")).collect()
}

/// A group of imports hides a path from [`owned_names`]: `std::{time::…}` is written out instead.
fn open_groups(file: &File) -> Vec<String> {
    let grouped = file.is(&[".rs"]) && code_of(&file.text).contains("std::{");
    grouped
        .then(|| "imports of std are written out, one module a line".to_owned())
        .into_iter()
        .collect()
}

fn width(file: &File) -> Vec<String> {
    let checked = file.is(&[".rs", ".toml", ".sh", ".md", ".py", ".yaml", "Makefile"])
        || file.path.starts_with(".ci/")
        || file.text.starts_with("#!");
    let wide = |(_, line): &(usize, &str)| {
        let table = file.is(&[".md"]) && line.starts_with('|');
        checked && !table && !line.contains("://") && line.chars().count() > COLUMNS_MAX
    };
    let lines = file.text.lines().enumerate().filter(wide);
    lines.map(|(at, _)| format!("line {} is wider than {COLUMNS_MAX}", at + 1)).collect()
}

fn length(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    let long = file.is(&[".rs"]) && lines > LINES_MAX;
    long.then(|| format!("{lines} lines, more than {LINES_MAX}")).into_iter().collect()
}

fn leftovers(file: &File) -> Vec<String> {
    let found = MARKERS.iter().filter(|marker| file.text.contains(**marker));
    found.map(|marker| format!("{marker} was left behind")).collect()
}

fn places_of_one_machine(file: &File) -> Vec<String> {
    let paths = MACHINE_PATHS.iter().filter(|path| file.text.contains(**path));
    let mut found: Vec<String> =
        paths.map(|path| format!("{path} exists on one machine")).collect();
    for (at, _) in file.text.match_indices("://") {
        let rest = &file.text[at + 3..];
        let host: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
        let scheme = file.text[..at].ends_with("http") || file.text[..at].ends_with("https");
        if scheme && !host.is_empty() && !HOSTS.contains(&host.as_str()) {
            found.push(format!("the host {host} is not on the list"));
        }
    }
    found
}

fn documentation(file: &File) -> Vec<String> {
    let is_test = file.path.contains("/tests/") || file.path.ends_with("tests.rs");
    let lacks = file.is(&[".rs"])
        && file.below(&["src", "tests", "benches"])
        && !(file.below(&["src"]) && is_test)
        && !file.text.starts_with("//!");
    lacks.then(|| "a module begins with what it is for".to_owned()).into_iter().collect()
}

/// What is built, fetched or recorded by tools.
const SKIPPED: [&str; 6] =
    ["target", ".git", "node_modules", "__pycache__", "odometer-data", "Cargo.lock"];

/// Texts of the tree; what is built, fetched or recorded by tools is no part of it.
fn tree() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the tree") {
            let entry = entry.expect("an entry of a folder");
            let name = entry.file_name().to_string_lossy().into_owned();
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).expect("below the root");
                files.push(File { path: path.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    files
}

fn check(rule: fn(&File) -> Vec<String>) {
    let found: Vec<String> = tree()
        .iter()
        .flat_map(|file| rule(file).into_iter().map(|finding| format!("{}: {finding}", file.path)))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What a rule says about a sample.
fn says(rule: fn(&File) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&File { path: path.to_owned(), text: text.to_owned() }).len()
}

#[test]
fn the_tree_is_found() {
    let files = tree();
    let found = |path: &str| files.iter().any(|file| file.path == path);
    assert!(found("src/core/decimal.rs") && found("Makefile") && found("dev/cargo"));
    assert!(files.iter().filter(|file| file.is(&[".rs"])).count() > 100);
}

#[test]
fn layers_know_only_what_lies_inwards() {
    assert_eq!(says(layering, "src/core/a.rs", "use crate::engine::slot::Slot;"), 1);
    assert_eq!(says(layering, "src/core/a.rs", "use crate::{core::event, store::Store};"), 1);
    assert_eq!(says(layering, "src/core/a/b.rs", "use super::super::super::log::x;"), 1);
    assert_eq!(says(layering, "src/core/a.rs", "use super::event; use crate::core::instant;"), 0);
    assert_eq!(says(layering, "src/engine/a.rs", "fn f() { crate::runtime::x() }"), 1);
    assert_eq!(says(layering, "src/engine/a.rs", "// crate::runtime\nlet a = \"crate::log\";"), 0);
    assert_eq!(says(layering, "src/store/a.rs", "use crate::log::LogName;"), 1);
    assert_eq!(says(layering, "src/novel/a.rs", ""), 1);
    check(layering);
}

#[test]
fn foreign_names_have_one_owner() {
    assert_eq!(says(owned_names, "src/core/a.rs", "use serde::Serialize;"), 1);
    assert_eq!(says(owned_names, "src/engine/a.rs", "use std::time::Duration;"), 1);
    assert_eq!(says(owned_names, "src/core/a.rs", "let a = 1_f64; let b: f64 = 0.0;"), 1);
    assert_eq!(says(owned_names, "src/core/double.rs", "let b: f64 = 0.0;"), 0);
    assert_eq!(says(owned_names, "src/runtime/a.rs", "rocksdb::DB::open()"), 1);
    assert_eq!(says(owned_names, "src/store/a.rs", "rocksdb::DB::open()"), 0);
    assert_eq!(says(owned_names, "src/runtime/a.rs", "use dashmap::DashMap;"), 1);
    assert_eq!(says(owned_names, "src/log/kafka/a.rs", "use rdkafka::x; unsafe { f() }"), 1);
    assert_eq!(says(owned_names, "src/log/embedded.rs", "use rdkafka::x;"), 1);
    assert_eq!(says(owned_names, "src/http/server.rs", "std::time::SystemTime::now()"), 1);
    assert_eq!(says(owned_names, "src/http/server.rs", "/// rdkafka and 'tokio'\n//! rocksdb"), 0);
    check(owned_names);
}

#[test]
fn imports_of_std_are_written_out() {
    assert_eq!(says(open_groups, "src/core/a.rs", "use std::{time::Duration, fs};"), 1);
    check(open_groups);
}

#[test]
fn lines_fit_the_page() {
    let wide = "x".repeat(COLUMNS_MAX + 1);
    assert_eq!(says(width, "src/a.rs", &format!("a\n{wide}\n")), 1);
    assert_eq!(says(width, "src/a.rs", &"ä".repeat(COLUMNS_MAX)), 0);
    assert_eq!(says(width, "README.md", &format!("| {wide} |\n[a](https://{wide})")), 0);
    assert_eq!(says(width, "dev/x", &format!("#!/bin/sh\n{wide}")), 1);
    check(width);
}

#[test]
fn files_have_one_noun() {
    assert_eq!(says(length, "src/a.rs", &"\n".repeat(LINES_MAX + 1)), 1);
    assert_eq!(says(length, "src/a.rs", &"\n".repeat(LINES_MAX)), 0);
    check(length);
}

#[test]
fn nothing_unfinished_is_left_behind() {
    for marker in MARKERS {
        assert_eq!(says(leftovers, "dev/x", &format!("# {marker}")), 1, "{marker}");
    }
    check(leftovers);
}

#[test]
fn nothing_depends_on_one_machine() {
    for path in MACHINE_PATHS {
        assert_eq!(says(places_of_one_machine, "dev/x", &format!("cat {path}x")), 1, "{path}");
    }
    let mirror = concat!("https", "://mirror.internal/x");
    assert_eq!(says(places_of_one_machine, "dev/x", mirror), 1);
    assert_eq!(says(places_of_one_machine, "dev/x", "see https://rustup.rs"), 0);
    check(places_of_one_machine);
}

#[test]
fn every_module_says_what_it_is_for() {
    assert_eq!(says(documentation, "src/core/a.rs", "use std::fmt;"), 1);
    assert_eq!(says(documentation, "src/core/a.rs", "//! A noun.\n"), 0);
    check(documentation);
}

#[test]
fn comments_and_texts_are_no_code() {
    let text = "a // b\n\"c \\\" d\" 'e' r#\"f \" g\"# '\\'' <'h> /* i */ j";
    let code: Vec<String> = code_of(text).split_whitespace().map(str::to_owned).collect();
    assert_eq!(code, ["a", "<'h>", "j"]);
}
