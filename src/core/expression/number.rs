//! Which texts count as numbers in an expression (specification 5.11).

use std::borrow::Cow;

use super::EvaluationError;
use crate::core::decimal::Decimal;

/// The number that a property's text spells: optional sign, digits with at most one point among
/// them or at either end, optionally an exponent; `_` anywhere after the first digit.
///
/// None for other texts: they stay texts. A number with more digits than events may carry is an
/// error rather than a text, so that arithmetic on it does not complain about its kind.
pub(super) fn read(text: &str) -> Result<Option<Decimal>, EvaluationError> {
    if !is_number(text.as_bytes()) {
        return Ok(None);
    }
    let plain =
        if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    Decimal::parse_leading(&plain).map(Some).ok_or(EvaluationError::OutOfRange)
}

fn is_number(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (base, exponent) = match end {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let base = unsigned(base);
    let mut points = 0;
    let mut digits = 0;
    for byte in base {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'_' if digits > 0 => {}
            b'.' if points == 0 => points += 1,
            _ => return false,
        }
    }
    let exponent = exponent.is_none_or(|exponent| {
        let digits = unsigned(exponent);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    });
    digits > 0 && exponent
}

fn unsigned(text: &[u8]) -> &[u8] {
    match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_spell_a_decimal_are_numbers() {
        for (text, value) in [
            ("12", "12"),
            ("-3", "-3"),
            ("+5", "5"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1E+3", "1000"),
            ("25e-1", "2.5"),
            ("007.50", "7.50"),
            ("1_000", "1000"),
            ("1__0_._5_", "10.5"),
        ] {
            let number = read(text).unwrap().map(|number| number.to_string());
            assert_eq!(number.as_deref(), Some(value), "{text}");
        }
    }

    #[test]
    fn other_texts_stay_texts() {
        for text in [
            "", ".", "-", "+-1", "-+1", " 12 ", "12 ", "inf", "NaN", "abc", "0x10", "_1", "._5",
            "1.2.3", "1e", "e5", "1e1.5", "1e_5", "1e5e5", "1,5", "１", "1d3",
        ] {
            assert_eq!(read(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn numbers_with_too_many_digits_are_refused() {
        for text in ["1e400", "1e-400", "1e99999999999999999999", &"9".repeat(400)] {
            assert_eq!(read(text), Err(EvaluationError::OutOfRange), "{text}");
        }
    }
}
