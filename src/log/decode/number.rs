//! Numbers in canonical form: positional, without exponent, with the decimals that were written
//! (specification 4.2), as PostgreSQL's `jsonb` prints them.

use crate::core::decimal::{FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX};

/// Digits on either side of the point that a number may have, as decimals are bounded; every double
/// in its shortest form fits. Longer numbers are not read at all.
pub const SIDE_DIGITS_MAX: usize = {
    assert!(INTEGER_DIGITS_MAX == 340 && FRACTION_DIGITS_MAX == 340);
    340
};
/// Longest number as written: full sides, signs, point and a six-digit exponent.
pub const LITERAL_BYTES_MAX: usize = 2 * SIDE_DIGITS_MAX + 10;

/// A number is longer than the bounds above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Appends the canonical form of a JSON number; nothing if it is too long.
pub(super) fn write_canonical(literal: &str, out: &mut String) -> Result<(), TooLong> {
    if literal.len() > LITERAL_BYTES_MAX {
        return Err(TooLong);
    }
    let (negative, unsigned) = match literal.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, literal),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, ""));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zero = mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let (left, mut moved) = read_exponent(exponent);
    if zero && !left {
        moved = moved.min(fraction.len());
    }
    if moved > LITERAL_BYTES_MAX {
        return Err(TooLong);
    }
    let length = out.len();
    // PostgreSQL's numbers know no negative zero.
    if negative && !zero {
        out.push('-');
    }
    let start = out.len();
    if left {
        shift_left(whole, fraction, moved, out);
    } else {
        shift_right(whole, fraction, moved, out);
    }
    let digits = out.get(start..).unwrap_or_default();
    let whole = digits.find('.').unwrap_or(digits.len());
    if whole > SIDE_DIGITS_MAX || digits.len() - whole > SIDE_DIGITS_MAX + 1 {
        out.truncate(length);
        return Err(TooLong);
    }
    Ok(())
}

/// Whether the point moves left, and by how many digits; what is absurdly far is cut, since it is
/// beyond the bounds either way.
fn read_exponent(text: &str) -> (bool, usize) {
    let (left, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let moved = digits.bytes().fold(0_usize, |sum, digit| {
        sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')).min(1_000_000)
    });
    (left, moved)
}

/// Appends digits without the zeros that lead them; at least one digit.
fn push_whole(parts: [&str; 2], zeros: usize, out: &mut String) {
    let start = out.len();
    for part in parts {
        let part = if out.len() == start { part.trim_start_matches('0') } else { part };
        out.push_str(part);
    }
    if out.len() == start {
        out.push('0');
    } else {
        out.extend(std::iter::repeat_n('0', zeros));
    }
}

/// The point moves to the right: a positive exponent, or none.
fn shift_right(whole: &str, fraction: &str, moved: usize, out: &mut String) {
    let (taken, rest) = fraction.split_at(moved.min(fraction.len()));
    push_whole([whole, taken], moved - taken.len(), out);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
}

/// The point moves to the left: a negative exponent.
fn shift_left(whole: &str, fraction: &str, moved: usize, out: &mut String) {
    let (rest, taken) = whole.split_at(whole.len() - moved.min(whole.len()));
    push_whole([rest, ""], 0, out);
    if moved > 0 || !fraction.is_empty() {
        out.push('.');
        out.extend(std::iter::repeat_n('0', moved - taken.len()));
        out.push_str(taken);
        out.push_str(fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(literal: &str, expected: &str) {
        let mut out = String::from("x");
        assert_eq!(write_canonical(literal, &mut out), Ok(()), "{literal}");
        assert_eq!(out, format!("x{expected}"), "{literal}");
    }

    #[test]
    fn numbers_are_printed_as_postgresql_prints_them() {
        check("1e5", "100000");
        check("1e-7", "0.0000001");
        check("1.50", "1.50");
        check("-0", "0");
        check("-0.0", "0.0");
        check("-0e-2", "0.00");
        check("0e99999", "0");
        check("0.00e1", "0.0");
        check("1.0e2", "100");
        check("1.50e1", "15.0");
        check("0.05e1", "0.5");
        check("-12.345E+2", "-1234.5");
        check("12.345e-2", "0.12345");
        check("123e-2", "1.23");
        check("1200e-2", "12.00");
        check("1e-0", "1");
        check("0.05e2", "5");
        check("0.05e3", "50");
    }

    #[test]
    fn the_length_is_bounded_before_digits_are_written() {
        let mut out = String::new();
        check("4.9406564584124654e-324", &format!("0.{}49406564584124654", "0".repeat(323)));
        check("1e339", &format!("1{}", "0".repeat(339)));
        check(&"1".repeat(340), &"1".repeat(340));
        for literal in ["1e340", "1e-341", "1e99999999999999999999", "-1e-99999999999999999999"] {
            assert_eq!(write_canonical(literal, &mut out), Err(TooLong), "{literal}");
        }
        assert_eq!(write_canonical(&"1".repeat(341), &mut out), Err(TooLong));
        assert_eq!(out, "");
    }
}
