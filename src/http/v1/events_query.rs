//! Parameters of the list of events (specification 9.7; SDK contract 6.12).

use crate::core::instant::Instant;
use crate::core::period::text;
use crate::http::backend::Filter;
use crate::http::error::ApiError;
use crate::http::json;
use crate::http::query::Query;

/// Events of a page unless the request says otherwise.
const PER_PAGE_DEFAULT: usize = 100;
/// Most events of a page: a page is held and printed as a whole.
const PER_PAGE_MAX: usize = 1000;
/// Length of a date without a time.
const DATE_LENGTH: usize = 10;

/// Which page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page: usize,
    /// Events of a page.
    pub per_page: usize,
}

impl Paging {
    /// Reads `page` and `per_page`. What is no positive number counts as absent, as in Lago.
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if one is not UTF-8.
    pub fn read(query: &Query<'_>) -> Result<Self, ApiError> {
        let number = |text: Option<&str>| {
            text.and_then(|text| text.trim().parse::<usize>().ok()).filter(|number| *number > 0)
        };
        let per_page = number(query.text("per_page")?).unwrap_or(PER_PAGE_DEFAULT);
        let page = number(query.text("page")?).unwrap_or(1);
        Ok(Self { page, per_page: per_page.min(PER_PAGE_MAX) })
    }

    /// Items before the page.
    pub const fn skip(self) -> usize {
        (self.page - 1).saturating_mul(self.per_page)
    }

    /// Appends what a list says about itself, of so many items in all.
    pub fn write_meta(self, out: &mut String, total: usize) {
        let pages = total.div_ceil(self.per_page);
        let current = if total == 0 { 0 } else { self.page };
        let next = (current < pages).then_some(current + 1);
        let previous = current.checked_sub(1).filter(|page| (1..=pages).contains(page));
        let members = [
            ("current_page", Some(current)),
            ("next_page", next),
            ("prev_page", previous),
            ("total_pages", Some(pages)),
            ("total_count", Some(total)),
        ];
        json::list(out, json::OBJECT, members, |out, (name, number)| {
            json::key(out, name);
            match number {
                Some(number) => json::integer(out, i64::try_from(number).unwrap_or(i64::MAX)),
                None => out.push_str("null"),
            }
        });
    }
}

/// The filter and the page of a list.
///
/// # Errors
///
/// [`ApiError::Invalid`] for the first parameter that cannot be used.
pub fn read(query: &Query<'_>) -> Result<(Filter, Paging), ApiError> {
    let paging = Paging::read(query)?;
    let named = |name| {
        let text = query.text(name)?;
        Ok::<_, ApiError>(text.filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let subscription = named("external_subscription_id")?;
    let from = instant(query, "timestamp_from")?;
    let to = instant(query, "timestamp_to")?;
    let from_started_at = query.switch("timestamp_from_started_at", false)?;
    if from_started_at && subscription.is_none() {
        return Err(ApiError::Invalid {
            field: "external_subscription_id",
            code: "required with timestamp_from_started_at",
        });
    }
    if from_started_at && from.is_some() {
        return Err(ApiError::Invalid {
            field: "timestamp_from",
            code: "excluded with timestamp_from_started_at",
        });
    }
    let (skip, take) = (paging.skip(), paging.per_page);
    let code = named("code")?;
    Ok((Filter { code, subscription, from, from_started_at, to, skip, take }, paging))
}

/// An instant: RFC 3339, or a date, which stands for its midnight.
fn instant(query: &Query<'_>, name: &'static str) -> Result<Option<Instant>, ApiError> {
    let Some(given) = query.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = if given.len() == DATE_LENGTH {
        text::parse(&format!("{given}T00:00:00Z"))
    } else {
        // A plus sign that was not escaped arrives as a blank.
        text::parse(&given.replace(' ', "+"))
    };
    read.map(Some).map_err(|_| ApiError::Invalid { field: name, code: "invalid_date" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(page: usize, per_page: usize, total: usize) -> String {
        let mut out = String::new();
        Paging { page, per_page }.write_meta(&mut out, total);
        out
    }

    fn refused(query: &str) -> Option<(&'static str, &'static str)> {
        match read(&Query::parse(query).unwrap()) {
            Err(ApiError::Invalid { field, code }) => Some((field, code)),
            _ => None,
        }
    }

    #[test]
    fn pages_are_told_as_lago_tells_them() {
        let told = |current: usize, next: &str, previous: &str, pages: usize, total: usize| {
            format!(
                "{{\"current_page\":{current},\"next_page\":{next},\"prev_page\":{previous},\
                 \"total_pages\":{pages},\"total_count\":{total}}}"
            )
        };
        assert_eq!(meta(1, 100, 0), told(0, "null", "null", 0, 0));
        assert_eq!(meta(1, 2, 2), told(1, "null", "null", 1, 2));
        assert_eq!(meta(1, 2, 5), told(1, "2", "null", 3, 5));
        assert_eq!(meta(3, 2, 5), told(3, "null", "2", 3, 5));
        assert_eq!(meta(9, 2, 5), told(9, "null", "null", 3, 5));
    }

    #[test]
    fn bounds_are_instants_or_dates() {
        let query = "code=c&external_subscription_id=s&timestamp_from=2024-03-01&page=3&per_page=7\
                     &timestamp_to=2024-03-01T10:00:00.5+02:00&timestamp_from_started_at=false";
        let (filter, paging) = read(&Query::parse(query).unwrap()).unwrap();
        let expected = Filter {
            code: Some("c".into()),
            subscription: Some("s".into()),
            from: Some(Instant::from_seconds(1_709_251_200)),
            from_started_at: false,
            to: Some(Instant::from_seconds(1_709_280_000).plus_micros(500_000)),
            skip: 14,
            take: 7,
        };
        assert_eq!((filter, paging.page), (expected, 3));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let id = "external_subscription_id";
        for (query, expected) in [
            ("timestamp_from=yesterday", Some(("timestamp_from", "invalid_date"))),
            ("timestamp_to=2024-02-30", Some(("timestamp_to", "invalid_date"))),
            (
                "timestamp_from_started_at=true",
                Some((id, "required with timestamp_from_started_at")),
            ),
            ("timestamp_from_started_at=0", None),
            ("page=-1&per_page=none", None),
        ] {
            assert_eq!(refused(query), expected, "{query}");
        }
        let both =
            "external_subscription_id=s&timestamp_from_started_at=1&timestamp_from=2024-01-01";
        assert!(refused(both).is_some());
    }
}
