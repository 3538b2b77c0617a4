//! Routes and their operations as one document.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::operation::{Headers, Operation, Parameter, Shape};
use super::schema::{Named, Schema, Shapes};
use crate::http::route::Route;

/// What a refused request is answered with (SDK contract 3).
pub static ERROR: Named = Named(
    "Error",
    Schema::Partly(
        &[("status", Schema::Integer), ("error", Schema::Text)],
        &[
            ("code", Schema::Text),
            ("error_details", Schema::Either(&[Schema::Map(&Schema::Any), Schema::Text])),
        ],
    ),
);

/// What a list says about itself.
static META: Named = Named(
    "Meta",
    Schema::Object(&[
        ("current_page", Schema::Integer),
        ("next_page", Schema::Maybe(&Schema::Integer)),
        ("prev_page", Schema::Maybe(&Schema::Integer)),
        ("total_pages", Schema::Integer),
        ("total_count", Schema::Integer),
    ]),
);

/// Statuses that any request may be answered with: its body or its head is too large, its handler
/// has a defect.
const ANY: [u16; 4] = [408, 413, 431, 500];
/// Statuses of requests that need a key.
const KEYED: [u16; 4] = [401, 403, 429, 503];

/// Headers of 429.
const LIMITED: Headers = &[
    ("Retry-After", "Seconds after which to come again.", Schema::Integer),
    ("x-ratelimit-limit", "Requests that are answered at once.", Schema::Integer),
    ("x-ratelimit-remaining", "Places that are left.", Schema::Integer),
    ("x-ratelimit-reset", "Seconds after which to come again.", Schema::Integer),
];
/// Headers of 503.
const RETRY: Headers =
    &[("Retry-After", "Seconds after which to come again; not always.", Schema::Integer)];

/// The document of these routes.
pub fn document<B>(routes: &[Route<B>]) -> Value {
    let mut shapes = Shapes::default();
    let mut paths = Map::new();
    for route in routes {
        let mut item = Map::new();
        for (method, operation) in &route.operations {
            let described = describe(&mut shapes, route, method, operation);
            item.insert(method.as_str().to_ascii_lowercase(), described);
        }
        paths.insert(path_of(route.path), Value::Object(item));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Odometer",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Live usage totals per subscription, answered in Lago's own form.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": shapes.into_named(),
            "securitySchemes": {"key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key of an organisation.",
            }},
        },
    })
}

/// A route as OpenAPI writes it: `{name}` for a variable. One that takes slashes looks the same.
fn path_of(route: &str) -> String {
    let segment = |segment: &str| match segment.strip_prefix([':', '*']) {
        Some(name) => format!("{{{name}}}"),
        None => segment.to_owned(),
    };
    route.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// The variables of a route, with their marks.
fn variables(route: &str) -> impl Iterator<Item = &str> {
    route.split('/').filter(|segment| segment.starts_with([':', '*']))
}

/// A variable of the path. Empty ones are another path; one that takes slashes is marked.
fn variable(segment: &str) -> Value {
    let mut parameter = json!({
        "name": &segment[1..],
        "in": "path",
        "required": true,
        "schema": {"type": "string", "minLength": 1},
    });
    if segment.starts_with('*') {
        parameter["x-takes-slashes"] = Value::Bool(true);
    }
    parameter
}

fn describe<B>(
    shapes: &mut Shapes,
    route: &Route<B>,
    method: &Method,
    operation: &Operation,
) -> Value {
    let mut parameters: Vec<Value> = variables(route.path).map(variable).collect();
    parameters.extend(operation.parameters.iter().map(|own| parameter(shapes, own)));
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.about,
        "tags": [route.tag],
        "parameters": parameters,
        "responses": responses(shapes, route.path, method, operation),
        "security": if operation.keyed { json!([{"key": []}]) } else { json!([]) },
    });
    if let Some(body) = &operation.body {
        described["requestBody"] = json!({"required": true, "content": content(shapes, body)});
    }
    described
}

fn parameter(shapes: &mut Shapes, parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.about,
        "schema": shapes.schema(&parameter.schema),
    })
}

fn responses(shapes: &mut Shapes, path: &str, method: &Method, operation: &Operation) -> Value {
    let mut all = Map::new();
    let answer = response(shapes, 200, Some(&operation.answer), &[operation.headers]);
    all.insert("200".to_owned(), answer);
    for (status, body) in &operation.others {
        let known = response(shapes, *status, body.as_ref(), &headers(*status, operation));
        all.insert(status.to_string(), known);
    }
    let writes = !matches!(*method, Method::GET);
    let usual = [
        (true, ANY.as_slice()),
        (operation.keyed, &KEYED),
        (operation.body.is_some(), &[400, 422]),
        (!operation.parameters.is_empty(), &[422]),
        (writes || variables(path).next().is_some(), &[404]),
    ];
    for status in usual.iter().filter(|(applies, _)| *applies).flat_map(|(_, some)| *some) {
        let refusal = || response(shapes, *status, None, &headers(*status, operation));
        all.entry(status.to_string()).or_insert_with(refusal);
    }
    Value::Object(all)
}

/// Headers of an answer that is not 200: what it reflects is told as far as it is known.
fn headers(status: u16, operation: &Operation) -> [Headers; 2] {
    match status {
        304 | 409 | 504 => [operation.headers, &[]],
        429 => [LIMITED, &[]],
        503 => [RETRY, operation.headers],
        _ => [&[], &[]],
    }
}

/// An answer with this body, or that of an error; 304 has none.
fn response(shapes: &mut Shapes, status: u16, body: Option<&Shape>, headers: &[Headers]) -> Value {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut known = json!({"description": reason.unwrap_or("An answer")});
    if status != StatusCode::NOT_MODIFIED.as_u16() {
        let body = body.copied().unwrap_or(Shape::Whole(Schema::Ref(&ERROR)));
        known["content"] = content(shapes, &body);
    }
    let headers = headers.iter().flat_map(|some| *some).map(|(name, about, schema)| {
        let header = json!({"description": about, "schema": shapes.schema(schema)});
        ((*name).to_owned(), header)
    });
    let headers: Map<String, Value> = headers.collect();
    if !headers.is_empty() {
        known["headers"] = Value::Object(headers);
    }
    known
}

fn content(shapes: &mut Shapes, shape: &Shape) -> Value {
    let schema = match shape {
        Shape::Text(media) => return json!({(*media): {"schema": {"type": "string"}}}),
        Shape::Whole(schema) => shapes.schema(schema),
        Shape::Root(root, named) => {
            let inner = shapes.schema(&Schema::Ref(named));
            object(&[(root, inner)])
        }
        Shape::Page(root, row) => {
            let rows = json!({"type": "array", "items": shapes.schema(&Schema::Ref(row))});
            object(&[(root, rows), ("meta", shapes.schema(&Schema::Ref(&META)))])
        }
    };
    json!({"application/json": {"schema": schema}})
}

/// An object of exactly these members.
fn object(members: &[(&str, Value)]) -> Value {
    let needed: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    let members: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": needed, "properties": members})
}
