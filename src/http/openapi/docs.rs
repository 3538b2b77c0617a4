//! `/openapi.json`, and `/docs`, a page that shows it. Everything that the page loads is compiled
//! in: it works without a way out.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_swagger_ui::Config;

use super::{Operation, Schema, Shape};
use crate::http::backend::Backend;
use crate::http::error::{ApiError, json_response};
use crate::http::route::Routes;
use crate::http::router::App;

/// The page. What it loads stands below it.
const PAGE: &str = include_str!("docs.html");
/// The script that starts it; apart, so that the page's policy needs no exception.
const START: &str = include_str!("docs.js");
/// Files of the viewer that the page loads.
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// Nothing is loaded from elsewhere. The viewer draws its icons from `data:` and sets styles.
const POLICY: (HeaderName, HeaderValue) = (
    header::CONTENT_SECURITY_POLICY,
    HeaderValue::from_static(
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
         frame-ancestors 'none'",
    ),
);
/// The files change with the version only.
const CACHE: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::new(["/openapi.json"])));

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let page = Operation::new("docs", "This description as a page.", Shape::Text("text/html"));
    let file = Operation::new("docsFile", "A file of the page.", Shape::Text("text/*"));
    Routes::of("description", "/openapi.json")
        .raw_get(
            show::<B>,
            Operation::new("openapi", "This description.", Shape::Whole(Schema::Map(&Schema::Any)))
                .for_all(),
        )
        .at("/docs")
        .raw_get(|| async { ([(header::CONTENT_TYPE, HTML)], [POLICY], PAGE) }, page.for_all())
        .at("/docs/:file")
        .raw_get(asset, file.for_all())
}

async fn show<B: Backend>(State(app): State<Arc<App<B>>>) -> Response {
    json_response(StatusCode::OK, app.document().to_owned())
}

async fn asset(Path(name): Path<String>) -> Result<Response, ApiError> {
    if name == "start.js" {
        return Ok(([(header::CONTENT_TYPE, SCRIPT)], [CACHE], START).into_response());
    }
    if !FILES.contains(&name.as_str()) {
        return Err(ApiError::RouteNotFound);
    }
    let found = utoipa_swagger_ui::serve(&name, Arc::clone(&CONFIG)).ok().flatten();
    let file = found.ok_or(ApiError::RouteNotFound)?;
    let head = [(header::CONTENT_TYPE, file.content_type)];
    Ok((head, [CACHE], file.bytes.into_owned()).into_response())
}
