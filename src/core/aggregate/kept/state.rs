//! What is kept of one group.

use super::bytes::take_byte;
use super::carrying::Carrying;
use super::distinct::Distinct;
use super::latest::Latest;
use super::peak::Peak;
use super::presence::{Days, Operation, Presence};
use super::recipe::Rules;
use super::repair::Repair;
use super::shares::Shares;
use super::tally::Tally;
use super::with::With;
use super::{Seen, Span};
use crate::core::aggregate::unique::adds;
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;

/// What a state depends on besides its events.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// How it is kept.
    pub rules: &'a Rules,
    /// The window.
    pub span: &'a Span<'a>,
    /// Σ of the values before the window, of all groups of the bucket together; kept only for
    /// prorated tiers.
    pub carried: &'a Decimal,
}

impl<'a> Around<'a> {
    /// What the days of presences depend on.
    pub fn days(&self) -> Days<'a> {
        Days { frame: &self.span.frame, grouped: !self.rules.group_keys.is_empty() }
    }

    /// An event as presences see it.
    pub(super) fn operation(&self, seen: &Seen<'_>) -> Operation {
        let has = |key: &str| seen.event.properties.text(key).is_some();
        let keyed = self.rules.group_keys.iter().all(|key| has(key));
        Operation {
            value: seen.key,
            at: seen.at(),
            adds: adds(seen.event),
            yields: keyed && has(&self.rules.field),
        }
    }
}

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
    /// Prorated unique counts.
    Presence(Box<Presence>),
    /// Prorated sums.
    Shares(Box<Shares>),
    /// Weighted sums.
    Carrying(Box<Carrying>),
    /// One of these with what else its price reads.
    With(Box<With>),
}

const TALLY: u8 = 0;
const PEAK: u8 = 1;
const LATEST: u8 = 2;
const DISTINCT: u8 = 3;
const SHARES: u8 = 4;
const CARRYING: u8 = 5;
const WITH: u8 = 6;
const PRESENCE: u8 = 7;

impl State {
    /// Nothing yet.
    pub fn new(rules: &Rules) -> Self {
        With::new(rules).map_or_else(|| Self::plain(rules), |with| Self::With(Box::new(with)))
    }

    /// Nothing yet, without what else the price reads.
    pub fn plain(rules: &Rules) -> Self {
        match rules.aggregation {
            Aggregation::Max => Self::Peak(Peak::default()),
            Aggregation::Latest => Self::Latest(Box::default()),
            Aggregation::UniqueCount if rules.prorated => Self::Presence(Box::default()),
            Aggregation::UniqueCount => Self::Distinct(Box::new(Distinct::new())),
            Aggregation::WeightedSum => Self::Carrying(Box::default()),
            Aggregation::Sum if rules.prorated => Self::Shares(Box::default()),
            Aggregation::Sum | Aggregation::Count => Self::Tally(Tally::default()),
        }
    }

