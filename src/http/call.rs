//! One authenticated request: what its handler reads, and how it answers.
//!
//! A handler is given the call, reads the path, the query or the body, asks for the
//! [catalogue](Call::catalogue) or sends a [command](Call::command), and prints the answer.

use std::sync::Arc;

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{RawPathParams, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;

use super::backend::{Backend, Snapshot};
use super::error::{ApiError, json_response};
use super::json::Object;
use super::page::Page;
use super::query::Query;
use super::room::Held;
use super::router::App;
use super::{auth, body};
use crate::core::catalog::commands::Command;
use crate::core::value::Value;

/// A request whose key may do what it asks for.
pub struct Call<B: Backend> {
    /// The service and its bounds.
    pub app: Arc<App<B>>,
    /// Who asks.
    pub session: B::Session,
    resource: &'static str,
    path: Vec<String>,
    uri: Uri,
    body: Bytes,
    _place: Held,
}

impl<B: Backend> Call<B> {
    /// Checks the key, then reads the body. GET and HEAD have to be allowed to read the resource,
    /// other methods to write it.
    ///
    /// # Errors
    ///
    /// 401, 403, 404, 408, 413, 429, in this order of checks. Only who has a key sends a body; one
    /// that is on its way takes up what has come of it, and only one that is there takes a place,
    /// so no more are held than requests are answered at once, and who sends slowly keeps nobody
    /// else out.
    pub async fn open(
        app: Arc<App<B>>,
        mut request: Request,
        resource: &'static str,
    ) -> Result<Self, ApiError> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let mode = if reads { "read" } else { "write" };
        let session = auth::session(&*app.backend, request.headers(), resource, mode)?;
        // Bytes that are no text are nobody's code or id.
        let path = request.extract_parts::<RawPathParams>().await;
        let path = path.map_err(|_| ApiError::NotFound(resource))?;
        let path = path.iter().map(|(_, segment)| segment.to_owned()).collect();
        let uri = request.uri().clone();
        let body =
            if reads { Bytes::new() } else { app.body(&session, request.into_body()).await? };
        let place = app.enter(&session)?;
        Ok(Self { app, session, resource, path, uri, body, _place: place })
    }

    /// A decoded variable of the path, by its place.
    pub fn path(&self, place: usize) -> &str {
        self.path.get(place).map_or("", String::as_str)
    }

    /// [`Call::path`], for those who keep it.
    pub fn name(&self, place: usize) -> String {
        self.path(place).to_owned()
    }

    /// The query string.
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if there are too many parameters.
    pub fn query(&self) -> Result<Query<'_>, ApiError> {
        Query::parse(self.uri.query().unwrap_or(""))
    }

    /// The page that the query asks for.
    ///
    /// # Errors
    ///
    /// [`ApiError::Invalid`] if the query cannot be read.
    pub fn page(&self) -> Result<Page, ApiError> {
        Page::read(&self.query()?)
    }

    /// The whole body; null if there is none.
    ///
    /// # Errors
    ///
    /// [`ApiError::BadRequest`] if it is no JSON.
    pub fn json(&self) -> Result<Value, ApiError> {
        body::read(&self.body)
    }

    /// The object under the root key of the body.
    ///
    /// # Errors
    ///
    /// [`ApiError::BadRequest`] if it is missing or empty.
    pub fn root(&self, name: &str) -> Result<Value, ApiError> {
        body::root(self.json()?, name)
    }

    /// The whole body of a request about events.
    ///
    /// # Errors
    ///
    /// [`ApiError::BadRequest`] if it is no JSON object.
    pub fn events(&self) -> Result<Value, ApiError> {
        body::events(&self.body)
    }

    /// The catalogue of the caller's organisation.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unauthorized`] if the organisation has gone meanwhile.
    pub fn catalogue(&self) -> Result<Snapshot, ApiError> {
        self.app.backend.catalogue(&self.session).ok_or(ApiError::Unauthorized)
    }

    /// Carries out a command.
    ///
    /// # Errors
    ///
    /// Why it is refused, or that the catalogue cannot be written.
    pub async fn command<C: Command>(&self, command: C) -> Result<C::Reply, ApiError> {
        let done = self.app.backend.command(&self.session, command).await;
        done.map_err(ApiError::from_command)
    }

    /// That there is no such object of the route's resource.
    pub const fn not_found(&self) -> ApiError {
        ApiError::NotFound(self.resource)
    }
}

/// The answer 200 with one object under its root key.
pub fn answer(root: &str, print: impl FnOnce(&mut String)) -> Response {
    let mut out = String::new();
    Object::print(&mut out, |object| {
        object.member(root, print);
    });
    answer_text(out)
}

/// The answer 200 with a body that is printed already.
pub fn answer_text(body: String) -> Response {
    json_response(StatusCode::OK, body)
}
