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
    let unreadable =
        || ApiError::BadRequest("BadRequest: error occurred while parsing request body".to_owned());
    let tree = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    convert(tree).ok_or_else(unreadable)
}

/// The object under the root key.
///
/// # Errors
///
/// Lago's 400 if there is none, or an empty one.
pub fn root(body: &Value, name: &str) -> Result<Value, ApiError> {
    match body.get(name) {
        Value::Object(members) if !members.is_empty() => Ok(Value::Object(members.clone())),
        _ => Err(ApiError::missing_root(name)),
    }
}

/// The depth is bounded by the parser. None if a text cannot be kept.
fn convert(tree: serde_json::Value) -> Option<Value> {
    Some(match tree {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => Value::Number(number.as_str().to_owned()),
        serde_json::Value::String(text) => Value::Text(kept(text)?),
        serde_json::Value::Array(list) => {
            Value::List(list.into_iter().map(convert).collect::<Option<_>>()?)
        }
        serde_json::Value::Object(members) => {
            let member = |(name, value)| Some((kept(name)?, convert(value)?));
            Value::Object(members.into_iter().map(member).collect::<Option<_>>()?)
        }
    })
}

fn kept(text: String) -> Option<String> {
    (!text.contains('\0')).then_some(text)
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
    fn a_root_is_an_object_with_members() {
        let body = read(br#"{"a":{"b":1},"c":{},"d":"x","e":null}"#).unwrap();
        assert!(root(&body, "a").is_ok());
        for name in ["b", "c", "d", "e"] {
            assert_eq!(root(&body, name), Err(ApiError::missing_root(name)), "{name}");
        }
        assert!(root(&Value::Null, "a").is_err());
    }
}
