//! Equality, order and hash by value: `1.0` is `1.00`.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::{Decimal, Parts, power, power_big};

impl Decimal {
    /// Position of the leading digit relative to the point: 1 for `7`, 0 for `0.7`. Not for zero.
    pub(super) fn integer_digits(&self) -> i64 {
        i64::from(self.mantissa_digits()) - i64::from(self.scale())
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        let by_digits = self.integer_digits().cmp(&other.integer_digits());
        if by_digits != Ordering::Equal {
            return by_digits;
        }
        let scale = self.scale().max(other.scale());
        let a = self.mantissa_big().magnitude() * power_big(scale - self.scale()).magnitude();
        let b = other.mantissa_big().magnitude() * power_big(scale - other.scale()).magnitude();
        a.cmp(&b)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Parts::Small(a, s), Parts::Small(b, t)) = (self.parts(), other.parts()) {
            let scale = s.max(t);
            let raised = |mantissa: i128, by: u32| power(by).and_then(|p| mantissa.checked_mul(p));
            if let Some((a, b)) = raised(a, scale - s).zip(raised(b, scale - t)) {
                return a.cmp(&b);
            }
        }
        let sign = self.signum();
        match sign.cmp(&other.signum()) {
            Ordering::Equal if sign > 0 => self.cmp_magnitude(other),
            Ordering::Equal if sign < 0 => other.cmp_magnitude(self),
            by_sign => by_sign,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let plain = self.stripped();
        plain.scale().hash(state);
        match plain.parts() {
            Parts::Small(mantissa, _) => mantissa.hash(state),
            Parts::Wide(mantissa, _) => mantissa.hash(state),
        }
    }
}
