//! Paths as they are routed.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The address with runs of slashes as one and without a slash at the end: a base address that ends
/// in a slash makes clients ask for `//api`. Escapes stay as they are, so that an escaped slash is
/// part of an id.
pub fn clean(uri: Uri) -> Uri {
    let path = uri.path();
    if !path.contains("//") && (path.len() < 2 || !path.ends_with('/')) {
        return uri;
    }
    let mut cleaned = String::with_capacity(uri.path().len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        cleaned.push('/');
        cleaned.push_str(segment);
    }
    if cleaned.is_empty() {
        cleaned.push('/');
    }
    if let Some(query) = uri.query() {
        cleaned.push('?');
        cleaned.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(cleaned).ok();
    // Parts of an address that was accepted fit together again; if not, it goes unchanged.
    Uri::from_parts(parts).unwrap_or(uri)
}

/// The router's pattern of a route in the form of Lago's documentation: `:name` is one segment,
/// `*name` all that follow.
pub fn pattern(route: &str) -> String {
    let segment = |segment: &str| match segment.as_bytes().first() {
        Some(b':') => format!("{{{}}}", &segment[1..]),
        Some(b'*') => format!("{{{segment}}}"),
        _ => segment.to_owned(),
    };
    route.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_become_patterns() {
        for (route, expected) in [
            ("/livez", "/livez"),
            ("/api/v1/taxes/*code", "/api/v1/taxes/{*code}"),
            ("/plans/:code/charges/:charge", "/plans/{code}/charges/{charge}"),
        ] {
            assert_eq!(pattern(route), expected);
        }
    }

    #[test]
    fn slashes_are_cleaned_and_nothing_else() {
        for (from, to) in [
            ("/", "/"),
            ("//", "/"),
            ("/a/b", "/a/b"),
            ("//a///b//", "/a/b"),
            ("/a/b/?x=//y/", "/a/b?x=//y/"),
            ("/a%2F%2Fb/", "/a%2F%2Fb"),
            ("http://h:1//a/", "http://h:1/a"),
            ("*", "*"),
        ] {
            let cleaned = clean(from.parse().unwrap());
            assert_eq!(cleaned.to_string(), to, "{from}");
        }
    }
}
