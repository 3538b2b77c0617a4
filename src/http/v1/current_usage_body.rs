//! The body of current usage, in Lago's order and number forms (specification chapter 2).

use uuid::Uuid;

use crate::core::catalog::BillableMetric;
use crate::core::matching::Condition;
use crate::core::period::text::{write_date, write_seconds};
use crate::core::usage::{
    ChargeUsage, CurrentUsage, FilterUsage, GroupUsage, Presented, PricingUnitSum, Sum,
};
use crate::http::json::{self, ARRAY, OBJECT};
use crate::http::openapi::{CONDITION, MAYBE_TEXT, Member, Named, Schema};

/// Room for the head of an answer, bytes.
const HEAD_BYTES: usize = 320;
/// Room for a charge without filters, bytes; more grows the string.
const CHARGE_BYTES: usize = 640;

/// What the metric of a row is printed as.
pub(super) const METRIC: Schema = Schema::Object(&[
    ("lago_id", Schema::Id),
    ("name", Schema::Text),
    ("code", Schema::Text),
    ("aggregation_type", Schema::Text),
]);
/// What a list of breakdowns is printed as.
pub(super) const BREAKDOWNS: Schema = Schema::List(&Schema::Object(&[
    ("presentation_by", Schema::Map(&MAYBE_TEXT)),
    ("units", Schema::Decimal),
]));
/// The members up to the amount.
pub(super) const HEAD: &[Member] = &[
    ("from_datetime", Schema::Instant),
    ("to_datetime", Schema::Instant),
    ("issuing_date", Schema::Date),
    ("currency", Schema::Text),
    ("amount_cents", Schema::Integer),
];
/// What taxes add.
pub(super) const TOTALS: &[Member] =
    &[("total_amount_cents", Schema::Integer), ("taxes_amount_cents", Schema::Integer)];
const ROWS: Member = ("charges_usage", Schema::List(&Schema::Ref(&CHARGE)));
const SUM: &[Member] = &[
    ("units", Schema::Decimal),
    ("total_aggregated_units", Schema::Decimal),
    ("events_count", Schema::Integer),
    ("amount_cents", Schema::Integer),
];
const PRICING_UNIT: Member = (
    "pricing_unit_details",
    Schema::Maybe(&Schema::Object(&[
        ("amount_cents", Schema::Integer),
        ("short_name", Schema::Text),
        ("conversion_rate", Schema::Decimal),
    ])),
);
const PRESENTED: Member = ("presentation_breakdowns", BREAKDOWNS);

/// What [`print`] prints under its root key.
pub static USAGE: Named = Named(
    "CustomerUsage",
    Schema::Joined(&[HEAD, TOTALS, &[("lago_invoice_id", Schema::Null), ROWS]]),
);
/// What a closed period is printed as: like [`USAGE`], with the id of its invoice.
pub static PAST_USAGE: Named =
    Named("PastUsage", Schema::Joined(&[HEAD, TOTALS, &[("lago_invoice_id", Schema::Id), ROWS]]));
static CHARGE: Named = Named(
    "ChargeUsage",
    Schema::Joined(&[
        SUM,
        &[
            ("amount_currency", Schema::Text),
            PRICING_UNIT,
            (
                "charge",
                Schema::Object(&[
                    ("lago_id", Schema::Id),
                    ("code", Schema::Text),
                    ("charge_model", Schema::Text),
                    ("invoice_display_name", MAYBE_TEXT),
                ]),
            ),
            ("billable_metric", METRIC),
            ("filters", Schema::List(&Schema::Ref(&FILTER))),
            ("grouped_usage", Schema::List(&Schema::Ref(&GROUP))),
            PRESENTED,
        ],
    ]),
);
static FILTER: Named = Named(
    "FilterUsage",
    Schema::Joined(&[
        SUM,
        &[
            PRICING_UNIT,
            ("invoice_display_name", MAYBE_TEXT),
            ("values", Schema::Maybe(&CONDITION)),
            PRESENTED,
        ],
    ]),
);
static GROUP: Named = Named(
    "GroupUsage",
    Schema::Joined(&[
        SUM,
        &[
            PRICING_UNIT,
            ("grouped_by", Schema::Map(&MAYBE_TEXT)),
            ("filters", Schema::List(&Schema::Ref(&FILTER))),
            PRESENTED,
        ],
    ]),
);

/// Prints the whole body.
pub fn print(usage: &CurrentUsage<'_>) -> String {
    let mut out = String::with_capacity(HEAD_BYTES + usage.charges.len() * CHARGE_BYTES);
    out.push_str("{\"customer_usage\":");
    object(&mut out, usage, None);
    out.push('}');
    out
}

/// A usage, with the id of its invoice if its window has closed (2.1).
pub(super) fn object(out: &mut String, usage: &CurrentUsage<'_>, invoice: Option<Uuid>) {
    out.push('{');
    head(out, usage);
    out.push_str(",\"total_amount_cents\":");
    json::integer(out, usage.total_amount_cents);
    out.push_str(",\"taxes_amount_cents\":");
    json::integer(out, usage.taxes_amount_cents);
    out.push_str(",\"lago_invoice_id\":");
    match invoice {
        Some(id) => json::uuid(out, id),
        None => out.push_str("null"),
    }
    out.push_str(",\"charges_usage\":");
    json::list(out, ARRAY, &usage.charges, |out, row| charge(out, usage.currency, row));
    out.push('}');
}

