//! Figures that depend on the order of events, kept while events come nearly in order.
//!
//! Most events come in order, some a little late. The last ones are therefore kept as they are, so
//! that another one just sorts in between, and only what is older is folded for good.

use std::fmt::Debug;

use super::bytes::{put_at, put_option, put_varint, take_at, take_byte, take_count, take_option};
use super::latest::At;
use crate::core::decimal::Decimal;

/// How many entries are folded at once. At least as many stay unfolded after that: an entry that is
/// overtaken by no more than this many sorts in. A reading replays less than twice as many.
pub const FOLDED_AT_ONCE: usize = 64;

/// One entry of an ordered fold, with its own place in the order.
pub trait Entry: Clone + Debug + PartialEq {
    /// What the order goes by; no two entries share one.
    type Key: Copy + Debug + Ord;

    /// Its place in the order.
    fn key(&self) -> Self::Key;

    /// Bytes in memory besides the entry itself, roughly.
    fn weight(&self) -> usize;

    /// Appends the packed form.
    fn write_bytes(&self, out: &mut Vec<u8>);

    /// Reads the packed form; none for bytes that nobody wrote.
    fn read_bytes(bytes: &mut &[u8]) -> Option<Self>;
}

/// A fold over entries in ascending order of their keys. What it gives at any moment is what the
/// scan gives over the same entries.
pub trait Machine: Clone + Debug + PartialEq {
    /// What it is fed.
    type Entry: Entry;
    /// What else it depends on: the window, prices. The same one throughout a window.
    type Context<'a>;

    /// Before the first entry.
    fn begin(context: &Self::Context<'_>) -> Self;

    /// Whether it began as it would begin now.
    fn began_with(&self, _context: &Self::Context<'_>) -> bool {
        true
    }

    /// Takes the next entry.
    fn step(&mut self, context: &Self::Context<'_>, entry: &Self::Entry);

    /// Whether this entry, and every other one that is greater, may be taken now just as well as in
    /// its turn. Such entries need not be kept, nor do they come late.
    fn absorbs(&self, _context: &Self::Context<'_>, _entry: &Self::Entry) -> bool {
        false
    }

    /// Bytes in memory besides the machine itself, roughly.
    fn weight(&self) -> usize {
        0
    }

    /// Appends the packed form.
    fn write_bytes(&self, out: &mut Vec<u8>);

    /// Reads the packed form; none for bytes that nobody wrote.
    fn read_bytes(bytes: &mut &[u8]) -> Option<Self>;
}

/// The entries that are not folded yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent<E: Entry> {
    /// In ascending order, fewer than twice [`FOLDED_AT_ONCE`].
    entries: Vec<E>,
    /// The greatest key that was handed over.
    folded_to: Option<E::Key>,
    /// Whether an entry below that key came afterwards.
    late: bool,
}

impl<E: Entry> Default for Recent<E> {
    fn default() -> Self {
        Self { entries: Vec::new(), folded_to: None, late: false }
    }
}

impl<E: Entry> Recent<E> {
    /// Sorts an entry in. Returns the entries that are to be folded now, in order; mostly none.
    pub fn insert(&mut self, entry: E) -> Vec<E> {
        let key = entry.key();
        if self.folded_to.is_some_and(|folded| key < folded) {
            self.late = true;
            return Vec::new();
        }
        let place = self.entries.partition_point(|other| other.key() < key);
        self.entries.insert(place, entry);
        if self.entries.len() < 2 * FOLDED_AT_ONCE {
            return Vec::new();
        }
        let folded: Vec<E> = self.entries.drain(..FOLDED_AT_ONCE).collect();
        self.folded_to = folded.last().map(Entry::key);
        folded
    }

    /// The entries that are not folded, in order.
    pub fn entries(&self) -> &[E] {
        &self.entries
    }

    /// The same, to be changed without touching their keys.
    pub fn entries_mut(&mut self) -> &mut [E] {
        &mut self.entries
    }

    /// Whether an entry came too late to be sorted in.
    pub const fn is_late(&self) -> bool {
        self.late
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.entries.capacity() * size_of::<E>()
            + self.entries.iter().map(Entry::weight).sum::<usize>()
    }

