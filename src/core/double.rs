//! IEEE doubles, where the specification computes with them: tax rates, day ratios, packages.
//!
//! This is the only file of the core that names a float. Everything else takes a [`Double`] and
//! gets a decimal out of it by one of two named ways: its whole shortest text, or that text cut to
//! 16 digits.

#![allow(clippy::float_arithmetic)] // this file is where floats live

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Add, Div, Mul, Sub};

use super::decimal::Decimal;

/// A finite double. What leaves the range stands at its end, what has no value (0/0) is 0, and
/// there is no negative zero; so equality, order and hash are total.
#[derive(Clone, Copy, Default)]
pub struct Double(f64);

/// Significant digits that Lago keeps of a double it turns into a decimal (pricing details 1).
const CUT_DIGITS: usize = 16;
/// Integers up to 2⁵³ and powers of ten up to 10²² are doubles, so their quotient is rounded once.
const EXACT_INTEGER_MAX: u128 = 1 << 53;
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Decimal exponents between which a double is written without one (pricing details 4.4).
const POSITIONAL: std::ops::Range<i32> = -4..16;

impl Double {
    /// 0.
    pub const ZERO: Self = Self(0.0);

    const fn finite(value: f64) -> Self {
        if value.is_nan() || value == 0.0 {
            return Self(0.0);
        }
        Self(value.clamp(f64::MIN, f64::MAX))
    }

    /// The double nearest to an integer.
    #[allow(clippy::cast_precision_loss)] // rounding to the nearest is what is asked for
    pub const fn from_i64(value: i64) -> Self {
        Self::finite(value as f64)
    }

    /// The double nearest to a decimal, halves to the even one.
    pub fn from_decimal(value: &Decimal) -> Self {
        let (mantissa, scale) = value.small_parts().unwrap_or((i128::MAX, 0));
        match EXACT_POWERS.get(scale as usize) {
            Some(power) if mantissa.unsigned_abs() <= EXACT_INTEGER_MAX => {
                #[allow(clippy::cast_precision_loss)] // at most 53 bits: nothing is lost
                let mantissa = mantissa as f64;
                Self::finite(mantissa / power)
            }
            _ => Self::finite(value.to_string().parse().unwrap_or(0.0)),
        }
    }

    /// The double that a JSON number literal is read as. None if the text is no number, or lies
    /// beyond the range.
    pub fn parse_literal(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let value: f64 = text.parse().ok()?;
        value.is_finite().then_some(Self::finite(value))
    }

    /// `days / length` as a double: the share of a period (specification 5.10, 8.2). 0 for an empty
    /// period.
    pub fn ratio(days: i64, length: i64) -> Self {
        if length == 0 { Self::ZERO } else { Self::from_i64(days) / Self::from_i64(length) }
    }

    /// The shortest text that reads back as this double, as a decimal (appendix A.2). The decimals
    /// are those of the text: `1.0` has one.
    pub fn shortest(self) -> Decimal {
        // Every text that is printed below is a literal within the bounds of a decimal.
        Decimal::parse_literal(&self.to_string()).unwrap_or_default()
    }

    /// The shortest text, cut to 16 significant digits (`fd` of pricing details 1).
    pub fn fd(self) -> Decimal {
        let (digits, exponent) = self.shortest_digits();
        let kept = &digits[..digits.len().min(CUT_DIGITS)];
        let mantissa = kept.parse::<i64>().unwrap_or(0);
        let mantissa = Decimal::from_i64(if self.0 < 0.0 { -mantissa } else { mantissa });
        // The point stands after the first digit.
        let decimals = i32::try_from(kept.len()).unwrap_or(0) - 1 - exponent;
        let places = decimals.unsigned_abs();
        if decimals < 0 { mantissa.mul_pow10(places) } else { mantissa.div_pow10(places) }
    }

    /// The nearest integer, halves away from zero.
    pub fn round(self) -> Decimal {
        Self::finite(self.0.round()).integer()
    }

    /// The nearest double with this many decimals, halves away from zero in its shortest text.
    #[must_use]
    pub fn round_at(self, places: i32) -> Self {
        Self::from_decimal(&self.shortest().round(places))
    }

    /// How many packages of `size` units it takes to hold `units` (specification 6.6): the division
    /// is one of doubles, so an excess that a double does not see opens no package.
    pub fn packages(units: &Decimal, size: &Decimal) -> Decimal {
        let packages = Self::from_decimal(units) / Self::from_decimal(size);
        Self::finite(packages.0.ceil()).integer()
    }

    /// The exact value of a double without a fraction.
    fn integer(self) -> Decimal {
        Decimal::parse_literal(&format!("{:.0}", self.0)).unwrap_or_default()
    }

