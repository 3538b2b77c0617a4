//! What HTTP requests bring: queries, paths and bodies. The first byte says which.

use axum::http::Uri;

use super::query::Query;
use super::v1::parameters;
use super::{body, path};

/// Pieces of queries, addresses and bodies.
pub const WORDS: &[&str] = &[
    "external_subscription_id=",
    "&",
    "%00",
    "%ff",
    "%",
    "[]",
    "[",
    "filter_by_group[a]=",
    "min_offset=events-0:9223372036854775807",
    "wait=1",
    "//",
    "%2f",
    "{\"event\":{",
    "\\u0000",
    "max_staleness=",
    "..",
    "?",
];

/// Checks what holds for all bytes.
///
/// # Panics
///
/// If something does not.
pub fn run(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which {
        b'p' => {
            let Ok(uri) = Uri::try_from(bytes) else { return };
            let cleaned = path::clean(uri);
            assert!(!cleaned.path().contains("//"), "{cleaned}");
            assert_eq!(path::clean(cleaned.clone()), cleaned, "cleaning once is enough");
        }
        b'b' => {
            let read = body::read(bytes);
            let json = serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
            let blank = bytes.iter().all(u8::is_ascii_whitespace);
            assert!(read.is_err() || json || blank);
            let _ = body::events(bytes);
        }
        _ => {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            let _ = (parameters::read(text), parameters::read_unfiltered(text));
            if let Ok(query) = Query::parse(text) {
                for (rest, _) in query.family("filter_by_group") {
                    assert!(rest.is_empty() || rest.starts_with('['));
                }
            }
        }
    }
}
