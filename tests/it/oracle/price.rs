//! What a quantity costs, in major units, not rounded (specification 6.6).

use odometer::core::currency::Currency;
use odometer::core::decimal::Decimal;
use odometer::core::double::Double;
use odometer::core::value::Value;

use super::bucket::Figures;
use super::percentage;
use super::tiers;

/// One tier of a table.
#[derive(Clone, Debug)]
pub struct Range {
    pub from: Decimal,
    pub to: Option<Decimal>,
    pub price: Decimal,
    pub flat: Decimal,
}

/// A number out of properties, as text or as JSON number; a missing one is 0.
pub fn number(value: &Value) -> Decimal {
    optional(value).unwrap_or_default()
}

/// The same, with nothing for a missing one.
pub fn optional(value: &Value) -> Option<Decimal> {
    match value {
        Value::Text(text) => Decimal::parse_amount(text),
        Value::Number(text) => Decimal::parse_literal(text),
        _ => None,
    }
}

fn ranges(properties: &Value, list: &str, price: &str) -> Vec<Range> {
    let range = |range: &Value| Range {
        from: number(range.get("from_value")),
        to: optional(range.get("to_value")),
        price: number(range.get(price)),
        flat: number(range.get("flat_amount")),
    };
    properties.get(list).as_list().unwrap_or_default().iter().map(range).collect()
}

/// The price of a group under a model with these properties.
pub fn amount(
    model: &str,
    properties: &Value,
    figures: &Figures,
    prorated: bool,
    currency: &str,
) -> Decimal {
    let units = &figures.units;
    match model {
        "standard" => units * number(properties.get("amount")),
        "graduated" => {
            let ranges = ranges(properties, "graduated_ranges", "per_unit_amount");
            if prorated { tiers::walk(&ranges, figures) } else { graduated(&ranges, units) }
        }
        "volume" => {
            let quantity = figures.full_units.as_ref().filter(|_| prorated).unwrap_or(units);
            volume(ranges(properties, "volume_ranges", "per_unit_amount"), quantity, units)
        }
        "package" => package(properties, units),
        "percentage" => percentage::amount(properties, figures),
        "graduated_percentage" => {
            let ranges = ranges(properties, "graduated_percentage_ranges", "rate");
            graduated_percentage(&ranges, units)
        }
        "dynamic" if units.is_zero() => Decimal::ZERO,
        "dynamic" => figures.precise_cents.div_pow10(Currency::of(currency).exponent()),
        other => panic!("{other}"),
    }
}

fn graduated(ranges: &[Range], units: &Decimal) -> Decimal {
    let adjacent = ranges.len() > 1
        && ranges.windows(2).all(|pair| Some(&pair[1].from) == pair[0].to.as_ref());
    let mut amount = Decimal::ZERO;
    for range in ranges {
        let top = range.to.clone().map_or(units.clone(), |to| to.min(units.clone()));
        let quantity = if range.from.is_zero() {
            top
        } else if adjacent {
            top - &range.from
        } else {
            top - &range.from + Decimal::ONE
        };
        amount += quantity * &range.price + &range.flat;
        if range.to.as_ref().is_none_or(|to| to >= units) {
            break;
        }
    }
    amount
}

fn graduated_percentage(ranges: &[Range], units: &Decimal) -> Decimal {
    let mut amount = Decimal::ZERO;
    for range in ranges {
        let from = &range.from;
        let quantity = match &range.to {
            Some(to) if units >= to => {
                let from = if from.is_zero() { &Decimal::ONE } else { from };
                to - from + Decimal::ONE
            }
            _ if from.is_zero() => units.clone(),
            _ => units - from + Decimal::ONE,
        };
        amount += (quantity * &range.price).div_pow10(2) + &range.flat;
        if range.to.as_ref().is_none_or(|to| to >= units) {
            break;
        }
    }
    amount
}

/// A quantity that no range holds belongs to the next higher one (pricing details 12).
fn volume(mut ranges: Vec<Range>, quantity: &Decimal, units: &Decimal) -> Decimal {
    ranges.sort_by(|one, other| one.from.cmp(&other.from));
    let below = |range: &&Range| range.to.as_ref().is_none_or(|to| quantity <= to);
    let holds = |range: &&Range| range.from <= quantity.ceil(0) && below(range);
    let range = ranges.iter().find(holds).or_else(|| ranges.iter().find(below)).unwrap();
    units * &range.price + &range.flat
}

fn package(properties: &Value, units: &Decimal) -> Decimal {
    let paid = units - number(properties.get("free_units"));
    if paid.is_negative() {
        return Decimal::ZERO;
    }
    let packages = Double::packages(&paid, &number(properties.get("package_size")));
    packages * number(properties.get("amount"))
}
