//! Readers of foreign bytes, to be fed with anything: each target takes bytes and panics if a law
//! that holds for all bytes does not hold for these.
//!
//! The targets are plain functions, so that any engine drives them. `tests/fuzz` runs the corpus in
//! `tests/corpus` and seeded mutations of it through each, on the stable compiler.

mod codecs;
mod decoder;
mod files;
mod numbers;
mod rules;

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

/// For targets whose inputs are all kept.
fn no_seeds() -> Vec<Vec<u8>> {
    Vec::new()
}
