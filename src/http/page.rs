//! Pages of lists (specification 8.1 and chapter 9, SDK contract 6.12).

use std::cmp::Reverse;

use super::error::ApiError;
use super::json::{self, ARRAY, Object};
use super::query::Query;
use crate::core::catalog::table::Coded;
use crate::core::catalog::version::Versioned;
use crate::core::instant::Instant;

/// Rows of a page if the caller asks for no number.
const PER_PAGE: usize = 100;
/// Most rows of a page, so that one answer stays small; upstream knows no bound.
const PER_PAGE_MAX: usize = 1_000;

/// Entities in the order of lists: the newest first.
pub fn newest<'a, T: Coded + 'a>(
    entities: impl Iterator<Item = &'a Versioned<T>>,
    created_at: fn(&T) -> Instant,
) -> impl ExactSizeIterator<Item = &'a Versioned<T>> {
    let mut rows: Vec<_> = entities.collect();
    rows.sort_by_key(|row| (Reverse(created_at(row)), row.id()));
    rows.into_iter()
}

/// Which page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    number: usize,
    per_page: usize,
}

impl Page {
    /// Reads `page`, from 1, and `per_page`. What is no positive number counts as absent.
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if one of them is not UTF-8.
    pub fn read(query: &Query<'_>) -> Result<Self, ApiError> {
        let positive = |name| -> Result<Option<usize>, ApiError> {
            let number = query.text(name)?.and_then(|text| text.trim().parse().ok());
            Ok(number.filter(|number| *number > 0))
        };
        let per_page = positive("per_page")?.unwrap_or(PER_PAGE).min(PER_PAGE_MAX);
        Ok(Self { number: positive("page")?.unwrap_or(1), per_page })
    }

    /// The same page with at most so many rows, for rows that cost more than most.
    pub const fn at_most(self, rows: usize) -> Self {
        if self.per_page > rows { Self { per_page: rows, ..self } } else { self }
    }

    /// Rows before this page.
    pub const fn offset(self) -> usize {
        (self.number - 1).saturating_mul(self.per_page)
    }

    /// Most rows of this page.
    pub const fn limit(self) -> usize {
        self.per_page
    }

    /// Prints a list under its root key: `rows` are those of this page, of `total` in all.
    pub fn print<T>(
        self,
        root: &str,
        rows: impl IntoIterator<Item = T>,
        total: usize,
        row: impl FnMut(&mut String, T),
    ) -> String {
        let mut out = String::new();
        Object::print(&mut out, |object| {
            object.member(root, |out| json::list(out, ARRAY, rows, row));
            object.member("meta", |out| self.meta(out, total));
        });
        out
    }

    /// Prints the list of all rows, of which this page shows its own.
    pub fn cut<T>(
        self,
        root: &str,
        rows: impl ExactSizeIterator<Item = T>,
        row: impl FnMut(&mut String, T),
    ) -> String {
        let total = rows.len();
        self.print(root, rows.skip(self.offset()).take(self.limit()), total, row)
    }

    fn meta(self, out: &mut String, total: usize) {
        let pages = total.div_ceil(self.per_page);
        let current = if total == 0 { 0 } else { self.number };
        let inside = current > 0 && current <= pages;
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let maybe = |page: Option<usize>, out: &mut String| match page {
            Some(page) => json::integer(out, number(page)),
            None => out.push_str("null"),
        };
        Object::print(out, |object| {
            object.integer("current_page", number(current));
            let next = (inside && current < pages).then(|| current + 1);
            object.member("next_page", |out| maybe(next, out));
            let previous = (inside && current > 1).then(|| current - 1);
            object.member("prev_page", |out| maybe(previous, out));
            object.integer("total_pages", number(pages));
            object.integer("total_count", number(total));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(query: &str, total: usize) -> String {
        let page = Page::read(&Query::parse(query).unwrap()).unwrap();
        let rows = (0..total).skip(page.offset()).take(page.limit());
        page.print("rows", rows, total, |out, row| json::integer(out, i64::try_from(row).unwrap()))
    }

    #[test]
    fn pages_know_their_neighbours() {
        for (query, total, expected) in [
            (
                "",
                0,
                r#"{"rows":[],"meta":{"current_page":0,"next_page":null,"prev_page":null,
                    "total_pages":0,"total_count":0}}"#,
            ),
            (
                "",
                2,
                r#"{"rows":[0,1],"meta":{"current_page":1,"next_page":null,"prev_page":null,
                    "total_pages":1,"total_count":2}}"#,
            ),
            (
                "per_page=2",
                5,
                r#"{"rows":[0,1],"meta":{"current_page":1,"next_page":2,"prev_page":null,
                    "total_pages":3,"total_count":5}}"#,
            ),
            (
                "per_page=2&page=2",
                5,
                r#"{"rows":[2,3],"meta":{"current_page":2,"next_page":3,"prev_page":1,
                    "total_pages":3,"total_count":5}}"#,
            ),
            (
                "per_page=2&page=3",
                5,
                r#"{"rows":[4],"meta":{"current_page":3,"next_page":null,"prev_page":2,
                    "total_pages":3,"total_count":5}}"#,
            ),
            (
                "per_page=2&page=9",
                5,
                r#"{"rows":[],"meta":{"current_page":9,"next_page":null,"prev_page":null,
                    "total_pages":3,"total_count":5}}"#,
            ),
            (
                "per_page=0&page=-1",
                1,
                r#"{"rows":[0],"meta":{"current_page":1,"next_page":null,"prev_page":null,
                    "total_pages":1,"total_count":1}}"#,
            ),
        ] {
            let expected: String = expected.lines().map(str::trim).collect();
            assert_eq!(meta(query, total), expected, "{query} of {total}");
        }
        let far = meta("page=18446744073709551615&per_page=1000", 5);
        assert!(far.starts_with(r#"{"rows":[],"#), "{far}");
    }
}
