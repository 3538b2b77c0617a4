//! What prices read of single events (aggregation details 4 and 9).

use super::Seen;
use super::bytes::{put_varint, take_byte, take_varint};
use super::ordered::{Amount, Machine, Ordered, Since};
use super::peak::Peak;
use super::presence::{Days, Operation};
use super::recipe::{Price, Rules};
use super::repair::Repair;
use super::rows::{Rows, Table};
use super::spent::{Prices, Spent};
use super::state::Around;
use super::summit::Summit;
use super::tiers::{Slope, Tiers};
use crate::core::catalog::Aggregation;
use crate::core::instant::Instant;
use crate::core::pricing;
use crate::core::pricing::{Entries, RunningTotals};

/// What a price reads of the single events of a group.
///
/// Single events are looked up by the values of their group, so that an event that sent one of them
/// as a number belongs to the group and yet is not found; see
/// [`Group::finds`](crate::core::matching::Group::finds).
#[derive(Clone, Debug, PartialEq)]
pub enum Singles {
    /// Each counts one unit.
    Ones(u64),
    /// The first greatest one keeps its value, wherever it stands.
    Peak(Peak),
    /// The first greatest one keeps its value, and its place matters.
    Summit(Ordered<Summit>),
    /// Values in order, some of them free.
    Spent(Ordered<Spent>),
    /// Values in order that fill tiers.
    Tiers(Ordered<Tiers>),
    /// Operations on values that fill tiers.
    Rows(Box<Rows>),
}

const ONES: u8 = 0;
const PEAK: u8 = 1;
const SUMMIT: u8 = 2;
const SPENT: u8 = 3;
const TIERS: u8 = 4;
const ROWS: u8 = 5;

impl Singles {
    /// Before the first event; none if the price does not read them.
    pub fn new(rules: &Rules) -> Option<Self> {
        match (&rules.price, rules.aggregation) {
            (Price::Whole, _) | (_, Aggregation::Latest | Aggregation::WeightedSum) => None,
            (Price::Tiers(_), _) => Some(Self::Tiers(Ordered::default())),
            (Price::Steps(_), _) => Some(Self::Rows(Box::new(Rows::new()))),
            (Price::Percentage(_), Aggregation::Sum) => Some(Self::Spent(Ordered::default())),
            (Price::Percentage(price), _) if !price.is_bounded() => None,
            (Price::Percentage(_), Aggregation::Count | Aggregation::UniqueCount) => {
                Some(Self::Ones(0))
            }
            (Price::Percentage(price), Aggregation::Max) => {
                let gives_away = price.free_events > 0 || price.free_units.is_positive();
                Some(if gives_away {
                    Self::Summit(Ordered::default())
                } else {
                    Self::Peak(Peak::default())
                })
            }
        }
    }

    /// Takes an event that the look-up finds.
    pub fn add(&mut self, around: &Around<'_>, seen: &Seen<'_>) {
        match self {
            Self::Spent(spent) => {
                if let Some(prices) = prices(around) {
                    take(spent, &prices, seen);
                }
            }
            Self::Rows(_) if seen.again => {}
            Self::Rows(rows) => {
                if let Some(table) = table(around) {
                    let text = seen.event.properties.text(&around.rules.field);
                    let yields = text.is_some();
                    rows.add(&table, &Operation { yields, ..around.operation(seen) }, text);
                }
            }
            _ if !seen.in_window => {}
            Self::Summit(summit) => take(summit, &(), seen),
            Self::Tiers(tiers) => {
                if let Some(slope) = slope(around) {
                    take(tiers, &slope, seen);
                }
            }
            Self::Ones(_) | Self::Peak(_) if seen.again => {}
            Self::Ones(count) => *count = count.saturating_add(1),
            Self::Peak(peak) => peak.add(&seen.value),
        }
    }

    /// The running totals, if they are kept.
    pub fn running_totals(&self, around: &Around<'_>) -> Option<RunningTotals> {
        match self {
            Self::Spent(spent) => Some(spent.reading(&prices(around)?).running_totals()),
            _ => None,
        }
    }

    /// The events as prices read them.
    pub fn entries(&self, around: &Around<'_>) -> Option<Entries> {
        match self {
            Self::Ones(count) => Some(Entries::Ones(*count)),
            Self::Peak(Peak { count, max }) => Some(Entries::Peak(pricing::Peak {
                count: *count,
                before: 0,
                max: max.clone().unwrap_or_default(),
            })),
            Self::Summit(summit) => Some(summit.reading(&()).entries()),
            Self::Spent(spent) => spent.reading(&prices(around)?).entries(),
            Self::Tiers(tiers) => Some(tiers.reading(&slope(around)?).entries()),
            Self::Rows(rows) => rows.entries(),
        }
    }

    /// What mends it after an event that came too late.
    pub fn repair(&self, around: &Around<'_>) -> Option<Repair> {
        let lower = around.span.frame.lower();
        let (since, first) = match self {
            Self::Ones(_) | Self::Peak(_) => return None,
            Self::Rows(rows) if rows.is_late() => return Some(Repair::Anew),
            // Nothing has to be read: the rows walk again by themselves.
            Self::Rows(rows) => return rows.is_stale().then(|| around.span.nothing()),
            Self::Summit(summit) => (summit.since(&()), lower),
            Self::Spent(spent) => {
                let Some(prices) = prices(around) else { return Some(Repair::Anew) };
                let first = if around.rules.looks_back() { Instant::MIN } else { lower };
                (spent.since(&prices), first)
            }
            Self::Tiers(tiers) => {
                let Some(slope) = slope(around) else { return Some(Repair::Anew) };
                (tiers.since(&slope), lower)
            }
        };
        Some(Repair::From(match since? {
            Since::Beginning => first,
            Since::After((at, _)) => at,
        }))
    }

