//! Who asks (specification 1.2).

use axum::http::{HeaderMap, header};

use super::backend::Backend;
use super::error::ApiError;

/// The session of the request's key, if the key may read `resource`.
///
/// # Errors
///
/// [`ApiError::Unauthorized`] without a known key, [`ApiError::Forbidden`] if it may not read.
pub fn reader<B: Backend>(
    backend: &B,
    headers: &HeaderMap,
    resource: &'static str,
) -> Result<B::Session, ApiError> {
    session(backend, headers, resource, "read")
}

/// The session of the request's key, if the key may `mode` (`read` or `write`) a resource.
///
/// # Errors
///
/// [`ApiError::Unauthorized`] without a known key, [`ApiError::Forbidden`] if it may not do this.
pub fn session<B: Backend>(
    backend: &B,
    headers: &HeaderMap,
    resource: &'static str,
    mode: &'static str,
) -> Result<B::Session, ApiError> {
    let session = token(headers).and_then(|token| backend.authenticate(token));
    let session = session.ok_or(ApiError::Unauthorized)?;
    if backend.permits(&session, resource, mode) {
        Ok(session)
    } else {
        Err(ApiError::Forbidden { mode, resource })
    }
}

/// The second word of the header. The first one is not looked at.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let value = std::str::from_utf8(headers.get(header::AUTHORIZATION)?.as_bytes()).ok()?;
    value.split_ascii_whitespace().nth(1)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_token_is_the_second_word() {
        for (header, expected) in [
            (&b"Bearer KEY"[..], Some("KEY")),
            (b"bearer KEY", Some("KEY")),
            (b"Foo  \tKEY more", Some("KEY")),
            (b"KEY", None),
            (b"Bearer ", None),
            (b"", None),
            (b"Bearer \xff", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(header).unwrap());
            assert_eq!(token(&headers), expected, "{header:?}");
        }
        assert_eq!(token(&HeaderMap::new()), None);
    }
}
