//! `/api/v1/plans` (specification 9.3, charge properties 10.2).

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};

use super::Routes;
use super::plans_body::print;
use crate::core::catalog::commands::{CreatePlan, DeletePlan, UpdatePlan};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::page::Page;
use crate::http::router::App;

/// What a key has to be allowed to read or write, and the root key.
pub const RESOURCE: &str = "plan";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![
        ("/api/v1/plans", post(create::<B>).get(list::<B>)),
        ("/api/v1/plans/:code", get(show::<B>).put(update::<B>).delete(delete::<B>)),
    ]
}

async fn create<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let plan = call.command(CreatePlan { input: call.root(RESOURCE)? }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &plan, &tenant)))
}

async fn update<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (code, input) = (call.path(0).to_owned(), call.root(RESOURCE)?);
    let plan = call.command(UpdatePlan { code, input }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &plan, &tenant)))
}

async fn delete<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let plan = call.command(DeletePlan { code: call.path(0).to_owned() }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &plan, &tenant)))
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let tenant = call.catalogue()?.tenant;
    let plan = tenant.plans.by_code(call.path(0)).ok_or(ApiError::NotFound(RESOURCE))?;
    Ok(answer(RESOURCE, |out| print(out, plan, &tenant)))
}

async fn list<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let page = Page::read(&call.query()?)?;
    let tenant = call.catalogue()?.tenant;
    // Private plans belong to their subscriptions.
    let mut plans: Vec<_> = tenant.plans.iter().filter(|plan| plan.parent.is_none()).collect();
    plans.sort_by_key(|plan| (Reverse(plan.created_at), plan.id));
    let (total, rows) = (plans.len(), plans.into_iter().skip(page.offset()).take(page.limit()));
    Ok(answer_text(page.print("plans", rows, total, |out, plan| print(out, plan, &tenant))))
}