    /// Digits of the shortest text without point, sign and trailing zeros, and the exponent of ten
    /// of the first one.
    fn shortest_digits(self) -> (String, i32) {
        let text = format!("{:e}", self.0.abs());
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        (digits.replace('.', ""), exponent.parse().unwrap_or(0))
    }
}

/// Shortest text that reads back as the same double, always with a fraction, as JSON answers show
/// it: `20.0`, `0.0001`, `1.0e-05`, `1.5e+16` (pricing details 4.4).
impl fmt::Display for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, exponent) = self.shortest_digits();
        if self.0 == 0.0 || POSITIONAL.contains(&exponent) {
            let text = self.0.to_string();
            let fraction = if text.contains('.') { "" } else { ".0" };
            return write!(f, "{text}{fraction}");
        }
        let sign = if self.0 < 0.0 { "-" } else { "" };
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{sign}{first}.{rest}e{exponent_sign}{:02}", exponent.unsigned_abs())
    }
}

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Double({self})")
    }
}

impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Double {}

impl Hash for Double {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl PartialOrd for Double {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Double {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Add for Double {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::finite(self.0 + other.0)
    }
}

impl Sub for Double {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::finite(self.0 - other.0)
    }
}

impl Mul for Double {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self::finite(self.0 * other.0)
    }
}

impl Div for Double {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        Self::finite(self.0 / other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::parse_literal(text).unwrap()
    }

    fn double(text: &str) -> Double {
        Double::parse_literal(text).unwrap()
    }

    #[test]
    fn texts_are_the_shortest_with_a_fraction() {
        for (literal, text) in [
            ("20", "20.0"),
            ("0", "0.0"),
            ("-0.0", "0.0"),
            ("0.1234567890123456789", "0.12345678901234568"),
            ("1e-4", "0.0001"),
            ("0.00001", "1.0e-05"),
            ("-1.25e-7", "-1.25e-07"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1.0e+16"),
            ("12345678901234567890", "1.2345678901234567e+19"),
            ("1e100", "1.0e+100"),
            ("5e-324", "5.0e-324"),
        ] {
            assert_eq!(double(literal).to_string(), text, "{literal}");
            assert_eq!(double(text), double(literal), "{literal}");
        }
        for text in ["1e400", "inf", "NaN", "", "-", "+1", ".5", "x"] {
            assert_eq!(Double::parse_literal(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_out_of_doubles_are_whole_or_cut() {
        for (days, length, whole, cut) in [
            (15, 31, "0.4838709677419355", "0.4838709677419355"),
            (10, 29, "0.3448275862068966", "0.3448275862068966"),
            (7, 30, "0.23333333333333334", "0.2333333333333333"),
            (31, 31, "1.0", "1"),
            (-7, 30, "-0.23333333333333334", "-0.2333333333333333"),
        ] {
            let ratio = Double::ratio(days, length);
            assert_eq!(ratio.shortest().to_string(), whole);
            assert_eq!(ratio.fd().to_string(), cut);
        }
        assert_eq!((double("0.1") + double("0.2")).fd(), dec("0.3"));
        assert_eq!(double("1e22").fd(), dec("1e22"));
        assert_eq!(Double::ratio(1, 0), Double::ZERO);
        assert_eq!(double("1.7976931348623157e308").shortest(), dec("1.7976931348623157e308"));
        assert_eq!(double("5e-324").fd(), dec("5e-324"));
    }

    #[test]
    fn decimals_become_the_nearest_double() {
        for text in ["0.1", "19.6", "9007199254740993", "1e-30", "123456789.123456789", "1e308"] {
            assert_eq!(Double::from_decimal(&dec(text)), double(text), "{text}");
        }
        let beyond = Decimal::ONE.mul_pow10(2_000);
        assert_eq!(Double::from_decimal(&beyond), double("1.7976931348623157e308"));
        assert_eq!(Double::from_decimal(&Decimal::ONE.div_pow10(2_000)), Double::ZERO);
    }

    #[test]
    fn packages_are_counted_in_doubles() {
        for (units, size, packages) in [
            ("0", "10", "0"),
            ("0.1", "10", "1"),
            ("10", "10", "1"),
            ("10.5", "10", "2"),
            ("10.0000000000000000000001", "10", "1"),
            ("1e30", "1", "1000000000000000019884624838656"),
        ] {
            assert_eq!(Double::packages(&dec(units), &dec(size)), dec(packages), "{units}");
        }
        assert_eq!(double("2.5").round(), dec("3"));
        assert_eq!(double("-2.5").round(), dec("-3"));
        assert_eq!(double("1.000005").round_at(5), double("1.00001"));
    }
}
