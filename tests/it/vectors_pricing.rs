//! `charge_model.json`: pricing of an aggregated quantity.

use odometer::core::catalog::Aggregation;
use odometer::core::currency::Currency;
use odometer::core::decimal::Decimal;
use odometer::core::pricing::{
    Entries, Model, ModelKind, Quantity, RunningTotals, graduated, graduated_percentage,
};
use serde_json::{Value as Json, json};

use crate::trees::to_value;
use crate::vectors::{Comparison, decimal, shown, to_json, verdict};
use crate::vectors_run::{Verdict, only_known};

/// The currency of a case that names none.
pub const DEFAULT_CURRENCY: &str = "EUR";

/// Prices the case's quantity and evaluates its assertions.
pub fn check(case: &Json) -> Verdict {
    let result = match case["mode"].as_str() {
        Some("fee") => fee(case),
        Some("instant_estimate") => estimate(case),
        Some("range_detail") => range_detail(case),
        other => panic!("unknown mode {other:?}"),
    };
    let explains = case["mode"] == "range_detail";
    let comparison = if explains { Comparison::Texts } else { Comparison::Numbers };
    verdict(case, &result, comparison)
}

fn kind(case: &Json) -> ModelKind {
    ModelKind::from_name(case["charge_model"].as_str().expect("a model")).expect("a known model")
}

fn list(value: &Json) -> Vec<Decimal> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|item| decimal(item).expect("a number")).collect()
}

fn quantity(case: &Json, aggregation: &Json) -> Quantity {
    only_known(&aggregation["options"], "options", &["running_total"]);
    let units = decimal(&aggregation["aggregation"]).expect("units");
    let mut quantity = Quantity::new(Aggregation::Sum, units);
    quantity.current_usage_units = decimal(&aggregation["current_usage_units"]);
    quantity.full_units = decimal(&aggregation["full_units_number"]);
    quantity.count = decimal(&aggregation["count"]).unwrap_or_default();
    quantity.total_aggregated_units = decimal(&aggregation["total_aggregated_units"]);
    quantity.running_totals = RunningTotals::Listed(list(&aggregation["options"]["running_total"]));
    quantity.entries = Entries::Listed {
        full: list(&case["per_event"]["event_aggregation"]),
        prorated: list(&case["per_event"]["event_prorated_aggregation"]),
    };
    quantity.precise_cents =
        decimal(&aggregation["precise_total_amount_cents"]).unwrap_or_default();
    quantity
}

fn fee(case: &Json) -> Json {
    let Some(groups) = case["groups"].as_array() else {
        return priced(case, &case["aggregation"]);
    };
    let group = |aggregation: &Json| {
        let mut json = priced(case, aggregation);
        json["grouped_by"] = aggregation["grouped_by"].clone();
        json
    };
    let groups: Vec<Json> = groups.iter().map(group).collect();
    let sum = |name: &str| {
        let values = groups.iter().filter_map(|group| decimal(&group[name]));
        shown(&values.fold(Decimal::ZERO, |sum, value| &sum + &value))
    };
    json!({"groups": groups, "amount": sum("amount"), "units": sum("units")})
}

/// What only a price without events behind it lacks: the entries that prorated tiers walk along.
fn is_what_if(case: &Json) -> bool {
    kind(case) == ModelKind::Graduated && case["prorated"] == true && case["per_event"].is_null()
}

fn priced(case: &Json, aggregation: &Json) -> Json {
    let quantity = quantity(case, aggregation);
    let model = Model::from_properties(kind(case), &to_value(&case["properties"]));
    let currency = Currency::of(case["currency"].as_str().unwrap_or(DEFAULT_CURRENCY));
    let priced = if is_what_if(case) {
        model.price_units(quantity.units, currency)
    } else {
        model.price(&quantity, case["prorated"] == true, currency)
    };
    let passed = |name: &str| aggregation[name].clone();
    json!({
        "units": shown(&priced.units),
        "current_usage_units": passed("current_usage_units"),
        "full_units_number": passed("full_units_number"),
        "count": passed("count"),
        "total_aggregated_units": passed("total_aggregated_units"),
        "amount": shown(&priced.amount),
        "unit_amount": shown(&priced.unit_amount),
        "amount_details": to_json(&priced.details),
    })
}

fn estimate(case: &Json) -> Json {
    let model = Model::from_properties(kind(case), &to_value(&case["properties"]));
    let units = decimal(&case["aggregation"]["aggregation"]).expect("units");
    let estimate = model.estimate(&units).expect("a price for one event");
    json!({"units": shown(&estimate.units), "amount": shown(&estimate.amount)})
}

fn range_detail(case: &Json) -> Json {
    let name = format!("{}_ranges", kind(case).name());
    let properties = &case["properties"];
    let table = json!({ name: [properties["range"]] });
    let adjacent = properties["adjacent_model"] == true;
    let quantity = quantity(case, &case["aggregation"]);
    let detail = match Model::from_properties(kind(case), &to_value(&table)) {
        Model::Graduated(model) => graduated::detail(&model.ranges[0], &quantity.units, adjacent),
        Model::GraduatedPercentage(model) => {
            graduated_percentage::detail(&model.ranges[0], &quantity)
        }
        other => panic!("no ranges in {other:?}"),
    };
    to_json(&detail)
}
