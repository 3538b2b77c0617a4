//! Plans, charges and filters in answers (specification 9.3).

use uuid::Uuid;

use super::taxes_body::{self, TAX};
use crate::core::catalog::book::Tenant;
use crate::core::catalog::commands::{CHARGE_PARENT, charges_in_force};
use crate::core::catalog::{Charge, ChargeFilter, Interval, Plan, PricingUnit};
use crate::core::usage::USAGE_THRESHOLDS;
use crate::core::value::Value;
use crate::http::json::{self, ARRAY, OBJECT, Object, string};
use crate::http::openapi::{CONDITION, MAYBE_TEXT, NOTHING, Named, Schema};

/// Names of intervals.
pub const INTERVALS: [&str; 5] = ["weekly", "monthly", "quarterly", "semiannual", "yearly"];
/// Names of charge models.
pub const MODELS: [&str; 7] =
    ["standard", "graduated", "package", "percentage", "volume", "graduated_percentage", "dynamic"];

/// What [`print`] prints.
pub static PLAN: Named = Named(
    "Plan",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("name", Schema::Text),
        ("invoice_display_name", MAYBE_TEXT),
        ("created_at", Schema::Instant),
        ("code", Schema::Text),
        ("interval", Schema::Word(&INTERVALS)),
        ("description", MAYBE_TEXT),
        ("amount_cents", Schema::Integer),
        ("amount_currency", Schema::Text),
        ("trial_period", Schema::Number),
        ("pay_in_advance", Schema::Flag),
        ("bill_charges_monthly", Schema::Maybe(&Schema::Flag)),
        ("bill_fixed_charges_monthly", Schema::Null),
        ("customers_count", Schema::Integer),
        ("active_subscriptions_count", Schema::Integer),
        ("draft_invoices_count", Schema::Integer),
        ("parent_id", Schema::Maybe(&Schema::Id)),
        ("pending_deletion", Schema::Flag),
        ("charges", Schema::List(&Schema::Ref(&CHARGE))),
        ("fixed_charges", NOTHING),
        ("entitlements", NOTHING),
        ("usage_thresholds", Schema::List(&Schema::Ref(&THRESHOLD))),
        ("applicable_usage_thresholds", Schema::List(&Schema::Ref(&THRESHOLD))),
        ("taxes", Schema::List(&Schema::Ref(&TAX))),
    ]),
);

/// What [`threshold`] prints.
static THRESHOLD: Named = Named(
    "UsageThreshold",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("threshold_display_name", MAYBE_TEXT),
        ("amount_cents", Schema::Integer),
        ("recurring", Schema::Flag),
        ("created_at", Schema::Instant),
        ("updated_at", Schema::Instant),
    ]),
);

/// What [`charge`] prints.
pub static CHARGE: Named = Named(
    "Charge",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("lago_billable_metric_id", Schema::Id),
        ("code", Schema::Text),
        ("invoice_display_name", MAYBE_TEXT),
        ("billable_metric_code", MAYBE_TEXT),
        ("created_at", Schema::Instant),
        ("charge_model", Schema::Word(&MODELS)),
        ("invoiceable", Schema::Flag),
        ("regroup_paid_fees", MAYBE_TEXT),
        ("pay_in_advance", Schema::Flag),
        ("prorated", Schema::Flag),
        ("min_amount_cents", Schema::Integer),
        ("accepts_target_wallet", Schema::Flag),
        ("properties", Schema::Map(&Schema::Any)),
        (
            "applied_pricing_unit",
            Schema::Maybe(&Schema::Object(&[
                ("conversion_rate", Schema::Decimal),
                ("code", Schema::Text),
            ])),
        ),
        ("lago_parent_id", Schema::Maybe(&Schema::Id)),
        ("filters", Schema::List(&Schema::Ref(&FILTER))),
        ("taxes", Schema::List(&Schema::Ref(&TAX))),
    ]),
);

/// What [`filter`] prints.
pub static FILTER: Named = Named(
    "ChargeFilter",
    Schema::Object(&[
        ("lago_id", Schema::Id),
        ("charge_code", Schema::Text),
        ("invoice_display_name", MAYBE_TEXT),
        ("properties", Schema::Map(&Schema::Any)),
        ("values", CONDITION),
        ("created_at", Schema::Instant),
    ]),
);

/// Counters that Lago answers with 0.
const COUNTERS: [&str; 3] =
    ["customers_count", "active_subscriptions_count", "draft_invoices_count"];
/// Lists of what is not offered.
const EMPTY: [&str; 2] = ["fixed_charges", "entitlements"];
/// Lists of the plan's thresholds.
const THRESHOLDS: [&str; 2] = [USAGE_THRESHOLDS, "applicable_usage_thresholds"];

