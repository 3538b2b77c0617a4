//! `/api/v1/taxes` (specification 9.1).

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};

use super::Routes;
use super::taxes_body::print;
use crate::core::catalog::commands::{CreateTax, DeleteTax, TaxReply, UpdateTax};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::page::Page;
use crate::http::router::App;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "tax";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![
        ("/api/v1/taxes", post(create::<B>).get(list::<B>)),
        ("/api/v1/taxes/*code", get(show::<B>).put(update::<B>).delete(delete::<B>)),
    ]
}

async fn create<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let reply = call.command(CreateTax { input: call.root(RESOURCE)? }).await?;
    Ok(answer_one(&reply))
}

async fn update<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let (code, input) = (call.path(0).to_owned(), call.root(RESOURCE)?);
    Ok(answer_one(&call.command(UpdateTax { code, input }).await?))
}

async fn delete<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    Ok(answer_one(&call.command(DeleteTax { code: call.path(0).to_owned() }).await?))
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let tenant = call.catalogue()?.tenant;
    let tax = tenant.taxes.by_code(call.path(0)).ok_or(ApiError::NotFound(RESOURCE))?;
    let applied = tenant.organization.taxes.contains(&tax.id);
    Ok(answer(RESOURCE, |out| print(out, tax, applied)))
}

async fn list<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let page = Page::read(&call.query()?)?;
    let tenant = call.catalogue()?.tenant;
    let mut taxes: Vec<_> = tenant.taxes.iter().collect();
    taxes.sort_by_key(|tax| (Reverse(tax.created_at), tax.id));
    let (total, rows) = (taxes.len(), taxes.into_iter().skip(page.offset()).take(page.limit()));
    Ok(answer_text(page.print("taxes", rows, total, |out, tax| {
        print(out, tax, tenant.organization.taxes.contains(&tax.id));
    })))
}

fn answer_one(reply: &TaxReply) -> Response {
    answer(RESOURCE, |out| print(out, &reply.tax, reply.applied))
}
