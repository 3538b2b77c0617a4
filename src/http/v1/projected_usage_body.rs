//! The body of projected usage, in Lago's order and number forms (specification 8.2).

use super::current_usage_body::{
    BREAKDOWNS, HEAD, METRIC, TOTALS, breakdowns, filter_values, head, metric, presented, values,
};
use crate::core::usage::{
    ChargeUsage, FilterUsage, GroupUsage, Presented, PricingUnitSum, ProjectedUsage, Sum,
};
use crate::http::json::{self, ARRAY};
use crate::http::openapi::{CONDITION, MAYBE_TEXT, Member, Named, Schema};

/// Room for the head of an answer, bytes.
const HEAD_BYTES: usize = 384;
/// Room for a charge without filters, bytes; more grows the string.
const CHARGE_BYTES: usize = 768;

const PRICING_UNIT: Member = (
    "pricing_unit_details",
    Schema::Maybe(&Schema::Object(&[
        ("amount_cents", Schema::Integer),
        ("projected_amount_cents", Schema::Integer),
        ("short_name", Schema::Text),
        ("conversion_rate", Schema::Decimal),
    ])),
);
const NOW: &[Member] = &[
    ("units", Schema::Decimal),
    ("events_count", Schema::Integer),
    ("amount_cents", Schema::Integer),
];
const THEN: &[Member] = &[
    ("projected_units", Schema::Decimal),
    ("projected_amount_cents", Schema::Integer),
    ("projected_presentation_breakdowns", BREAKDOWNS),
    PRICING_UNIT,
];
const PRESENTED: Member = ("presentation_breakdowns", BREAKDOWNS);