/// Prints a plan with its charges.
pub fn print(out: &mut String, plan: &Plan, tenant: &Tenant) {
    // Only these intervals have charges that may be billed more often.
    let seldom = matches!(plan.interval, Interval::Yearly | Interval::Semiannual);
    Object::print(out, |object| {
        object
            .id("lago_id", plan.id)
            .text("name", &plan.name)
            .maybe_text("invoice_display_name", plan.echo.text("invoice_display_name"))
            .seconds("created_at", plan.created_at)
            .text("code", &plan.code)
            .text("interval", plan.interval.name())
            .maybe_text("description", plan.echo.text("description"))
            .integer("amount_cents", plan.amount_cents)
            .text("amount_currency", &plan.currency)
            .member("trial_period", |out| match plan.echo.get("trial_period") {
                Value::Number(days) => out.push_str(days),
                _ => out.push_str("0.0"),
            })
            .flag("pay_in_advance", plan.pay_in_advance);
        if seldom {
            object.flag("bill_charges_monthly", plan.bill_charges_monthly);
        } else {
            object.null("bill_charges_monthly");
        }
        object.null("bill_fixed_charges_monthly");
        for counter in COUNTERS {
            object.integer(counter, 0);
        }
        object
            .member("parent_id", |out| match plan.parent {
                Some(parent) => json::uuid(out, parent),
                None => out.push_str("null"),
            })
            .flag("pending_deletion", false)
            .array("charges", charges_in_force(plan, tenant), |out, row| charge(out, row, tenant));
        for name in EMPTY {
            object.array(name, [], |_, ()| {});
        }
        for name in THRESHOLDS {
            let rows = plan.echo.get(USAGE_THRESHOLDS).as_list().unwrap_or_default();
            object.array(name, rows, |out, row| threshold(out, plan, row));
        }
        taxes(object, &plan.taxes, tenant);
    });
}

/// Prints a threshold. It is named by what it says.
fn threshold(out: &mut String, plan: &Plan, row: &Value) {
    let mut text = String::new();
    json::value(&mut text, row);
    Object::print(out, |object| {
        object
            .id("lago_id", Uuid::new_v5(&plan.id, text.as_bytes()))
            .maybe_text("threshold_display_name", row.get("threshold_display_name").as_text())
            .member("amount_cents", |out| json::value(out, row.get("amount_cents")))
            .member("recurring", |out| json::value(out, row.get("recurring")))
            .seconds("created_at", plan.created_at)
            .seconds("updated_at", plan.created_at);
    });
}

/// Prints a charge with its filters.
pub fn charge(out: &mut String, charge: &Charge, tenant: &Tenant) {
    let metric = tenant.metrics.get(charge.metric);
    Object::print(out, |object| {
        object
            .id("lago_id", charge.id)
            .id("lago_billable_metric_id", charge.metric)
            .text("code", &charge.code)
            .maybe_text("invoice_display_name", charge.invoice_display_name.as_deref())
            .maybe_text("billable_metric_code", metric.map(|metric| metric.code.as_str()))
            .seconds("created_at", charge.created_at)
            .text("charge_model", charge.model.kind().name())
            .flag("invoiceable", charge.invoiceable)
            .maybe_text("regroup_paid_fees", charge.echo.text("regroup_paid_fees"))
            .flag("pay_in_advance", charge.pay_in_advance)
            .flag("prorated", charge.prorated)
            .integer("min_amount_cents", charge.min_amount_cents)
            .flag("accepts_target_wallet", charge.accepts_target_wallet)
            .member("properties", |out| properties(out, &charge.properties))
            .member("applied_pricing_unit", |out| match &charge.pricing_unit {
                Some(unit) => pricing_unit(out, unit),
                None => out.push_str("null"),
            })
            .maybe_text("lago_parent_id", charge.echo.text(CHARGE_PARENT))
            .array("filters", &charge.filters, |out, row| filter(out, row, &charge.code));
        taxes(object, &charge.taxes, tenant);
    });
}

/// Prints a filter of the charge with this code.
pub fn filter(out: &mut String, filter: &ChargeFilter, charge_code: &str) {
    Object::print(out, |object| {
        object
            .id("lago_id", filter.id)
            .text("charge_code", charge_code)
            .maybe_text("invoice_display_name", filter.invoice_display_name.as_deref())
            .member("properties", |out| properties(out, &filter.properties))
            .member("values", |out| {
                json::list(out, OBJECT, &filter.values, |out, (key, values)| {
                    json::key(out, key);
                    json::list(out, ARRAY, values, |out, value| string(out, value));
                });
            })
            // Not upstream's, but the official Rust client does not read a filter without it.
            .seconds("created_at", filter.created_at);
    });
}

/// Keys that split usage stand under both of their names.
fn properties(out: &mut String, properties: &Value) {
    const NAMES: [&str; 2] = ["pricing_group_keys", "grouped_by"];
    let keys = |name| Some(properties.get(name)).filter(|keys| matches!(keys, Value::List(_)));
    let keys = NAMES.into_iter().find_map(keys).filter(|keys| keys.as_list() != Some(&[]));
    Object::print(out, |object| {
        for (name, value) in properties.as_object().unwrap_or_default() {
            object.member(name, |out| json::value(out, value));
        }
        for name in NAMES {
            if let Some(keys) = keys.filter(|_| properties.get(name).is_null()) {
                object.member(name, |out| json::value(out, keys));
            }
        }
    });
}

fn pricing_unit(out: &mut String, unit: &PricingUnit) {
    Object::print(out, |object| {
        object
            .member("conversion_rate", |out| json::decimal(out, &unit.conversion_rate))
            .text("code", &unit.code);
    });
}

fn taxes(object: &mut Object<'_>, taxes: &[uuid::Uuid], tenant: &Tenant) {
    let known = taxes.iter().filter_map(|id| tenant.tax(*id));
    object.array("taxes", known, |out, tax| {
        taxes_body::print(out, tax, tenant.organization.taxes.contains(&tax.id));
    });
}
