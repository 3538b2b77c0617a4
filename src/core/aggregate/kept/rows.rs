//! Unique counts that fill prorated tiers (specification 5.10 and 6.8, pricing details 6).
//!
//! The operations that change a value's presence are rows, one unit more or less each, in order of
//! (timestamp, value). A row's place in the tiers depends on the rows before it, and its share on
//! what becomes of its value later. So all rows are kept in their order, with where each of them
//! led and which segment of the tiers it is in (see [`Filling`]):
//!
//! - An event at the end adds a row, or ends a presence: a row, and another share of an older one,
//!   which is an addition to the sum of that one's segment.
//! - A row that comes or goes before others, as when an addition takes back a removal of the same
//!   day, moves all rows after it. Up to [`REWALKED_MAX`] of them walk again at once. If there are
//!   more, all walk again when somebody asks: the ledger is not read for that.

use super::bytes::{put_at, put_option, put_varint, put_zigzag};
use super::bytes::{take_at, take_byte, take_option, take_varint, take_zigzag};
use super::latest::At;
use super::ordered::take_flag;
use super::presence::{Days, Operation, take_day};
use super::steps::Steps;
use super::values::{self, Values, put_values, take_values};
use super::walked::{Place, Row, Walked, take_number};
use crate::core::aggregate::advance::PRORATED_PLACES;
use crate::core::decimal::Decimal;
use crate::core::instant::{Instant, SECOND};
use crate::core::pricing::Entries;

/// How long before a window rows are kept that change nothing in it, in microseconds. Removals of
/// the same day can be taken back, and events come a little late; no local day is longer.
const KEPT_BEFORE: i64 = 2 * 86_400 * SECOND;
/// Shares are whole numbers of this part of a period.
const SHARE: i64 = 10_i64.pow(PRORATED_PLACES.unsigned_abs());
/// The least that the packed form of a value takes: five numbers of its event, the number of its
/// rows, and its form.
const VALUE_BYTES: usize = 7;

/// What rows depend on.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// The window. Single events go without groups (aggregation details 9).
    pub days: Days<'a>,
    /// The bounds of the tiers.
    pub steps: &'a Steps,
}

impl Table<'_> {
    fn share(&self, start: i32, end: i32) -> i64 {
        let share = self.days.share(start, end).ceil(PRORATED_PLACES) * Decimal::from_i64(SHARE);
        share.to_i64().unwrap_or(i64::MAX)
    }

    fn lasting(&self, start: i32) -> i64 {
        self.share(start, self.days.last())
    }
}

/// What is known of one value.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    last: At,
    /// Number of its rows so far, those included that are gone again.
    rows: u32,
    stay: Stay,
}

/// When, and which one of the value's rows.
type Own = (Instant, u32);

#[derive(Clone, Debug, PartialEq)]
enum Stay {
    /// Removed without ever having been added.
    Never,
    /// Since this day of the window.
    Present { added: Own, start: i32 },
    /// Removed again on this day.
    Gone { added: Own, start: i32, removed: Own, day: i32 },
}

/// The rows of a group, or of a bucket that is not split.
///
/// Events of one value have to come in order, as [`Presence`](super::presence::Presence) has it,
/// which tells if they do not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// None in a copy to read from.
    lines: Option<Box<Values<Line>>>,
    walked: Walked,
    /// Number of values that are present.
    present: u64,
    /// Events before this lie where rows were left out.
    floor: Option<Instant>,
    /// Whether there was one.
    late: bool,
}

impl Rows {
    /// No row yet.
    pub fn new() -> Self {
        Self { lines: Some(Box::default()), ..Self::default() }
    }

    /// Takes an event up to the window's end; one before the window only if the metric recurs.
    pub fn add(&mut self, table: &Table<'_>, operation: &Operation, text: Option<&str>) {
        let Some(lines) = &mut self.lines else { return };
        let Operation { value, at, adds, yields } = *operation;
        if self.floor.is_some_and(|floor| at.0 < floor) {
            self.late = true;
            return;
        }
        let (day, steps) = (table.days.day(at.0), table.steps);
        let line = lines.entry(value).or_insert(Line { last: at, rows: 0, stay: Stay::Never });
        if at < line.last {
            return;
        }
        line.last = at;
        let walked = &mut self.walked;
        let place = |(at, number): Own| Place { at, value: text.map(Into::into), number };
        let own = (at.0, line.rows);
        line.stay = match line.stay {
            Stay::Present { added, start } if !adds => {
                self.present = self.present.saturating_sub(1);
                line.rows = line.rows.saturating_add(1);
                let share = table.share(start, table.days.end(at.0));
                walked.change(steps, place(added), share, false);
                walked.edit(steps, place(own), Some(Row::new(false, 0)));
                Stay::Gone { added, start, removed: own, day }
            }
            Stay::Gone { added, start, removed, day: gone } if adds && yields && gone == day => {
                self.present = self.present.saturating_add(1);
                walked.edit(steps, place(removed), None);
                walked.change(steps, place(added), table.lasting(start), true);
                Stay::Present { added, start }
            }
            Stay::Never | Stay::Gone { .. } if adds => {
                self.present = self.present.saturating_add(1);
                line.rows = line.rows.saturating_add(1);
                let start = table.days.start(at.0);
                walked.edit(steps, place(own), Some(Row::new(true, table.lasting(start))));
                Stay::Present { added: own, start }
            }
            _ => return,
        };
    }

