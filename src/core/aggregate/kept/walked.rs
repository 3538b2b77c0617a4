//! Rows in their order, and where they lead through the tiers.

use std::collections::BTreeMap;
use std::ops::RangeFrom;

use super::bytes::{put_option, put_text, put_varint, put_zigzag};
use super::bytes::{take_count, take_option, take_text, take_varint, take_zigzag};
use super::ordered::take_flag;
use super::steps::{Filling, Path, Steps};
use crate::core::instant::Instant;

/// Most rows that walk again at once since one came or went before them. Events that
/// were overtaken by fewer others than this cost no more.
const REWALKED_MAX: usize = 512;
/// The least that the packed form of a row takes.
const ROW_BYTES: usize = 12;

/// The place of a row in the order: when, its value, and which one of that value's rows it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub at: Instant,
    pub value: Option<Box<str>>,
    pub number: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Whether it is a unit more, or else one less.
    pub adds: bool,
    /// Whether it begins a presence that lasts.
    pub lasts: bool,
    /// 0 for a removal.
    pub share: i64,
    /// The segment that its share is in; none for a removal, or if it is passed over.
    segment: Option<u32>,
    /// The way up to it, itself included.
    path: Path,
}

impl Row {
    /// A row that has not walked.
    pub fn new(adds: bool, share: i64) -> Self {
        Self { adds, lasts: adds, share, segment: None, path: Path::default() }
    }

    /// The same row with another share, before it walks.
    #[must_use]
    pub fn with_share(&self, share: i64) -> Self {
        Self { lasts: self.lasts, ..Self::new(self.adds, share) }
    }
}

/// All rows, and where they lead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walked {
    /// In order.
    pub rows: BTreeMap<Place, Row>,
    /// Where they lead.
    pub filling: Filling,
    /// Whether the rows have to walk again.
    pub stale: bool,
}

impl Walked {
    /// Puts a row in its place, or takes it out.
    pub fn edit(&mut self, steps: &Steps, place: Place, row: Option<Row>) {
        let from = RangeFrom { start: place.clone() };
        let after = self.rows.range(from.clone()).take(REWALKED_MAX + 1).count();
        let near = !self.stale && after <= REWALKED_MAX;
        if near {
            self.undo(&from);
        } else {
            self.stale = true;
        }
        match row {
            Some(row) => self.rows.insert(place, row),
            None => self.rows.remove(&place),
        };
        if near {
            self.walk(steps, from);
        }
    }

    /// Goes back to before these rows.
    fn undo(&mut self, from: &RangeFrom<Place>) {
        for (_, row) in self.rows.range_mut(from.clone()) {
            if let Some(segment) = row.segment.take() {
                self.filling.change(segment, row.share.saturating_neg());
            }
        }
        let before = self.rows.range(..&from.start).next_back();
        self.filling.back(before.map_or_else(Path::default, |(_, row)| row.path));
    }

    /// Goes on with these rows.
    fn walk(&mut self, steps: &Steps, from: RangeFrom<Place>) {
        for (_, row) in self.rows.range_mut(from) {
            row.segment = self.filling.push(steps, row.adds, row.share);
            row.path = self.filling.path();
        }
    }

    /// Walks all the way again, if need be.
    pub fn walk_again(&mut self, steps: &Steps) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.filling = Filling::default();
        for row in self.rows.values_mut() {
            row.segment = self.filling.push(steps, row.adds, row.share);
            row.path = self.filling.path();
        }
    }

    /// Gives a row that adds another share. One that was charged for no time may be missing.
    pub fn change(&mut self, steps: &Steps, place: Place, share: i64, lasts: bool) {
        let row = self.rows.get_mut(&place);
        if let Some(row) = row.filter(|row| (row.share == 0) == (share == 0)) {
            let by = share.saturating_sub(row.share);
            (row.share, row.lasts) = (share, lasts);
            if let Some(segment) = row.segment.filter(|_| !self.stale) {
                self.filling.change(segment, by);
            }
            return;
        }
        // A row that is passed over now, or no longer, moves the others.
        self.edit(steps, place, Some(Row { lasts, ..Row::new(true, share) }));
    }

    /// A copy that reads alike, without the rows. Nothing may be added to it.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let filling = self.filling.snapshot();
        Self { rows: BTreeMap::new(), filling, stale: self.stale }
    }

    /// Bytes in memory besides the struct itself, roughly: a row's texts, and half as much again
    /// as a row for the tree.
    pub fn weight(&self) -> usize {
        let texts = self.rows.keys().filter_map(|place| place.value.as_deref()).map(str::len);
        let rows = self.rows.len() * (size_of::<(Place, Row)>() * 3 / 2);
        texts.sum::<usize>() + rows + self.filling.weight()
    }

    /// Appends the packed form. Equal states give equal bytes.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_varint(out, self.rows.len() as u64);
        for (place, row) in &self.rows {
            place.write_bytes(out);
            row.write_bytes(out);
        }
        self.filling.write_bytes(out);
        out.push(u8::from(self.stale));
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let count = take_count(bytes, ROW_BYTES)?;
        let mut rows = BTreeMap::new();
        for _ in 0..count {
            let place = Place::read_bytes(bytes)?;
            if rows.last_key_value().is_some_and(|(last, _)| *last >= place) {
                return None;
            }
            rows.insert(place, Row::read_bytes(bytes)?);
        }
        Some(Self { rows, filling: Filling::read_bytes(bytes)?, stale: take_flag(bytes)? })
    }
}

impl Place {
    fn write_bytes(&self, out: &mut Vec<u8>) {
        put_zigzag(out, self.at.micros());
        put_option(out, self.value.as_deref(), put_text);
        put_varint(out, u64::from(self.number));
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            at: Instant(take_zigzag(bytes)?),
            value: take_option(bytes, take_text)?.map(Into::into),
            number: take_number(bytes)?,
        })
    }
}

impl Row {
    fn write_bytes(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.adds));
        out.push(u8::from(self.lasts));
        put_zigzag(out, self.share);
        put_option(out, self.segment, |out, segment| put_varint(out, u64::from(segment)));
        self.path.write_bytes(out);
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            adds: take_flag(bytes)?,
            lasts: take_flag(bytes)?,
            share: take_zigzag(bytes)?,
            segment: take_option(bytes, take_number)?,
            path: Path::read_bytes(bytes)?,
        })
    }
}

/// A number of things that are counted in 32 bits.
pub fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_varint(bytes)?).ok()
}
