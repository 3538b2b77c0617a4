//! `/api/v1/billable_metrics` (specification 9.2).

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};

use super::Routes;
use super::billable_metrics_body::print;
use crate::core::catalog::commands::{
    CreateMetric, DeleteMetric, UpdateMetric, evaluate_expression,
};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::json::Object;
use crate::http::page::Page;
use crate::http::router::App;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "billable_metric";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![
        ("/api/v1/billable_metrics", post(create::<B>).get(list::<B>)),
        ("/api/v1/billable_metrics/evaluate_expression", post(evaluate::<B>)),
        ("/api/v1/billable_metrics/*code", get(show::<B>).put(update::<B>).delete(delete::<B>)),
    ]
}

async fn create<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let metric = call.command(CreateMetric { input: call.root(RESOURCE)? }).await?;
    Ok(answer(RESOURCE, |out| print(out, &metric, true)))
}

async fn update<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (code, input) = (call.path(0).to_owned(), call.root(RESOURCE)?);
    let metric = call.command(UpdateMetric { code, input }).await?;
    Ok(answer(RESOURCE, |out| print(out, &metric, true)))
}

async fn delete<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let metric = call.command(DeleteMetric { code: call.path(0).to_owned() }).await?;
    Ok(answer(RESOURCE, |out| print(out, &metric, true)))
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let tenant = call.catalogue()?.tenant;
    let metric = tenant.metrics.by_code(call.path(0)).ok_or(ApiError::NotFound(RESOURCE))?;
    Ok(answer(RESOURCE, |out| print(out, metric, false)))
}

async fn list<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let page = Page::read(&call.query()?)?;
    let tenant = call.catalogue()?.tenant;
    let mut metrics: Vec<_> = tenant.metrics.iter().collect();
    metrics.sort_by_key(|metric| (Reverse(metric.created_at), metric.id));
    let total = metrics.len();
    let rows = metrics.into_iter().skip(page.offset()).take(page.limit());
    Ok(answer_text(
        page.print("billable_metrics", rows, total, |out, metric| print(out, metric, true)),
    ))
}

/// `POST /billable_metrics/evaluate_expression`: no root key, and no body is an empty one.
async fn evaluate<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (body, now) = (call.json()?, call.catalogue()?.now);
    let value = evaluate_expression(&body, now).map_err(ApiError::from_refusal)?;
    Ok(answer("expression_result", |out| {
        Object::print(out, |object| {
            object.text("value", &value);
        });
    }))
}
