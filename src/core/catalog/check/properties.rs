//! The property check by model (sections 3.1, 3.2 and 4).

use std::cmp::Ordering;

use super::errors::Errors;
use super::ranges::{Step, check_ranges};
use super::{grouping, is_blank};
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::value::Value;

/// Checks properties as they stand: nothing is filled in, dropped or renamed before.
///
/// An unknown model has no members of its own; `aggregation` is none for `custom_agg`. The licence
/// decides about the per-transaction bounds alone.
pub fn check_properties(
    model: &str,
    aggregation: Option<Aggregation>,
    properties: &Value,
    licence: bool,
) -> Errors {
    let mut errors = Errors::default();
    let latest = aggregation == Some(Aggregation::Latest);
    match model {
        "standard" => amount(properties, "amount", "invalid_amount", &mut errors),
        "package" => package(properties, &mut errors),
        "percentage" => {
            refuse_latest(latest, &mut errors);
            percentage(properties, licence, &mut errors);
        }
        "graduated" => {
            let field = ("graduated_ranges", "missing_graduated_ranges");
            let bounds = (Step::Touching, "invalid_graduated_ranges");
            check_ranges(properties, field, bounds, unit_price, &mut errors);
        }
        "volume" => {
            let field = ("volume_ranges", "missing_volume_ranges");
            let bounds = (Step::Next, "invalid_volume_ranges");
            check_ranges(properties, field, bounds, unit_price, &mut errors);
        }
        "graduated_percentage" => {
            refuse_latest(latest, &mut errors);
            let field = ("graduated_percentage_ranges", "missing_graduated_percentage_ranges");
            let bounds = (Step::Touching, "invalid_graduated_percentage_ranges");
            check_ranges(properties, field, bounds, rate_price, &mut errors);
        }
        _ => {}
    }
    grouping::check(properties, &mut errors);
    errors
}

/// Whether a value is an amount (3.1).
fn is_amount(value: &Value) -> bool {
    let amount = value.as_text().and_then(Decimal::parse_amount);
    amount.is_some_and(|amount| !amount.is_negative())
}

/// The value of an integer literal (3.2).
fn integer(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(text) if is_integer_literal(text) => Decimal::parse_literal(text),
        _ => None,
    }
}

/// Whether a number literal has neither fraction nor exponent.
pub(super) fn is_integer_literal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn amount(properties: &Value, field: &'static str, code: &'static str, errors: &mut Errors) {
    if !is_amount(properties.get(field)) {
        errors.add(field, code);
    }
}

fn package(properties: &Value, errors: &mut Errors) {
    amount(properties, "amount", "invalid_amount", errors);
    if integer(properties.get("free_units")).is_none_or(|units| units.is_negative()) {
        errors.add("free_units", "invalid_free_units");
    }
    if integer(properties.get("package_size")).is_none_or(|size| !size.is_positive()) {
        errors.add("package_size", "invalid_package_size");
    }
}

fn refuse_latest(latest: bool, errors: &mut Errors) {
    if latest {
        errors.add("billable_metric", "invalid_value");
    }
}

fn percentage(properties: &Value, licence: bool, errors: &mut Errors) {
    amount(properties, "rate", "invalid_rate", errors);
    if !properties.get("fixed_amount").is_null() {
        amount(properties, "fixed_amount", "invalid_fixed_amount", errors);
    }
    let events = properties.get("free_units_per_events");
    if !events.is_null() && integer(events).is_none_or(|events| !events.is_positive()) {
        errors.add("free_units_per_events", "invalid_free_units_per_events");
    }
    let total = "free_units_per_total_aggregation";
    if !properties.get(total).is_null() {
        amount(properties, total, "invalid_free_units_per_total_aggregation", errors);
    }
    if licence {
        transaction_bounds(properties, errors);
    }
}

/// The bounds of a single transaction (4.2).
fn transaction_bounds(properties: &Value, errors: &mut Errors) {
    const LOWER: &str = "per_transaction_max_lower_than_per_transaction_min";
    let bound = |field| (field, properties.get(field));
    let (min, max) = (bound("per_transaction_min_amount"), bound("per_transaction_max_amount"));
    for (field, value) in [min, max] {
        if !is_blank(value) && !is_amount(value) {
            errors.add(field, "invalid_amount");
        }
    }
    if let (Some(least), Some(most)) = (Bound::read(min.1), Bound::read(max.1))
        && !matches!(least.compare(&most), Some(Ordering::Less | Ordering::Equal))
    {
        errors.add(max.0, LOWER);
    }
}

/// A number as the comparison of the two bounds reads it.
enum Bound {
    Finite(Decimal),
    Infinite { negative: bool },
    NotANumber,
}

impl Bound {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(text) => Decimal::parse_literal(text).map(Self::Finite),
            Value::Text(text) => match text.trim_ascii() {
                "NaN" => Some(Self::NotANumber),
                "Infinity" | "+Infinity" => Some(Self::Infinite { negative: false }),
                "-Infinity" => Some(Self::Infinite { negative: true }),
                _ => Decimal::parse_amount(text).map(Self::Finite),
            },
            _ => None,
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        let place = |bound: &Self| match bound {
            Self::Finite(_) => Some(0),
            Self::Infinite { negative } => Some(if *negative { -1 } else { 1 }),
            Self::NotANumber => None,
        };
        match (self, other) {
            (Self::Finite(left), Self::Finite(right)) => Some(left.cmp(right)),
            _ => Some(place(self)?.cmp(&place(other)?)),
        }
    }
}

fn unit_price(range: &Value, errors: &mut Errors) {
    amount(range, "per_unit_amount", "invalid_amount", errors);
    amount(range, "flat_amount", "invalid_amount", errors);
}

fn rate_price(range: &Value, errors: &mut Errors) {
    amount(range, "flat_amount", "invalid_amount", errors);
    amount(range, "rate", "invalid_rate", errors);
}