/// What [`print`] prints under its root key.
pub static PROJECTED_USAGE: Named = Named(
    "CustomerProjectedUsage",
    Schema::Joined(&[
        HEAD,
        &[("projected_amount_cents", Schema::Integer)],
        TOTALS,
        &[
            ("lago_invoice_id", Schema::Null),
            ("charges_usage", Schema::List(&Schema::Ref(&CHARGE))),
        ],
    ]),
);
static CHARGE: Named = Named(
    "ChargeProjectedUsage",
    Schema::Joined(&[
        NOW,
        &[("amount_currency", Schema::Text)],
        THEN,
        &[
            (
                "charge",
                Schema::Object(&[
                    ("lago_id", Schema::Id),
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
    "FilterProjectedUsage",
    Schema::Joined(&[
        NOW,
        THEN,
        &[("invoice_display_name", MAYBE_TEXT), ("values", CONDITION), PRESENTED],
    ]),
);
static GROUP: Named = Named(
    "GroupProjectedUsage",
    Schema::Joined(&[
        NOW,
        THEN,
        &[
            ("grouped_by", Schema::Map(&MAYBE_TEXT)),
            ("filters", Schema::List(&Schema::Ref(&FILTER))),
            PRESENTED,
        ],
    ]),
);

/// A row and its projection.
type Pair<'r, R> = (&'r R, &'r R);

/// Prints the whole body.
pub fn print(usage: &ProjectedUsage<'_>) -> String {
    let now = &usage.usage;
    let mut out = String::with_capacity(HEAD_BYTES + now.charges.len() * CHARGE_BYTES);
    out.push_str("{\"customer_projected_usage\":{");
    head(&mut out, now);
    out.push_str(",\"projected_amount_cents\":");
    json::integer(&mut out, usage.projected_amount_cents);
    out.push_str(",\"total_amount_cents\":");
    json::integer(&mut out, now.total_amount_cents);
    out.push_str(",\"taxes_amount_cents\":");
    json::integer(&mut out, now.taxes_amount_cents);
    out.push_str(",\"lago_invoice_id\":null,\"charges_usage\":");
    let rows = now.charges.iter().zip(&usage.projected);
    json::list(&mut out, ARRAY, rows, |out, pair| charge(out, now.currency, pair));
    out.push_str("}}");
    out
}

fn charge(out: &mut String, currency: &str, (now, then): Pair<'_, ChargeUsage<'_>>) {
    out.push('{');
    figures(out, Some(currency), (&now.sum, &then.sum), &then.breakdowns);
    out.push_str(",\"charge\":{\"lago_id\":");
    json::uuid(out, now.charge.id);
    out.push_str(",\"charge_model\":");
    json::string(out, now.charge.model.kind().name());
    out.push_str(",\"invoice_display_name\":");
    json::string_or_null(out, now.charge.invoice_display_name.as_deref());
    out.push('}');
    metric(out, now.metric);
    out.push_str(",\"filters\":");
    json::list(out, ARRAY, now.filters.iter().zip(&then.filters), filter);
    out.push_str(",\"grouped_usage\":");
    json::list(out, ARRAY, now.grouped.iter().zip(&then.grouped), group);
    breakdowns(out, &now.breakdowns);
    out.push('}');
}

fn filter(out: &mut String, (now, then): Pair<'_, FilterUsage<'_>>) {
    out.push('{');
    figures(out, None, (&now.sum, &then.sum), &then.breakdowns);
    out.push_str(",\"invoice_display_name\":");
    let name = now.filter.and_then(|filter| filter.invoice_display_name.as_deref());
    json::string_or_null(out, name);
    out.push_str(",\"values\":");
    // Unlike current usage, an object also for what no filter takes: clients require one here.
    match now.filter {
        None => out.push_str("{}"),
        Some(filter) => filter_values(out, &filter.values),
    }
    breakdowns(out, &now.breakdowns);
    out.push('}');
}

fn group(out: &mut String, (now, then): Pair<'_, GroupUsage<'_>>) {
    out.push('{');
    figures(out, None, (&now.sum, &then.sum), &then.breakdowns);
    out.push_str(",\"grouped_by\":");
    values(out, &now.grouped_by);
    out.push_str(",\"filters\":");
    json::list(out, ARRAY, now.filters.iter().zip(&then.filters), filter);
    breakdowns(out, &now.breakdowns);
    out.push('}');
}

/// The members that every row starts with.
fn figures(
    out: &mut String,
    currency: Option<&str>,
    (now, then): Pair<'_, Sum<'_>>,
    projected: &[Presented],
) {
    out.push_str("\"units\":");
    json::decimal(out, &now.units);
    out.push_str(",\"events_count\":");
    json::integer(out, now.events_count);
    out.push_str(",\"amount_cents\":");
    json::integer(out, now.amount_cents);
    if let Some(currency) = currency {
        out.push_str(",\"amount_currency\":");
        json::string(out, currency);
    }
    out.push_str(",\"projected_units\":");
    json::decimal(out, &then.units);
    out.push_str(",\"projected_amount_cents\":");
    json::integer(out, then.amount_cents);
    out.push_str(",\"projected_presentation_breakdowns\":");
    presented(out, projected);
    out.push_str(",\"pricing_unit_details\":");
    match (&now.pricing_unit, &then.pricing_unit) {
        (Some(now), Some(then)) => pricing_unit(out, (now, then)),
        _ => out.push_str("null"),
    }
}

fn pricing_unit(out: &mut String, (now, then): Pair<'_, PricingUnitSum<'_>>) {
    out.push_str("{\"amount_cents\":");
    json::integer(out, now.amount_cents);
    out.push_str(",\"projected_amount_cents\":");
    json::integer(out, then.amount_cents);
    out.push_str(",\"short_name\":");
    json::string(out, &now.unit.short_name);
    out.push_str(",\"conversion_rate\":");
    json::decimal(out, &now.unit.conversion_rate);
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::sample;

    #[test]
    fn the_whole_body() {
        let (charge, metric) = (sample::charge(), sample::metric());
        let mut then = sample::row(&charge, &metric);
        then.sum = sample::sum(10, 140);
        then.filters[0].sum = sample::sum(10, 140);
        then.filters[1].sum = sample::sum(0, 0);
        let usage = ProjectedUsage {
            usage: sample::usage(vec![sample::row(&charge, &metric)]),
            projected: vec![then],
            projected_amount_cents: 140,
        };
        let filter = |units: &str, cents: u32, projected: &str, then: u32, values: &str| {
            format!(
                "{{\"units\":\"{units}\",\"events_count\":{},\"amount_cents\":{cents},\
                 \"projected_units\":\"{projected}\",\"projected_amount_cents\":{then},\
                 \"projected_presentation_breakdowns\":[],\"pricing_unit_details\":null,\
                 \"invoice_display_name\":null,\"values\":{values},\
                 \"presentation_breakdowns\":[]}}",
                &units[..1]
            )
        };
        let expected = format!(
            "{{\"customer_projected_usage\":{{\"from_datetime\":\"2024-03-01T00:00:00Z\",\
             \"to_datetime\":\"2024-03-31T23:59:59Z\",\"issuing_date\":\"2024-03-31\",\
             \"currency\":\"EUR\",\"amount_cents\":70,\"projected_amount_cents\":140,\
             \"total_amount_cents\":84,\"taxes_amount_cents\":14,\"lago_invoice_id\":null,\
             \"charges_usage\":[{{\"units\":\"5.0\",\"events_count\":5,\"amount_cents\":70,\
             \"amount_currency\":\"EUR\",\"projected_units\":\"10.0\",\
             \"projected_amount_cents\":140,\"projected_presentation_breakdowns\":[],\
             \"pricing_unit_details\":null,\
             \"charge\":{{\"lago_id\":\"1a901a90-1a90-1a90-1a90-1a901a901a90\",\
             \"charge_model\":\"standard\",\"invoice_display_name\":null}},\
             \"billable_metric\":{{\"lago_id\":\"2a901a90-1a90-1a90-1a90-1a901a901a90\",\
             \"name\":\"API calls\",\"code\":\"api_calls\",\
             \"aggregation_type\":\"count_agg\"}},\"filters\":[{},{}],\
             \"grouped_usage\":[],\"presentation_breakdowns\":[]}}]}}}}",
            filter("2.0", 40, "10.0", 140, "{\"region\":[\"eu\"]}"),
            filter("3.0", 30, "0.0", 0, "{}"),
        );
        assert_eq!(print(&usage), expected);
    }
}
