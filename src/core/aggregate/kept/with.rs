//! A quantity with what else its price reads of the events.

use super::Seen;
use super::bytes::{put_option, take_byte, take_option};
use super::recipe::Rules;
use super::singles::Singles;
use super::state::{Around, State};

/// A quantity with what else its price reads of the events.
#[derive(Clone, Debug, PartialEq)]
pub struct With {
    /// The quantity.
    pub base: State,
    /// The single events.
    pub singles: Option<Singles>,
}

impl With {
    /// Before the first event; none if the price reads nothing but the quantity.
    pub fn new(rules: &Rules) -> Option<Self> {
        let singles = Singles::new(rules)?;
        Some(Self { base: State::plain(rules), singles: Some(singles) })
    }

    /// Counts an event.
    pub fn add(&mut self, around: &Around<'_>, seen: &Seen<'_>) {
        self.base.add(around, seen);
        let found = seen.is_found(&around.rules.group_keys);
        if let Some(singles) = self.singles.as_mut().filter(|_| found) {
            singles.add(around, seen);
        }
    }

    /// Whether an event came later than can be taken.
    pub fn needs_repair(&self, around: &Around<'_>) -> bool {
        let late = |singles: &Singles| singles.needs_repair(around);
        self.base.needs_repair(around) || self.singles.as_ref().is_some_and(late)
    }

    /// Number of distinct values that are kept.
    pub fn values(&self) -> usize {
        self.base.values()
    }

    /// The same at a later window of a bucket that looks back; none if it cannot be told.
    pub fn roll(&self, old: &Around<'_>, new: &Around<'_>) -> Option<Self> {
        let base = self.base.roll(old, new)?;
        let singles = match &self.singles {
            Some(singles) => Some(singles.roll(new)?),
            None => None,
        };
        Some(Self { base, singles })
    }

    /// A copy without large sets.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { base: self.base.snapshot(), singles: self.singles.clone() }
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.base.weight() + self.singles.as_ref().map_or(0, Singles::weight)
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        self.base.write_bytes(out);
        put_option(out, self.singles.as_ref(), |out, singles| singles.write_bytes(out));
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let form = take_byte(bytes)?;
        let base = State::read_plain(form, bytes)?;
        Some(Self { base, singles: take_option(bytes, Singles::read_bytes)? })
    }
}
