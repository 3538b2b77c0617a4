//! Saved prefixes of an ordered fold, so that what comes late has only what lies after it folded
//! again.
//!
//! A mark is a copy of the machine with the last entry that is in it. They are made as entries are
//! folded, and thinned out with their age: of two to the power of `k` folds ago there is one at
//! least every other two to the power of `k`. So the newest mark before an entry, or the beginning,
//! lies at most four times as far back as the entry, and there are no more of them than the number
//! of folds has binary digits. Which marks there are depends on the number of entries alone: a fold
//! that was repaired from a mark is the same as one from the beginning.

use super::bytes::{put_at, put_varint, take_at, take_count, take_varint};
use super::latest::At;
use super::ordered::Machine;
use crate::core::planted::{Fault, planted};

/// Most marks of one fold. With twelve, a fold of a million entries still has one about every 256
/// entries near its end; of longer ones the finest are left out, so that a repair reads no more
/// than one part in a thousand of all for that.
pub const MARKS_MAX: u32 = 12;
/// A machine that takes more bytes than this is not copied: its marks would be most of the bucket.
const MACHINE_BYTES_MAX: usize = 4 << 10;
/// The least that the packed form of a mark takes: its number and the five numbers of its key.
const MARK_BYTES: usize = 6;

/// A copy of the machine.
#[derive(Clone, Debug, PartialEq)]
struct Mark<M> {
    /// How many folds are in it.
    number: u64,
    /// The last entry that is in it.
    to: At,
    machine: M,
}

/// The saved prefixes of a fold, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Marks<M> {
    /// How often entries were folded.
    folds: u64,
    marks: Vec<Mark<M>>,
}

impl<M> Default for Marks<M> {
    fn default() -> Self {
        Self { folds: 0, marks: Vec::new() }
    }
}

/// Whether the mark of a fold is still kept after `folds` of them.
fn is_kept(number: u64, folds: u64) -> bool {
    let level = number.trailing_zeros();
    let finest = folds.checked_ilog2().map_or(0, |log| (log + 1).saturating_sub(MARKS_MAX));
    let age = folds.saturating_sub(number);
    level >= finest && age.checked_shr(level + 1).unwrap_or(0) == 0
}

impl<M: Machine> Marks<M> {
    /// Counts a fold. `machine` is as it was left, and `is_prefix` says that exactly the entries up
    /// to `to` are in it.
    pub fn folded(&mut self, machine: &M, to: At, is_prefix: bool) {
        self.folds = self.folds.saturating_add(1);
        let folds = self.folds;
        self.marks.retain(|mark| is_kept(mark.number, folds));
        if is_prefix && is_kept(folds, folds) && machine.weight() <= MACHINE_BYTES_MAX {
            self.marks.push(Mark { number: folds, to, machine: machine.clone() });
        }
    }

    /// Drops the marks that an entry should have been in.
    pub fn drop_after(&mut self, entry: At) {
        if !planted(Fault::MarkOutlivesLateEvent) {
            self.marks.truncate(self.marks.partition_point(|mark| mark.to < entry));
        }
    }

    /// The newest mark.
    pub fn last(&self) -> Option<(At, &M)> {
        self.marks.last().map(|mark| (mark.to, &mark.machine))
    }

    /// Forgets all marks.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Goes back to the newest mark.
    pub fn rewind(&mut self) -> Option<(At, M)> {
        let last = self.marks.last();
        self.folds = last.map_or(0, |mark| mark.number);
        let older = self.marks.iter().rev().nth(1).filter(|_| planted(Fault::RepairReadsTooLittle));
        last.map(|mark| (mark.to, older.unwrap_or(mark).machine.clone()))
    }

    /// The machines, to be changed alike.
    pub fn machines_mut(&mut self) -> impl Iterator<Item = &mut M> {
        self.marks.iter_mut().map(|mark| &mut mark.machine)
    }

    /// Whether nothing was ever folded.
    pub const fn is_empty(&self) -> bool {
        self.folds == 0
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        let machines: usize = self.marks.iter().map(|mark| mark.machine.weight()).sum();
        self.marks.capacity() * size_of::<Mark<M>>() + machines
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        put_varint(out, self.folds);
        put_varint(out, self.marks.len() as u64);
        for mark in &self.marks {
            put_varint(out, mark.number);
            put_at(out, mark.to);
            mark.machine.write_bytes(out);
        }
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let folds = take_varint(bytes)?;
        let count = take_count(bytes, MARK_BYTES)?;
        let mut marks: Vec<Mark<M>> = Vec::with_capacity(count.min(MARKS_MAX as usize));
        for _ in 0..count {
            let (number, to) = (take_varint(bytes)?, take_at(bytes)?);
            let follows = marks.last().is_none_or(|last| last.number < number && last.to < to);
            if !follows || number == 0 || number > folds {
                return None;
            }
            marks.push(Mark { number, to, machine: M::read_bytes(bytes)? });
        }
        Some(Self { folds, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::super::summit::Summit;
    use super::*;
    use crate::core::instant::Instant;
    use crate::core::position::Position;

    fn at(number: u64) -> At {
        (Instant(i64::try_from(number).unwrap()), Position::default())
    }

    fn marks(folds: u64) -> Marks<Summit> {
        let mut marks = Marks::default();
        (1..=folds).for_each(|number| marks.folded(&Summit::begin(&()), at(number), true));
        marks
    }

    #[test]
    fn marks_are_few_and_near_to_whatever_comes_late() {
        let mut all = Marks::default();
        for folds in 1..=20_000_u64 {
            all.folded(&Summit::begin(&()), at(folds), true);
            assert!(all.marks.len() <= MARKS_MAX as usize, "{folds}");
            if folds % 37 != 0 {
                continue;
            }
            for back in [1, 2, 3, 10, 100, 1_000, 9_999].into_iter().filter(|back| *back < folds) {
                let mut late = all.clone();
                late.drop_after(at(folds - back));
                let newest = late.last().map_or(0, |(to, _)| to.0.0.cast_unsigned());
                let read = folds - newest;
                let finest = folds >> (MARKS_MAX - 2);
                assert!(read <= 4 * back.max(finest).max(1), "{folds} {back}: {read}");
            }
        }
    }

    #[test]
    fn a_fold_goes_on_from_a_mark_as_if_nothing_had_happened() {
        for back in [1, 5, 70, 400] {
            let right = marks(1_000);
            let mut repaired = right.clone();
            repaired.drop_after(at(1_000 - back));
            let (to, _) = repaired.rewind().unwrap();
            assert!(to < at(1_000 - back));
            for number in repaired.folds + 1..=1_000 {
                repaired.folded(&Summit::begin(&()), at(number), true);
            }
            assert_eq!(repaired, right);
        }
    }

    #[test]
    fn marks_out_of_order_are_bytes_that_nobody_wrote() {
        let mut marks = marks(5);
        marks.marks.swap(0, 1);
        let mut out = Vec::new();
        marks.write_bytes(&mut out);
        assert_eq!(Marks::<Summit>::read_bytes(&mut &out[..]), None);
    }
}
