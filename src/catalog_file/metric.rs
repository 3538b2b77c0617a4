//! Billable metrics.

use super::derived_id;
use super::reader::{Node, Object};
use crate::core::catalog::{Aggregation, BillableMetric, MetricFilter, Rounding, RoundingMode};
use crate::core::expression::Expression;
use crate::core::instant::Instant;

const KEYS: [&str; 11] = [
    "code",
    "name",
    "description",
    "aggregation_type",
    "field_name",
    "recurring",
    "weighted_interval",
    "rounding_function",
    "rounding_precision",
    "expression",
    "filters",
];

const AGGREGATIONS: [&str; 6] =
    ["count_agg", "sum_agg", "max_agg", "unique_count_agg", "weighted_sum_agg", "latest_agg"];

pub(super) fn read(node: Node<'_>, organization: &str) -> Option<BillableMetric> {
    let object = node.object(&KEYS)?;
    let code = object.text("code");
    let aggregation = read_aggregation(&object)?;
    let filters = object.list("filters").into_iter().filter_map(read_filter);
    Some(BillableMetric {
        id: derived_id(&[organization, "billable_metric", &code]),
        name: object.optional_text("name").unwrap_or_else(|| code.clone()),
        code,
        description: object.optional_text("description"),
        aggregation,
        field_name: read_field(&object, aggregation),
        recurring: read_recurring(&object, aggregation),
        rounding: read_rounding(&object),
        expression: read_expression(&object),
        filters: filters.collect(),
        created_at: Instant(0),
    })
}

fn read_aggregation(object: &Object<'_>) -> Option<Aggregation> {
    let name = "aggregation_type";
    if !object.has(name) {
        object.problems().add(object.path_of(name), "is missing");
    }
    let aggregation = object.named(name, Aggregation::from_name, &AGGREGATIONS)?;
    let interval = object.optional_text("weighted_interval");
    let wrong = match &interval {
        Some(interval) => aggregation != Aggregation::WeightedSum || interval != "seconds",
        None => aggregation == Aggregation::WeightedSum,
    };
    if wrong {
        let message = "must be `seconds` for weighted_sum_agg, and absent for others";
        object.problems().add(object.path_of("weighted_interval"), message);
    }
    Some(aggregation)
}

fn read_field(object: &Object<'_>, aggregation: Aggregation) -> Option<String> {
    let field = object.optional_text("field_name");
    if aggregation == Aggregation::Count {
        // Lago drops it without a word.
        return None;
    }
    if field.is_none() {
        let message = format!("is mandatory for {}", aggregation.name());
        object.problems().add(object.path_of("field_name"), message);
    }
    field
}

fn read_recurring(object: &Object<'_>, aggregation: Aggregation) -> bool {
    let recurring = object.flag("recurring");
    let never = matches!(aggregation, Aggregation::Count | Aggregation::Max | Aggregation::Latest);
    if recurring && never {
        let message = format!("{} cannot carry over", aggregation.name());
        object.problems().add(object.path_of("recurring"), message);
    }
    recurring
}

fn read_rounding(object: &Object<'_>) -> Option<Rounding> {
    let name = "rounding_function";
    let precision = object.integer("rounding_precision");
    let mode = object.named(name, RoundingMode::from_name, &["round", "ceil", "floor"])?;
    let Ok(precision) = i32::try_from(precision) else {
        object.problems().add(object.path_of("rounding_precision"), "is out of range");
        return None;
    };
    Some(Rounding { mode, precision })
}

fn read_expression(object: &Object<'_>) -> Option<String> {
    let expression = object.optional_text("expression").filter(|text| !text.trim().is_empty())?;
    if let Err(error) = Expression::parse(&expression) {
        let hint = "for example: event.properties.cpu * event.properties.hours";
        object.problems().hint(object.path_of("expression"), error.to_string(), hint);
    }
    Some(expression)
}

fn read_filter(node: Node<'_>) -> Option<MetricFilter> {
    let object = node.object(&["key", "values"])?;
    let values = object.texts("values");
    if values.is_empty() {
        object.problems().add(object.path_of("values"), "needs at least one value");
    }
    Some(MetricFilter { key: object.text("key"), values })
}
