//! Tiers that are filled one unit at a time: the walk of pricing details 6 for prorated unique
//! counts, in whole numbers.
//!
//! With whole bounds a row, one unit more or less, never ends beyond a bound, so it is never split
//! between tiers. The units that are collected until a tier is settled are a segment: all of them
//! cost that tier's price. Which segment a row belongs to depends on the rows before it alone; what
//! its share is, only decides what the segment comes to. So a share may change long after its row
//! was walked, in one step.

use super::bytes::{put_varint, put_zigzag, take_count, take_varint, take_zigzag};
use crate::core::aggregate::advance::PRORATED_PLACES;
use crate::core::decimal::Decimal;
use crate::core::pricing::range::Range;
use crate::core::pricing::{Entries, Filled};

/// Most tiers of a table whose rows are kept: nobody has as many, and a tier fits two bytes.
const TIERS_MAX: usize = u16::MAX as usize;
/// The least that the packed form of a segment takes: its tier and what it comes to.
const SEGMENT_BYTES: usize = 2;

/// The bounds of one tier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Step {
    from: u64,
    /// None for an open end.
    to: Option<u64>,
}

/// The bounds of tiers, which decide where a unit falls. What it costs there is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Steps(Box<[Step]>);

impl Steps {
    /// The bounds of a table as charges may have it (charge properties 5): from 0 or 1 on, each
    /// tier where the one before ends or one unit later, the last one open. None if one has a
    /// fraction.
    pub fn of(ranges: &[Range]) -> Option<Self> {
        if ranges.len() > TIERS_MAX {
            return None;
        }
        let whole = |value: &Decimal| u64::try_from(value.to_i64()?).ok();
        let mut steps: Vec<Step> = Vec::with_capacity(ranges.len());
        for range in ranges {
            let from = whole(&range.from.value)?;
            let to = match &range.to {
                Some(to) => Some(whole(&to.value)?),
                None => None,
            };
            let before = steps.last().map_or(Some(0), |before| before.to)?;
            if from.checked_sub(before)? > 1 || to.is_some_and(|to| to <= from) {
                return None;
            }
            steps.push(Step { from, to });
        }
        steps.last().is_some_and(|last| last.to.is_none()).then(|| Self(steps.into()))
    }

    /// The tier of the next unit; see [`Walk`](crate::core::pricing::Walk).
    fn tier(&self, level: u64, grows: bool) -> usize {
        if level == 0 {
            return 0;
        }
        for (index, step) in self.0.iter().enumerate() {
            match step.to {
                // The last tier is open, so another one follows.
                Some(to) if level == to => return index + usize::from(grows),
                Some(to) if level > to => {}
                _ if step.from <= level => return index,
                _ => {}
            }
        }
        0
    }

    /// Whether a tier goes on after a unit has led to this level.
    fn goes_on(&self, tier: usize, level: u64) -> bool {
        self.0.get(tier).is_none_or(|step| match step.to {
            Some(to) => step.from <= level && level < to,
            None => level.saturating_add(1) >= step.from,
        })
    }
}

/// How far the rows up to some place have filled the tiers, but for their shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Units that are present.
    level: u32,
    /// The most there were.
    peak: u32,
    /// The tier of the last row.
    tier: u16,
    /// Number of segments that are settled.
    segments: u32,
    /// Whether something is in the next one.
    holds: bool,
}

impl Path {
    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        let tier = u32::from(self.tier);
        let numbers = [self.level, self.peak, tier, self.segments, u32::from(self.holds)];
        numbers.into_iter().for_each(|number| put_varint(out, u64::from(number)));
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let mut number = || u32::try_from(take_varint(bytes)?).ok();
        Some(Self {
            level: number()?,
            peak: number()?,
            tier: u16::try_from(number()?).ok()?,
            segments: number()?,
            holds: match number()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }
}

/// Rows that cost the same tier's price.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    tier: u16,
    /// Σ of their shares, in the last of the places they are rounded to.
    sum: i64,
}

/// Tiers that rows have filled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filling {
    path: Path,
    /// Those that are settled; left behind by copies to read from.
    segments: Vec<Segment>,
    /// Σ of the shares of those that are settled, by tier.
    sums: Vec<i64>,
    /// What the segment comes to that is not settled.
    pending: i64,
}

