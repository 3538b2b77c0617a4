//! Percentages with free units, free events and bounds per transaction (specification 6.9).

use odometer::core::decimal::Decimal;
use odometer::core::value::Value;

use super::bucket::Figures;
use super::price::{number, optional};

/// Free events and free units; 0 for none.
pub fn free(properties: &Value) -> (Decimal, Decimal) {
    let of = |name| number(properties.get(name));
    (of("free_units_per_events"), of("free_units_per_total_aggregation"))
}

/// The price of a group.
pub fn amount(properties: &Value, figures: &Figures) -> Decimal {
    let rate = number(properties.get("rate"));
    let fixed = number(properties.get("fixed_amount"));
    let least = optional(properties.get("per_transaction_min_amount"));
    let most = optional(properties.get("per_transaction_max_amount"));
    if least.is_some() || most.is_some() {
        let price = |value: &Decimal| {
            let price = (value * &rate).div_pow10(2) + &fixed;
            match (&least, &most) {
                (Some(least), _) if price < *least => least.clone(),
                (_, Some(most)) if price > *most => most.clone(),
                _ => price,
            }
        };
        return bounded(properties, figures, price);
    }
    let (units, count) = (&figures.units, &figures.count);
    let free_units = free_units(properties, &figures.running);
    let free_events = free_events(properties, &figures.running);
    let usage = if free_units > *units {
        Decimal::ZERO
    } else {
        ((units - &free_units) * &rate).div_pow10(2)
    };
    let fixed = if units.is_zero() || free_events >= *count {
        Decimal::ZERO
    } else {
        (count - &free_events) * &fixed
    };
    usage + fixed
}

fn free_units(properties: &Value, running: &[Decimal]) -> Decimal {
    let (events, units) = free(properties);
    let last = running.last().cloned().unwrap_or_default();
    if last.is_zero() {
        return Decimal::ZERO;
    }
    if events.is_positive() && events < Decimal::from(running.len() as u64) {
        let at = usize::try_from(events.to_i64().unwrap() - 1).unwrap();
        return running[at].clone();
    }
    if units.is_zero() { last } else { last.min(units) }
}

fn free_events(properties: &Value, running: &[Decimal]) -> Decimal {
    let (events, units) = free(properties);
    let below = running.iter().filter(|total| **total < units).count();
    let candidates = [events, Decimal::from(below as u64)];
    candidates.into_iter().filter(|events| !events.is_zero()).min().unwrap_or_default()
}

fn bounded(properties: &Value, figures: &Figures, price: impl Fn(&Decimal) -> Decimal) -> Decimal {
    let (mut events, mut units) = free(properties);
    let mut total = Decimal::ZERO;
    for value in &figures.listed {
        let mut value = value.clone();
        if events.is_positive() || units.is_positive() {
            events -= Decimal::ONE;
            if !units.is_positive() {
                continue;
            }
            if units > value {
                units -= &value;
                continue;
            }
            value -= &units;
            (events, units) = (Decimal::ZERO, Decimal::ZERO);
        }
        total += price(&value);
    }
    total
}
