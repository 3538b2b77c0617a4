//! Distinct active values (5.8): per value the last writer by (timestamp, position) wins.

use super::Seen;
use super::bytes::{put_at, take_at};
use super::latest::At;
use super::values::{self, Values, put_values, take_values};
use crate::core::aggregate::unique::adds;
use crate::core::planted::{Fault, planted};

/// The least that the packed form of an event's place takes: five numbers.
const AT_BYTES: usize = 5;

/// Values whose last event adds, and those whose last event removes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distinct {
    /// Number of values whose last event adds.
    active: u64,
    /// Number of all values.
    values: usize,
    /// The values; none in a copy that only tells their numbers.
    sets: Option<Box<Sets>>,
}

/// Two sets rather than one with a mark: removals are rare, so most values are looked up in one
/// set, and an entry keeps to 40 bytes beside its key's 16.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sets {
    /// The last event of every value that is active.
    present: Values<At>,
    /// The last event of every other value.
    gone: Values<At>,
}

impl Distinct {
    /// No value yet.
    pub fn new() -> Self {
        Self { sets: Some(Box::default()), ..Self::default() }
    }

    /// Takes an event.
    pub fn add(&mut self, seen: &Seen<'_>) {
        let Some(sets) = &mut self.sets else { return };
        let at = seen.at();
        let Sets { present, gone } = &mut **sets;
        let (own, other) = if adds(seen.event) { (present, gone) } else { (gone, present) };
        if let Some(last) = own.get_mut(&seen.key) {
            *last = at.max(*last);
            return;
        }
        match other.get(&seen.key) {
            Some(last) if *last >= at => return,
            Some(last) if last.0 == at.0 && planted(Fault::UniqueTieFirst) => return,
            Some(_) => {
                other.remove(&seen.key);
            }
            None => self.values = self.values.saturating_add(1),
        }
        own.insert(seen.key, at);
        self.active = sets.present.len() as u64;
    }

    /// Number of values whose last event adds.
    pub const fn active(&self) -> u64 {
        self.active
    }

    /// Number of all values.
    pub const fn values(&self) -> usize {
        self.values
    }

    /// The numbers alone.
    #[must_use]
    pub const fn snapshot(&self) -> Self {
        Self { active: self.active, values: self.values, sets: None }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        let none = Sets::default();
        let sets = self.sets.as_deref().unwrap_or(&none);
        put_values(out, &sets.present, |out, at| put_at(out, *at));
        put_values(out, &sets.gone, |out, at| put_at(out, *at));
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let mut take = || take_values(bytes, AT_BYTES, take_at);
        let sets = Sets { present: take()?, gone: take()? };
        let values = sets.present.len().checked_add(sets.gone.len())?;
        Some(Self { active: sets.present.len() as u64, values, sets: Some(Box::new(sets)) })
    }

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        let sets = self.sets.as_deref();
        let own = |sets: &Sets| values::weight(&sets.present) + values::weight(&sets.gone);
        size_of::<Self>() + sets.map_or(0, own)
    }
}
