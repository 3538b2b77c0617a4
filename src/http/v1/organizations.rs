//! `/api/v1/organizations`: the caller's own (SDK contract 6.6).

use axum::response::Response;

use super::taxes_body::{self, TAX};
use crate::core::catalog::book::Tenant;
use crate::core::catalog::commands::UpdateOrganization;
use crate::http::backend::Backend;
use crate::http::call::{Call, answer};
use crate::http::error::ApiError;
use crate::http::json::Object;
use crate::http::openapi::{MAYBE_TEXT, NOTHING, Named, Schema, Shape, one};
use crate::http::route::Routes;

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

static INPUT: Named = Named(
    "OrganizationInput",
    Schema::Input(
        &[],
        &[("default_currency", Schema::Text), ("timezone", Schema::Text), ("name", Schema::Text)],
    ),
);
static ORGANIZATION: Named = Named(
    "Organization",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("name", Schema::Text),
        ("default_currency", Schema::Text),
        ("created_at", Schema::Instant),
        ("timezone", Schema::Text),
        ("webhook_urls", NOTHING),
        ("webhook_url", MAYBE_TEXT),
        ("country", MAYBE_TEXT),
        ("address_line1", MAYBE_TEXT),
        ("address_line2", MAYBE_TEXT),
        ("state", MAYBE_TEXT),
        ("zipcode", MAYBE_TEXT),
        ("email", MAYBE_TEXT),
        ("city", MAYBE_TEXT),
        ("legal_name", MAYBE_TEXT),
        ("legal_number", MAYBE_TEXT),
        ("tax_identification_number", MAYBE_TEXT),
        ("net_payment_term", Schema::Integer),
        ("email_settings", NOTHING),
        ("document_numbering", Schema::Text),
        ("finalize_zero_amount_invoice", Schema::Flag),
        (
            "billing_configuration",
            Schema::Object(&[
                ("invoice_footer", MAYBE_TEXT),
                ("invoice_grace_period", Schema::Integer),
                ("document_locale", Schema::Text),
            ]),
        ),
        ("taxes", Schema::List(&Schema::Ref(&TAX))),
    ]),
);

/// The routes.
pub fn routes<B: Backend>() -> Routes<B> {
    let update_it = one("updateOrganization", "Changes the caller's.", RESOURCE, &ORGANIZATION);
    Routes::of(RESOURCE, "/api/v1/organizations")
        .get(
            show,
            one("showOrganization", "Shows the caller's organisation.", RESOURCE, &ORGANIZATION),
        )
        .put(update, update_it.reads(Shape::Root(RESOURCE, &INPUT)))
}

async fn show<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
    let tenant = call.catalogue()?.tenant;
    Ok(answer(RESOURCE, |out| print(out, &tenant)))
}

async fn update<B: Backend>(call: Call<B>) -> Result<Response, ApiError> {
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
