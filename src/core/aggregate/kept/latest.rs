//! Latest values: the last writer by (timestamp, position) wins.

use super::Seen;
use super::bytes::{put_at, put_option, put_varint, take_at, take_option, take_varint};
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::planted::{Fault, planted};
use crate::core::position::Position;

/// Number of events with the value of the latest one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latest {
    /// Number of events.
    pub count: u64,
    /// Key and value of the latest event; none without one.
    pub last: Option<(At, Decimal)>,
}

/// The order of events: timestamp, then position.
pub type At = (Instant, Position);

impl Latest {
    /// Counts an event.
    pub fn add(&mut self, seen: &Seen<'_>) {
        self.count = self.count.saturating_add(1);
        self.take(seen.at(), &seen.value);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        if let Some((at, value)) = &other.last {
            self.take(*at, value);
        }
    }

    fn take(&mut self, at: At, value: &Decimal) {
        let wins = |last: At| last < at && !(last.0 == at.0 && planted(Fault::LatestTieFirst));
        if self.last.as_ref().is_none_or(|(last, _)| wins(*last)) {
            self.last = Some((at, value.clone()));
        }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_varint(out, self.count);
        put_option(out, self.last.as_ref(), |out, (at, value)| {
            put_at(out, *at);
            value.write_bytes(out);
        });
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let count = take_varint(bytes)?;
        let last =
            take_option(bytes, |bytes| Some((take_at(bytes)?, Decimal::read_bytes(bytes)?)))?;
        Some(Self { count, last })
    }
}
