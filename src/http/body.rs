//! Bodies of requests: JSON as a plain tree.

use super::error::ApiError;
use crate::core::value::Value;

/// Reads a whole body. An empty one is null: it has no members.
///
/// # Errors
///
/// [`ApiError::BadRequest`] for what is no JSON, and for texts with a NUL, which nothing stores.
pub fn read(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    let tree = serde_json::from_slice(bytes).ok().and_then(|tree| convert(tree, is_kept));
    tree.ok_or_else(|| {
        ApiError::BadRequest("BadRequest: error occurred while parsing request body".to_owned())
    })
}

/// Reads the whole body of a request about events, which are passed on as they are sent. One
/// without a byte is an empty object.
///
/// # Errors
///
/// [`ApiError::BadRequest`] if it is no JSON object.
pub fn events(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.is_empty() {
        return Ok(Value::Object(Vec::new()));
    }
    let tree = serde_json::from_slice(bytes).ok().and_then(|tree| convert(tree, |_| true));
    tree.filter(|tree| tree.as_object().is_some()).ok_or_else(|| {
        ApiError::BadRequest("Error occurred while parsing request parameters".to_owned())
    })
}

/// The object under the root key.
///
/// # Errors
///
/// Lago's 400 if there is none, or an empty one.
pub fn root(body: Value, name: &str) -> Result<Value, ApiError> {
    match member(body, name) {
        Some(Value::Object(members)) if !members.is_empty() => Ok(Value::Object(members)),
        _ => Err(ApiError::missing_root(name)),
    }
}

/// A member of an object, taken out of it.
pub fn member(body: Value, name: &str) -> Option<Value> {
    let Value::Object(members) = body else { return None };
    members.into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

/// The depth is bounded by the parser. None if a text is not to be kept.
fn convert(tree: serde_json::Value, keeps: fn(&str) -> bool) -> Option<Value> {
    let kept = |text: String| keeps(&text).then_some(text);
    Some(match tree {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => Value::Number(number.as_str().to_owned()),
        serde_json::Value::String(text) => Value::Text(kept(text)?),
        serde_json::Value::Array(list) => {
            let items = list.into_iter().map(|item| convert(item, keeps));
            Value::List(items.collect::<Option<_>>()?)
        }
        serde_json::Value::Object(members) => {
            let member = |(name, value)| Some((kept(name)?, convert(value, keeps)?));
            Value::Object(members.into_iter().map(member).collect::<Option<_>>()?)
        }
    })
}

fn is_kept(text: &str) -> bool {
    !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_keep_their_numbers_and_order() {
        let body = read(br#" {"b":[1.50,null,"x"],"a":{"c":1e3,"b":true}} "#).unwrap();
        let number = |text: &str| Value::Number(text.to_owned());
        let expected = Value::Object(vec![
            (
                "b".to_owned(),
                Value::List(vec![number("1.50"), Value::Null, Value::Text("x".to_owned())]),
            ),
            (
                "a".to_owned(),
                Value::Object(vec![
                    ("c".to_owned(), number("1e+3")),
                    ("b".to_owned(), Value::Bool(true)),
                ]),
            ),
        ]);
        assert_eq!(body, expected);
        assert_eq!(read(b""), Ok(Value::Null));
        assert_eq!(read(b"\r\n"), Ok(Value::Null));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let deep = "[".repeat(100_000);
        for bytes in [b"{".as_slice(), b"{}x", b"\xff", br#"{"a":"x\u0000"}"#, deep.as_bytes()] {
            assert!(matches!(read(bytes), Err(ApiError::BadRequest(_))), "{bytes:?}");
        }
    }

    #[test]
    fn events_are_an_object_whose_texts_stay() {
        let text = |text: &str| Value::Text(text.to_owned());
        let kept = Value::Object(vec![("a".to_owned(), text("x\0"))]);
        assert_eq!(events(br#"{"a":"x\u0000"}"#), Ok(kept));
        assert_eq!(events(b""), Ok(Value::Object(Vec::new())));
        for bytes in [&b" "[..], b"[]", b"null", b"{", b"\xff"] {
            assert!(matches!(events(bytes), Err(ApiError::BadRequest(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_root_is_an_object_with_members() {
        let body = read(br#"{"a":{"b":1},"c":{},"d":"x","e":null}"#).unwrap();
        assert!(root(body.clone(), "a").is_ok());
        for name in ["b", "c", "d", "e"] {
            assert_eq!(root(body.clone(), name), Err(ApiError::missing_root(name)), "{name}");
        }
        assert!(root(Value::Null, "a").is_err());
    }
}
