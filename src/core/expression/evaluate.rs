//! Running the steps of an expression on an event (specification 5.11).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

use super::{
    EvaluationError, Input, Outcome, QUOTIENT_DIGITS, Rounding, Step, TEXT_BYTES_MAX,
    VALUE_DIGITS_MAX, number,
};
use crate::core::decimal::Decimal;
use crate::core::instant::SECOND;
use crate::core::properties::Kind;

/// A value on the stack.
#[derive(Clone, Debug)]
enum Value<'a> {
    Number(Decimal),
    Text(Cow<'a, str>),
}

/// Runs the steps. The parser leaves one value on the stack.
pub(super) fn run(steps: &[Step], input: &Input<'_>) -> Result<Outcome, EvaluationError> {
    let mut stack = Stack(Vec::with_capacity(steps.len()));
    for step in steps {
        let value = match step {
            Step::Number(number) => Value::Number(number.clone()),
            Step::Text(text) => Value::Text(Cow::Borrowed(text)),
            Step::Code => Value::Text(Cow::Borrowed(input.code)),
            Step::Timestamp => {
                Value::Number(Decimal::from_i64(input.timestamp.micros().div_euclid(SECOND)))
            }
            Step::Property(name) => property(input, name)?,
            Step::Expect => Value::Number(stack.number()?),
            Step::Negate => Value::Number(-stack.number()?),
            Step::Add => stack.combine(|a, b| Ok(a + b))?,
            Step::Subtract => stack.combine(|a, b| Ok(a - b))?,
            Step::Multiply => stack.combine(|a, b| Ok(a * b))?,
            Step::Divide => stack.combine(divide)?,
            Step::Rescale(rounding, with_places) => {
                let places = if *with_places { stack.number()? } else { Decimal::ZERO };
                let value = stack.number()?;
                Value::Number(bounded(rescale(&value, *rounding, &places)?)?)
            }
            Step::Concat(count) => Value::Text(Cow::Owned(concat(&stack.take(*count))?)),
            Step::Least(count) => stack.best(*count, Ordering::Less)?,
            Step::Greatest(count) => stack.best(*count, Ordering::Greater)?,
        };
        stack.0.push(value);
    }
    Ok(match stack.0.pop() {
        Some(Value::Number(number)) => Outcome::Number(number),
        Some(Value::Text(text)) => Outcome::Text(text.into_owned()),
        None => Outcome::Text(String::new()),
    })
}

struct Stack<'a>(Vec<Value<'a>>);

impl<'a> Stack<'a> {
    /// Takes the last value, which must be a number.
    fn number(&mut self) -> Result<Decimal, EvaluationError> {
        match self.0.pop() {
            Some(Value::Number(number)) => Ok(number),
            _ => Err(EvaluationError::ExpectedDecimal),
        }
    }

    /// Takes the last values, in their order.
    fn take(&mut self, count: usize) -> Vec<Value<'a>> {
        self.0.split_off(self.0.len().saturating_sub(count))
    }

    fn combine(
        &mut self,
        operation: impl FnOnce(&Decimal, &Decimal) -> Result<Decimal, EvaluationError>,
    ) -> Result<Value<'a>, EvaluationError> {
        let right = self.number()?;
        let left = self.number()?;
        Ok(Value::Number(bounded(operation(&left, &right)?)?))
    }

    /// The first of the last values that none of them surpasses.
    fn best(&mut self, count: usize, wanted: Ordering) -> Result<Value<'a>, EvaluationError> {
        let mut best = None;
        for value in self.take(count) {
            let Value::Number(number) = value else {
                return Err(EvaluationError::ExpectedDecimal);
            };
            if best.as_ref().is_none_or(|best| number.cmp(best) == wanted) {
                best = Some(number);
            }
        }
        best.map(Value::Number).ok_or(EvaluationError::ExpectedDecimal)
    }
}

/// A property as the API hands it over: numbers and texts that spell one are numbers, all else is
/// text.
fn property<'a>(input: &Input<'a>, name: &str) -> Result<Value<'a>, EvaluationError> {
    let found = input.properties.get(name);
    let property = found.ok_or_else(|| EvaluationError::NotFound(name.to_owned()))?;
    let number = match property.kind {
        Kind::Number | Kind::Text => number::read(property.text)?,
        Kind::Null | Kind::Bool | Kind::Tree => None,
    };
    Ok(number.map_or(Value::Text(Cow::Borrowed(property.text)), Value::Number))
}

/// The quotient to [`QUOTIENT_DIGITS`] digits. An exact one keeps the decimals that the dividend
/// has beyond the divisor: `4.00 / 2` reads `2.00`.
fn divide(dividend: &Decimal, divisor: &Decimal) -> Result<Decimal, EvaluationError> {
    let quotient =
        dividend.quo_to(divisor, QUOTIENT_DIGITS).ok_or(EvaluationError::DivisionByZero)?;
    let decimals = if *divisor == Decimal::ONE {
        dividend.scale()
    } else {
        dividend.scale().saturating_sub(divisor.scale())
    };
    Ok(with_decimals(&quotient, decimals))
}

/// The value at a number of decimals; more than it has are zeros, which show in a text.
fn rescale(
    value: &Decimal,
    rounding: Rounding,
    places: &Decimal,
) -> Result<Decimal, EvaluationError> {
    let places = places.trunc_i64().ok_or(EvaluationError::ExpectedDecimal)?;
    let limit = i64::from(VALUE_DIGITS_MAX);
    let places = i32::try_from(places.clamp(-limit, limit)).unwrap_or_default();
    let rounded = match rounding {
        Rounding::Round => value.round(places),
        Rounding::Ceil => value.ceil(places),
        Rounding::Floor => value.floor(places),
    };
    Ok(with_decimals(&rounded, u32::try_from(places).unwrap_or_default()))
}

/// The same value with at least so many decimals written out.
fn with_decimals(value: &Decimal, decimals: u32) -> Decimal {
    value + &Decimal::from_i128(0, decimals)
}

/// The number, if it has a bearable number of digits.
fn bounded(number: Decimal) -> Result<Decimal, EvaluationError> {
    // A mantissa of 128 bits needs no count of its digits.
    let short = number.small_parts().is_some() || number.digits() <= VALUE_DIGITS_MAX;
    if short && number.scale() <= VALUE_DIGITS_MAX {
        Ok(number)
    } else {
        Err(EvaluationError::OutOfRange)
    }
}

fn concat(values: &[Value<'_>]) -> Result<String, EvaluationError> {
    let mut text = String::new();
    for value in values {
        match value {
            // Writing to a string cannot fail.
            Value::Number(number) => _ = write!(text, "{number}"),
            Value::Text(part) => text.push_str(part),
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(EvaluationError::TooLong);
        }
    }
    Ok(text)
}
