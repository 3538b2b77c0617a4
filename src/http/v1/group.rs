//! The `group` parameter: conditions on event properties (specification 1.3, 6.5).

use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::query::Query;

/// Keys in the order they first appear, each with the values that fit.
type Group = Vec<(String, Vec<String>)>;

/// What was sent so far.
enum Sent {
    /// `group=text`.
    Text(String),
    /// `group[key]=value`, `group[key][]=value`: the values, and whether they came as a list.
    Object(Vec<(String, (bool, Vec<String>))>),
}

/// Reads `group`, or `filter_by_group` if `group` is absent in every form. Nothing or an empty text
/// means no condition.
///
/// # Errors
///
/// [`ApiError::Invalid`] if it is no object of texts or lists of texts.
pub fn read(query: &Query<'_>) -> Result<Group, ApiError> {
    let present = query.family("group").next().is_some();
    let name = if present { "group" } else { "filter_by_group" };
    let malformed = || ApiError::malformed("group");
    let mut sent = None;
    for (suffix, value) in query.family(name) {
        let value = value.ok_or_else(malformed)?.to_owned();
        sent = Some(add(sent, suffix, value).ok_or_else(malformed)?);
    }
    match sent {
        None => Ok(Group::new()),
        Some(Sent::Text(text)) if text.is_empty() => Ok(Group::new()),
        Some(Sent::Text(text)) => from_json(&text).ok_or_else(malformed),
        Some(Sent::Object(entries)) => {
            Ok(entries.into_iter().map(|(key, (_, values))| (key, values)).collect())
        }
    }
}

/// Adds a parameter the way Rack does: a later text takes the place of what was there, a list
/// grows, and a name cannot be two things.
fn add(sent: Option<Sent>, suffix: &str, value: String) -> Option<Sent> {
    if suffix.is_empty() {
        return Some(Sent::Text(value));
    }
    let inner = suffix.strip_prefix('[')?.strip_suffix(']')?;
    let (key, listed) = match inner.strip_suffix("][") {
        Some(key) => (key, true),
        None => (inner, false),
    };
    if key.is_empty() || key.contains(['[', ']']) {
        return None;
    }
    let mut entries = match sent {
        None => Vec::new(),
        Some(Sent::Object(entries)) => entries,
        Some(Sent::Text(_)) => return None,
    };
    let at = entries.iter().position(|(own, _)| own == key);
    match at.map(|at| &mut entries[at].1) {
        None => entries.push((key.to_owned(), (listed, vec![value]))),
        Some((true, values)) if listed => values.push(value),
        Some((false, _)) if listed => return None,
        Some(entry) => *entry = (false, vec![value]),
    }
    Some(Sent::Object(entries))
}

fn from_json(json: &str) -> Option<Group> {
    let Value::Object(object) = serde_json::from_str(json).ok()? else { return None };
    let texts = |value: &Value| match value {
        Value::Array(items) => items.iter().map(text).collect(),
        scalar => text(scalar).map(|text| vec![text]),
    };
    object.iter().map(|(key, value)| Some((key.clone(), texts(value)?))).collect()
}

/// A scalar as text, a number with the digits it was sent with.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Option<&[(&str, &[&str])]>) {
        let read = read(&Query::parse(query).unwrap());
        let owned = |texts: &&[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let expected = expected
            .map(|group| {
                group.iter().map(|(key, texts)| ((*key).to_owned(), owned(texts))).collect()
            })
            .ok_or(ApiError::malformed("group"));
        assert_eq!(read, expected, "{query}");
    }

    #[test]
    fn brackets_are_read_as_rack_does() {
        check("", Some(&[]));
        check("group=", Some(&[]));
        check("group[cloud]=aws", Some(&[("cloud", &["aws"])]));
        check("group%5Bcloud%5D=a+b", Some(&[("cloud", &["a b"])]));
        check("group[c][]=1&group[c][]=2&group[d]=3", Some(&[("c", &["1", "2"]), ("d", &["3"])]));
        check("group[c]=1&group[d]=2&group[c]=3", Some(&[("c", &["3"]), ("d", &["2"])]));
        check("group[c][]=1&group[c]=2", Some(&[("c", &["2"])]));
        check("group[c]=", Some(&[("c", &[""])]));
        check("group[c]", Some(&[("c", &[""])]));
        check("group[a.b-c d]=1", Some(&[("a.b-c d", &["1"])]));
        check("group[c]=1&group=", Some(&[]));
        check("groups[c]=1", Some(&[]));
    }

    #[test]
    fn json_is_read_in_both_names() {
        check(
            r#"group={"cloud":"aws","n":[1.50,true]}"#,
            Some(&[("cloud", &["aws"]), ("n", &["1.50", "true"])]),
        );
        check(r#"filter_by_group={"cloud":["a","b"]}"#, Some(&[("cloud", &["a", "b"])]));
        check("filter_by_group[c]=1", Some(&[("c", &["1"])]));
        check("group={}", Some(&[]));
        check(r#"group={"a":[]}"#, Some(&[("a", &[])]));
        check("group=&filter_by_group[c]=1", Some(&[]));
        check("group[c]=1&filter_by_group=nonsense", Some(&[("c", &["1"])]));
    }

    #[test]
    fn everything_else_is_malformed() {
        for query in [
            "group=[object Object]",
            "group={",
            "group=[]",
            "group=null",
            "group=1",
            "group=\"a\"",
            "group=+",
            "group={\"a\":{\"b\":1}}",
            "group={\"a\":[[1]]}",
            "group={\"a\":null}",
            "group={\"a\":1}x",
            "group[]=1",
            "group[a][b]=1",
            "group[a[b]]=1",
            "group[a",
            "group[a]b=1",
            "group[a]=1&group[a][]=2",
            "group=x&group[a]=1",
            "group[a]=1&group=x",
            "group[a]=%ff",
            "filter_by_group=nonsense",
        ] {
            check(query, None);
        }
        let deep = "[".repeat(10_000);
        check(&format!("group={{\"a\":{deep}"), None);
    }
}
