//! Answers against the description of the service: whoever asks a server in a test shows what came
//! back to [`Description::check`].

use std::collections::HashMap;
use std::sync::Mutex;

use jsonschema::Validator;
use serde_json::{Value, json};

/// What a request was answered with.
pub struct Seen<'a> {
    /// `GET` and so on.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// Its headers.
    pub headers: &'a [(String, String)],
    /// Its body; empty for HEAD.
    pub body: &'a str,
}

impl Seen<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let own = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.as_str())
    }
}

/// Statuses of requests that are refused before anybody looks at their path.
const BEFORE_ROUTES: [u16; 3] = [408, 413, 431];

/// The description of a service.
pub struct Description {
    document: Value,
    /// By path, method and status.
    validators: Mutex<HashMap<(String, String, u16), Validator>>,
}

impl Description {
    /// From the document that the service shows.
    pub fn new(document: Value) -> Self {
        Self { document, validators: Mutex::default() }
    }

    /// All operations: path and method.
    pub fn operations(&self) -> Vec<(String, String)> {
        let paths = self.document["paths"].as_object().expect("there are paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path has methods");
            methods.keys().map(|method| (path.clone(), method.to_uppercase()))
        });
        operations.collect()
    }

    /// Whether an answer is one that is described.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn check(&self, seen: &Seen<'_>) -> Result<(), String> {
        let method = if seen.method == "HEAD" { "GET" } else { seen.method };
        let path = self.path_of(seen.target);
        let name = method.to_lowercase();
        let Some(operation) = path
            .map(|path| &self.document["paths"][path][&name])
            .filter(|operation| !operation.is_null())
        else {
            let unknown = seen.body.contains("\"code\":\"resource_not_found\"");
            let refused = BEFORE_ROUTES.contains(&seen.status);
            let is_head = seen.method == "HEAD" && seen.status == 404;
            let expected = refused || is_head || seen.status == 404 && unknown;
            return expected.then_some(()).ok_or_else(|| "it is not described".to_owned());
        };
        let known = &operation["responses"][seen.status.to_string()];
        if known.is_null() {
            return Err("its status is not described".to_owned());
        }
        check_headers(seen, operation, known)?;
        let key = (path.unwrap_or_default().to_owned(), name, seen.status);
        if seen.method == "HEAD" { Ok(()) } else { self.check_body(seen, key, known) }
    }

    fn check_body(
        &self,
        seen: &Seen<'_>,
        key: (String, String, u16),
        known: &Value,
    ) -> Result<(), String> {
        let media = seen.header("content-type").unwrap_or_default();
        let Some(content) = known["content"].as_object() else {
            let empty = seen.body.is_empty();
            return empty.then_some(()).ok_or_else(|| "a body is not described".to_owned());
        };
        let (wanted, body) = content.iter().next().expect("a body has a media type");
        if wanted != "application/json" {
            let kind = wanted.trim_end_matches('*');
            return media.starts_with(kind).then_some(()).ok_or_else(|| format!("it is {media}"));
        }
        if media != "application/json; charset=utf-8" {
            return Err(format!("its media type is {media}"));
        }
        let value: Value =
            serde_json::from_str(seen.body).map_err(|error| format!("it is no JSON: {error}"))?;
        let mut validators = self.validators.lock().expect("nobody panics in here");
        let validator = validators.entry(key).or_insert_with(|| self.validator(&body["schema"]));
        let wrong: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    fn validator(&self, schema: &Value) -> Validator {
        // References begin at the root, so the named shapes stand where the document has them.
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.document["components"],
            "allOf": [schema],
        });
        let options = jsonschema::options().should_validate_formats(true);
        options.build(&whole).expect("a schema is valid")
    }

    /// The path of the description that a target is under: words come before variables, and a
    /// variable takes slashes only where nothing else fits.
    fn path_of(&self, target: &str) -> Option<&str> {
        let target = target.split('?').next().unwrap_or_default();
        // A whole address names its host before its path.
        let target = target
            .split_once("://")
            .map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
        let asked: Vec<&str> = target.split('/').filter(|segment| !segment.is_empty()).collect();
        let paths = self.document["paths"].as_object()?;
        let fits = |path: &&String| {
            let own: Vec<&str> = path.split('/').skip(1).collect();
            own.len() == asked.len()
                && own.iter().zip(&asked).all(|(own, asked)| own.starts_with('{') || own == asked)
        };
        let reaches = |path: &&String| {
            let Some((fixed, _)) = path.split_once("/{") else { return false };
            let takes = paths[*path].as_object().into_iter().flatten().any(|(_, operation)| {
                operation["parameters"][0]["x-takes-slashes"] == Value::Bool(true)
            });
            takes && format!("/{}", asked.join("/")).starts_with(&format!("{fixed}/"))
        };
        let variables = |path: &&String| path.matches('{').count();
        let found = paths.keys().filter(fits).min_by_key(variables);
        found.or_else(|| paths.keys().find(reaches)).map(String::as_str)
    }
}

/// Headers of our own are described, and what is described is there.
fn check_headers(seen: &Seen<'_>, operation: &Value, known: &Value) -> Result<(), String> {
    let described = |name: &str| {
        let headers = known["headers"].as_object();
        headers.is_some_and(|headers| headers.keys().any(|own| own.eq_ignore_ascii_case(name)))
    };
    for (name, _) in seen.headers {
        let own = name.to_lowercase();
        if (own.starts_with("odometer-") || own == "etag") && !described(&own) {
            return Err(format!("its header {name} is not described"));
        }
    }
    if !matches!(seen.status, 200 | 304 | 429) {
        return Ok(());
    }
    let wanted = known["headers"].as_object().into_iter().flatten().map(|(name, _)| name);
    let missing: Vec<_> = wanted.filter(|name| seen.header(name).is_none()).collect();
    let whole = missing.is_empty();
    whole.then_some(()).ok_or_else(|| format!("{}: no {missing:?}", operation["operationId"]))
}
