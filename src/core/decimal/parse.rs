//! Reading decimals from text, in the grammars of the specification.
//!
//! Every reader takes time linear in the text and refuses numbers with more digits than its bound.

use num_bigint::{BigInt, BigUint, Sign};

use super::Decimal;

/// Digits before the point that a number may have. Every finite double fits (309).
pub const INTEGER_DIGITS_MAX: u32 = 340;
/// Digits after the point that a number may have. The shortest text of every double fits (324).
pub const FRACTION_DIGITS_MAX: u32 = 340;
/// Longest text of an amount, and largest exponent in it (charge properties 3.1).
const AMOUNT_BYTES_MAX: usize = 1_000;
const AMOUNT_EXPONENT_MAX: i64 = 1_000;
/// Digits that always fit `u64` and `u128`.
const U64_DIGITS: usize = 19;
const U128_DIGITS: usize = 38;

/// How many digits the result may have on either side of the point.
#[derive(Clone, Copy)]
struct Bounds {
    integer: i64,
    fraction: i64,
}

const NUMBER: Bounds =
    Bounds { integer: INTEGER_DIGITS_MAX as i64, fraction: FRACTION_DIGITS_MAX as i64 };
/// What texts within the bounds of an amount can at most spell.
const AMOUNT: Bounds = Bounds { integer: 2_000, fraction: 2_000 };

impl Decimal {
    /// A property that counts as a number (specification 4.2): optional `-`, digits, optionally a
    /// point and digits, nothing else. None too beyond [`INTEGER_DIGITS_MAX`] or
    /// [`FRACTION_DIGITS_MAX`].
    pub fn parse_numeric(text: &str) -> Option<Self> {
        let mut cursor = Cursor(text.as_bytes());
        let negative = cursor.take(b'-');
        let integer = cursor.digits(false)?;
        let fraction = if cursor.take(b'.') { cursor.digits(false)? } else { &[] };
        if !cursor.0.is_empty() {
            return None;
        }
        assemble(negative, integer, fraction, 0, NUMBER)
    }

    /// An amount as charges spell it (charge properties 3.1), with its sign: white space around,
    /// `_` between digits, an exponent. None too for texts of more than 1000 bytes and exponents
    /// beyond ±1000.
    pub fn parse_amount(text: &str) -> Option<Self> {
        if text.len() > AMOUNT_BYTES_MAX {
            return None;
        }
        let mut cursor = Cursor(text.as_bytes());
        cursor.skip_space();
        let mut number = cursor.number()?;
        if number.fraction.is_none() && number.exponent.is_none() && text.ends_with('_') {
            // Digits alone may end in one `_`: there is no sign and no space to allow for.
            let alone = text.len() == number.integer.len() + 1;
            return if alone { number.decimal(AMOUNT) } else { None };
        }
        number.exponent.get_or_insert(0);
        cursor.skip_space();
        let exponent = number.exponent.is_some_and(|e| e.abs() <= AMOUNT_EXPONENT_MAX);
        if cursor.0.is_empty() && exponent { number.decimal(AMOUNT) } else { None }
    }

    /// A JSON number as written, e.g. `-1.50`, `2e3`; its decimals are kept. None for other texts
    /// and beyond [`INTEGER_DIGITS_MAX`] or [`FRACTION_DIGITS_MAX`].
    pub fn parse_literal(text: &str) -> Option<Self> {
        let mut cursor = Cursor(text.as_bytes());
        let negative = cursor.take(b'-');
        let integer = cursor.digits(false)?;
        if integer.len() > 1 && integer[0] == b'0' {
            return None;
        }
        let fraction = if cursor.take(b'.') { cursor.digits(false)? } else { &[] };
        let exponent = if cursor.take(b'e') || cursor.take(b'E') {
            cursor.signed_exponent(false)?
        } else {
            0
        };
        if !cursor.0.is_empty() {
            return None;
        }
        assemble(negative, integer, fraction, exponent, NUMBER)
    }

    /// The decimal number that a text begins with, as a price of an event is read (specification
    /// 4.1): `12.5x` is 12.5. None without one, and beyond [`INTEGER_DIGITS_MAX`] or
    /// [`FRACTION_DIGITS_MAX`]. The caller rounds to the 15 decimals that are kept.
    pub fn parse_leading(text: &str) -> Option<Self> {
        let mut cursor = Cursor(text.as_bytes());
        cursor.skip_space();
        cursor.number()?.decimal(NUMBER)
    }
}

