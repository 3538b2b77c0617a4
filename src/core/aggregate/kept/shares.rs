//! Prorated sums (5.10): what was carried into the window, and what of each event of the window
//! remains of the period.

use super::tally::Tally;
use super::{Seen, Span};
use crate::core::aggregate::advance::PRORATED_PLACES;
use crate::core::aggregate::terms::Terms;
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;

/// What a prorated sum is computed from. An event between the window's start and the millisecond
/// that holds it counts on both sides, as the rule has it; so all three sums are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shares {
    /// Events of all time.
    pub all: Tally,
    /// Those of the window.
    pub window: Tally,
    /// Σ of the values before the window.
    pub before: Decimal,
    /// Σ of the window's values, each by the share of the period that remained.
    pub remaining: Decimal,
}

impl Shares {
    /// Counts an event; `dynamic` says that own amounts matter.
    pub fn add(&mut self, dynamic: bool, span: &Span<'_>, seen: &Seen<'_>) {
        self.all.add(dynamic, seen);
        if is_before(span, seen.event.timestamp) {
            self.before += &seen.value;
        }
        if seen.in_window {
            self.window.add(dynamic, seen);
            self.remaining += &seen.value * &span.frame.share_from(seen.event.timestamp);
        }
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        self.window.merge(&other.window);
        self.before += &other.before;
        self.remaining += &other.remaining;
    }

    /// The prorated sum, rounded up.
    pub fn prorated(&self, terms: &Terms<'_>) -> Decimal {
        let ratio = terms.frame.ratio(terms.fewer_days).shortest();
        (&(&self.before * &ratio) + &self.remaining).ceil(PRORATED_PLACES)
    }

    /// The same at a later window: all of it lies before.
    #[must_use]
    pub fn roll(&self) -> Self {
        Self { all: self.all.clone(), before: self.all.sum.clone(), ..Self::default() }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        self.all.write_bytes(out);
        self.window.write_bytes(out);
        self.before.write_bytes(out);
        self.remaining.write_bytes(out);
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            all: Tally::read_bytes(bytes)?,
            window: Tally::read_bytes(bytes)?,
            before: Decimal::read_bytes(bytes)?,
            remaining: Decimal::read_bytes(bytes)?,
        })
    }
}

/// Whether an event counts as carried into the window.
pub fn is_before(span: &Span<'_>, at: Instant) -> bool {
    at <= span.frame.from.plus_micros(-1)
}
