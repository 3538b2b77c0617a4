//! Distinct active values (5.8): per value the last writer by (timestamp, position) wins.

use hashbrown::HashMap;

use super::Seen;
use super::bytes::{put_at, put_varint, take_at, take_count};
use super::key::ValueKey;
use super::latest::At;
use crate::core::aggregate::unique::adds;

/// The least that the packed form of a value takes: its key and the five numbers of its event.
const VALUE_BYTES: usize = 21;

/// The last event of every value.
type Values = HashMap<ValueKey, At>;

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
    present: Values,
    gone: Values,
}

impl Distinct {
    /// No value yet.
    pub fn new() -> Self {
        Self { sets: Some(Box::default()), ..Self::default() }
    }

    /// Takes an event.
    pub fn add(&mut self, seen: &Seen<'_>) {
        let Some(sets) = &mut self.sets else { return };
        let at = (seen.event.timestamp, seen.event.position);
        let Sets { present, gone } = &mut **sets;
        let (own, other) = if adds(seen.event) { (present, gone) } else { (gone, present) };
        if let Some(last) = own.get_mut(&seen.key) {
            *last = at.max(*last);
            return;
        }
        match other.get(&seen.key) {
            Some(last) if *last >= at => return,
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

    /// Appends the packed form, values in order of their keys.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        let none = Sets::default();
        let sets = self.sets.as_deref().unwrap_or(&none);
        for values in [&sets.present, &sets.gone] {
            let mut sorted: Vec<(&ValueKey, &At)> = values.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| **key);
            put_varint(out, sorted.len() as u64);
            for (key, at) in sorted {
                out.extend(key.0.to_le_bytes());
                out.extend(key.1.to_le_bytes());
                put_at(out, *at);
            }
        }
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let sets = Sets { present: take_values(bytes)?, gone: take_values(bytes)? };
        let values = sets.present.len().checked_add(sets.gone.len())?;
        Some(Self { active: sets.present.len() as u64, values, sets: Some(Box::new(sets)) })
    }

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        let Some(sets) = &self.sets else { return size_of::<Self>() };
        let room = sets.present.capacity().saturating_add(sets.gone.capacity());
        size_of::<Self>() + room.saturating_mul(size_of::<(ValueKey, At)>() + 1)
    }
}

fn take_values(bytes: &mut &[u8]) -> Option<Values> {
    let count = take_count(bytes, VALUE_BYTES)?;
    let mut values = Values::with_capacity(count);
    for _ in 0..count {
        let key = ValueKey(take_word(bytes)?, take_word(bytes)?);
        values.insert(key, take_at(bytes)?);
    }
    Some(values)
}

fn take_word(bytes: &mut &[u8]) -> Option<u64> {
    let (word, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*word))
}
