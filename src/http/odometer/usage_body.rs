//! Usages of several subscriptions as one answer.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::http::backend::{Freshness, UsageAnswer};
use crate::http::error::ApiError;
use crate::http::json::Object;
use crate::http::openapi::{ERROR, MAYBE_TEXT, Named, Schema};
use crate::http::page::Page;
use crate::http::v1::current_usage_body;

/// Longest answer. A hundred usages of large plans stay far below; beyond, fewer have to be asked
/// for at once.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Bytes of a digest that become the tag, as many as those of single answers.
const TAG_BYTES: usize = 16;

/// What an [`Element`] is printed as.
pub static USAGE: Named = Named(
    "UsageOfMany",
    Schema::Object(&[
        ("external_customer_id", Schema::Text),
        ("external_subscription_id", MAYBE_TEXT),
        ("status", Schema::Integer),
        (
            "freshness",
            Schema::Maybe(&Schema::Object(&[
                ("offsets", Schema::Text),
                ("lag_ms", Schema::Integer),
                ("catalog_version", Schema::Integer),
                ("etag", MAYBE_TEXT),
            ])),
        ),
        (
            "body",
            Schema::Either(&[
                Schema::Object(&[("customer_usage", Schema::Ref(&current_usage_body::USAGE))]),
                Schema::Ref(&ERROR),
            ]),
        ),
    ]),
);

/// One subscription's answer, as the single call would give it.
pub struct Element {
    /// External id of the customer.
    pub customer: String,
    /// External id of the subscription, if one was named.
    pub subscription: Option<String>,
    /// The answer, or why there is none.
    pub answer: Result<UsageAnswer, ApiError>,
}

impl Element {
    /// Status and body of the single call.
    fn single(&self) -> (u16, String) {
        match &self.answer {
            Ok(answer) => (200, answer.body.clone().unwrap_or_default()),
            Err(error) => (error.status().as_u16(), error.body()),
        }
    }

    fn freshness(&self) -> Option<&Freshness> {
        match &self.answer {
            Ok(answer) => Some(&answer.freshness),
            Err(ApiError::OffsetNotReached { freshness, .. } | ApiError::TooStale(freshness)) => {
                Some(freshness)
            }
            Err(_) => None,
        }
    }
}

/// Prints `{"usages":[…]}`, with `meta` for a page of so many in all.
///
/// # Errors
///
/// [`ApiError::Invalid`] if the answer would be too long.
pub fn print(elements: &[Element], page: Option<(Page, usize)>) -> Result<String, ApiError> {
    let bodies: usize = elements
        .iter()
        .filter_map(|element| element.answer.as_ref().ok()?.body.as_ref())
        .map(String::len)
        .sum();
    if bodies > ANSWER_BYTES_MAX {
        return Err(ApiError::Invalid { field: "usages", code: "value_is_out_of_range" });
    }
    if let Some((page, total)) = page {
        return Ok(page.print("usages", elements, total, element));
    }
    let mut out = String::with_capacity(bodies);
    Object::print(&mut out, |object| {
        object.array("usages", elements, element);
    });
    Ok(out)
}

fn element(out: &mut String, element: &Element) {
    let (status, body) = element.single();
    Object::print(out, |object| {
        object.text("external_customer_id", &element.customer);
        object.maybe_text("external_subscription_id", element.subscription.as_deref());
        object.integer("status", i64::from(status));
        object.maybe("freshness", element.freshness(), |out, freshness| {
            Object::print(out, |object| {
                object.text("offsets", &freshness.offsets).integer("lag_ms", freshness.lag_ms);
                object.member("catalog_version", |out| {
                    let _ = write!(out, "{}", freshness.catalog_version);
                });
                object.maybe_text("etag", freshness.etag.as_deref());
            });
        });
        object.member("body", |out| out.push_str(&body));
    });
}

/// What all elements together reflect: the least offset of each partition, the greatest lag, the
/// least version of the catalogue, and a tag over all of them and the page they stand on.
pub fn freshness(elements: &[Element], page: Option<(Page, usize)>) -> Freshness {
    let mut offsets: BTreeMap<(&str, u64), i64> = BTreeMap::new();
    let (mut lag_ms, mut catalog_version) = (0, None);
    let mut digest = Sha256::new();
    digest.update(format!("{page:?}\n"));
    for element in elements {
        digest.update(format!("{:?}\n", (&element.customer, &element.subscription)));
        match &element.answer {
            Ok(answer) => digest.update(format!("{:?}\n", answer.freshness.etag)),
            Err(error) => digest.update(error.body()),
        }
        let Some(freshness) = element.freshness() else { continue };
        for (place, next) in freshness.offsets.split(',').filter_map(|own| own.rsplit_once(':')) {
            let Some((topic, partition)) = place.rsplit_once('-') else { continue };
            let (Ok(partition), Ok(next)) = (partition.parse(), next.parse()) else { continue };
            let least = offsets.entry((topic, partition)).or_insert(next);
            *least = next.min(*least);
        }
        lag_ms = freshness.lag_ms.max(lag_ms);
        let version = freshness.catalog_version;
        catalog_version = Some(catalog_version.map_or(version, |known: u64| known.min(version)));
    }
    let mut text = String::new();
    for ((topic, partition), next) in offsets {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{topic}-{partition}:{next}");
    }
    let mut etag = String::new();
    for byte in &digest.finalize()[..TAG_BYTES] {
        let _ = write!(etag, "{byte:02x}");
    }
    Freshness {
        offsets: text,
        lag_ms,
        catalog_version: catalog_version.unwrap_or_default(),
        etag: Some(etag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::Query;

    fn element(offsets: &str, lag_ms: i64, catalog_version: u64, etag: &str) -> Element {
        let etag = Some(etag.to_owned());
        let freshness = Freshness { offsets: offsets.into(), lag_ms, catalog_version, etag };
        let answer = Ok(UsageAnswer { freshness, body: Some("{}".into()) });
        Element { customer: "c".into(), subscription: None, answer }
    }

    #[test]
    fn the_whole_reflects_no_more_than_each_of_its_parts() {
        let parts = [element("a-0:5,a-10:7", 3, 9, "x"), element("a-0:6,a-2:1", 8, 7, "y")];
        let whole = freshness(&parts, None);
        assert_eq!(whole.offsets, "a-0:5,a-2:1,a-10:7");
        assert_eq!((whole.lag_ms, whole.catalog_version), (8, 7));
        let tag = |parts: &[Element]| freshness(parts, None).etag;
        let other = [element("a-0:5,a-10:7", 3, 9, "x"), element("a-0:6,a-2:1", 8, 7, "z")];
        assert_ne!(tag(&parts), tag(&other));
        let later = [element("a-0:9", 0, 9, "x"), element("a-0:9", 0, 9, "y")];
        assert_eq!(tag(&parts), tag(&later), "where it stands is no part of what it says");
        let page = Page::read(&Query::parse("").unwrap()).unwrap();
        let on = |total| freshness(&parts, Some((page, total))).etag;
        assert!(on(2) != tag(&parts) && on(2) != on(3), "the page is told, too");
    }
}
