//! Exact decimals: an integer times a power of ten (specification 0.3, appendix A).
//!
//! Addition, subtraction and multiplication are exact; only the functions that are named after a
//! rounding round. Values whose integer fits 128 bits need no allocation, others become wide. A
//! decimal keeps the number of decimals it was written with, because [`Decimal::pgdiv`] counts
//! them; equality, order and hash look at the value alone.

mod arithmetic;
mod bytes;
mod compare;
mod division;
mod parse;
mod rounding;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

use num_bigint::{BigInt, BigUint, Sign};

pub use parse::{FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX};

/// An exact decimal number.
#[derive(Clone)]
pub struct Decimal(Repr);

/// The two forms. A mantissa that fits 128 bits is always `Small`; it is kept as two words so that
/// the type takes 24 bytes rather than the 32 that the alignment of `i128` would cost.
#[derive(Clone)]
enum Repr {
    Small { high: i64, low: u64, scale: u32 },
    Wide(Box<Wide>),
}

/// A mantissa beyond 128 bits.
#[derive(Clone)]
struct Wide {
    mantissa: BigInt,
    scale: u32,
}

/// A borrowed look at mantissa and scale.
enum Parts<'a> {
    Small(i128, u32),
    Wide(&'a BigInt, u32),
}

/// Largest power of ten that fits `i128`.
const POWER_MAX: u32 = 38;

const POWERS: [i128; POWER_MAX as usize + 1] = {
    let mut powers = [1_i128; POWER_MAX as usize + 1];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// 10ⁿ if it fits.
fn power(n: u32) -> Option<i128> {
    POWERS.get(n as usize).copied()
}

/// 10ⁿ, however large.
fn power_big(n: u32) -> BigInt {
    power(n).map_or_else(|| BigInt::from(10).pow(n), BigInt::from)
}

impl Decimal {
    /// 0.
    pub const ZERO: Self = Self::small(0, 0);
    /// 1.
    pub const ONE: Self = Self::small(1, 0);

    /// An integer.
    pub const fn from_i64(value: i64) -> Self {
        Self::small(value as i128, 0)
    }

    /// `mantissa` × 10^−`scale`: cents are `from_i128(cents, 2)`.
    pub const fn from_i128(mantissa: i128, scale: u32) -> Self {
        Self::small(mantissa, scale)
    }

    // The mantissa is cut into its two words.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    const fn small(mantissa: i128, scale: u32) -> Self {
        Self(Repr::Small { high: (mantissa >> 64) as i64, low: mantissa as u64, scale })
    }

    fn from_big(mantissa: BigInt, scale: u32) -> Self {
        match i128::try_from(&mantissa) {
            Ok(small) => Self::small(small, scale),
            Err(_) => Self(Repr::Wide(Box::new(Wide { mantissa, scale }))),
        }
    }

    fn parts(&self) -> Parts<'_> {
        match &self.0 {
            Repr::Small { high, low, scale } => {
                Parts::Small((i128::from(*high) << 64) | i128::from(*low), *scale)
            }
            Repr::Wide(wide) => Parts::Wide(&wide.mantissa, wide.scale),
        }
    }

    /// Mantissa and scale, if the mantissa fits 128 bits.
    pub(super) fn small_parts(&self) -> Option<(i128, u32)> {
        match self.parts() {
            Parts::Small(mantissa, scale) => Some((mantissa, scale)),
            Parts::Wide(..) => None,
        }
    }

    fn mantissa_big(&self) -> Cow<'_, BigInt> {
        match self.parts() {
            Parts::Small(mantissa, _) => Cow::Owned(BigInt::from(mantissa)),
            Parts::Wide(mantissa, _) => Cow::Borrowed(mantissa),
        }
    }

    /// Number of decimals carried, trailing zeros included.
    pub fn scale(&self) -> u32 {
        match &self.0 {
            Repr::Small { scale, .. } => *scale,
            Repr::Wide(wide) => wide.scale,
        }
    }

    /// Digits from the first non-zero one to the units digit or the last non-zero decimal
    /// (pricing details 1): 4 for `1500`, 2 for `0.0012`, 0 for zero.
    pub fn digits(&self) -> u32 {
        let plain = self.stripped();
        if plain.is_zero() { 0 } else { plain.mantissa_digits() }
    }

    /// Whether the value is 0.
    pub fn is_zero(&self) -> bool {
        self.signum() == 0
    }

    /// Whether the value is below 0.
    pub fn is_negative(&self) -> bool {
        self.signum() < 0
    }

    /// Whether the value is above 0.
    pub fn is_positive(&self) -> bool {
        self.signum() > 0
    }

    /// −1, 0 or 1.
    pub fn signum(&self) -> i32 {
        match &self.0 {
            Repr::Small { high, low, .. } => match high {
                ..0 => -1,
                0 => i32::from(*low != 0),
                1.. => 1,
            },
            Repr::Wide(wide) => match wide.mantissa.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
        }
    }

    /// The value without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.is_negative() { -self } else { self.clone() }
    }

    /// Integer as `i128`: none with a fraction or out of range.
    pub fn to_i128(&self) -> Option<i128> {
        let whole = self.trunc(0);
        match whole.parts() {
            Parts::Small(mantissa, _) if self.scale() == 0 || whole == *self => Some(mantissa),
            _ => None,
        }
    }

    /// Integer as `i64`: none with a fraction or out of range.
    pub fn to_i64(&self) -> Option<i64> {
        i64::try_from(self.to_i128()?).ok()
    }

    /// Integer part, toward zero, as `i64`: none out of range.
    pub fn trunc_i64(&self) -> Option<i64> {
        self.trunc(0).to_i64()
    }

    /// Number of digits of the mantissa; 1 for zero.
    fn mantissa_digits(&self) -> u32 {
        match self.parts() {
            Parts::Small(mantissa, _) => {
                mantissa.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
            }
            Parts::Wide(mantissa, _) => digits_of(mantissa.magnitude()),
        }
    }

    /// The same value without trailing zeros after the point.
    fn stripped(&self) -> Self {
        match self.parts() {
            Parts::Small(0, _) => Self::ZERO,
            Parts::Small(mut mantissa, mut scale) => {
                while scale > 0 && mantissa % 10 == 0 {
                    mantissa /= 10;
                    scale -= 1;
                }
                Self::small(mantissa, scale)
            }
            Parts::Wide(mantissa, mut scale) => {
                let ten = BigInt::from(10);
                let mut mantissa = mantissa.clone();
                while scale > 0 && &mantissa % &ten == BigInt::ZERO {
                    mantissa /= &ten;
                    scale -= 1;
                }
                Self::from_big(mantissa, scale)
            }
        }
    }
}

/// Number of decimal digits of a non-zero integer.
fn digits_of(magnitude: &BigUint) -> u32 {
    // log10(2) is a little over 0.30102, so this never starts too high and the loop ends it
    // exactly.
    let low = magnitude.bits().saturating_sub(1).saturating_mul(30_102) / 100_000;
    let mut digits = u32::try_from(low).unwrap_or(u32::MAX).max(1);
    let mut bound = BigUint::from(10_u32).pow(digits);
    while *magnitude >= bound {
        bound *= 10_u32;
        digits += 1;
    }
    digits
}

impl Default for Decimal {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::from_i64(value)
    }
}

impl From<u64> for Decimal {
    fn from(value: u64) -> Self {
        Self::small(i128::from(value), 0)
    }
}
