//! Exact addition, subtraction, multiplication and shifts of the decimal point.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use super::{Decimal, Parts, power, power_big};

impl Decimal {
    /// The value divided by 10ⁿ, exactly.
    #[must_use]
    pub fn div_pow10(&self, n: u32) -> Self {
        let scale = self.scale().saturating_add(n);
        match self.parts() {
            Parts::Small(mantissa, _) => Self::small(mantissa, scale),
            Parts::Wide(mantissa, _) => Self::from_big(mantissa.clone(), scale),
        }
    }

    /// The value multiplied by 10ⁿ, exactly.
    #[must_use]
    pub fn mul_pow10(&self, n: u32) -> Self {
        let scale = self.scale();
        let left = scale.saturating_sub(n);
        let zeros = n.saturating_sub(scale);
        match self.parts() {
            Parts::Small(mantissa, _) => match power(zeros).and_then(|p| mantissa.checked_mul(p)) {
                Some(mantissa) => Self::small(mantissa, left),
                None => Self::from_big(power_big(zeros) * mantissa, left),
            },
            Parts::Wide(mantissa, _) => Self::from_big(mantissa * power_big(zeros), left),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        if let (Parts::Small(a, s), Parts::Small(b, t)) = (self.parts(), other.parts()) {
            let scale = s.max(t);
            let sum =
                raise(a, scale - s).zip(raise(b, scale - t)).and_then(|(a, b)| a.checked_add(b));
            if let Some(sum) = sum {
                return Self::small(sum, scale);
            }
        }
        let scale = self.scale().max(other.scale());
        let a = self.mantissa_big().as_ref() * power_big(scale - self.scale());
        let b = other.mantissa_big().as_ref() * power_big(scale - other.scale());
        Self::from_big(a + b, scale)
    }

    fn minus(&self, other: &Self) -> Self {
        if let (Parts::Small(a, s), Parts::Small(b, t)) = (self.parts(), other.parts())
            && s == t
            && let Some(difference) = a.checked_sub(b)
        {
            return Self::small(difference, s);
        }
        self.plus(&-other)
    }

    /// Scales add up as far as `u32` goes, which no operand that fits a machine reaches.
    fn times(&self, other: &Self) -> Self {
        let scale = self.scale().saturating_add(other.scale());
        if let (Parts::Small(a, _), Parts::Small(b, _)) = (self.parts(), other.parts())
            && let Some(product) = a.checked_mul(b)
        {
            return Self::small(product, scale);
        }
        Self::from_big(self.mantissa_big().as_ref() * other.mantissa_big().as_ref(), scale)
    }
}

fn raise(mantissa: i128, zeros: u32) -> Option<i128> {
    if zeros == 0 { Some(mantissa) } else { mantissa.checked_mul(power(zeros)?) }
}

impl Neg for &Decimal {
    type Output = Decimal;

    fn neg(self) -> Decimal {
        match self.parts() {
            Parts::Small(mantissa, scale) => match mantissa.checked_neg() {
                Some(mantissa) => Decimal::small(mantissa, scale),
                None => Decimal::from_big(-self.mantissa_big().into_owned(), scale),
            },
            Parts::Wide(mantissa, scale) => Decimal::from_big(-mantissa, scale),
        }
    }
}

impl Neg for Decimal {
    type Output = Self;

    fn neg(self) -> Self {
        -&self
    }
}

/// An operator on every mix of owned and borrowed operands.
macro_rules! operator {
    ($trait:ident, $method:ident, $exact:ident) => {
        impl $trait<&Decimal> for &Decimal {
            type Output = Decimal;

            fn $method(self, other: &Decimal) -> Decimal {
                self.$exact(other)
            }
        }

        impl $trait<Decimal> for &Decimal {
            type Output = Decimal;

            fn $method(self, other: Decimal) -> Decimal {
                self.$exact(&other)
            }
        }

        impl $trait<&Decimal> for Decimal {
            type Output = Decimal;

            fn $method(self, other: &Decimal) -> Decimal {
                self.$exact(other)
            }
        }

        impl $trait<Decimal> for Decimal {
            type Output = Decimal;

            fn $method(self, other: Decimal) -> Decimal {
                self.$exact(&other)
            }
        }
    };
}

operator!(Add, add, plus);
operator!(Sub, sub, minus);
operator!(Mul, mul, times);

impl AddAssign<&Decimal> for Decimal {
    fn add_assign(&mut self, other: &Decimal) {
        *self = self.plus(other);
    }
}

impl AddAssign for Decimal {
    fn add_assign(&mut self, other: Decimal) {
        *self = self.plus(&other);
    }
}

impl SubAssign<&Decimal> for Decimal {
    fn sub_assign(&mut self, other: &Decimal) {
        *self = self.minus(other);
    }
}

impl SubAssign for Decimal {
    fn sub_assign(&mut self, other: Decimal) {
        *self = self.minus(&other);
    }
}

impl<'a> Sum<&'a Decimal> for Decimal {
    fn sum<I: Iterator<Item = &'a Decimal>>(items: I) -> Self {
        items.fold(Self::ZERO, |total, item| total.plus(item))
    }
}

impl Sum for Decimal {
    fn sum<I: Iterator<Item = Decimal>>(items: I) -> Self {
        items.fold(Self::ZERO, |total, item| total.plus(&item))
    }
}
