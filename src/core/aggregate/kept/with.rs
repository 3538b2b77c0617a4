//! A quantity with what else its price reads of the events.

use super::Seen;
use super::bytes::{put_option, take_byte, take_option};
use super::levels::{Advance, Bill, Billed, Unclear};
use super::recipe::Rules;
use super::repair::Repair;
use super::singles::Singles;
use super::state::{Around, State};
use crate::core::aggregate::advance::Levels;
use crate::core::catalog::Aggregation;

/// A quantity with what else its price reads of the events.
#[derive(Clone, Debug, PartialEq)]
pub struct With {
    /// The quantity.
    pub base: State,
    /// The single events.
    pub singles: Option<Singles>,
    /// What was billed in advance.
    billed: Option<Billed>,
}

impl With {
    /// Before the first event; none if the price reads nothing but the quantity.
    pub fn new(rules: &Rules) -> Option<Self> {
        let singles = Singles::new(rules);
        let billed = rules.has_levels().then(Billed::default);
        (singles.is_some() || billed.is_some()).then(|| Self {
            base: State::plain(rules),
            singles,
            billed,
        })
    }

    /// Counts an event.
    pub fn add(&mut self, around: &Around<'_>, seen: &Seen<'_>) {
        self.base.add(around, seen);
        let found = seen.is_found(&around.rules.group_keys);
        if let Some(singles) = self.singles.as_mut().filter(|_| found) {
            singles.add(around, seen);
        }
        let Some(billed) = self.billed.as_mut().filter(|_| !seen.again) else { return };
        let (frame, field) = (&around.span.frame, &*around.rules.field);
        let bill = if around.rules.aggregation == Aggregation::UniqueCount {
            Bill::of_value(frame, field, found, seen.keys, seen.event)
        } else {
            Bill::of_sum(frame, field, found, seen.event)
        };
        if let Some(bill) = bill {
            billed.insert(&advance(around), bill);
        }
    }

    /// What was billed in advance, if anything.
    ///
    /// # Errors
    ///
    /// [`Unclear`] if the events are needed to tell.
    pub fn levels(&self, around: &Around<'_>) -> Result<Option<Levels>, Unclear> {
        self.billed.as_ref().map_or(Ok(None), |billed| billed.levels(&advance(around)))
    }

    /// What mends it after an event that came later than can be taken.
    pub fn repair(&self, around: &Around<'_>) -> Option<Repair> {
        let billed = self.billed.as_ref().filter(|billed| billed.needs_repair());
        Repair::of_all([
            self.base.repair(around),
            self.singles.as_ref().and_then(|singles| singles.repair(around)),
            billed.map(|_| Repair::Anew),
        ])
    }

    /// Goes back to where a repair begins that is not one of all events.
    pub fn rewind(&mut self, around: &Around<'_>) {
        self.base.rewind(around);
        if let Some(singles) = &mut self.singles {
            singles.rewind(around);
        }
    }

    /// Ends a repair.
    pub fn settle(&mut self, around: &Around<'_>) {
        self.base.settle(around);
        if let Some(singles) = &mut self.singles {
            singles.settle(around);
        }
    }

    /// Number of distinct values that are kept, or of what is kept of them one by one.
    pub fn values(&self) -> usize {
        self.base.values().max(self.singles.as_ref().map_or(0, Singles::values))
    }

    /// The same at a later window of a bucket that looks back; none if it cannot be told.
    pub fn roll(&self, old: &Around<'_>, new: &Around<'_>) -> Option<Self> {
        let base = self.base.roll(old, new)?;
        let singles = match &self.singles {
            Some(singles) => Some(singles.roll(new)?),
            None => None,
        };
        let rolled = |billed: &Billed| {
            if new.rules.aggregation != Aggregation::UniqueCount {
                return Billed::default();
            }
            let mut billed = billed.clone();
            billed.roll();
            billed
        };
        Some(Self { base, singles, billed: self.billed.as_ref().map(rolled) })
    }

    /// A copy without large sets.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self {
            base: self.base.snapshot(),
            singles: self.singles.as_ref().map(Singles::snapshot),
            billed: self.billed.as_ref().map(Billed::snapshot),
        }
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.base.weight()
            + self.singles.as_ref().map_or(0, Singles::weight)
            + self.billed.as_ref().map_or(0, Billed::weight)
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        self.base.write_bytes(out);
        put_option(out, self.singles.as_ref(), |out, singles| singles.write_bytes(out));
        put_option(out, self.billed.as_ref(), |out, billed| billed.write_bytes(out));
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let form = take_byte(bytes)?;
        let base = State::read_plain(form, bytes)?;
        let singles = take_option(bytes, Singles::read_bytes)?;
        Some(Self { base, singles, billed: take_option(bytes, Billed::read_bytes)? })
    }
}

fn advance<'a>(around: &Around<'a>) -> Advance<'a> {
    Advance { frame: &around.span.frame, prorated: around.rules.prorated }
}
