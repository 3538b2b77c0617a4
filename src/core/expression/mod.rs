//! The expression language of billable metrics (specification 4.5 and 5.11).
//!
//! A text is parsed once, when a metric is saved, into a list of steps for a stack of values; it is
//! evaluated on every event of that metric. Neither recurses over the length of a text, and every
//! number and text stays within a bound, so no expression and no event can stall a partition.

mod evaluate;
mod number;
mod parse;
#[cfg(test)]
mod tests;

use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::properties::Properties;

/// Longest text of an expression in bytes; what people write takes tens to hundreds.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// Deepest nesting of parentheses and calls. The parser recurses once per level.
pub const DEPTH_MAX: usize = 64;
/// Significant digits of a quotient (5.11).
pub const QUOTIENT_DIGITS: u32 = 100;
/// Most digits of a number on the way, and most decimals. A product of properties would otherwise
/// grow with the expression; quotients and all numbers that events carry fit well inside.
pub const VALUE_DIGITS_MAX: u32 = 1_000;
/// Longest text on the way, in bytes: the result is kept with the event.
pub const TEXT_BYTES_MAX: usize = 65_536;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    steps: Vec<Step>,
}

/// One step: values are taken from the end of a stack and results put there.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Number(Decimal),
    Text(String),
    Code,
    Timestamp,
    Property(String),
    /// Fails unless the last value is a number, before anything right of it is looked at.
    Expect,
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    /// The value, and the number of decimals if `true`.
    Rescale(Rounding, bool),
    /// The last so many values.
    Concat(usize),
    Least(usize),
    Greatest(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    Round,
    Ceil,
    Floor,
}

/// What an expression sees of an event.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Code of the event.
    pub code: &'a str,
    /// When the usage happened; expressions see whole seconds.
    pub timestamp: Instant,
    /// Properties. Booleans, null, lists and objects count as their text, null as an empty one.
    pub properties: Properties<'a>,
}

/// What an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A number.
    Number(Decimal),
    /// A text.
    Text(String),
}

impl Outcome {
    /// The text that is kept as the property: numbers always with a decimal, `3.0` (4.5).
    pub fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.decstr(),
            Self::Text(text) => text,
        }
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The grammar allows nothing or something else at this byte.
    #[error("unexpected text at byte {0}")]
    Unexpected(usize),
    /// A rounding function has no or too many arguments. The message names `round` for all of them.
    #[error("Wrong number of arguments to function round, expected: 1..2, provided: {0}")]
    Arguments(usize),
    /// Longer than [`EXPRESSION_BYTES_MAX`].
    #[error("the expression is longer than {EXPRESSION_BYTES_MAX} bytes")]
    TooLong,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("the expression is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A number has more digits than a decimal may have.
    #[error("the number at byte {0} has too many digits")]
    TooManyDigits(usize),
}

/// Why an expression gives nothing for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// Arithmetic on a text.
    #[error("Expected a decimal")]
    ExpectedDecimal,
    /// The event has no such property.
    #[error("Variable: {0} not found")]
    NotFound(String),
    /// A divisor is 0.
    #[error("Division by zero")]
    DivisionByZero,
    /// A number has more digits than [`VALUE_DIGITS_MAX`], or than an event's number may have.
    #[error("Number out of range")]
    OutOfRange,
    /// A text is longer than [`TEXT_BYTES_MAX`].
    #[error("Text too long")]
    TooLong,
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::steps(text).map(|steps| Self { steps })
    }

    /// The value for an event.
    pub fn evaluate(&self, input: &Input<'_>) -> Result<Outcome, EvaluationError> {
        evaluate::run(&self.steps, input)
    }
}