/// The members up to the amount.
pub(super) fn head(out: &mut String, usage: &CurrentUsage<'_>) {
    // Writing to a string cannot fail.
    out.push_str("\"from_datetime\":\"");
    let _ = write_seconds(out, usage.window.from);
    out.push_str("\",\"to_datetime\":\"");
    let _ = write_seconds(out, usage.window.to);
    out.push_str("\",\"issuing_date\":\"");
    let _ = write_date(out, usage.issuing_date);
    out.push_str("\",\"currency\":");
    json::string(out, usage.currency);
    out.push_str(",\"amount_cents\":");
    json::integer(out, usage.amount_cents);
}

/// 2.2.
fn charge(out: &mut String, currency: &str, row: &ChargeUsage<'_>) {
    out.push('{');
    sum(out, &row.sum);
    out.push_str(",\"amount_currency\":");
    json::string(out, currency);
    pricing_unit(out, row.sum.pricing_unit.as_ref());
    out.push_str(",\"charge\":{\"lago_id\":");
    json::uuid(out, row.charge.id);
    out.push_str(",\"code\":");
    json::string(out, &row.charge.code);
    out.push_str(",\"charge_model\":");
    json::string(out, row.charge.model.kind().name());
    out.push_str(",\"invoice_display_name\":");
    json::string_or_null(out, row.charge.invoice_display_name.as_deref());
    out.push('}');
    metric(out, row.metric);
    out.push_str(",\"filters\":");
    json::list(out, ARRAY, &row.filters, filter);
    out.push_str(",\"grouped_usage\":");
    json::list(out, ARRAY, &row.grouped, group);
    breakdowns(out, &row.breakdowns);
    out.push('}');
}

/// The metric of a row, with the comma before it.
pub(super) fn metric(out: &mut String, metric: &BillableMetric) {
    out.push_str(",\"billable_metric\":{\"lago_id\":");
    json::uuid(out, metric.id);
    out.push_str(",\"name\":");
    json::string(out, &metric.name);
    out.push_str(",\"code\":");
    json::string(out, &metric.code);
    out.push_str(",\"aggregation_type\":");
    json::string(out, metric.aggregation.name());
    out.push('}');
}

/// 2.4.
fn filter(out: &mut String, row: &FilterUsage<'_>) {
    out.push('{');
    sum(out, &row.sum);
    pricing_unit(out, row.sum.pricing_unit.as_ref());
    out.push_str(",\"invoice_display_name\":");
    let name = row.filter.and_then(|filter| filter.invoice_display_name.as_deref());
    json::string_or_null(out, name);
    out.push_str(",\"values\":");
    match row.filter {
        None => out.push_str("null"),
        Some(filter) => filter_values(out, &filter.values),
    }
    breakdowns(out, &row.breakdowns);
    out.push('}');
}

/// What a filter asks of events, by key.
pub(in crate::http) fn filter_values(out: &mut String, values: &Condition) {
    json::list(out, OBJECT, values, |out, (key, values)| {
        json::key(out, key);
        json::list(out, ARRAY, values, |out, value| json::string(out, value));
    });
}

/// 2.5.
fn group(out: &mut String, row: &GroupUsage<'_>) {
    out.push('{');
    sum(out, &row.sum);
    pricing_unit(out, row.sum.pricing_unit.as_ref());
    out.push_str(",\"grouped_by\":");
    values(out, &row.grouped_by);
    out.push_str(",\"filters\":");
    json::list(out, ARRAY, &row.filters, filter);
    breakdowns(out, &row.breakdowns);
    out.push('}');
}

/// The figures that every row starts with.
fn sum(out: &mut String, sum: &Sum<'_>) {
    out.push_str("\"units\":");
    json::decimal(out, &sum.units);
    out.push_str(",\"total_aggregated_units\":");
    json::decimal(out, &sum.total_aggregated_units);
    out.push_str(",\"events_count\":");
    json::integer(out, sum.events_count);
    out.push_str(",\"amount_cents\":");
    json::integer(out, sum.amount_cents);
}

/// 2.6.
fn pricing_unit(out: &mut String, sum: Option<&PricingUnitSum<'_>>) {
    out.push_str(",\"pricing_unit_details\":");
    let Some(sum) = sum else { return out.push_str("null") };
    out.push_str("{\"amount_cents\":");
    json::integer(out, sum.amount_cents);
    out.push_str(",\"short_name\":");
    json::string(out, &sum.unit.short_name);
    out.push_str(",\"conversion_rate\":");
    json::decimal(out, &sum.unit.conversion_rate);
    out.push('}');
}

/// 2.7.
pub(super) fn breakdowns(out: &mut String, rows: &[Presented]) {
    out.push_str(",\"presentation_breakdowns\":");
    presented(out, rows);
}

/// A list of breakdowns.
pub(super) fn presented(out: &mut String, rows: &[Presented]) {
    json::list(out, ARRAY, rows, |out, row| {
        out.push_str("{\"presentation_by\":");
        values(out, &row.presentation_by);
        out.push_str(",\"units\":");
        json::decimal(out, &row.units);
        out.push('}');
    });
}

/// Property values by key.
pub(in crate::http) fn values(out: &mut String, values: &[(String, Option<Box<str>>)]) {
    json::list(out, OBJECT, values, |out, (key, value)| {
        json::key(out, key);
        json::string_or_null(out, value.as_deref());
    });
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
