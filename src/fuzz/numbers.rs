//! Decimals against rationals of arbitrary length.

use num_bigint::BigInt;

use super::{Target, no_seeds};
use crate::core::decimal::{Decimal, FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX};

pub(super) const TARGET: Target = Target {
    name: "decimals",
    run,
    seeds: no_seeds,
    words: &["\n", "e-", "E+308", "170141183460469231731687303715884105727", "_", ".", "-", "0.5"],
};

/// Places of the point that roundings are tried at.
const PLACES: [i32; 6] = [-3, -1, 0, 1, 2, 15];

/// Longest text of an amount (charge properties 3.1).
const AMOUNT_BYTES_MAX: usize = 1_000;

fn run(bytes: &[u8]) {
    let mut rest = bytes;
    if let Some(read) = Decimal::read_bytes(&mut rest) {
        let mut written = Vec::new();
        read.write_bytes(&mut written);
        let again = Decimal::read_bytes(&mut &written[..]);
        assert_eq!(again.map(|again| again.decstr()), Some(read.decstr()));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, "1"));
    let numbers: Vec<Decimal> = [one, other].into_iter().flat_map(read).collect();
    for a in &numbers {
        check_alone(a);
        for b in &numbers {
            check_together(a, b);
        }
    }
}

/// A text in every grammar; each is judged by what an independent reader makes of the text.
fn read(text: &str) -> Vec<Decimal> {
    let numeric = Decimal::parse_numeric(text);
    assert_eq!(numeric.is_some(), is_numeric(text), "{text:?}");
    let literal = Decimal::parse_literal(text);
    assert!(literal.is_none() || is_json(text), "{text:?}");
    for read in numeric.iter().chain(&literal) {
        assert_eq!(exact(read), Exact::of(text), "{text:?}");
    }
    let loose = [Decimal::parse_amount(text), Decimal::parse_leading(text)];
    if is_json(text) {
        for read in loose.iter().flatten() {
            assert_eq!(exact(read), Exact::of(text), "{text:?}");
        }
    }
    numeric.into_iter().chain(literal).chain(loose.into_iter().flatten()).collect()
}

/// Optional minus, digits, optionally a point and digits (specification 4.2), within the bounds.
fn is_numeric(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (integer, fraction) = text.split_once('.').map_or((text, None), |(i, f)| (i, Some(f)));
    let significant = integer.trim_start_matches('0').len();
    let decimals = fraction.unwrap_or_default().len();
    digits(integer)
        && fraction.is_none_or(digits)
        && significant <= INTEGER_DIGITS_MAX as usize
        && decimals <= FRACTION_DIGITS_MAX as usize
}

fn is_json(text: &str) -> bool {
    let first = text.bytes().next();
    let number = first.is_some_and(|byte| byte == b'-' || byte.is_ascii_digit());
    number
        && !text.ends_with([' ', '\t', '\n', '\r'])
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn check_alone(a: &Decimal) {
    let text = a.decstr();
    if text.len() <= AMOUNT_BYTES_MAX {
        assert_eq!(Decimal::parse_amount(&text).as_ref().map(exact), Some(exact(a)), "{text}");
    }
    let mut written = Vec::new();
    a.write_bytes(&mut written);
    let mut rest = &written[..];
    assert_eq!(Decimal::read_bytes(&mut rest).as_ref(), Some(a));
    assert!(rest.is_empty());
    for places in PLACES {
        let (floor, ceil) = (a.floor(places), a.ceil(places));
        assert!(floor <= *a && *a <= ceil, "{text} {places}");
        let near = a.round(places);
        assert!(near == floor || near == ceil, "{text} {places}");
        let off = |rounded: &Decimal| exact(&(rounded - a)).absolute();
        let (down, up) = (off(&floor), off(&ceil));
        let least = if down.is_less(&up) { &down } else { &up };
        assert_eq!(off(&near), *least, "{text} {places}: {near}");
        let cut = a.trunc(places);
        assert_eq!(cut, if *a < Decimal::from_i64(0) { ceil } else { floor });
    }
}

fn check_together(a: &Decimal, b: &Decimal) {
    let (x, y) = (exact(a), exact(b));
    assert_eq!(exact(&(a + b)), x.plus(&y));
    assert_eq!(exact(&(a - b)), x.plus(&y.negated()));
    assert_eq!(exact(&(a * b)), x.times(&y));
    assert_eq!(a < b, x.is_less(&y), "{a} {b}");
    assert_eq!(a == b, x == y, "{a} {b}");
    if let Some(quotient) = a.quo_to(b, 40) {
        // The error of the quotient is far less than a unit of the digit before the last.
        let back = exact(&(&quotient * b)).plus(&x.negated()).absolute();
        let bound = Exact::new(x.mantissa.magnitude().clone().into(), x.scale + 38);
        assert!(!bound.is_less(&back), "{a} / {b} = {quotient}");
    }
}

/// An integer over a power of ten. Equal values may differ in their zeros: to strike these takes
/// time quadratic in the digits, far more than all that is judged.
#[derive(Clone, Debug)]
struct Exact {
    mantissa: BigInt,
    scale: i64,
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        let scale = self.scale.max(other.scale);
        self.at(scale) == other.at(scale)
    }
}

fn exact(decimal: &Decimal) -> Exact {
    Exact::of(&decimal.decstr())
}

impl Exact {
    fn new(mantissa: BigInt, scale: i64) -> Self {
        // Zero is zero whatever its exponent, which nothing bounds.
        let scale = if mantissa == BigInt::ZERO { 0 } else { scale };
        Self { mantissa, scale }
    }

    /// Of a text that is a number: digits, a point and an exponent at most.
    fn of(text: &str) -> Self {
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mantissa: BigInt = format!("{integer}{fraction}").parse().unwrap_or_default();
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let decimals = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        Self::new(mantissa, decimals - exponent)
    }

    fn at(&self, scale: i64) -> BigInt {
        let zeros = u32::try_from(scale - self.scale).unwrap_or(0);
        &self.mantissa * BigInt::from(10).pow(zeros)
    }

    fn plus(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self::new(self.at(scale) + other.at(scale), scale)
    }

    fn times(&self, other: &Self) -> Self {
        Self::new(&self.mantissa * &other.mantissa, self.scale + other.scale)
    }

    fn negated(&self) -> Self {
        Self { mantissa: -&self.mantissa, scale: self.scale }
    }

    fn absolute(&self) -> Self {
        Self { mantissa: self.mantissa.magnitude().clone().into(), scale: self.scale }
    }

    fn is_less(&self, other: &Self) -> bool {
        let scale = self.scale.max(other.scale);
        self.at(scale) < other.at(scale)
    }
}
