//! What describes the catalogue: files that people write, and records of the log.

use std::path::Path;

use super::{Target, no_seeds};
use crate::catalog_file;
use crate::log::catalog::{decode_record, decode_stored, encode_record, encode_stored};

pub(super) const CATALOGUE: Target = Target {
    name: "catalogue_file",
    run: run_file,
    seeds: no_seeds,
    words: &[
        "organizations:\n",
        "  - ",
        "plans:\n",
        "&a ",
        "*a",
        "<<: *a",
        "!!binary ",
        "|\n",
        "? ",
        "{ amount: \"1\" }",
        "graduated_ranges:\n",
        "\t",
        "---\n",
        "...\n",
        "[[[[",
        "{{{{",
        "timezone: Europe/Paris\n",
        "1e999",
        "0x7fffffffffffffff",
        "2024-02-30",
    ],
};

pub(super) const RECORDS: Target = Target {
    name: "catalogue_records",
    run: run_record,
    seeds: no_seeds,
    words: &["\"changes\":[", "\"put\":", "null", "{}", "[]", "-1", "1e309", "\"\"", ","],
};

fn run_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A folder without files: what the text names is not read.
    let read = catalog_file::parse(text, Path::new("/nonexistent"));
    if let Err(problems) = read {
        assert!(!problems.is_empty(), "a refusal says why");
    }
}

fn run_record(bytes: &[u8]) {
    if let Ok(record) = decode_record(bytes) {
        let written = encode_record(&record);
        assert_eq!(decode_record(&written).ok().as_ref(), Some(&record));
    }
    if let Ok(stored) = decode_stored(bytes) {
        let written = encode_stored(&stored);
        let again = decode_stored(&written).ok();
        assert_eq!(again.map(|again| encode_stored(&again)), Some(written));
    }
}
