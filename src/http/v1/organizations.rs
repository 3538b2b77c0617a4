//! `/api/v1/organizations`: the caller's own (SDK contract 6.6).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;

use super::{Routes, taxes_body};
use crate::core::catalog::book::Tenant;
use crate::core::catalog::commands::UpdateOrganization;
use crate::http::backend::Backend;
use crate::http::call::{Call, answer};
use crate::http::error::ApiError;
use crate::http::json::Object;
use crate::http::router::App;

/// What a key has to be allowed to read or write, and the root key.
const RESOURCE: &str = "organization";
/// What is shown where nothing is set: upstream's defaults.
const CURRENCY: &str = "USD";
/// See [`CURRENCY`].
pub const TIME_ZONE: &str = "UTC";
/// Members that are shown and not kept.
const ABSENT: [&str; 11] = [
    "webhook_url",
    "country",
    "address_line1",
    "address_line2",
    "state",
    "zipcode",
    "email",
    "city",
    "legal_name",
    "legal_number",
    "tax_identification_number",
];

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    vec![("/api/v1/organizations", get(show::<B>).put(update::<B>))]
}

async fn show<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &tenant)))
}

async fn update<B: Backend>(
    State(app): State<Arc<App<B>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let call = Call::open(&app, request, RESOURCE).await?;
    call.command(UpdateOrganization { input: call.root(RESOURCE)? }).await?;
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &tenant)))
}

fn print(out: &mut String, tenant: &Tenant) {
    let organization = &tenant.organization;
    Object::print(out, |object| {
        object
            .id("lago_id", organization.id)
            .text("name", &organization.name)
            .text("default_currency", organization.default_currency.as_deref().unwrap_or(CURRENCY))
            // No record says when an organisation began; its last change is what is known.
            .seconds("created_at", organization.log_time)
            .text("timezone", organization.timezone.as_deref().unwrap_or(TIME_ZONE))
            .array("webhook_urls", [], |_, ()| {});
        for name in ABSENT {
            object.null(name);
        }
        object
            .integer("net_payment_term", 0)
            .array("email_settings", [], |_, ()| {})
            .text("document_numbering", "per_customer")
            // A boolean here, unlike a customer's, which may also inherit it.
            .flag("finalize_zero_amount_invoice", true)
            .member("billing_configuration", |out| {
                Object::print(out, |object| {
                    object
                        .null("invoice_footer")
                        .integer("invoice_grace_period", 0)
                        .text("document_locale", "en");
                });
            })
            .array(
                "taxes",
                organization.taxes.iter().filter_map(|id| tenant.tax(*id)),
                |out, tax| taxes_body::print(out, tax, true),
            );
    });
}