    /// Goes back to where a repair begins.
    pub fn rewind(&mut self, around: &Around<'_>) {
        match self {
            Self::Ones(_) | Self::Peak(_) => {}
            Self::Summit(summit) => summit.rewind(&()),
            Self::Spent(spent) => {
                if let Some(prices) = prices(around) {
                    spent.rewind(&prices);
                }
            }
            Self::Tiers(tiers) => {
                if let Some(slope) = slope(around) {
                    tiers.rewind(&slope);
                }
            }
            Self::Rows(rows) => walk_again(rows, around),
        }
    }

    /// Ends a repair.
    pub fn settle(&mut self, around: &Around<'_>) {
        match self {
            Self::Ones(_) | Self::Peak(_) => {}
            Self::Rows(rows) => walk_again(rows, around),
            Self::Summit(summit) => summit.settle(),
            Self::Spent(spent) => spent.settle(),
            Self::Tiers(tiers) => tiers.settle(),
        }
    }

    /// A copy that reads alike.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        match self {
            Self::Ones(_) | Self::Peak(_) => self.clone(),
            Self::Summit(summit) => Self::Summit(summit.snapshot()),
            Self::Spent(spent) => Self::Spent(spent.snapshot()),
            Self::Tiers(tiers) => Self::Tiers(tiers.snapshot()),
            Self::Rows(rows) => Self::Rows(Box::new(rows.snapshot())),
        }
    }

    /// The same at a later window of a bucket that looks back.
    pub fn roll(&self, new: &Around<'_>) -> Option<Self> {
        match self {
            Self::Spent(spent) => {
                let mut spent = spent.clone();
                spent.roll(&prices(new)?);
                Some(Self::Spent(spent))
            }
            Self::Rows(rows) => Some(Self::Rows(Box::new(rows.roll(&table(new)?)))),
            _ => Self::new(new.rules),
        }
    }

    /// Number of single things that are kept, if there is no bound to them.
    pub fn values(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            _ => 0,
        }
    }

    /// Bytes in memory besides its own place, roughly.
    pub fn weight(&self) -> usize {
        match self {
            Self::Ones(_) | Self::Peak(_) => 0,
            Self::Summit(summit) => summit.weight(),
            Self::Spent(spent) => spent.weight(),
            Self::Tiers(tiers) => tiers.weight(),
            Self::Rows(rows) => size_of::<Rows>() + rows.weight(),
        }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ones(count) => {
                out.push(ONES);
                put_varint(out, *count);
            }
            Self::Peak(peak) => {
                out.push(PEAK);
                peak.write_bytes(out);
            }
            Self::Summit(summit) => {
                out.push(SUMMIT);
                summit.write_bytes(out);
            }
            Self::Spent(spent) => {
                out.push(SPENT);
                spent.write_bytes(out);
            }
            Self::Tiers(tiers) => {
                out.push(TIERS);
                tiers.write_bytes(out);
            }
            Self::Rows(rows) => {
                out.push(ROWS);
                rows.write_bytes(out);
            }
        }
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        match take_byte(bytes)? {
            ONES => take_varint(bytes).map(Self::Ones),
            PEAK => Peak::read_bytes(bytes).map(Self::Peak),
            SUMMIT => Ordered::read_bytes(bytes).map(Self::Summit),
            SPENT => Ordered::read_bytes(bytes).map(Self::Spent),
            TIERS => Ordered::read_bytes(bytes).map(Self::Tiers),
            ROWS => Rows::read_bytes(bytes).map(Box::new).map(Self::Rows),
            _ => None,
        }
    }
}

fn take<M>(ordered: &mut Ordered<M>, context: &M::Context<'_>, seen: &Seen<'_>)
where
    M: Machine<Entry = Amount>,
{
    let amount = Amount { at: seen.at(), value: seen.value.clone() };
    if seen.again {
        ordered.replay(context, amount);
    } else {
        ordered.insert(context, amount);
    }
}

fn prices<'a>(around: &Around<'a>) -> Option<Prices<'a>> {
    match &around.rules.price {
        Price::Percentage(percentage) => {
            Some(Prices { percentage, lower: around.span.frame.lower() })
        }
        _ => None,
    }
}

fn slope<'a>(around: &Around<'a>) -> Option<Slope<'a>> {
    match &around.rules.price {
        Price::Tiers(ranges) => Some(Slope {
            ranges,
            frame: &around.span.frame,
            fewer_days: 0,
            carried: around.carried,
        }),
        _ => None,
    }
}

fn table<'a>(around: &Around<'a>) -> Option<Table<'a>> {
    match &around.rules.price {
        Price::Steps(steps) => {
            Some(Table { days: Days { frame: &around.span.frame, grouped: false }, steps })
        }
        _ => None,
    }
}

fn walk_again(rows: &mut Rows, around: &Around<'_>) {
    if let Some(table) = table(around) {
        rows.walk_again(table.steps);
    }
}
