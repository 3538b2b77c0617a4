//! The two quotients of the specification: PostgreSQL's and Lago's.

use num_bigint::{BigInt, Sign};
use num_integer::Integer as _;

use super::{Decimal, Parts, power, power_big};

/// Decimals of a PostgreSQL quotient are capped here (appendix A.1).
const PG_SCALE_MAX: i64 = 1_000;
/// Significant digits that PostgreSQL aims for, in its groups of four.
const PG_DIGITS_MIN: i64 = 16;
/// Least significant digits of [`Decimal::quo`], and what it adds to those of the operands.
const QUO_DIGITS_MIN: u32 = 32;
const QUO_DIGITS_MORE: u32 = 16;

impl Decimal {
    /// The quotient as PostgreSQL's `numeric` division rounds it (appendix A.1); none for a divisor
    /// of 0. The scales of the operands count: `1.50` has two decimals.
    pub fn pgdiv(&self, divisor: &Self) -> Option<Self> {
        if divisor.is_zero() {
            return None;
        }
        let (w_a, d_a) = self.leading_group();
        let (w_b, d_b) = divisor.leading_group();
        let q = w_a - w_b - i64::from(d_a <= d_b);
        let scale = (PG_DIGITS_MIN - 4 * q)
            .max(i64::from(self.scale()))
            .max(i64::from(divisor.scale()))
            .clamp(0, PG_SCALE_MAX);
        Some(self.quotient(divisor, scale))
    }

    /// The quotient rounded half away from zero to `max(32, digits of the longer operand + 16)`
    /// significant digits (pricing details 1); none for a divisor of 0.
    pub fn quo(&self, divisor: &Self) -> Option<Self> {
        let digits = self.digits().max(divisor.digits()).saturating_add(QUO_DIGITS_MORE);
        self.quo_to(divisor, digits.max(QUO_DIGITS_MIN))
    }

    /// The quotient rounded half away from zero to so many significant digits, without trailing
    /// zeros after the point; none for a divisor of 0.
    pub fn quo_to(&self, divisor: &Self, digits: u32) -> Option<Self> {
        if divisor.is_zero() {
            return None;
        }
        if self.is_zero() {
            return Some(Self::ZERO);
        }
        let mut integer_digits = self.integer_digits() - divisor.integer_digits();
        if self.leads(divisor) {
            integer_digits += 1;
        }
        Some(self.quotient(divisor, i64::from(digits) - integer_digits).stripped())
    }

    /// Index and value of the first non-zero group of four digits; both 0 for zero.
    fn leading_group(&self) -> (i64, i128) {
        if self.is_zero() {
            return (0, 0);
        }
        let weight = (self.integer_digits() - 1).div_euclid(4);
        let group = match i32::try_from(-4 * weight) {
            Ok(shift) => self.abs().shifted(-i64::from(shift)).trunc(0),
            Err(_) => Self::ZERO,
        };
        match group.parts() {
            Parts::Small(value, _) => (weight, value),
            Parts::Wide(..) => (weight, 0),
        }
    }

    /// The value divided by 10^`by`, exactly.
    fn shifted(&self, by: i64) -> Self {
        let n = u32::try_from(by.unsigned_abs()).unwrap_or(u32::MAX);
        if by < 0 { self.mul_pow10(n) } else { self.div_pow10(n) }
    }

    /// Whether the digits of this value, read from the first one, are at least those of the other.
    fn leads(&self, other: &Self) -> bool {
        let fraction = |x: &Self| x.abs().shifted(x.integer_digits());
        fraction(self) >= fraction(other)
    }

    /// The quotient rounded half away from zero at `scale` decimals, left of the point if negative.
    /// The divisor is not 0.
    fn quotient(&self, divisor: &Self, scale: i64) -> Self {
        let shift = scale + i64::from(divisor.scale()) - i64::from(self.scale());
        let zeros = u32::try_from(shift.unsigned_abs()).unwrap_or(u32::MAX);
        let rounded = self
            .quotient_small(divisor, shift, zeros)
            .unwrap_or_else(|| self.quotient_big(divisor, shift, zeros));
        rounded.shifted(scale)
    }

    fn quotient_small(&self, divisor: &Self, shift: i64, zeros: u32) -> Option<Self> {
        let (Parts::Small(a, _), Parts::Small(b, _)) = (self.parts(), divisor.parts()) else {
            return None;
        };
        let factor = power(zeros)?;
        let (a, b) =
            if shift < 0 { (a, b.checked_mul(factor)?) } else { (a.checked_mul(factor)?, b) };
        let quotient = a.checked_div(b)?;
        let rest = (a % b).unsigned_abs();
        let away = i128::from(rest >= b.unsigned_abs() - rest);
        let away = if (a < 0) == (b < 0) { away } else { -away };
        Some(Self::small(quotient.checked_add(away)?, 0))
    }

    fn quotient_big(&self, divisor: &Self, shift: i64, zeros: u32) -> Self {
        let factor = power_big(zeros);
        let (mut a, mut b) =
            (self.mantissa_big().into_owned(), divisor.mantissa_big().into_owned());
        if shift < 0 {
            b *= factor;
        } else {
            a *= factor;
        }
        let (quotient, rest) = a.div_rem(&b);
        let away = if rest.magnitude() * 2_u32 < *b.magnitude() {
            BigInt::ZERO
        } else if (a.sign() == Sign::Minus) == (b.sign() == Sign::Minus) {
            BigInt::from(1)
        } else {
            BigInt::from(-1)
        };
        Self::from_big(quotient + away, 0)
    }
}
