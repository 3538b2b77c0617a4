//! `/api/v1/customers` (specification 9.4).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use axum::response::Response;

use super::customers_body::{CUSTOMER, print};
use crate::core::catalog::commands::{DeleteCustomer, UpsertCustomer};
use crate::core::catalog::version::CustomerRow;
use crate::http::backend::{Backend, Snapshot};
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::openapi::{Named, Schema, Shape, one, page};
use crate::http::page::Page;
use crate::http::route::Routes;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "customer";

/// What is looked at of a customer; members of a profile, which are kept as they are, beside it.
static INPUT: Named = Named(
    "CustomerInput",
    Schema::Input(
        &["external_id"],
        &[
            ("external_id", Schema::Text),
            ("name", Schema::Text),
            ("currency", Schema::Text),
            ("timezone", Schema::Text),
            ("tax_codes", Schema::List(&Schema::Text)),
            ("billing_configuration", Schema::Map(&Schema::Any)),
            ("shipping_address", Schema::Map(&Schema::Any)),
        ],
    ),
);

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let sent = Shape::Root(RESOURCE, &INPUT);
    Routes::of(RESOURCE, "/api/v1/customers")
        .post(
            upsert,
            one(
                "upsertCustomer",
                "Adds a customer, or changes the one with this external id.",
                RESOURCE,
                &CUSTOMER,
            )
            .reads(sent),
        )
        .get(
            list,
            page("listCustomers", "Lists customers, the newest first.", "customers", &CUSTOMER),
        )
        .at("/api/v1/customers/:external_customer_id")
        .get(show, one("showCustomer", "Shows a customer.", RESOURCE, &CUSTOMER))
        .delete(
            delete,
            one(
                "deleteCustomer",
                "Takes a customer out and ends its subscriptions.",
                RESOURCE,
                &CUSTOMER,
            ),
        )
}

async fn upsert<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let customer = call.command(UpsertCustomer { input: call.root(RESOURCE)? }).await?;
    let catalogue = call.catalogue()?;
    // Another change may have come since; then this one is as old as it is.
    let updated_at = find(&catalogue, &customer.external_id)
        .filter(|row| *row.entity == customer)
        .map_or(catalogue.now, |row| row.log_time);
    Ok(answer(RESOURCE, |out| print(out, &customer, updated_at, &catalogue.tenant)))
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let catalogue = call.catalogue()?;
    let row = find(&catalogue, call.path(0)).ok_or(call.not_found())?;
    Ok(answer(RESOURCE, |out| print(out, &row, row.log_time, &catalogue.tenant)))
}

async fn delete<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let row = call.command(DeleteCustomer { external_id: call.name(0) }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &row, row.log_time, &tenant)))
}

async fn list<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let page = call.page()?;
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
