//! Query strings: form encoding with brackets, as Rack reads it.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::error::ApiError;

/// Most parameters of one request. Far beyond any real one, and it bounds the search for names.
const PARAMETERS_MAX: usize = 1024;

/// The parameters of a request in the order they were sent.
#[derive(Debug)]
pub struct Query<'a>(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>);

impl<'a> Query<'a> {
    /// Decodes a query string. A name that is not UTF-8 is no name of ours and is left out.
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if there are too many parameters.
    pub fn parse(text: &'a str) -> Result<Self, ApiError> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == PARAMETERS_MAX {
                return Err(ApiError::Invalid {
                    field: "parameters",
                    code: "value_is_out_of_range",
                });
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let Some(name) = decode(name) {
                pairs.push((name, decode(value)));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; the last one if there are several.
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if it is not UTF-8.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        match self.0.iter().rev().find(|(own, _)| own == name) {
            None => Ok(None),
            Some((_, value)) => value.as_deref().map(Some).ok_or(ApiError::malformed(name)),
        }
    }

    /// The value under the first of two names if that name is present at all, else under the other.
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if it is not UTF-8.
    pub fn text_or_alias(
        &self,
        name: &'static str,
        alias: &'static str,
    ) -> Result<Option<&str>, ApiError> {
        match self.text(name)? {
            None => self.text(alias),
            text => Ok(text),
        }
    }

    /// All parameters with this name, brackets after it or not, in order: what follows the name,
    /// and the value, none if that is not UTF-8.
    pub fn family(&self, name: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().filter_map(move |(own, value)| {
            let rest = own.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with('[')).then_some((rest, value.as_deref()))
        })
    }

    /// A switch; `default` when absent. False is `false`, `f`, `off` and `0`, all in lower or all
    /// in upper case, and the empty text; everything else is true (specification 1.3).
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if it is not UTF-8.
    pub fn switch(&self, name: &'static str, default: bool) -> Result<bool, ApiError> {
        Ok(match self.text(name)? {
            None => default,
            Some("" | "false" | "f" | "off" | "0" | "FALSE" | "F" | "OFF") => false,
            Some(_) => true,
        })
    }
}

/// Decodes once: `+` is a space, `%xx` a byte, and an escape that is none stands for itself. None
/// if the bytes are not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode(text.as_bytes()).decode_utf8().ok();
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once_and_the_last_one_counts() {
        for (query, expected) in [
            ("a=b", Some("b")),
            ("a=b&a=c", Some("c")),
            ("a", Some("")),
            ("&&a=&x=1", Some("")),
            ("a=1+2%2B3%20", Some("1 2+3 ")),
            ("a=%2541", Some("%41")),
            ("a=%zz%4", Some("%zz%4")),
            ("a=x=y", Some("x=y")),
            ("%61=%C3%BC", Some("ü")),
            ("a%00=1", None),
            ("a[]=1", None),
            ("", None),
        ] {
            let parsed = Query::parse(query).unwrap();
            assert_eq!(parsed.text("a"), Ok(expected), "{query}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_where_they_are_asked_for() {
        let query = Query::parse("a=%ff&b=1&%ff=2").unwrap();
        assert_eq!(query.text("a"), Err(ApiError::malformed("a")));
        assert_eq!(query.text("b"), Ok(Some("1")));
    }

    #[test]
    fn a_present_name_wins_over_its_alias_even_when_empty() {
        for (query, expected) in
            [("old=1", Some("1")), ("new=&old=1", Some("")), ("old=1&new=2", Some("2")), ("", None)]
        {
            let parsed = Query::parse(query).unwrap();
            assert_eq!(parsed.text_or_alias("new", "old"), Ok(expected), "{query}");
        }
    }

    #[test]
    fn switches_follow_rails() {
        for (text, expected) in [
            ("false", false),
            ("FALSE", false),
            ("f", false),
            ("F", false),
            ("off", false),
            ("OFF", false),
            ("0", false),
            ("", false),
            ("False", true),
            ("Off", true),
            ("no", true),
            ("n", true),
            ("00", true),
            ("true", true),
            ("1", true),
        ] {
            let query = format!("a={text}");
            assert_eq!(
                Query::parse(&query).unwrap().switch("a", !expected),
                Ok(expected),
                "{text}"
            );
        }
        let none = Query::parse("").unwrap();
        assert_eq!((none.switch("a", true), none.switch("a", false)), (Ok(true), Ok(false)));
    }

    #[test]
    fn families_keep_brackets_and_order() {
        let query = Query::parse("g[a]=1&group=x&g%5Bb%5D%5B%5D=2&g=3&g[c]=%ff").unwrap();
        let family: Vec<_> = query.family("g").collect();
        let expected = [("[a]", Some("1")), ("[b][]", Some("2")), ("", Some("3")), ("[c]", None)];
        assert_eq!(family, expected);
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        assert!(Query::parse(&"a=1&".repeat(PARAMETERS_MAX)).is_ok());
        assert!(Query::parse(&"a=1&".repeat(PARAMETERS_MAX + 1)).is_err());
    }
}