    /// The rows as prices read them; none if they have to walk again.
    pub fn entries(&self) -> Option<Entries> {
        let told = !(self.walked.stale || self.late);
        told.then(|| self.walked.filling.entries(self.present))
    }

    /// Number of all rows that are kept.
    pub fn len(&self) -> usize {
        self.walked.rows.len()
    }

    /// Whether only a new fold over all events in order helps.
    pub const fn is_late(&self) -> bool {
        self.late
    }

    /// Whether the rows have to walk again. No event is needed for that.
    pub const fn is_stale(&self) -> bool {
        self.walked.stale
    }

    /// Has them walk again.
    pub fn walk_again(&mut self, steps: &Steps) {
        self.walked.walk_again(steps);
    }

    /// The same at a later window, given that no event lies after the end of this one and before
    /// it. What changes nothing there is left out, so that the rows of long ago do not pile up.
    pub fn roll(&self, table: &Table<'_>) -> Self {
        let Some(lines) = &self.lines else { return self.clone() };
        let from = table.days.frame.from;
        let floor = from.plus_micros(-KEPT_BEFORE);
        let first = table.days.start(from);
        let mut lines = lines.clone();
        // Additions that may be charged for again: their removals can still be taken back.
        let mut returning: Vec<Own> = Vec::new();
        lines.retain(|_, line| match &mut line.stay {
            Stay::Never => line.last.0 >= floor,
            Stay::Present { start, .. } => {
                *start = first;
                true
            }
            Stay::Gone { added, start, removed, .. } => {
                *start = first;
                let stays = removed.0 >= floor;
                returning.extend(stays.then_some(*added));
                stays
            }
        });
        returning.sort_unstable();
        let returns = |place: &Place| returning.binary_search(&(place.at, place.number)).is_ok();
        let share = table.lasting(first);
        // The most units that may be present: a removal that finds none can never find one.
        let mut level = 0_u64;
        let rows = self.walked.rows.iter().filter_map(|(place, row)| {
            let stays =
                if row.adds { row.lasts || returns(place) } else { place.at >= floor || level > 0 };
            level = if row.adds { level + u64::from(stays) } else { level.saturating_sub(1) };
            let share = if row.lasts { share } else { 0 };
            stays.then(|| (place.clone(), row.with_share(share)))
        });
        let mut walked = Walked { rows: rows.collect(), stale: true, ..Walked::default() };
        walked.walk_again(table.steps);
        Self { lines: Some(lines), walked, present: self.present, floor: Some(floor), late: false }
    }

    /// A copy that reads alike, without the rows. Nothing may be added to it.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { lines: None, walked: self.walked.snapshot(), ..*self }
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.lines.as_ref().map_or(0, |lines| values::weight(lines)) + self.walked.weight()
    }

    /// Appends the packed form. Equal states give equal bytes.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        let none = Values::default();
        put_values(out, self.lines.as_deref().unwrap_or(&none), |out, line| line.write_bytes(out));
        self.walked.write_bytes(out);
        put_varint(out, self.present);
        put_option(out, self.floor, |out, floor| put_zigzag(out, floor.micros()));
        out.push(u8::from(self.late));
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let lines = take_values(bytes, VALUE_BYTES, Line::read_bytes)?;
        Some(Self {
            lines: Some(Box::new(lines)),
            walked: Walked::read_bytes(bytes)?,
            present: take_varint(bytes)?,
            floor: take_option(bytes, take_zigzag)?.map(Instant),
            late: take_flag(bytes)?,
        })
    }
}

const NEVER: u8 = 0;
const PRESENT: u8 = 1;
const GONE: u8 = 2;

impl Line {
    fn write_bytes(&self, out: &mut Vec<u8>) {
        put_at(out, self.last);
        put_varint(out, u64::from(self.rows));
        let put_start = |out: &mut Vec<u8>, added: Own, start: i32| {
            put_own(out, added);
            put_zigzag(out, i64::from(start));
        };
        match self.stay {
            Stay::Never => out.push(NEVER),
            Stay::Present { added, start } => {
                out.push(PRESENT);
                put_start(out, added, start);
            }
            Stay::Gone { added, start, removed, day } => {
                out.push(GONE);
                put_start(out, added, start);
                put_own(out, removed);
                put_zigzag(out, i64::from(day));
            }
        }
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            last: take_at(bytes)?,
            rows: take_number(bytes)?,
            stay: match take_byte(bytes)? {
                NEVER => Stay::Never,
                PRESENT => Stay::Present { added: take_own(bytes)?, start: take_day(bytes)? },
                GONE => Stay::Gone {
                    added: take_own(bytes)?,
                    start: take_day(bytes)?,
                    removed: take_own(bytes)?,
                    day: take_day(bytes)?,
                },
                _ => return None,
            },
        })
    }
}

fn put_own(out: &mut Vec<u8>, (at, number): Own) {
    put_zigzag(out, at.micros());
    put_varint(out, u64::from(number));
}

fn take_own(bytes: &mut &[u8]) -> Option<Own> {
    Some((Instant(take_zigzag(bytes)?), take_number(bytes)?))
}
