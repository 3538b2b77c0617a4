//! Rounding to a number of decimals (appendix A.3).

use num_bigint::{BigInt, Sign};
use num_integer::Integer as _;

use super::{Decimal, Parts, power, power_big};

/// How far left of the point [`Decimal::ceil`] and [`Decimal::floor`] may move a value that has
/// fewer digits: 5 rounded up at −3 places is 1000, and at −2 000 000 000 it would not fit any
/// memory.
const PLACES_LEFT_MAX: i64 = 1_000;

#[derive(Clone, Copy)]
enum Mode {
    HalfAway,
    Up,
    Down,
    Cut,
}

impl Mode {
    /// What to add to a quotient that was cut toward zero. `remainder` is the sign of the rest,
    /// `half` says whether the rest is at least half of the divisor.
    fn correction(self, remainder: i32, half: bool) -> i32 {
        match self {
            Self::HalfAway if half => remainder,
            Self::Up if remainder > 0 => 1,
            Self::Down if remainder < 0 => -1,
            _ => 0,
        }
    }
}

impl Decimal {
    /// Half away from zero at `places` decimals; negative places are left of the point.
    #[must_use]
    pub fn round(&self, places: i32) -> Self {
        self.rescaled(places, Mode::HalfAway)
    }

    /// Toward +∞ at `places` decimals. Left of the point the step is at most 10¹⁰⁰⁰, or one digit
    /// more than the value has.
    #[must_use]
    pub fn ceil(&self, places: i32) -> Self {
        self.rescaled(places, Mode::Up)
    }

    /// Toward −∞ at `places` decimals, with the bound of [`Decimal::ceil`].
    #[must_use]
    pub fn floor(&self, places: i32) -> Self {
        self.rescaled(places, Mode::Down)
    }

    /// Toward zero at `places` decimals.
    #[must_use]
    pub fn trunc(&self, places: i32) -> Self {
        self.rescaled(places, Mode::Cut)
    }

    fn rescaled(&self, places: i32, mode: Mode) -> Self {
        let scale = i64::from(self.scale());
        if self.is_zero() || i64::from(places) >= scale {
            return self.clone();
        }
        let lowest = -PLACES_LEFT_MAX.max(self.integer_digits().saturating_add(1));
        let places = i64::from(places).max(lowest);
        // More than the digits there are changes nothing: the quotient is 0 and the rest not half.
        let dropped = (scale - places).min(i64::from(self.mantissa_digits()) + 1);
        let dropped = u32::try_from(dropped).unwrap_or(u32::MAX);
        let quotient = match (self.parts(), power(dropped)) {
            (Parts::Small(mantissa, _), Some(divisor)) => {
                let rest = mantissa % divisor;
                let half = rest.unsigned_abs() * 2 >= divisor.unsigned_abs();
                let sign = if rest < 0 { -1 } else { i32::from(rest > 0) };
                Self::small(mantissa / divisor + i128::from(mode.correction(sign, half)), 0)
            }
            _ => self.divided(&power_big(dropped), mode),
        };
        match u32::try_from(places) {
            Ok(places) => quotient.div_pow10(places),
            Err(_) => quotient.mul_pow10(u32::try_from(-places).unwrap_or(u32::MAX)),
        }
    }

    fn divided(&self, divisor: &BigInt, mode: Mode) -> Self {
        let (quotient, rest) = self.mantissa_big().div_rem(divisor);
        let half = rest.magnitude() * 2_u32 >= *divisor.magnitude();
        let sign = match rest.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        };
        Self::from_big(quotient + mode.correction(sign, half), 0)
    }
}
