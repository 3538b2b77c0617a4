//! The `filter_by_presentation` parameter: keys of the breakdowns (specification 1.3, SDK contract
//! 5).

use serde_json::Value;

use super::group::text;
use crate::http::error::ApiError;
use crate::http::query::Query;

const NAME: &str = "filter_by_presentation";

/// Reads the keys: the text of a JSON array or scalar, `filter_by_presentation[]` repeated, or the
/// plain name repeated. None asks for all keys, an empty list for no breakdown.
///
/// # Errors
///
/// [`ApiError::Invalid`] if a single plain value is no JSON of this form, or the brackets are not
/// `[]`.
pub fn read(query: &Query<'_>) -> Result<Option<Vec<String>>, ApiError> {
    let malformed = || ApiError::malformed(NAME);
    let (mut plain, mut listed) = (Vec::new(), Vec::new());
    for (suffix, value) in query.family(NAME) {
        let value = value.ok_or_else(malformed)?;
        match suffix {
            "" => plain.push(value),
            "[]" => listed.push(value),
            _ => return Err(malformed()),
        }
    }
    match (plain.as_slice(), listed.is_empty()) {
        ([] | [""], true) => Ok(None),
        ([json], true) => from_json(json).ok_or_else(malformed).map(Some),
        ([], false) => Ok(Some(owned(&listed))),
        (_, true) => Ok(Some(owned(&plain))),
        (_, false) => Err(malformed()),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn from_json(json: &str) -> Option<Vec<String>> {
    match serde_json::from_str(json).ok()? {
        Value::Array(items) => items.iter().map(text).collect(),
        scalar => text(&scalar).map(|text| vec![text]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        for (query, expected) in [
            ("", None),
            ("filter_by_presentation=", None),
            ("filter_by_presentation=[]", Some(&[][..])),
            ("filter_by_presentation=%5B%22a%22%2C%22b%22%5D", Some(&["a", "b"])),
            ("filter_by_presentation=%22a%22", Some(&["a"])),
            ("filter_by_presentation=7", Some(&["7"])),
            ("filter_by_presentation[]=a", Some(&["a"])),
            ("filter_by_presentation%5B%5D=a&filter_by_presentation[]=b", Some(&["a", "b"])),
            ("filter_by_presentation=a&filter_by_presentation=b", Some(&["a", "b"])),
        ] {
            let read = read(&Query::parse(query).unwrap());
            assert_eq!(read, Ok(expected.map(owned)), "{query}");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        for text in [
            "=a",
            "=[",
            "={}",
            "=null",
            "=[{}]",
            "=[null]",
            "=%ff",
            "[a]=1",
            "[]=a&filter_by_presentation=b",
        ] {
            let query = format!("{NAME}{text}");
            let read = read(&Query::parse(&query).unwrap());
            assert_eq!(read, Err(ApiError::malformed(NAME)), "{query}");
        }
    }
}
