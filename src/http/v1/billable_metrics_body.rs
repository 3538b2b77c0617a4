//! Billable metrics in answers (specification 9.2).

use crate::core::catalog::commands::WEIGHTED_INTERVAL;
use crate::core::catalog::{Aggregation, BillableMetric};
use crate::http::json::{Object, string};
use crate::http::openapi::{MAYBE_TEXT, Named, Schema};

/// Names of aggregations.
pub const AGGREGATIONS: [&str; 6] =
    ["count_agg", "sum_agg", "max_agg", "unique_count_agg", "weighted_sum_agg", "latest_agg"];
/// Names of rounding modes.
pub const ROUNDINGS: [&str; 3] = ["round", "ceil", "floor"];

/// What [`print`] prints.
pub static METRIC: Named = Named(
    "BillableMetric",
    Schema::Partly(
        &[
            ("lago_id", Schema::Id),
            ("name", Schema::Text),
            ("code", Schema::Text),
            ("description", MAYBE_TEXT),
            ("aggregation_type", Schema::Word(&AGGREGATIONS)),
            ("weighted_interval", MAYBE_TEXT),
            ("recurring", Schema::Flag),
            ("rounding_function", Schema::Maybe(&Schema::Word(&ROUNDINGS))),
            ("rounding_precision", Schema::Maybe(&Schema::Integer)),
            ("created_at", Schema::Instant),
            ("field_name", MAYBE_TEXT),
            ("expression", MAYBE_TEXT),
            (
                "filters",
                Schema::List(&Schema::Object(&[
                    ("key", Schema::Text),
                    ("values", Schema::List(&Schema::Text)),
                ])),
            ),
        ],
        &[
            ("active_subscriptions_count", Schema::Integer),
            ("draft_invoices_count", Schema::Integer),
            ("plans_count", Schema::Integer),
        ],
    ),
);

/// Counters that Lago answers with 0, and leaves out when one metric is read.
const COUNTERS: [&str; 3] = ["active_subscriptions_count", "draft_invoices_count", "plans_count"];

/// Prints a metric, with its counters or without.
pub fn print(out: &mut String, metric: &BillableMetric, counters: bool) {
    let weighted = metric.aggregation == Aggregation::WeightedSum;
    Object::print(out, |object| {
        object
            .id("lago_id", metric.id)
            .text("name", &metric.name)
            .text("code", &metric.code)
            .maybe_text("description", metric.description.as_deref())
            .text("aggregation_type", metric.aggregation.name())
            .maybe_text("weighted_interval", weighted.then_some(WEIGHTED_INTERVAL))
            .flag("recurring", metric.recurring);
        match metric.rounding {
            Some(rounding) => object
                .text("rounding_function", rounding.mode.name())
                .integer("rounding_precision", i64::from(rounding.precision)),
            None => object.null("rounding_function").null("rounding_precision"),
        };
        object
            .seconds("created_at", metric.created_at)
            .maybe_text("field_name", metric.field_name.as_deref())
            .maybe_text("expression", metric.expression.as_deref());
        for counter in COUNTERS.into_iter().filter(|_| counters) {
            object.integer(counter, 0);
        }
        object.array("filters", &metric.filters, |out, filter| {
            let mut values: Vec<&String> = filter.values.iter().collect();
            values.sort_unstable();
            Object::print(out, |object| {
                object.text("key", &filter.key);
                object.array("values", values, |out, value| string(out, value));
            });
        });
    });
}
