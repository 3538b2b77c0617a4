//! Number of events with sums of what they carry.

use super::Seen;
use super::bytes::{put_option, put_varint, take_option, take_varint};
use crate::core::decimal::Decimal;

/// Number of events with Σ of their values and of their own amounts, all exact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Number of events.
    pub count: u64,
    /// Σ of the values.
    pub sum: Decimal,
    /// Σ of the events' own amounts in cents, null counting 0; none until an event had one. Few
    /// charges have a use for it, so it lies elsewhere.
    pub cents: Option<Box<Decimal>>,
}

impl Tally {
    /// Counts an event; `dynamic` says that own amounts matter.
    pub fn add(&mut self, dynamic: bool, seen: &Seen<'_>) {
        self.count = self.count.saturating_add(1);
        self.sum += &seen.value;
        if dynamic && let Some(cents) = &seen.event.precise_cents {
            **self.cents.get_or_insert_default() += cents;
        }
    }

    /// Adds what another tally counted.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum += &other.sum;
        if let Some(cents) = &other.cents {
            **self.cents.get_or_insert_default() += &**cents;
        }
    }

    /// Σ of the events' own amounts.
    pub fn cents(&self) -> Decimal {
        self.cents.as_deref().cloned().unwrap_or_default()
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_varint(out, self.count);
        self.sum.write_bytes(out);
        put_option(out, self.cents.as_deref(), |out, cents| cents.write_bytes(out));
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let count = take_varint(bytes)?;
        let sum = Decimal::read_bytes(bytes)?;
        let cents = take_option(bytes, Decimal::read_bytes)?.map(Box::new);
        Some(Self { count, sum, cents })
    }
}
