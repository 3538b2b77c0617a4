//! Estimated fees as Lago prints them (specification 9.9). Which figures are numbers and which are
//! texts differs between the two kinds.

use std::fmt::Write;

use super::current_usage_body::{breakdowns, values};
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter};
use crate::core::currency::Currency;
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::matching::ALL_VALUES;
use crate::core::period::text::write_offset;
use crate::core::tax::FeeTaxes;
use crate::core::usage::estimate::{EstimatedFee, InstantFee};
use crate::http::backend::{Estimated, Instants};
use crate::http::json::{self, ARRAY, OBJECT};

/// `{"fees":[…]}`: what an event adds to what is stored.
pub fn added(estimated: &Estimated<'_>) -> String {
    let mut out = String::from("{\"fees\":");
    json::list(&mut out, ARRAY, &estimated.fees, |out, (fee, taxes)| {
        write_added(out, estimated, fee, taxes);
    });
    out.push('}');
    out
}

fn write_added(
    out: &mut String,
    estimated: &Estimated<'_>,
    fee: &EstimatedFee<'_>,
    taxes: &FeeTaxes<'_>,
) {
    let resolved = estimated.resolved;
    let exponent = Currency::of(&resolved.plan.currency).exponent();
    write_ids(out, fee.charge, fee.filter);
    nulls(out, &["lago_fixed_charge_id", "lago_invoice_id", "lago_true_up_fee_id"]);
    nulls(out, &["lago_true_up_parent_fee_id", "lago_original_fee_id"]);
    write_owner(out, &Owner::of(estimated.resolved));
    write_item(out, fee.charge, fee.metric, fee.filter, &fee.grouped_by);
    let cents = Decimal::from_i64(fee.amount_cents);
    let total = &cents + &taxes.amount_cents;
    let tax = taxes.precise_amount_cents.div_pow10(exponent);
    number(out, "amount_cents", &cents);
    text(out, "amount_currency", &resolved.plan.currency);
    decimal(out, "precise_amount", &fee.amount);
    decimal(out, "precise_total_amount", &(&fee.amount + &tax));
    number(out, "taxes_amount_cents", &taxes.amount_cents);
    decimal(out, "taxes_precise_amount", &tax);
    number(out, "taxes_rate", &taxes.rate);
    decimal(out, "total_aggregated_units", &fee.units);
    number(out, "total_amount_cents", &total);
    text(out, "total_amount_currency", &resolved.plan.currency);
    decimal(out, "units", &fee.units);
    nulls(out, &["description"]);
    decimal(out, "precise_unit_amount", &fee.unit_amount);
    decimal(out, "precise_coupons_amount_cents", &Decimal::ZERO);
    number(out, "sub_total_excluding_taxes_amount_cents", &cents);
    let precise = fee.amount.mul_pow10(exponent);
    decimal(out, "sub_total_excluding_taxes_precise_amount_cents", &precise);
    write_state(out);
    out.push_str(",\"amount_details\":{},\"self_billed\":false,\"pricing_unit_details\":");
    write_pricing_unit(out, fee);
    breakdowns(out, &fee.presented);
    write_bound(out, "from_date", estimated.window.from);
    write_bound(out, "to_date", estimated.window.to);
    text(out, "event_transaction_id", estimated.transaction);
    write_taxes(out, taxes, &resolved.plan.currency);
    out.push('}');
}

fn write_pricing_unit(out: &mut String, fee: &EstimatedFee<'_>) {
    let (Some(unit), Some(cents)) = (&fee.charge.pricing_unit, fee.pricing_unit_cents) else {
        return out.push_str("null");
    };
    out.push_str("{\"amount_cents\":");
    json::integer(out, cents);
    text(out, "short_name", &unit.short_name);
    decimal(out, "conversion_rate", &unit.conversion_rate);
    out.push('}');
}

fn write_taxes(out: &mut String, taxes: &FeeTaxes<'_>, currency: &str) {
    out.push_str(",\"applied_taxes\":");
    json::list(out, ARRAY, &taxes.applied, |out, (tax, amount_cents)| {
        out.push_str("{\"lago_id\":null,\"lago_fee_id\":null,\"lago_tax_id\":");
        json::uuid(out, tax.id);
        text(out, "tax_name", &tax.name);
        text(out, "tax_code", &tax.code);
        number(out, "tax_rate", &tax.rate);
        out.push_str(",\"tax_description\":");
        json::string_or_null(out, tax.description.as_deref());
        number(out, "amount_cents", amount_cents);
        text(out, "amount_currency", currency);
        nulls(out, &["created_at"]);
        out.push('}');
    });
}