    /// Appends the packed form. `put_key` writes a key.
    pub fn write_bytes(&self, out: &mut Vec<u8>, put_key: impl FnOnce(&mut Vec<u8>, E::Key)) {
        put_option(out, self.folded_to, put_key);
        out.push(u8::from(self.late));
        put_varint(out, self.entries.len() as u64);
        self.entries.iter().for_each(|entry| entry.write_bytes(out));
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes<'a>(
        bytes: &mut &'a [u8],
        take_key: impl FnOnce(&mut &'a [u8]) -> Option<E::Key>,
    ) -> Option<Self> {
        let folded_to = take_option(bytes, take_key)?;
        let late = take_flag(bytes)?;
        let count = take_count(bytes, 1).filter(|count| *count < 2 * FOLDED_AT_ONCE)?;
        let mut entries: Vec<E> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = E::read_bytes(bytes)?;
            let before = entries.last().map(Entry::key).max(folded_to);
            if before.is_some_and(|before| entry.key() < before) {
                return None;
            }
            entries.push(entry);
        }
        Some(Self { entries, folded_to, late })
    }
}

/// A truth.
pub fn take_flag(bytes: &mut &[u8]) -> Option<bool> {
    match take_byte(bytes)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// A machine with the entries that it has not folded yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered<M: Machine> {
    /// None as long as nothing is folded, so that until then the beginning may change.
    base: Option<M>,
    recent: Recent<M::Entry>,
}

impl<M: Machine> Default for Ordered<M> {
    fn default() -> Self {
        Self { base: None, recent: Recent::default() }
    }
}

impl<M: Machine<Entry: Entry<Key = At>>> Ordered<M> {
    /// Takes an entry in any order; see [`Ordered::needs_repair`].
    pub fn insert(&mut self, context: &M::Context<'_>, entry: M::Entry) {
        let fresh = self.base.is_none().then(|| M::begin(context));
        if let Some(machine) = self.base.as_ref().or(fresh.as_ref())
            && machine.absorbs(context, &entry)
        {
            self.base.get_or_insert_with(|| M::begin(context)).step(context, &entry);
            return;
        }
        for folded in self.recent.insert(entry) {
            self.base.get_or_insert_with(|| M::begin(context)).step(context, &folded);
        }
    }

    /// The machine after all entries.
    pub fn reading(&self, context: &M::Context<'_>) -> M {
        let mut machine = self.base.clone().unwrap_or_else(|| M::begin(context));
        self.recent.entries().iter().for_each(|entry| machine.step(context, entry));
        machine
    }

    /// Whether readings no longer are what the scan gives: an entry came after later ones that are
    /// folded, or what the machine began with has changed since. Only a new fold over all entries
    /// in order helps.
    pub fn needs_repair(&self, context: &M::Context<'_>) -> bool {
        let changed = self.base.as_ref().is_some_and(|base| !base.began_with(context));
        self.recent.is_late() || changed
    }

    /// Changes what is folded, for the next window.
    pub(super) const fn base_mut(&mut self) -> Option<&mut M> {
        self.base.as_mut()
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.base.as_ref().map_or(0, M::weight) + self.recent.weight()
    }

    /// Appends the packed form. Equal states give equal bytes.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_option(out, self.base.as_ref(), |out, base| base.write_bytes(out));
        self.recent.write_bytes(out, put_at);
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let base = take_option(bytes, M::read_bytes)?;
        Some(Self { base, recent: Recent::read_bytes(bytes, take_at)? })
    }
}

/// An event with a number, in order of (timestamp, position).
#[derive(Clone, Debug, PartialEq)]
pub struct Amount {
    /// Its place in the order.
    pub at: At,
    /// The number in the metric's field.
    pub value: Decimal,
}

impl Entry for Amount {
    type Key = At;

    fn key(&self) -> At {
        self.at
    }

    fn weight(&self) -> usize {
        0
    }

    fn write_bytes(&self, out: &mut Vec<u8>) {
        put_at(out, self.at);
        self.value.write_bytes(out);
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { at: take_at(bytes)?, value: Decimal::read_bytes(bytes)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::instant::Instant;
    use crate::core::position::Position;

    fn amount(at: i64) -> Amount {
        Amount { at: (Instant(at), Position::default()), value: Decimal::from_i64(at) }
    }

    #[test]
    fn the_oldest_are_handed_over_in_order_and_the_rest_waits() {
        let mut recent = Recent::default();
        let mut folded = Vec::new();
        for at in 0..1_000 {
            // Every pair comes the other way round.
            folded.extend(recent.insert(amount(at ^ 1)));
        }
        assert!(!recent.is_late() && recent.entries().len() >= FOLDED_AT_ONCE);
        folded.extend_from_slice(recent.entries());
        assert_eq!(folded, (0..1_000).map(amount).collect::<Vec<_>>());
    }

    #[test]
    fn an_entry_below_what_is_folded_is_late_for_good() {
        let mut recent = Recent::default();
        for at in 1..=2 * FOLDED_AT_ONCE {
            recent.insert(amount(i64::try_from(at).unwrap() * 2));
        }
        let before = recent.entries().to_vec();
        assert!(recent.insert(amount(1)).is_empty() && recent.is_late());
        assert_eq!(recent.entries(), before);
        recent.insert(amount(10_000));
        assert!(recent.is_late());
    }

    #[test]
    fn entries_out_of_order_are_bytes_that_nobody_wrote() {
        let mut recent = Recent::default();
        recent.insert(amount(1));
        recent.insert(amount(2));
        recent.entries_mut().swap(0, 1);
        let mut out = Vec::new();
        recent.write_bytes(&mut out, put_at);
        assert_eq!(Recent::<Amount>::read_bytes(&mut &out[..], take_at), None);
    }
}
