//! Routes for operators: no key, no bound on requests at once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::backend::Backend;
use super::error::json_response;
use super::json;
use super::router::App;
use crate::telemetry::CONTENT_TYPE;

/// `GET /livez`: the process answers.
pub async fn livez() -> Response {
    json_response(StatusCode::OK, "{\"alive\":true}".to_owned())
}

/// `GET /readyz`: 200 once everything known at start is folded, else 503.
pub async fn readyz<B: Backend>(State(app): State<Arc<App<B>>>) -> Response {
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
pub async fn metrics<B: Backend>(State(app): State<Arc<App<B>>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], app.backend.metrics_text()).into_response()
}