/// `{"fees":[…]}`: what events cost by themselves.
pub fn instants(events: &[Instants<'_>]) -> String {
    let mut out = String::from("{\"fees\":");
    let fees = events.iter().flat_map(|event| event.fees.iter().map(move |fee| (event, fee)));
    json::list(&mut out, ARRAY, fees, |out, (event, fee)| write_instant(out, event, fee));
    out.push('}');
    out
}

fn write_instant(out: &mut String, event: &Instants<'_>, fee: &InstantFee<'_>) {
    let currency = event.resolved.plan.currency.as_str();
    let exponent = Currency::of(currency).exponent();
    let zero = Decimal::ZERO;
    let amount = fee.amount.as_ref().unwrap_or(&zero);
    let rounded = amount.round(i32::try_from(exponent).unwrap_or(0));
    let cents = rounded.mul_pow10(exponent);
    // A figure that never was a decimal has no fraction: that of a currency without decimals, and
    // what negative units cost.
    let whole = fee.amount.is_none() || exponent == 0;
    let figure = |out: &mut String, name, value: &Decimal, whole| {
        if whole { number(out, name, value) } else { decimal(out, name, value) }
    };
    write_ids(out, fee.charge, fee.filter);
    nulls(out, &["lago_invoice_id", "lago_true_up_fee_id", "lago_true_up_parent_fee_id"]);
    write_owner(out, &Owner::of(event.resolved));
    write_item(out, fee.charge, fee.metric, fee.filter, &[]);
    figure(out, "amount_cents", &cents, whole);
    text(out, "amount_currency", currency);
    figure(out, "precise_amount", amount, fee.amount.is_none());
    figure(out, "precise_total_amount", amount, fee.amount.is_none());
    for name in ["taxes_amount_cents", "taxes_precise_amount", "taxes_rate"] {
        number(out, name, &zero);
    }
    figure(out, "total_amount_cents", &cents, whole);
    text(out, "total_amount_currency", currency);
    decimal(out, "units", &fee.units);
    nulls(out, &["description"]);
    let unit_amount = rounded.quo(&fee.units).unwrap_or_default().mul_pow10(exponent);
    decimal(out, "precise_unit_amount", &unit_amount);
    decimal(out, "precise_coupons_amount_cents", &zero);
    write_state(out);
    nulls(out, &["amount_details"]);
    text(out, "event_transaction_id", event.transaction);
    out.push('}');
}

/// The members that every fee begins with.
fn write_ids(out: &mut String, charge: &Charge, filter: Option<&ChargeFilter>) {
    out.push_str("{\"lago_id\":null,\"lago_charge_id\":");
    json::uuid(out, charge.id);
    out.push_str(",\"lago_charge_filter_id\":");
    match filter {
        Some(filter) => json::uuid(out, filter.id),
        None => out.push_str("null"),
    }
}

/// Whose fee it is.
struct Owner<'a> {
    subscription: &'a crate::core::catalog::Subscription,
    customer: Option<&'a crate::core::catalog::Customer>,
}

impl<'a> Owner<'a> {
    fn of(resolved: &'a crate::runtime::catalogue::Resolved) -> Self {
        Self { subscription: &resolved.subscription, customer: resolved.customer.as_deref() }
    }
}

fn write_owner(out: &mut String, owner: &Owner<'_>) {
    out.push_str(",\"lago_subscription_id\":");
    json::uuid(out, owner.subscription.id);
    text(out, "external_subscription_id", &owner.subscription.external_id);
    out.push_str(",\"lago_customer_id\":");
    match owner.customer {
        Some(customer) => json::uuid(out, customer.id),
        None => out.push_str("null"),
    }
    text(out, "external_customer_id", &owner.subscription.customer);
}

fn write_item(
    out: &mut String,
    charge: &Charge,
    metric: &BillableMetric,
    filter: Option<&ChargeFilter>,
    grouped_by: &[(String, Option<Box<str>>)],
) {
    out.push_str(",\"item\":{\"type\":\"charge\"");
    text(out, "code", &metric.code);
    text(out, "name", &metric.name);
    out.push_str(",\"description\":");
    json::string_or_null(out, metric.description.as_deref());
    let name = charge.invoice_display_name.as_deref().filter(|name| !name.is_empty());
    text(out, "invoice_display_name", name.unwrap_or(&metric.name));
    out.push_str(",\"filters\":");
    match filter {
        None => out.push_str("null"),
        Some(filter) => json::list(out, OBJECT, &filter.values, |out, (key, values)| {
            json::key(out, key);
            json::list(out, ARRAY, values, |out, value| json::string(out, value));
        }),
    }
    out.push_str(",\"filter_invoice_display_name\":");
    json::string_or_null(out, filter.map(filter_name).as_deref());
    out.push_str(",\"lago_item_id\":");
    json::uuid(out, metric.id);
    out.push_str(",\"item_type\":\"BillableMetric\",\"grouped_by\":");
    values(out, grouped_by);
    out.push_str("},\"pay_in_advance\":true,\"invoiceable\":");
    out.push_str(if charge.invoiceable { "true" } else { "false" });
}

/// The filter's own name, else its values, where a key stands for all of its values.
fn filter_name(filter: &ChargeFilter) -> String {
    if let Some(name) = filter.invoice_display_name.as_ref().filter(|name| !name.is_empty()) {
        return name.clone();
    }
    let words = filter.values.iter().flat_map(|(key, values)| {
        values.iter().map(move |value| if value == ALL_VALUES { key } else { value })
    });
    words.cloned().collect::<Vec<_>>().join(", ")
}

fn write_state(out: &mut String) {
    out.push_str(",\"events_count\":1,\"payment_status\":\"pending\"");
    nulls(out, &["created_at", "succeeded_at", "failed_at", "refunded_at"]);
}

fn write_bound(out: &mut String, name: &str, at: Instant) {
    member(out, name);
    out.push('"');
    // Writing to a string cannot fail.
    let _ = write_offset(out, at);
    out.push('"');
}

fn member(out: &mut String, name: &str) {
    out.push(',');
    json::key(out, name);
}

fn text(out: &mut String, name: &str, value: &str) {
    member(out, name);
    json::string(out, value);
}

fn decimal(out: &mut String, name: &str, value: &Decimal) {
    member(out, name);
    json::decimal(out, value);
}

/// A bare number: an integer of any size, or a double.
fn number(out: &mut String, name: &str, value: &impl std::fmt::Display) {
    member(out, name);
    let _ = write!(out, "{value}");
}

fn nulls(out: &mut String, names: &[&str]) {
    for name in names {
        member(out, name);
        out.push_str("null");
    }
}