/// The pieces of a number; digits may hold separators.
struct Number<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: Option<&'a [u8]>,
    exponent: Option<i64>,
}

impl Number<'_> {
    fn decimal(&self, bounds: Bounds) -> Option<Decimal> {
        let fraction = self.fraction.unwrap_or_default();
        assemble(self.negative, self.integer, fraction, self.exponent.unwrap_or(0), bounds)
    }
}

/// What is left of a text.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// One or more digits; with `separators` a single `_` may stand between two of them.
    fn digits(&mut self, separators: bool) -> Option<&'a [u8]> {
        let mut length = 0;
        loop {
            match &self.0[length..] {
                [b'0'..=b'9', ..] => length += 1,
                [b'_', b'0'..=b'9', ..] if separators && length > 0 => length += 2,
                _ => break,
            }
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(digits)
    }

    /// What follows the letter of an exponent. Huge ones stop growing; they are out of bounds.
    fn signed_exponent(&mut self, separators: bool) -> Option<i64> {
        let negative = self.take(b'-');
        if !negative {
            self.take(b'+');
        }
        let value = self
            .digits(separators)?
            .iter()
            .filter(|byte| **byte != b'_')
            .fold(0_i64, |value, byte| {
                value.saturating_mul(10).saturating_add(i64::from(byte - b'0'))
            });
        Some(if negative { -value } else { value })
    }

    /// `sign? mantissa exponent?` of charge properties 3.1. An incomplete exponent is left alone.
    fn number(&mut self) -> Option<Number<'a>> {
        let negative = self.take(b'-');
        if !negative {
            self.take(b'+');
        }
        let integer = self.digits(true).unwrap_or_default();
        let mut fraction = None;
        if self.0.first() == Some(&b'.') {
            let mut ahead = Cursor(&self.0[1..]);
            let digits = ahead.digits(true).unwrap_or_default();
            if !integer.is_empty() || !digits.is_empty() {
                self.0 = ahead.0;
                fraction = Some(digits);
            }
        }
        if integer.is_empty() && fraction.is_none() {
            return None;
        }
        let mut exponent = None;
        if let [b'e' | b'E' | b'd' | b'D', rest @ ..] = self.0 {
            let mut ahead = Cursor(rest);
            exponent = ahead.signed_exponent(true);
            if exponent.is_some() {
                self.0 = ahead.0;
            }
        }
        Some(Number { negative, integer, fraction, exponent })
    }
}

/// Puts a number together, unless it has too many digits.
fn assemble(
    negative: bool,
    integer: &[u8],
    fraction: &[u8],
    exponent: i64,
    bounds: Bounds,
) -> Option<Decimal> {
    let plain = |byte: &&u8| **byte != b'_';
    let decimals = i64::try_from(fraction.iter().filter(plain).count()).ok()?;
    let scale = decimals.checked_sub(exponent)?;
    let leading = integer.iter().chain(fraction).filter(plain).skip_while(|byte| **byte == b'0');
    let count = leading.clone().count();
    if count == 0 {
        // The scale of a zero changes no value, so one beyond the bound is not worth a refusal.
        let scale = u32::try_from(scale.clamp(0, bounds.fraction)).ok()?;
        return Some(Decimal::small(0, scale));
    }
    let integer_digits = i64::try_from(count).ok()?.checked_sub(scale)?;
    if integer_digits > bounds.integer || scale > bounds.fraction {
        return None;
    }
    let digits = leading.map(|byte| byte - b'0');
    let value = if count <= U64_DIGITS {
        let value = digits.fold(0_u64, |value, digit| value * 10 + u64::from(digit));
        signed(negative, i128::from(value))
    } else if count <= U128_DIGITS {
        let value = digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit));
        signed(negative, value)
    } else {
        let digits: Vec<u8> = digits.collect();
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        let magnitude = BigUint::from_radix_be(&digits, 10)?;
        Decimal::from_big(BigInt::from_biguint(sign, magnitude), 0)
    };
    Some(match u32::try_from(scale) {
        Ok(scale) => value.div_pow10(scale),
        Err(_) => value.mul_pow10(u32::try_from(-scale).ok()?),
    })
}

fn signed(negative: bool, value: i128) -> Decimal {
    Decimal::small(if negative { -value } else { value }, 0)
}
