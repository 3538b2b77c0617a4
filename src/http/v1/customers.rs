//! `/api/v1/customers` (specification 9.4).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};

use super::Routes;
use super::customers_body::print;
use crate::core::catalog::commands::{DeleteCustomer, UpsertCustomer};
use crate::core::catalog::version::CustomerRow;
use crate::http::backend::{Backend, Snapshot};
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::page::Page;
use crate::http::router::App;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "customer";

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![
        ("/api/v1/customers", post(upsert::<B>).get(list::<B>)),
        ("/api/v1/customers/:external_customer_id", get(show::<B>).delete(delete::<B>)),
    ]
}

async fn upsert<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let customer = call.command(UpsertCustomer { input: call.root(RESOURCE)? }).await?;
    let catalogue = call.catalogue()?;
    // Another change may have come since; then this one is as old as it is.
    let updated_at = find(&catalogue, &customer.external_id)
        .filter(|row| *row.entity == customer)
        .map_or(catalogue.now, |row| row.log_time);
    Ok(answer(RESOURCE, |out| print(out, &customer, updated_at, &catalogue.tenant)))
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let catalogue = call.catalogue()?;
    let row = find(&catalogue, call.path(0)).ok_or(ApiError::NotFound(RESOURCE))?;
    Ok(answer(RESOURCE, |out| print(out, &row, row.log_time, &catalogue.tenant)))
}

async fn delete<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let row = call.command(DeleteCustomer { external_id: call.path(0).to_owned() }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &row, row.log_time, &tenant)))
}

async fn list<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let page = Page::read(&call.query()?)?;
    let catalogue = call.catalogue()?;
    let tenant = Arc::clone(&catalogue.tenant);
    // Every customer is looked at, which takes a while when there are millions.
    let selected = tokio::task::spawn_blocking(move || select(&catalogue, page)).await;
    let (rows, total) = selected.map_err(|_| ApiError::Internal)?;
    Ok(answer_text(page.print("customers", rows, total, |out, row| {
        print(out, &row, row.log_time, &tenant);
    })))
}

fn find(catalogue: &Snapshot, external_id: &str) -> Option<CustomerRow> {
    let organization = &catalogue.tenant.organization.external_id;
    catalogue.directory.customer(organization, external_id)
}

/// The customers of a page, the newest first, and how many there are in all. No more are held at a
/// time than stand up to the end of the page.
fn select(catalogue: &Snapshot, page: Page) -> (Vec<CustomerRow>, usize) {
    let wanted = page.offset().saturating_add(page.limit());
    let (mut first, mut total) = (BinaryHeap::new(), 0);
    catalogue.directory.each_customer(&catalogue.tenant.organization.external_id, &mut |row| {
        total += 1;
        first.push((Reverse(row.created_at), row.id, row.external_id.clone()));
        if first.len() > wanted {
            first.pop();
        }
    });
    let page = first.into_sorted_vec().into_iter().skip(page.offset());
    (page.filter_map(|(_, _, external_id)| find(catalogue, &external_id)).collect(), total)
}
