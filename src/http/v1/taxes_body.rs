//! Taxes in answers (specification 9.1).

use std::fmt::Write;

use crate::core::catalog::Tax;
use crate::http::json::{Object, string};
use crate::http::openapi::{MAYBE_TEXT, Named, Schema};

/// What [`print`] prints.
pub static TAX: Named = Named(
    "Tax",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("name", Schema::Text),
        ("code", Schema::Text),
        ("rate", Schema::Number),
        ("description", MAYBE_TEXT),
        ("applied_to_organization", Schema::Flag),
        ("add_ons_count", Schema::Integer),
        ("customers_count", Schema::Integer),
        ("plans_count", Schema::Integer),
        ("charges_count", Schema::Integer),
        ("commitments_count", Schema::Integer),
        ("created_at", Schema::Instant),
        ("applied_to_billing_entities_codes", Schema::List(&Schema::Text)),
    ]),
);

/// Code of the one billing entity that an organisation has.
pub const BILLING_ENTITY: &str = "default";
/// Counters of what Lago attaches to a tax; it answers 0 for all of them.
const COUNTERS: [&str; 5] =
    ["add_ons_count", "customers_count", "plans_count", "charges_count", "commitments_count"];

/// Prints a tax. `applied` tells whether the billing entity applies it.
pub fn print(out: &mut String, tax: &Tax, applied: bool) {
    Object::print(out, |object| {
        object
            .id("lago_id", tax.id)
            .text("name", &tax.name)
            .text("code", &tax.code)
            .member("rate", |out| {
                // Writing to a string cannot fail.
                let _ = write!(out, "{}", tax.rate);
            })
            .maybe_text("description", tax.description.as_deref())
            .flag("applied_to_organization", applied);
        for counter in COUNTERS {
            object.integer(counter, 0);
        }
        object.seconds("created_at", tax.created_at);
        let entities = applied.then_some(BILLING_ENTITY);
        object.array("applied_to_billing_entities_codes", entities, string);
    });
}
