//! Customers in answers (specification 9.4).

use super::organizations::TIME_ZONE;
use super::taxes_body::{self, BILLING_ENTITY, TAX};
use crate::core::catalog::Customer;
use crate::core::catalog::book::Tenant;
use crate::core::catalog::commands::{BILLING, PROFILE, SHIPPING};
use crate::core::instant::Instant;
use crate::http::json::{self, Object};
use crate::http::openapi::{MAYBE_TEXT, NOTHING, Named, Schema};

/// What was sent is shown again, whatever scalar it was.
const KEPT: Schema = Schema::Any;

/// What [`print`] prints.
pub static CUSTOMER: Named = Named(
    "Customer",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("billing_entity_code", Schema::Text),
        ("external_id", Schema::Text),
        ("account_type", Schema::Text),
        ("name", MAYBE_TEXT),
        ("sequential_id", Schema::Null),
        ("slug", Schema::Null),
        ("created_at", Schema::Instant),
        ("updated_at", Schema::Instant),
        ("currency", MAYBE_TEXT),
        ("timezone", MAYBE_TEXT),
        ("applicable_timezone", Schema::Text),
        ("firstname", KEPT),
        ("lastname", KEPT),
        ("customer_type", KEPT),
        ("country", KEPT),
        ("address_line1", KEPT),
        ("address_line2", KEPT),
        ("state", KEPT),
        ("zipcode", KEPT),
        ("email", KEPT),
        ("city", KEPT),
        ("url", KEPT),
        ("phone", KEPT),
        ("logo_url", KEPT),
        ("legal_name", KEPT),
        ("legal_number", KEPT),
        ("tax_identification_number", KEPT),
        ("net_payment_term", KEPT),
        ("external_salesforce_id", KEPT),
        ("finalize_zero_amount_invoice", Schema::Text),
        ("skip_invoice_custom_sections", Schema::Flag),
        (
            "billing_configuration",
            Schema::Object(&[
                ("invoice_grace_period", KEPT),
                ("payment_provider", KEPT),
                ("payment_provider_code", KEPT),
                ("document_locale", KEPT),
                ("provider_customer_id", KEPT),
            ]),
        ),
        (
            "shipping_address",
            Schema::Object(&[
                ("address_line1", KEPT),
                ("address_line2", KEPT),
                ("city", KEPT),
                ("zipcode", KEPT),
                ("state", KEPT),
                ("country", KEPT),
            ]),
        ),
        ("metadata", NOTHING),
        ("taxes", Schema::List(&Schema::Ref(&TAX))),
        ("integration_customers", NOTHING),
        ("applicable_invoice_custom_sections", NOTHING),
        ("error_details", NOTHING),
    ]),
);

/// What becomes of invoices over nothing, unless something else is set.
const FINALIZE: &str = "inherit";

/// Prints a customer that was last changed at an instant.
pub fn print(out: &mut String, customer: &Customer, updated_at: Instant, tenant: &Tenant) {
    let zone = customer.timezone.as_deref().or(tenant.organization.timezone.as_deref());
    Object::print(out, |object| {
        object
            .id("lago_id", customer.id)
            .text("billing_entity_code", BILLING_ENTITY)
            .text("external_id", &customer.external_id)
            .text("account_type", "customer")
            .maybe_text("name", customer.name.as_deref())
            .null("sequential_id")
            .null("slug")
            .seconds("created_at", customer.created_at)
            .seconds("updated_at", updated_at)
            .maybe_text("currency", customer.currency.as_deref())
            .maybe_text("timezone", customer.timezone.as_deref())
            .text("applicable_timezone", zone.unwrap_or(TIME_ZONE));
        for name in PROFILE.iter().filter(|name| **name != "finalize_zero_amount_invoice") {
            object.member(name, |out| json::value(out, customer.echo.get(name)));
        }
        let finalize = customer.echo.text("finalize_zero_amount_invoice").unwrap_or(FINALIZE);
        object.text("finalize_zero_amount_invoice", finalize);
        object.flag("skip_invoice_custom_sections", false);
        nested(object, "billing_configuration", &BILLING, customer);
        nested(object, "shipping_address", &SHIPPING, customer);
        let taxes = customer.taxes.iter().filter_map(|id| tenant.tax(*id));
        object.array("metadata", [], |_, ()| {}).array("taxes", taxes, |out, tax| {
            taxes_body::print(out, tax, tenant.organization.taxes.contains(&tax.id));
        });
        for empty in
            ["integration_customers", "applicable_invoice_custom_sections", "error_details"]
        {
            object.array(empty, [], |_, ()| {});
        }
    });
}

fn nested(object: &mut Object<'_>, name: &str, members: &[&str], customer: &Customer) {
    object.member(name, |out| {
        Object::print(out, |object| {
            for member in members {
                let kept = customer.echo.get(&format!("{name}.{member}"));
                object.member(member, |out| json::value(out, kept));
            }
        });
    });
}
