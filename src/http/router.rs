//! Routes, and what every request goes through.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use tower::ServiceExt;

use super::backend::Backend;
use super::error::ApiError;
use super::guard::{Panicked, guard};
use super::room::{Held, Room};
use super::route::{Route, Routes};
use super::{odometer, openapi, ops, path, v1};
use crate::config;
use crate::runtime::clock::Stopwatch;
use crate::telemetry::events::LimitHit;
use crate::telemetry::{Emit, Metrics};

/// Bytes of bodies on their way in, all together: a few hundred of the longest. Who sends slowly
/// takes up what has come, not a place among the requests.
const ARRIVING_BYTES_MAX: usize = 256 << 20;
/// Bytes of answers on their way out, all together. Who does not read takes up what is left.
const LEAVING_BYTES_MAX: usize = 256 << 20;
/// Answers up to this length need no room: each connection may leave one unread, which together is
/// as much again.
const LEAVING_FREE_BYTES: u64 = 16 << 10;

/// What handlers share.
pub struct App<B> {
    /// The service.
    pub backend: Arc<B>,
    settings: config::Http,
    metrics: Arc<Metrics>,
    in_flight: Arc<Room>,
    arriving: Arc<Room>,
    leaving: Arc<Room>,
    document: String,
}

impl<B: Backend> App<B> {
    /// With the bounds of the settings.
    pub fn new(backend: Arc<B>, settings: config::Http, metrics: Arc<Metrics>) -> Arc<Self> {
        let in_flight = Room::new(settings.requests_in_flight_max);
        let (arriving, leaving) = (Room::new(ARRIVING_BYTES_MAX), Room::new(LEAVING_BYTES_MAX));
        let document = openapi::document(&routes::<B>()).to_string();
        Arc::new(Self { backend, settings, metrics, in_flight, arriving, leaving, document })
    }

    /// A place among the requests that are answered at once. Probes and scrapes need none: they
    /// have to be answered most of all under load.
    pub fn enter(&self, session: &B::Session) -> Result<Held, ApiError> {
        let place = self.in_flight.take(self.backend.tenant(session), 1);
        place.ok_or_else(|| self.overloaded("http.requests_in_flight_max"))
    }

    /// The whole body of a request, which has to arrive within the read timeout.
    pub async fn body(&self, session: &B::Session, body: Body) -> Result<Bytes, ApiError> {
        let whole = self.whole(session, body);
        let patience = Duration::from_millis(self.settings.read_timeout_ms);
        let arrived = tokio::time::timeout(patience, whole).await;
        arrived.map_err(|_| ApiError::RequestTimeout)?
    }

    async fn whole(&self, session: &B::Session, mut body: Body) -> Result<Bytes, ApiError> {
        let full = || self.overloaded("ARRIVING_BYTES_MAX");
        let mut room = self.arriving.take(self.backend.tenant(session), 0).ok_or_else(full)?;
        let mut whole = Vec::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            // Whoever breaks off while sending reads no answer, so the error is one of size.
            let Ok(data) = frame.map_err(|_| ApiError::BodyTooLarge)?.into_data() else { continue };
            if whole.len() + data.len() > self.settings.request_bytes_max {
                return Err(ApiError::BodyTooLarge);
            }
            if !room.grow(data.len()) {
                return Err(full());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.into())
    }

    /// The answer, with room for its body until that has been sent.
    async fn leave(&self, who: &str, response: Response) -> Response {
        if response.body().size_hint().lower() <= LEAVING_FREE_BYTES {
            return response;
        }
        let (parts, body) = response.into_parts();
        // What is printed as a whole is there as a whole.
        let Ok(bytes) = to_bytes(body, usize::MAX).await else {
            return ApiError::Internal.into_response();
        };
        match self.leaving.take(who, bytes.len()) {
            Some(room) => {
                let bytes = Bytes::from_owner(Leaving { bytes, _room: room });
                Response::from_parts(parts, Body::from(bytes))
            }
            None => self.overloaded("LEAVING_BYTES_MAX").into_response(),
        }
    }

    fn overloaded(&self, limit: &'static str) -> ApiError {
        LimitHit { limit }.emit(&self.metrics);
        ApiError::Overloaded { limit: self.limit() }
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

/// An answer that takes up room until it has been sent.
struct Leaving {
    bytes: Bytes,
    _room: Held,
}

impl AsRef<[u8]> for Leaving {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
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
    let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let ambiguous = chunked || !names_its_host(&request);
    let uri = std::mem::take(request.uri_mut());
    *request.uri_mut() = path::clean(uri);
    let mut response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // A method that a path does not know is answered like an unknown path, as upstream does.
    response.headers_mut().remove(header::ALLOW);
    if ambiguous {
        // Whoever stands between may have seen another end of this body, or another host: what
        // follows on the connection is nobody's request (RFC 9112, 3.2 and 6.1).
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
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
    let key = request.headers().get(header::AUTHORIZATION).cloned();
    let response = match check(&app.settings, &request) {
        Err(error) => error.into_response(),
        Ok(()) => guard(next.run(request)).await.unwrap_or_else(|Panicked| {
            tracing::error!(%method, route, "a request handler panicked");
            ApiError::Internal.into_response()
        }),
    };
    let who = key.as_ref().and_then(|key| key.to_str().ok()).unwrap_or_default();
    let response = app.leave(who, response).await;
    let (status, took) = (response.status().as_u16(), watch.elapsed());
    app.metrics.count_request(route, status, took);
    tracing::debug!(%method, path = uri.path(), route, status, ?took, "request");
    response
}

/// Whether a request may go on to its handler.
fn check(settings: &config::Http, request: &Request) -> Result<(), ApiError> {
    if !names_its_host(request) {
        return Err(ApiError::BadRequest("a request names one host".to_owned()));
    }
    if head_bytes(request) > settings.header_bytes_max {
        return Err(ApiError::HeadersTooLarge);
    }
    if body_bytes(request.headers()) > settings.request_bytes_max as u64 {
        return Err(ApiError::BodyTooLarge);
    }
    Ok(())
}

/// Whether there is one `Host`, as HTTP/1.1 demands; HTTP/1.0 does without.
fn names_its_host(request: &Request) -> bool {
    match request.headers().get_all(header::HOST).iter().count() {
        0 => request.version() < Version::HTTP_11,
        hosts => hosts == 1,
    }
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
