//! Random properties of charges.

use odometer::core::pricing::ModelKind;
use serde_json::{Value as Json, json};

use super::dice::Dice;

const AMOUNTS: [&str; 9] = ["0", "1", "0.01", "0.333", "2.5", "10", "0.0005", "19.99", "1e-1"];
const RATES: [&str; 6] = ["0", "1", "2.5", "0.75", "12", "150"];

/// Properties that a model accepts.
pub fn properties(dice: &mut Dice, model: ModelKind) -> Json {
    match model {
        ModelKind::Standard => json!({"amount": dice.pick(&AMOUNTS)}),
        ModelKind::Graduated => ranges(dice, "graduated_ranges", "per_unit_amount"),
        ModelKind::Volume => ranges(dice, "volume_ranges", "per_unit_amount"),
        ModelKind::GraduatedPercentage => ranges(dice, "graduated_percentage_ranges", "rate"),
        ModelKind::Package => json!({
            "amount": dice.pick(&AMOUNTS),
            "package_size": *dice.pick(&[1, 3, 10, 1000]),
            "free_units": *dice.pick(&[0, 0, 1, 5]),
        }),
        ModelKind::Percentage => percentage(dice),
        ModelKind::Dynamic => json!({}),
    }
}

fn percentage(dice: &mut Dice) -> Json {
    let mut properties = json!({"rate": dice.pick(&RATES)});
    if dice.percent(60) {
        properties["fixed_amount"] = json!(dice.pick(&AMOUNTS));
    }
    if dice.percent(40) {
        properties["free_units_per_events"] = json!(*dice.pick(&[1, 2, 3, 7]));
    }
    if dice.percent(40) {
        let units = dice.pick(&["0", "1", "4.5", "15", "100"]);
        properties["free_units_per_total_aggregation"] = json!(units);
    }
    properties
}

/// Adds bounds per transaction.
pub fn bound(dice: &mut Dice, properties: &mut Json) {
    let (least, most) = *dice.pick(&[("0", "2"), ("0.1", "0.5"), ("1", "1"), ("0.2", "40")]);
    if dice.percent(70) {
        properties["per_transaction_min_amount"] = json!(least);
    }
    if dice.percent(70) {
        properties["per_transaction_max_amount"] = json!(most);
    }
}

fn ranges(dice: &mut Dice, list: &str, price: &str) -> Json {
    let volume = list == "volume_ranges";
    // Fractions go with touching bounds alone, and percentages read them as doubles.
    let fractions = list == "graduated_ranges" && dice.percent(20);
    let mut rows = Vec::new();
    let mut from = i64::from(dice.percent(15));
    let shown = |bound: i64, whole: bool| {
        if whole { json!(bound) } else { json!(format!("{bound}.5")) }
    };
    let mut first = json!(from);
    for _ in 0..dice.below(4) {
        let to = from + dice.within(1, 8);
        let last = shown(to, !fractions);
        rows.push(range(dice, &first, &last, price));
        let touches = fractions || (!volume && dice.percent(40));
        from = if touches { to } else { to + 1 + i64::from(volume && dice.percent(20)) };
        first = shown(from, !fractions);
    }
    rows.push(range(dice, &first, &Json::Null, price));
    json!({ list: rows })
}

fn range(dice: &mut Dice, from: &Json, to: &Json, price: &str) -> Json {
    let prices: &[&str] = if price == "rate" { &RATES } else { &AMOUNTS };
    let flat = if dice.percent(50) { "0" } else { *dice.pick(&AMOUNTS) };
    json!({"from_value": from, "to_value": to, price: *dice.pick(prices), "flat_amount": flat})
}
