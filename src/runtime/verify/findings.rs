//! What a verification has found.

use std::collections::{BTreeMap, HashMap};

use crate::core::position::{Position, Source};
use crate::engine::digest::Digest;

/// Differences that are kept with their places; further ones are counted.
pub const DIFFERENCES_MAX: usize = 100;

/// Offsets of one partition that share a digest: a difference with the log is narrowed down to so
/// many records, and a thousand million records are 15 000 digests.
const RANGE_OFFSETS: i64 = 1 << 16;

/// One place where two accounts of the same thing differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The slot; none for what belongs to none.
    pub slot: Option<u8>,
    /// What kind of place it is: `store`, `slot`, `block`, `account`, `chunk`, `totals`, `ids`,
    /// `catalogue` or `offsets`.
    pub kind: &'static str,
    /// The place.
    pub place: String,
    /// What differs there.
    pub what: String,
}

impl Difference {
    /// A difference at a place.
    pub const fn new(slot: Option<u8>, kind: &'static str, place: String, what: String) -> Self {
        Self { slot, kind, place, what }
    }

    /// A difference of the store as a whole.
    pub fn of_store(what: &str) -> Self {
        Self::new(None, "store", "the store".to_owned(), what.to_owned())
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(slot) = self.slot {
            write!(f, "slot {slot}, ")?;
        }
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that count, in the history and the tail.
    pub events: u64,
    /// Accounts.
    pub accounts: u64,
    /// Windows whose totals are exactly those of a fold from zero.
    pub windows_equal: u64,
    /// Windows kept in another form than a fold from zero gives them, with the same figures.
    pub windows_alike: u64,
    /// Windows that a read would scan, so that nothing of them is claimed.
    pub windows_to_scan: u64,
    /// Accounts folded under rules that are no longer in force: a start throws their totals away.
    pub accounts_to_rebuild: u64,
    /// Entries of the index of ids.
    pub ids: u64,
}

/// The events of a stretch of offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Sum of their shares, see [`Ranges::add`].
    pub digest: Digest,
    /// How many there are.
    pub events: u64,
}

/// Digests by partition and stretch of offsets, of events that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(pub BTreeMap<(Source, i64), Range>);

impl Ranges {
    /// Adds an event. Its log time takes no part: it depends on records that the log may no longer
    /// have.
    pub fn add(&mut self, names: u64, transaction: &str, position: &Position) {
        let timeless = Position { log_time: Position::default().log_time, ..*position };
        let key = (position.source, position.offset.div_euclid(RANGE_OFFSETS));
        let range = self.0.entry(key).or_default();
        range.digest.add(Digest::of(names, transaction, &timeless));
        range.events += 1;
    }

    /// First and last offset of a stretch.
    pub const fn offsets(number: i64) -> (i64, i64) {
        let first = number.saturating_mul(RANGE_OFFSETS);
        (first, first.saturating_add(RANGE_OFFSETS - 1))
    }

    fn merge(&mut self, other: Self) {
        for (key, range) in other.0 {
            let own = self.0.entry(key).or_default();
            own.digest.add(range.digest);
            own.events += range.events;
        }
    }
}

/// What a verification has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What was compared.
    pub tally: Tally,
    /// The first differences, in the order of slots.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub differing: u64,
    /// Digests of the ledger by range of offsets, if they were asked for.
    pub ranges: Ranges,
    /// Events that the index of ids does not have to include yet, by identity; likewise.
    pub unindexed: HashMap<u128, Position>,
}

impl Findings {
    /// Notes a difference.
    pub fn differ(&mut self, difference: Difference) {
        self.differing += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }

    /// Adds what others have found.
    pub fn merge(&mut self, other: Self) {
        let Tally { events, accounts, ids, .. } = other.tally;
        self.tally.events += events;
        self.tally.accounts += accounts;
        self.tally.ids += ids;
        self.tally.windows_equal += other.tally.windows_equal;
        self.tally.windows_alike += other.tally.windows_alike;
        self.tally.windows_to_scan += other.tally.windows_to_scan;
        self.tally.accounts_to_rebuild += other.tally.accounts_to_rebuild;
        self.ranges.merge(other.ranges);
        self.unindexed.extend(other.unindexed);
        let untold = other.differing - other.differences.len() as u64;
        other.differences.into_iter().for_each(|difference| self.differ(difference));
        self.differing += untold;
    }

    /// Orders the differences by slot, those that belong to none last.
    pub(super) fn sort(&mut self) {
        self.differences.sort_by_key(|difference| difference.slot.map_or(u16::MAX, u16::from));
    }
}