    /// Counts an event of the group.
    pub fn add(&mut self, around: &Around<'_>, seen: &Seen<'_>) {
        let dynamic = around.rules.dynamic;
        match self {
            Self::Carrying(carrying) => carrying.add(around.span, seen),
            Self::With(with) => with.add(around, seen),
            _ if seen.again => {}
            Self::Tally(tally) => tally.add(dynamic, seen),
            Self::Peak(peak) => peak.add(&seen.value),
            Self::Latest(latest) => latest.add(seen),
            Self::Distinct(distinct) => distinct.add(seen),
            Self::Presence(presence) => {
                presence.add(&around.days(), &around.operation(seen));
            }
            Self::Shares(shares) => shares.add(dynamic, around.span, seen),
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

    /// What mends the state after an event that came later than it can take; none if there was
    /// none.
    pub fn repair(&self, around: &Around<'_>) -> Option<Repair> {
        match self {
            Self::Presence(presence) => presence.is_late().then_some(Repair::Anew),
            Self::Carrying(carrying) => carrying.repair(around.span),
            Self::With(with) => with.repair(around),
            _ => None,
        }
    }

    /// Goes back to where a repair begins that is not one of all events.
    pub fn rewind(&mut self, around: &Around<'_>) {
        match self {
            Self::Carrying(carrying) => carrying.rewind(around.span),
            Self::With(with) => with.rewind(around),
            _ => {}
        }
    }

    /// Ends a repair.
    pub fn settle(&mut self, around: &Around<'_>) {
        match self {
            Self::Carrying(carrying) => carrying.settle(),
            Self::With(with) => with.settle(around),
            _ => {}
        }
    }

    /// Number of distinct values that are kept.
    pub fn values(&self) -> usize {
        match self {
            Self::Distinct(distinct) => distinct.values(),
            Self::Presence(presence) => presence.values(),
            Self::With(with) => with.values(),
            _ => 0,
        }
    }

    /// The state at a later window of a bucket that looks back; none if it cannot be told.
    pub fn roll(&self, old: &Around<'_>, new: &Around<'_>) -> Option<Self> {
        match self {
            Self::Tally(_) | Self::Distinct(_) => Some(self.clone()),
            Self::Presence(presence) => {
                let mut presence = presence.clone();
                presence.roll(&new.days());
                Some(Self::Presence(presence))
            }
            Self::Shares(shares) => Some(Self::Shares(Box::new(shares.roll()))),
            Self::Carrying(carrying) => Some(Self::Carrying(Box::new(carrying.roll(old.span)))),
            Self::With(with) => Some(Self::With(Box::new(with.roll(old, new)?))),
            Self::Peak(_) | Self::Latest(_) => None,
        }
    }

    /// A copy that measures alike, without large sets.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        match self {
            Self::Distinct(distinct) => Self::Distinct(Box::new(distinct.snapshot())),
            Self::Presence(presence) => Self::Presence(Box::new(presence.snapshot())),
            Self::Carrying(carrying) => Self::Carrying(Box::new(carrying.snapshot())),
            Self::With(with) => Self::With(Box::new(with.snapshot())),
            _ => self.clone(),
        }
    }

    /// Bytes in memory besides its own place, roughly.
    pub fn weight(&self) -> usize {
        match self {
            Self::Tally(_) | Self::Peak(_) => 0,
            Self::Latest(_) => size_of::<Latest>(),
            Self::Distinct(distinct) => distinct.weight(),
            Self::Presence(presence) => size_of::<Presence>() + presence.weight(),
            Self::Shares(_) => size_of::<Shares>(),
            Self::Carrying(carrying) => size_of::<Carrying>() + carrying.weight(),
            Self::With(with) => size_of::<With>() + with.weight(),
        }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Tally(_) => TALLY,
            Self::Peak(_) => PEAK,
            Self::Latest(_) => LATEST,
            Self::Distinct(_) => DISTINCT,
            Self::Presence(_) => PRESENCE,
            Self::Shares(_) => SHARES,
            Self::Carrying(_) => CARRYING,
            Self::With(_) => WITH,
        });
        match self {
            Self::Tally(tally) => tally.write_bytes(out),
            Self::Peak(peak) => peak.write_bytes(out),
            Self::Latest(latest) => latest.write_bytes(out),
            Self::Distinct(distinct) => distinct.write_bytes(out),
            Self::Presence(presence) => presence.write_bytes(out),
            Self::Shares(shares) => shares.write_bytes(out),
            Self::Carrying(carrying) => carrying.write_bytes(out),
            Self::With(with) => with.write_bytes(out),
        }
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        match take_byte(bytes)? {
            WITH => With::read_bytes(bytes).map(Box::new).map(Self::With),
            form => Self::read_plain(form, bytes),
        }
    }

    /// Reads the packed form of a state that has nothing with it. States never nest any deeper, so
    /// damaged bytes cannot either.
    pub fn read_plain(form: u8, bytes: &mut &[u8]) -> Option<Self> {
        Some(match form {
            TALLY => Self::Tally(Tally::read_bytes(bytes)?),
            PEAK => Self::Peak(Peak::read_bytes(bytes)?),
            LATEST => Self::Latest(Box::new(Latest::read_bytes(bytes)?)),
            DISTINCT => Self::Distinct(Box::new(Distinct::read_bytes(bytes)?)),
            PRESENCE => Self::Presence(Box::new(Presence::read_bytes(bytes)?)),
            SHARES => Self::Shares(Box::new(Shares::read_bytes(bytes)?)),
            CARRYING => Self::Carrying(Box::new(Carrying::read_bytes(bytes)?)),
            _ => return None,
        })
    }
}
