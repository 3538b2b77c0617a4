//! Lists of ranges and their bounds (sections 3.3, 4.1 and 5).

use super::errors::Errors;
use super::is_blank;
use super::properties::is_integer_literal;
use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::value::Value;

/// Where a range is expected to begin after one that ends at `t`. One more is accepted too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// At `t`: graduated and graduated percentage.
    Touching,
    /// At `t + 1`: volume.
    Next,
}

/// Checks the list of ranges in the member `field.0`, in the order given; `field.1` is the code for
/// a missing list, `bounds.1` the one for wrong bounds, and `price` checks the prices of one range.
pub(super) fn check_ranges(
    properties: &Value,
    field: (&'static str, &'static str),
    bounds: (Step, &'static str),
    price: impl Fn(&Value, &mut Errors),
    errors: &mut Errors,
) {
    let (name, missing) = field;
    let (step, invalid) = bounds;
    let ranges = properties.get(name);
    if is_blank(ranges) {
        return errors.add(name, missing);
    }
    let Some(ranges) = ranges.as_list().filter(|list| list.iter().all(is_object)) else {
        return errors.add(name, invalid);
    };
    let mut expected = Decimal::ZERO;
    for (place, range) in ranges.iter().enumerate() {
        price(range, errors);
        let to = range.get("to_value");
        let last = place + 1 == ranges.len();
        if !in_bounds(&expected, range.get("from_value"), to, last) {
            errors.add(name, invalid);
        }
        expected = match step {
            Step::Touching => bound(to).unwrap_or(Decimal::ZERO),
            Step::Next => successor(to),
        };
    }
}

fn is_object(value: &Value) -> bool {
    value.as_object().is_some()
}

fn in_bounds(expected: &Decimal, from: &Value, to: &Value, last: bool) -> bool {
    let Some(from) = bound(from) else { return false };
    let begins = from == *expected || from == expected + &Decimal::ONE;
    let ends = if last {
        to.is_null()
    } else if to.is_null() {
        Decimal::ZERO > from
    } else {
        bound(to).is_some_and(|to| to > from)
    };
    begins && ends
}

/// The number of a bound (3.3): integers and texts exactly, other literals as doubles.
fn bound(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(text) if is_integer_literal(text) => Decimal::parse_literal(text),
        Value::Number(text) => Double::parse_literal(text).map(Double::shortest),
        Value::Text(text) => Decimal::parse_amount(text),
        _ => None,
    }
}

/// One more than a bound, 1 for what is none. A fractional literal grows as a double does.
fn successor(value: &Value) -> Decimal {
    match value {
        Value::Number(text) if !is_integer_literal(text) => Double::parse_literal(text)
            .map_or(Decimal::ONE, |double| (double + Double::from_i64(1)).shortest()),
        _ => bound(value).unwrap_or(Decimal::ZERO) + Decimal::ONE,
    }
}
