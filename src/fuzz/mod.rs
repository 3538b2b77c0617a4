//! Readers of foreign bytes, to be fed with anything: each target takes bytes and panics if a law
//! that holds for all bytes does not hold for these.
//!
//! The targets are plain functions, so that any engine drives them. The package in `fuzz` puts each
//! under libFuzzer, which looks for inputs that reach new branches (`make fuzz`); `tests/fuzz` runs
//! the corpus in `tests/corpus` and a fixed number of mutations of it through each (`make test`).

mod codecs;
mod decoder;
mod files;
mod numbers;
mod rules;

use std::fmt::Write;

/// Something that reads foreign bytes.
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Checks what holds for all bytes.
    pub run: fn(&[u8]),
    /// Inputs that are made rather than kept: bytes of our own codecs.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Pieces of the language that is read, which random bytes would seldom hit.
    pub words: &'static [&'static str],
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    decoder::TARGET,
    numbers::TARGET,
    rules::EXPRESSIONS,
    rules::FILTERS,
    files::CATALOGUE,
    files::RECORDS,
    codecs::BLOCKS,
    codecs::RECORDS,
    Target {
        name: "requests",
        run: crate::http::fuzz::run,
        seeds: no_seeds,
        words: crate::http::fuzz::WORDS,
    },
];

/// Memory that one input may take, as multiple of its length ...
const MEMORY_PER_BYTE_MAX: usize = 1_024;
/// ... and beyond that: tables of fixed size, and what aliases in YAML may repeat.
const MEMORY_FREE_BYTES: usize = 8 << 20;

/// Most memory that an input of so many bytes may take at once, in bytes.
pub const fn memory_bytes_max(length: usize) -> usize {
    MEMORY_FREE_BYTES + MEMORY_PER_BYTE_MAX * length
}

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

impl Target {
    /// The words as a dictionary of libFuzzer: one a line, in quotes, bytes that are not printable
    /// in hexadecimal.
    pub fn dictionary(&self) -> String {
        let mut text = String::new();
        for word in self.words {
            text.push('"');
            for byte in word.bytes() {
                match byte {
                    b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
                    b' '..=b'~' => text.push(char::from(byte)),
                    _ => drop(write!(text, "\\x{byte:02x}")),
                }
            }
            text.push_str("\"\n");
        }
        text
    }
}

/// For targets whose inputs are all kept.
fn no_seeds() -> Vec<Vec<u8>> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The package of the targets under libFuzzer.
    const PACKAGE: &str = include_str!("../../fuzz/Cargo.toml");

    #[test]
    fn every_target_has_a_binary_of_its_name() {
        let package: toml::Table = toml::from_str(PACKAGE).unwrap();
        let binaries = package["bin"].as_array().unwrap();
        let names: BTreeSet<&str> =
            binaries.iter().map(|binary| binary["name"].as_str().unwrap()).collect();
        assert_eq!(names, TARGETS.iter().map(|target| target.name).collect());
    }

    #[test]
    fn a_dictionary_has_quotes_and_bytes_escaped() {
        let target = Target { words: &["a b", "\\\"", "\t\u{7f}é"], ..TARGETS[0] };
        assert_eq!(target.dictionary(), "\"a b\"\n\"\\\\\\\"\"\n\"\\x09\\x7f\\xc3\\xa9\"\n");
    }
}
