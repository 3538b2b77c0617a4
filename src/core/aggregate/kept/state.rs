//! What is kept of one group.

use super::bytes::take_byte;
use super::distinct::Distinct;
use super::latest::Latest;
use super::peak::Peak;
use super::recipe::Rules;
use super::shares::Shares;
use super::tally::Tally;
use super::{Seen, Span};
use crate::core::catalog::Aggregation;

/// What is kept of one group, or of a bucket that is not split. Most buckets count or add up, and
/// there are millions of them: what needs more room lies elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Counts and sums.
    Tally(Tally),
    /// Maxima.
    Peak(Peak),
    /// Latest values.
    Latest(Box<Latest>),
    /// Unique counts.
    Distinct(Box<Distinct>),
    /// Prorated sums.
    Shares(Box<Shares>),
}

const TALLY: u8 = 0;
const PEAK: u8 = 1;
const LATEST: u8 = 2;
const DISTINCT: u8 = 3;
const SHARES: u8 = 4;

impl State {
    /// Nothing yet.
    pub fn new(rules: &Rules) -> Self {
        match rules.aggregation {
            Aggregation::Max => Self::Peak(Peak::default()),
            Aggregation::Latest => Self::Latest(Box::default()),
            Aggregation::UniqueCount => Self::Distinct(Box::new(Distinct::new())),
            Aggregation::Sum if rules.prorated => Self::Shares(Box::default()),
            _ => Self::Tally(Tally::default()),
        }
    }

    /// Counts an event of the group.
    pub fn add(&mut self, rules: &Rules, span: &Span<'_>, seen: &Seen<'_>) {
        match self {
            Self::Tally(tally) => tally.add(rules.dynamic, seen),
            Self::Peak(peak) => peak.add(&seen.value),
            Self::Latest(latest) => latest.add(seen),
            Self::Distinct(distinct) => distinct.add(seen),
            Self::Shares(shares) => shares.add(rules.dynamic, span, seen),
        }
    }

    /// Adds what another state of the same rules holds. Returns false if the two cannot be one.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tally(mine), Self::Tally(theirs)) => mine.merge(theirs),
            (Self::Peak(mine), Self::Peak(theirs)) => mine.merge(theirs),
            (Self::Latest(mine), Self::Latest(theirs)) => mine.merge(theirs),
            (Self::Shares(mine), Self::Shares(theirs)) => mine.merge(theirs),
            _ => return false,
        }
        true
    }

    /// Whether no event was counted.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Tally(tally) => tally.count == 0,
            Self::Peak(peak) => peak.count == 0,
            Self::Latest(latest) => latest.count == 0,
            Self::Distinct(distinct) => distinct.values() == 0,
            Self::Shares(shares) => shares.all.count == 0,
        }
    }

    /// Number of distinct values that are kept.
    pub fn values(&self) -> usize {
        match self {
            Self::Distinct(distinct) => distinct.values(),
            _ => 0,
        }
    }

    /// The state at a later window of a bucket that looks back; none if it cannot be told.
    pub fn roll(&self) -> Option<Self> {
        match self {
            Self::Tally(_) | Self::Distinct(_) => Some(self.clone()),
            Self::Shares(shares) => Some(Self::Shares(Box::new(shares.roll()))),
            Self::Peak(_) | Self::Latest(_) => None,
        }
    }

    /// A copy that measures alike, without large sets.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        match self {
            Self::Distinct(distinct) => Self::Distinct(Box::new(distinct.snapshot())),
            _ => self.clone(),
        }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        match self {
            Self::Tally(tally) => {
                out.push(TALLY);
                tally.write_bytes(out);
            }
            Self::Peak(peak) => {
                out.push(PEAK);
                peak.write_bytes(out);
            }
            Self::Latest(latest) => {
                out.push(LATEST);
                latest.write_bytes(out);
            }
            Self::Distinct(distinct) => {
                out.push(DISTINCT);
                distinct.write_bytes(out);
            }
            Self::Shares(shares) => {
                out.push(SHARES);
                shares.write_bytes(out);
            }
        }
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(match take_byte(bytes)? {
            TALLY => Self::Tally(Tally::read_bytes(bytes)?),
            PEAK => Self::Peak(Peak::read_bytes(bytes)?),
            LATEST => Self::Latest(Box::new(Latest::read_bytes(bytes)?)),
            DISTINCT => Self::Distinct(Box::new(Distinct::read_bytes(bytes)?)),
            SHARES => Self::Shares(Box::new(Shares::read_bytes(bytes)?)),
            _ => return None,
        })
    }

    /// Bytes in memory besides its own place, roughly.
    pub fn weight(&self) -> usize {
        match self {
            Self::Tally(_) | Self::Peak(_) => 0,
            Self::Latest(_) => size_of::<Latest>(),
            Self::Distinct(distinct) => distinct.weight(),
            Self::Shares(_) => size_of::<Shares>(),
        }
    }
}
