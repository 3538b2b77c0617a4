//! Routes for operators: no key, no bound on requests at once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::backend::Backend;
use super::error::json_response;
use super::json;
use super::openapi::{Named, Operation, Schema, Shape};
use super::route::Routes;
use super::router::App;
use crate::telemetry::CONTENT_TYPE;

static LIVE: Named = Named("Liveness", Schema::Object(&[("alive", Schema::Flag)]));
static READY: Named = Named(
    "Readiness",
    Schema::Object(&[
        ("ready", Schema::Flag),
        ("version", Schema::Text),
        ("detail", Schema::Map(&Schema::Text)),
    ]),
);

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let (live, ready) = (Shape::Whole(Schema::Ref(&LIVE)), Shape::Whole(Schema::Ref(&READY)));
    Routes::of("operations", "/livez")
        .raw_get(livez, Operation::new("live", "Whether the process answers.", live).for_all())
        .at("/readyz")
        .raw_get(
            readyz::<B>,
            Operation::new("ready", "Whether everything known at start is folded.", ready)
                .or_answers(503, ready)
                .for_all(),
        )
        .at("/metrics")
        .raw_get(
            metrics::<B>,
            Operation::new("metrics", "Metrics for Prometheus.", Shape::Text(CONTENT_TYPE))
                .for_all(),
        )
}

/// `GET /livez`: the process answers.
async fn livez() -> Response {
    json_response(StatusCode::OK, "{\"alive\":true}".to_owned())
}

/// `GET /readyz`: 200 once everything known at start is folded, else 503.
async fn readyz<B: Backend>(State(app): State<Arc<App<B>>>) -> Response {
    let readiness = app.backend.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut out = String::from("{\"ready\":");
    out.push_str(if readiness.ready { "true" } else { "false" });
    out.push_str(",\"version\":");
    json::string(&mut out, env!("CARGO_PKG_VERSION"));
    out.push_str(",\"detail\":");
    json::list(&mut out, json::OBJECT, &readiness.detail, |out, (name, value)| {
        json::key(out, name);
        json::string(out, value);
    });
    out.push('}');
    json_response(status, out)
}

/// `GET /metrics`: for Prometheus.
async fn metrics<B: Backend>(State(app): State<Arc<App<B>>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], app.backend.metrics_text()).into_response()
}
