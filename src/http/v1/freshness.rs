//! What an answer reflects, and what it is asked to reflect (specification 1.8).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::http::backend::{Freshness, NextOffset, WaitFor};
use crate::http::error::ApiError;
use crate::http::query::Query;

const OFFSETS: HeaderName = HeaderName::from_static("odometer-offsets");
const LAG_MS: HeaderName = HeaderName::from_static("odometer-lag-ms");
const CATALOG_VERSION: HeaderName = HeaderName::from_static("odometer-catalog-version");

/// Longest wait for offsets. A request that waits holds a place among those answered at once, and
/// whoever asks for more is told that the offsets are not reached rather than kept for ever.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// Longest name of a topic that Kafka knows.
const TOPIC_BYTES_MAX: usize = 249;

/// Adds offsets, lag and version of the catalogue.
pub fn add_headers(headers: &mut HeaderMap, freshness: &Freshness) {
    // Names of topics are plain ASCII, so the value always is one.
    if let Ok(offsets) = HeaderValue::from_str(&freshness.offsets) {
        headers.insert(OFFSETS, offsets);
    }
    headers.insert(LAG_MS, HeaderValue::from(freshness.lag_ms));
    headers.insert(CATALOG_VERSION, HeaderValue::from(freshness.catalog_version));
}

/// Adds the tag, if there is one.
pub fn add_tag(headers: &mut HeaderMap, freshness: &Freshness) {
    let quoted = freshness.etag.as_ref().map(|tag| format!("\"{tag}\""));
    if let Some(Ok(tag)) = quoted.map(HeaderValue::try_from) {
        headers.insert(header::ETAG, tag);
    }
}

/// The offsets that are wanted: `min_offset`, and `wait` in milliseconds.
///
/// # Errors
///
/// [`ApiError::Invalid`] if one of them cannot be read. An empty list is refused too: whoever asks
/// to read his own write must not get an older answer because his offsets got lost.
pub fn wait_for(query: &Query<'_>) -> Result<Option<WaitFor>, ApiError> {
    let Some(text) = query.text("min_offset")? else { return Ok(None) };
    let offsets: Option<Vec<NextOffset>> = text.split(',').map(next_offset).collect();
    let offsets = offsets.ok_or(ApiError::malformed("min_offset"))?;
    let wait = match query.text("wait")? {
        None | Some("") => None,
        Some(text) => {
            let millis = digits(text).ok_or(ApiError::malformed("wait"))?;
            Some(Duration::from_millis(millis.unsigned_abs()).min(WAIT_MAX))
        }
    };
    Ok(Some(WaitFor { offsets, wait }))
}

/// `max_staleness`: the lag in milliseconds beyond which no figure is wanted.
///
/// # Errors
///
/// [`ApiError::Invalid`] if it is no whole number. An empty one is refused too: whoever asks for a
/// fresh figure must not get an older one because his bound got lost.
pub fn max_staleness(query: &Query<'_>) -> Result<Option<i64>, ApiError> {
    let Some(text) = query.text("max_staleness")? else { return Ok(None) };
    let millis = Some(text).filter(|text| !text.is_empty()).and_then(digits);
    millis.map(Some).ok_or(ApiError::malformed("max_staleness"))
}

/// Refuses an answer that is older than the caller wants, whatever it took to find out.
///
/// # Errors
///
/// [`ApiError::TooStale`] if it is.
pub fn fresh_enough(freshness: &Freshness, max_staleness: Option<i64>) -> Result<(), ApiError> {
    if max_staleness.is_none_or(|max| freshness.lag_ms <= max) {
        return Ok(());
    }
    Err(ApiError::TooStale(freshness.clone()))
}

/// Reads `topic-partition:next`. Names of topics may hold hyphens, so the last one parts.
fn next_offset(text: &str) -> Option<NextOffset> {
    let (place, next) = text.rsplit_once(':')?;
    let (topic, partition) = place.rsplit_once('-')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if topic.is_empty() || topic.len() > TOPIC_BYTES_MAX || !topic.bytes().all(is_name) {
        return None;
    }
    let partition = u32::try_from(digits(partition)?).ok()?;
    Some(NextOffset { topic: topic.to_owned(), partition, next: digits(next)? })
}

/// A whole number without a sign.
fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Option<WaitFor>, ApiError> {
        wait_for(&Query::parse(query).unwrap())
    }

    fn next(topic: &str, partition: u32, next: i64) -> NextOffset {
        NextOffset { topic: topic.to_owned(), partition, next }
    }

    #[test]
    fn offsets_are_read_from_the_form_of_the_header() {
        let wait = Some(Duration::from_millis(1500));
        for (query, offsets, wait) in [
            ("min_offset=events_raw-0:1042", vec![next("events_raw", 0, 1042)], None),
            (
                "min_offset=events_raw-0:1042,my-own.topic-11:0&wait=1500",
                vec![next("events_raw", 0, 1042), next("my-own.topic", 11, 0)],
                wait,
            ),
            ("min_offset=a-1%3A2%2Cb-3%3A4&wait=", vec![next("a", 1, 2), next("b", 3, 4)], None),
            ("min_offset=a-1:9223372036854775807", vec![next("a", 1, i64::MAX)], None),
            ("min_offset=a-0:1&wait=999999999", vec![next("a", 0, 1)], Some(WAIT_MAX)),
        ] {
            assert_eq!(read(query), Ok(Some(WaitFor { offsets, wait })), "{query}");
        }
        assert_eq!(read("wait=soon"), Ok(None), "there is nothing to wait for");
    }

    #[test]
    fn staleness_is_bounded_by_milliseconds() {
        let read = |query: &str| max_staleness(&Query::parse(query).unwrap());
        assert_eq!(read("wait=1"), Ok(None));
        assert_eq!(read("max_staleness=0"), Ok(Some(0)));
        assert_eq!(read("max_staleness=1500"), Ok(Some(1500)));
        for text in ["", "-1", "1.5", "1s", "%2B1", " 1", "9223372036854775808", "%ff"] {
            let query = format!("max_staleness={text}");
            assert_eq!(read(&query), Err(ApiError::malformed("max_staleness")), "{text}");
        }
    }

    #[test]
    fn what_is_no_offset_is_refused() {
        for text in [
            "",
            ",",
            "a",
            "a-0",
            "a:1",
            "a-0:",
            "-0:1",
            "a-:1",
            "a-0:-1",
            "a-0:%2B1",
            "a-0:1,",
            "a-0:1,,b-0:1",
            "a-0: 1",
            "a%20b-0:1",
            "a-0:1.0",
            "a-4294967296:1",
            "a-0:9223372036854775808",
            "%ff-0:1",
            "a-0:\u{661}",
        ] {
            let query = format!("min_offset={text}");
            assert_eq!(read(&query), Err(ApiError::malformed("min_offset")), "{text}");
        }
        for text in ["-1", "1s", "1.5", "99999999999999999999"] {
            let query = format!("min_offset=a-0:1&wait={text}");
            assert_eq!(read(&query), Err(ApiError::malformed("wait")), "{text}");
        }
    }
}
