//! Figures that depend on the order of events, kept while events come nearly in order.
//!
//! Most events come in order, some a little late. The last ones are therefore kept as they are, so
//! that another one just sorts in between, and only what is older is folded. What comes later than
//! that has the fold go back to a saved prefix (see `Marks`) and on from there with events that
//! are read again.

use std::fmt::Debug;

use super::bytes::{put_at, put_option, put_varint, take_at, take_byte, take_count, take_option};
use super::latest::At;
use super::marks::Marks;
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

    /// Nothing after what is folded up to this key.
    const fn after(folded_to: Option<E::Key>) -> Self {
        Self { entries: Vec::new(), folded_to, late: false }
    }

    /// Whether an entry with this key is not folded.
    fn is_open_to(&self, key: E::Key) -> bool {
        self.folded_to.is_none_or(|folded| folded < key)
    }

    /// Drops the entries, and knows whether one was late all the same.
    fn forget(&mut self) {
        self.entries = Vec::new();
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
    marks: Marks<M>,
    /// Whether it is being repaired: see [`Ordered::rewind`].
    repairs: bool,
}

/// How far back the entries have to be read that repair a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From the first one on.
    Beginning,
    /// Those after this one.
    After(At),
}

impl<M: Machine> Default for Ordered<M> {
    fn default() -> Self {
        Self { base: None, recent: Recent::default(), marks: Marks::default(), repairs: false }
    }
}

impl<M: Machine<Entry: Entry<Key = At>>> Ordered<M> {
    /// Takes an entry in any order; see [`Ordered::since`].
    pub fn insert(&mut self, context: &M::Context<'_>, entry: M::Entry) {
        let key = entry.key();
        if !self.recent.is_late() {
            self.sort_in(context, entry);
        }
        if self.recent.is_late() {
            // All that is not in a mark is read again, so nothing else needs to be kept of it.
            self.base = None;
            self.recent.forget();
            self.marks.drop_after(key);
        }
    }

    fn sort_in(&mut self, context: &M::Context<'_>, entry: M::Entry) {
        let fresh = self.base.is_none().then(|| M::begin(context));
        if let Some(machine) = self.base.as_ref().or(fresh.as_ref())
            && machine.absorbs(context, &entry)
        {
            self.base.get_or_insert_with(|| M::begin(context)).step(context, &entry);
            return;
        }
        let folded = self.recent.insert(entry);
        let Some(last) = folded.last() else { return };
        let base = self.base.get_or_insert_with(|| M::begin(context));
        for entry in &folded {
            base.step(context, entry);
        }
        // A machine that absorbs may hold entries after the last one.
        let is_prefix = !base.absorbs(context, last);
        self.marks.folded(base, last.key(), is_prefix);
    }

    /// The machine after all entries.
    pub fn reading(&self, context: &M::Context<'_>) -> M {
        let mut machine = self.base.clone().unwrap_or_else(|| M::begin(context));
        self.recent.entries().iter().for_each(|entry| machine.step(context, entry));
        machine
    }

    /// Which entries have to be folded again before readings are what the scan gives; none if they
    /// are. An entry came after later ones that are folded, or what the machine began with has
    /// changed since.
    pub fn since(&self, context: &M::Context<'_>) -> Option<Since> {
        if self.recent.is_late() {
            let usable = self.marks.last().filter(|(_, machine)| machine.began_with(context));
            return Some(usable.map_or(Since::Beginning, |(to, _)| Since::After(to)));
        }
        let changed = self.base.as_ref().is_some_and(|base| !base.began_with(context));
        changed.then_some(Since::Beginning)
    }

    /// Goes back to where [`Ordered::since`] says, if it has to. From then on until
    /// [`Ordered::settle`] it takes entries by [`Ordered::replay`] alone.
    pub fn rewind(&mut self, context: &M::Context<'_>) {
        let Some(since) = self.since(context) else { return };
        if since == Since::Beginning {
            self.marks.clear();
        }
        let (to, base) = self.marks.rewind().unzip();
        self.base = base;
        self.recent = Recent::after(to);
        self.repairs = true;
    }

    /// Takes an entry once more, in order, if this is being repaired and lacks it.
    pub fn replay(&mut self, context: &M::Context<'_>, entry: M::Entry) {
        if self.repairs && self.recent.is_open_to(entry.key()) {
            self.insert(context, entry);
        }
    }

    /// Takes further entries from now on.
    pub const fn settle(&mut self) {
        self.repairs = false;
    }

    /// Changes what is folded, for the next window.
    pub(super) fn machines_mut(&mut self) -> impl Iterator<Item = &mut M> {
        self.base.iter_mut().chain(self.marks.machines_mut())
    }

    /// A copy that reads alike. It leaves the marks behind: nothing may be added to it.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self {
            base: self.base.clone(),
            recent: self.recent.clone(),
            marks: Marks::default(),
            repairs: self.repairs,
        }
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.base.as_ref().map_or(0, M::weight) + self.recent.weight() + self.marks.weight()
    }

    /// Appends the packed form. Equal states give equal bytes.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        let form = match (&self.base, self.marks.is_empty()) {
            (None, true) => PLAIN,
            (Some(_), true) => PLAIN_BASE,
            (None, false) => MARKED,
            (Some(_), false) => MARKED_BASE,
        };
        out.push(form);
        if let Some(base) = &self.base {
            base.write_bytes(out);
        }
        self.recent.write_bytes(out, put_at);
        if !self.marks.is_empty() {
            self.marks.write_bytes(out);
        }
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let form = take_byte(bytes).filter(|form| *form <= MARKED_BASE)?;
        let has_base = matches!(form, PLAIN_BASE | MARKED_BASE);
        let base = if has_base { Some(M::read_bytes(bytes)?) } else { None };
        let recent = Recent::read_bytes(bytes, take_at)?;
        let marks = if form >= MARKED { Marks::read_bytes(bytes)? } else { Marks::default() };
        Some(Self { base, recent, marks, repairs: false })
    }
}

/// Forms of a packed fold: those without marks are as they were before there were any.
const PLAIN: u8 = 0;
const PLAIN_BASE: u8 = 1;
const MARKED: u8 = 2;
const MARKED_BASE: u8 = 3;

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