impl Filling {
    /// The way up to here.
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Takes the next row: a unit more with this share, or one less. Returns the segment of what it
    /// adds; none if it is passed over, or adds nothing.
    pub fn push(&mut self, steps: &Steps, adds: bool, share: i64) -> Option<u32> {
        let path = &mut self.path;
        let tier = steps.tier(u64::from(path.level), adds);
        path.tier = u16::try_from(tier).unwrap_or(u16::MAX);
        // Units that are charged for no time, and removals below 0, change nothing.
        let passed = if adds { share == 0 } else { path.level == 0 };
        if passed {
            return None;
        }
        let segment = path.segments;
        if adds {
            path.level = path.level.saturating_add(1);
            path.peak = path.peak.max(path.level);
            path.holds = true;
            self.pending = self.pending.saturating_add(share);
        } else {
            path.level -= 1;
        }
        if !steps.goes_on(tier, u64::from(path.level)) && path.holds {
            self.settle();
        }
        adds.then_some(segment)
    }

    fn settle(&mut self) {
        let Self { path, segments, sums, pending } = self;
        let (tier, sum) = (path.tier, std::mem::take(pending));
        add_at(sums, tier, sum);
        segments.push(Segment { tier, sum });
        path.segments = path.segments.saturating_add(1);
        path.holds = false;
    }

    /// Changes the share of a row that was taken.
    pub fn change(&mut self, segment: u32, by: i64) {
        if segment == self.path.segments {
            self.pending = self.pending.saturating_add(by);
        } else if let Some(settled) = self.segments.get_mut(segment as usize) {
            settled.sum = settled.sum.saturating_add(by);
            add_at(&mut self.sums, settled.tier, by);
        }
    }

    /// Goes back to an earlier place, of which all later rows' shares were taken away.
    pub fn back(&mut self, path: Path) {
        let cut = path.segments as usize;
        if let Some(open) = self.segments.get(cut) {
            self.pending = open.sum;
            add_at(&mut self.sums, open.tier, open.sum.saturating_neg());
        }
        self.segments.truncate(cut);
        self.path = path;
    }

    /// What prices read of it, where so many units are present.
    pub fn entries(&self, units: u64) -> Entries {
        let mut sums = self.sums.clone();
        add_at(&mut sums, self.path.tier, self.pending);
        let places = PRORATED_PLACES.unsigned_abs();
        let share = |sum: i64| Decimal::from_i128(i128::from(sum), places);
        Entries::Filled(Box::new(Filled {
            units: Decimal::from(units),
            peak: Decimal::from(u64::from(self.path.peak)),
            tiers: sums.into_iter().map(share).collect(),
        }))
    }

    /// A copy that reads alike. Nothing may be added to it.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { segments: Vec::new(), sums: self.sums.clone(), ..*self }
    }

    /// Bytes in memory besides the struct itself, roughly.
    pub fn weight(&self) -> usize {
        self.segments.capacity() * size_of::<Segment>() + self.sums.capacity() * size_of::<i64>()
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        self.path.write_bytes(out);
        put_zigzag(out, self.pending);
        put_varint(out, self.segments.len() as u64);
        for segment in &self.segments {
            put_varint(out, u64::from(segment.tier));
            put_zigzag(out, segment.sum);
        }
        put_varint(out, self.sums.len() as u64);
        self.sums.iter().for_each(|sum| put_zigzag(out, *sum));
    }

    /// Reads the packed form; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let (path, pending) = (Path::read_bytes(bytes)?, take_zigzag(bytes)?);
        let count = take_count(bytes, SEGMENT_BYTES)?;
        let mut segments = Vec::with_capacity(count);
        for _ in 0..count {
            let tier = u16::try_from(take_varint(bytes)?).ok()?;
            segments.push(Segment { tier, sum: take_zigzag(bytes)? });
        }
        let count = take_count(bytes, 1)?;
        let sums = (0..count).map(|_| take_zigzag(bytes)).collect::<Option<Vec<i64>>>()?;
        (path.segments as usize == segments.len()).then_some(Self { path, segments, sums, pending })
    }
}

/// Adds to the sum of a tier. Sums that are 0 are not kept at the end, so that equal fillings are
/// equal.
fn add_at(sums: &mut Vec<i64>, tier: u16, by: i64) {
    let tier = usize::from(tier);
    if sums.len() <= tier {
        sums.resize(tier + 1, 0);
    }
    if let Some(sum) = sums.get_mut(tier) {
        *sum = sum.saturating_add(by);
    }
    while sums.last() == Some(&0) {
        sums.pop();
    }
}
