//! Greatest values.

use super::bytes::{put_option, put_varint, take_option, take_varint};
use crate::core::decimal::Decimal;
use crate::core::planted::{Fault, planted};

/// Number of events with the greatest of their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peak {
    /// Number of events.
    pub count: u64,
    /// The greatest value; none without an event. Of equal values written with different numbers of
    /// decimals the one with most is kept, so that the order of events leaves no trace.
    pub max: Option<Decimal>,
}

impl Peak {
    /// Counts an event with this value.
    pub fn add(&mut self, value: &Decimal) {
        self.count = self.count.saturating_add(1);
        self.raise(value);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        if let Some(value) = &other.max {
            self.raise(value);
        }
    }

    fn raise(&mut self, value: &Decimal) {
        let zero = &Decimal::ZERO;
        let value = if planted(Fault::MaximumNotNegative) { value.max(zero) } else { value };
        let wins = |max: &Decimal| value.cmp(max).then(value.scale().cmp(&max.scale())).is_gt();
        if self.max.as_ref().is_none_or(wins) {
            self.max = Some(value.clone());
        }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_varint(out, self.count);
        put_option(out, self.max.as_ref(), |out, max| max.write_bytes(out));
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let count = take_varint(bytes)?;
        Some(Self { count, max: take_option(bytes, Decimal::read_bytes)? })
    }
}
