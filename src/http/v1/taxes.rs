//! `/api/v1/taxes` (specification 9.1).

use axum::response::Response;

use super::taxes_body::{TAX, print};
use crate::core::catalog::commands::{CreateTax, DeleteTax, TaxReply, UpdateTax};
use crate::http::backend::Backend;
use crate::http::call::{Call, answer, answer_text};
use crate::http::error::ApiError;
use crate::http::openapi::{FIGURE, Named, Schema, Shape, one, page};
use crate::http::page::newest;
use crate::http::route::Routes;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "tax";

/// What is read of a body.
const SENT: Shape = Shape::Root(RESOURCE, &INPUT);
static INPUT: Named = Named(
    "TaxInput",
    Schema::Input(
        &[],
        &[
            ("name", Schema::Text),
            ("code", Schema::Text),
            ("rate", FIGURE),
            ("description", Schema::Text),
            ("applied_to_organization", Schema::Flag),
        ],
    ),
);

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    Routes::of(RESOURCE, "/api/v1/taxes")
        .post(create, one("createTax", "Adds a tax.", RESOURCE, &TAX).reads(SENT))
        .get(list, page("listTaxes", "Lists taxes, the newest first.", "taxes", &TAX))
        .at("/api/v1/taxes/*code")
        .get(show, one("showTax", "Shows a tax.", RESOURCE, &TAX))
        .put(update, one("updateTax", "Changes a tax.", RESOURCE, &TAX).reads(SENT))
        .delete(delete, one("deleteTax", "Takes a tax out.", RESOURCE, &TAX))
}

async fn create<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let reply = call.command(CreateTax { input: call.root(RESOURCE)? }).await?;
    Ok(answer_one(&reply))
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let (code, input) = (call.name(0), call.root(RESOURCE)?);
    Ok(answer_one(&call.command(UpdateTax { code, input }).await?))
}

async fn delete<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    Ok(answer_one(&call.command(DeleteTax { code: call.name(0) }).await?))
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let tenant = call.catalogue()?.tenant;
    let tax = tenant.taxes.by_code(call.path(0)).ok_or(call.not_found())?;
    let applied = tenant.organization.taxes.contains(&tax.id);
    Ok(answer(RESOURCE, |out| print(out, tax, applied)))
}

async fn list<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let page = call.page()?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer_text(page.cut(
        "taxes",
        newest(tenant.taxes.iter(), |tax| tax.created_at),
        |out, tax| {
            print(out, tax, tenant.organization.taxes.contains(&tax.id));
        },
    )))
}

fn answer_one(reply: &TaxReply) -> Response {
    answer(RESOURCE, |out| print(out, &reply.tax, reply.applied))
}
