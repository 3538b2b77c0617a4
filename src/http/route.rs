//! Routes, each with its description: there is no other way to register one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::backend::Backend;
use super::call::Call;
use super::error::ApiError;
use super::openapi::Operation;
use super::router::App;

/// What answers under one path.
pub struct Route<B> {
    /// In the form of Lago's documentation: `:name` is one segment, `*name` all that follow.
    pub path: &'static str,
    /// What its operations are listed under.
    pub tag: &'static str,
    /// What it answers to which method. HEAD is answered like GET.
    pub operations: Vec<(Method, Operation)>,
    /// The handlers of these methods.
    pub handlers: MethodRouter<Arc<App<B>>>,
}

impl<B: Backend> Route<B> {
    fn new(tag: &'static str, path: &'static str) -> Self {
        Self { path, tag, operations: Vec::new(), handlers: MethodRouter::new() }
    }
}

/// The routes of one resource.
pub struct Routes<B> {
    /// What a key has to be allowed to read or write.
    resource: &'static str,
    before: Vec<Route<B>>,
    last: Route<B>,
}

impl<B: Backend> Routes<B> {
    /// Begins with a path, for what a key has to be allowed to read or write.
    pub fn of(resource: &'static str, path: &'static str) -> Self {
        Self { resource, before: Vec::new(), last: Route::new(resource, path) }
    }

    /// Goes on with another path; what is registered next answers under it.
    #[must_use]
    pub fn at(mut self, path: &'static str) -> Self {
        self.before.push(std::mem::replace(&mut self.last, Route::new(self.resource, path)));
        self
    }

    /// Answers GET, and HEAD without the body.
    #[must_use]
    pub fn get<F, A>(self, handler: F, operation: Operation) -> Self
    where
        F: Fn(Call<B>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        self.keyed(Method::GET, MethodFilter::GET, handler, operation)
    }

    /// Answers POST.
    #[must_use]
    pub fn post<F, A>(self, handler: F, operation: Operation) -> Self
    where
        F: Fn(Call<B>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        self.keyed(Method::POST, MethodFilter::POST, handler, operation)
    }

    /// Answers PUT.
    #[must_use]
    pub fn put<F, A>(self, handler: F, operation: Operation) -> Self
    where
        F: Fn(Call<B>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        self.keyed(Method::PUT, MethodFilter::PUT, handler, operation)
    }

    /// Answers DELETE.
    #[must_use]
    pub fn delete<F, A>(self, handler: F, operation: Operation) -> Self
    where
        F: Fn(Call<B>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        self.keyed(Method::DELETE, MethodFilter::DELETE, handler, operation)
    }

    /// Answers GET with a handler that looks at the key by itself, or needs none.
    #[must_use]
    pub fn raw_get<H, T>(self, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Arc<App<B>>>,
        T: 'static,
    {
        self.add(Method::GET, operation, on(MethodFilter::GET, handler))
    }

    /// [`Routes::raw_get`] for POST.
    #[must_use]
    pub fn raw_post<H, T>(self, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Arc<App<B>>>,
        T: 'static,
    {
        self.add(Method::POST, operation, on(MethodFilter::POST, handler))
    }

    /// The routes.
    pub fn into_inner(mut self) -> Vec<Route<B>> {
        self.before.push(self.last);
        self.before
    }

    fn keyed<F, A>(
        self,
        method: Method,
        filter: MethodFilter,
        handler: F,
        operation: Operation,
    ) -> Self
    where
        F: Fn(Call<B>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        let resource = self.resource;
        let answer = move |State(app): State<Arc<App<B>>>, request: Request| async move {
            handler(Call::open(app, request, resource).await?).await
        };
        self.add(method, operation, on(filter, answer))
    }

    fn add(
        mut self,
        method: Method,
        operation: Operation,
        handlers: MethodRouter<Arc<App<B>>>,
    ) -> Self {
        self.last.operations.push((method, operation));
        self.last.handlers = std::mem::take(&mut self.last.handlers).merge(handlers);
        self
    }
}
