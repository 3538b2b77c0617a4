//! Connections: accepted, bounded in number and time, and drained at the end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::backend::Backend;
use super::error::{ApiError, raw_response};
use super::linger::Lingering;
use super::patience::Patient;
use super::router::{App, answer, router};
use crate::config;
use crate::telemetry::Metrics;

/// Most connections at once; more wait in the kernel's queue. Idle ones cost a task and a buffer of
/// a few KiB, and below the usual limits on open files there must be room for the store's.
const CONNECTIONS_MAX: usize = 16_384;
/// How long to wait after an `accept` that failed for want of files or memory, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Requests with up to this many times `header_bytes_max` are still read, so that they get an
/// answer with a body; beyond it hyper answers 431 without one.
const HEADER_SLACK: usize = 2;

/// Answers requests until `shutdown` ends, then lets running ones end within the drain timeout.
///
/// A connection is closed when nothing is asked within `read_timeout_ms`, or when a request's head
/// does not arrive within it, which is answered with 408, or when none of an answer is taken within
/// it. Returns when every connection is closed
/// or cut off.
pub async fn serve<B: Backend>(
    listener: TcpListener,
    backend: Arc<B>,
    settings: config::Http,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()>,
) {
    serve_with(listener, backend, settings, metrics, Router::new(), shutdown).await;
}

/// [`serve`] with further routes.
pub async fn serve_with<B: Backend>(
    listener: TcpListener,
    backend: Arc<B>,
    settings: config::Http,
    metrics: Arc<Metrics>,
    further: Router,
    shutdown: impl Future<Output = ()>,
) {
    let drain = Duration::from_millis(settings.drain_timeout_ms);
    let patience = Duration::from_millis(settings.read_timeout_ms);
    let http = builder(&settings);
    let routes = router(&App::new(backend, settings, metrics)).merge(further);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (closing, closes) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while connections.try_join_next().is_some() {}
        // Without it answers would wait for the client's acknowledgement; if it fails they are late
        // only.
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(Lingering::new(stream), patience);
        let talk = converse(http.clone(), stream, routes.clone(), closes.clone());
        connections.spawn(async move {
            talk.await;
            drop(place);
        });
    }
    drop((listener, closing));
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests cut off at shutdown");
        connections.shutdown().await;
    }
}

fn builder(settings: &config::Http) -> Builder {
    let mut http = Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(settings.read_timeout_ms))
        .max_buf_size(settings.header_bytes_max.saturating_mul(HEADER_SLACK));
    http
}

/// The next connection, with its place among them.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there always is a place in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, hint = "check the limit on open files", "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection.
async fn converse(
    http: Builder,
    stream: Patient<Lingering<TcpStream>>,
    routes: Router,
    mut closes: watch::Receiver<()>,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(answer(routes, request.map(Body::new)).await) }
    });
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = closes.changed() => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = ended else { return };
    tracing::debug!(%error, "connection ended");
    let parts = connection.into_parts();
    // Who has begun a request is told; an idle client would take it for the answer to its next one.
    if error.is_timeout() && !parts.read_buf.is_empty() {
        let answer = raw_response(&ApiError::RequestTimeout);
        // A few hundred bytes fit the socket's buffer; if not, the client is gone anyway.
        let _ = parts.io.into_inner().into_inner().into_inner().try_write(answer.as_bytes());
    }
}
