//! Routes, and what every request goes through.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use super::backend::Backend;
use super::error::ApiError;
use super::guard::{Panicked, guard};
use super::route::{Route, Routes};
use super::{odometer, openapi, ops, path, v1};
use crate::config;
use crate::runtime::clock::Stopwatch;
use crate::telemetry::events::LimitHit;
use crate::telemetry::{Emit, Metrics};

/// What handlers share.
pub struct App<B> {
    /// The service.
    pub backend: Arc<B>,
    settings: config::Http,
    metrics: Arc<Metrics>,
    in_flight: Arc<Semaphore>,
    document: String,
}

impl<B: Backend> App<B> {
    /// With the bounds of the settings.
    pub fn new(backend: Arc<B>, settings: config::Http, metrics: Arc<Metrics>) -> Arc<Self> {
        let in_flight = settings.requests_in_flight_max.min(Semaphore::MAX_PERMITS);
        let in_flight = Arc::new(Semaphore::new(in_flight));
        let document = openapi::document(&routes::<B>()).to_string();
        Arc::new(Self { backend, settings, metrics, in_flight, document })
    }

    /// A place among the requests that are answered at once. Probes and scrapes need none: they
    /// have to be answered most of all under load.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.in_flight).try_acquire_owned().map_err(|_| {
            LimitHit { limit: "http.requests_in_flight_max" }.emit(&self.metrics);
            ApiError::Overloaded { limit: self.limit() }
        })
    }

    /// The whole body of a request, which has to arrive within the read timeout.
    pub async fn body(&self, body: Body) -> Result<Bytes, ApiError> {
        let whole = to_bytes(body, self.settings.request_bytes_max);
        let patience = Duration::from_millis(self.settings.read_timeout_ms);
        let arrived = tokio::time::timeout(patience, whole).await;
        // Whoever breaks off while sending reads no answer, so the error is one of size.
        arrived.map_err(|_| ApiError::RequestTimeout)?.map_err(|_| ApiError::BodyTooLarge)
    }

    /// The description of the routes.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Most requests answered at once.
    pub fn limit(&self) -> usize {
        self.settings.requests_in_flight_max
    }
}

/// All routes, each with its description. Names of routes in metrics are those of Lago's
/// documentation.
pub fn routes<B: Backend>() -> Vec<Route<B>> {
    let own = [odometer::routes(), ops::routes(), openapi::docs::routes()];
    v1::routes().into_iter().chain(own.into_iter().flat_map(Routes::into_inner)).collect()
}

/// The routes over an app.
pub fn router<B: Backend>(app: &Arc<App<B>>) -> Router {
    let on = |route, handler: MethodRouter<Arc<App<B>>>| {
        let state = Observed { app: Arc::clone(app), route };
        handler.fallback(unmatched).layer(from_fn_with_state(state, observe::<B>))
    };
    let unmatched = on("unmatched", any(unmatched)).with_state(Arc::clone(app));
    let routes = routes::<B>().into_iter().fold(Router::new(), |router, route| {
        router.route(&path::pattern(route.path), on(route.path, route.handlers))
    });
    routes.fallback_service(unmatched).with_state(Arc::clone(app))
}

/// Answers one request.
pub async fn answer(router: Router, mut request: Request<Body>) -> Response {
    let uri = std::mem::take(request.uri_mut());
    *request.uri_mut() = path::clean(uri);
    let mut response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // A method that a path does not know is answered like an unknown path, as upstream does.
    response.headers_mut().remove(header::ALLOW);
    response
}

async fn unmatched() -> ApiError {
    ApiError::RouteNotFound
}

struct Observed<B> {
    app: Arc<App<B>>,
    route: &'static str,
}

impl<B> Clone for Observed<B> {
    fn clone(&self) -> Self {
        Self { app: Arc::clone(&self.app), route: self.route }
    }
}

/// Bounds, guards, counts and logs a request.
async fn observe<B: Backend>(
    State(Observed { app, route }): State<Observed<B>>,
    request: Request,
    next: Next,
) -> Response {
    let watch = Stopwatch::start();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = match check(&app.settings, &request) {
        Err(error) => error.into_response(),
        Ok(()) => guard(next.run(request)).await.unwrap_or_else(|Panicked| {
            tracing::error!(%method, route, "a request handler panicked");
            ApiError::Internal.into_response()
        }),
    };
    let (status, took) = (response.status().as_u16(), watch.elapsed());
    app.metrics.count_request(route, status, took);
    tracing::debug!(%method, path = uri.path(), route, status, ?took, "request");
    response
}

/// Whether a request may go on to its handler.
fn check(settings: &config::Http, request: &Request) -> Result<(), ApiError> {
    if head_bytes(request) > settings.header_bytes_max {
        return Err(ApiError::HeadersTooLarge);
    }
    if body_bytes(request.headers()) > settings.request_bytes_max as u64 {
        return Err(ApiError::BodyTooLarge);
    }
    Ok(())
}

/// Bytes of the request line and the headers, as they were sent give or take some blanks.
fn head_bytes(request: &Request) -> usize {
    /// `: ` and the line's end, and in the first line two blanks and the version.
    const LINE: usize = 4;
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers().iter();
    let lines = headers.map(|(name, value)| name.as_str().len() + value.len() + LINE);
    request.method().as_str().len() + path + LINE + lines.sum::<usize>()
}

/// Announced bytes of the body. One of unknown length is bounded where it is read; a route that
/// reads none closes the connection instead.
fn body_bytes(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}
