//! What one bucket of one charge holds in one window.

use super::bytes::take_byte;
use super::carrying::carries_on;
use super::recipe::{Price, Recipe, Rules};
use super::repair::Repair;
use super::split::Split;
use super::state::{Around, State};
use super::{Seen, SetKey, Span};
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::planted::{Fault, planted};

/// How much one bucket may hold before it is dropped and computed by a scan (1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Most groups, or combinations of group and presentation values.
    pub groups_max: usize,
    /// Most distinct values of a unique count, all groups together.
    pub values_max: usize,
}

impl Caps {
    /// No cap.
    pub const NONE: Self = Self { groups_max: usize::MAX, values_max: usize::MAX };
}

/// What one bucket of one charge holds in one window: the fold of all events that the bucket has
/// received up to the window's end, those before the window included if the recipe looks back.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The bucket is not split.
    Whole(State),
    /// The bucket is split by keys.
    Split(Box<Split>),
    /// The bucket has more groups or values than are kept.
    OverCap,
    /// The order of positions is too far from that of time: see [`Content::give_up`].
    GivenUp,
}

const WHOLE: u8 = 0;
const SPLIT: u8 = 1;
const OVER_CAP: u8 = 2;
const GIVEN_UP: u8 = 3;

impl Content {
    /// Nothing yet. A bucket that is scanned holds nothing that anybody reads.
    pub fn new(recipe: &Recipe) -> Self {
        match recipe {
            Recipe::Kept(rules) => Self::empty(rules),
            Recipe::Scanned => Self::GivenUp,
        }
    }

    /// Nothing yet, under these rules.
    pub(super) fn empty(rules: &Rules) -> Self {
        let tiers = matches!(rules.price, Price::Tiers(_));
        if rules.split_keys().is_empty() && rules.shown.is_none() && !tiers {
            return Self::Whole(State::new(rules));
        }
        Self::Split(Box::new(Split::new(rules)))
    }

    /// Counts an event that belongs to the bucket.
    ///
    /// Events may come in any order. Those after the window, and those before it unless the recipe
    /// looks back, leave no trace.
    pub fn add(
        &mut self,
        recipe: &Recipe,
        span: &Span<'_>,
        caps: Caps,
        keys: &SetKey,
        event: &Usage<'_>,
    ) {
        let Recipe::Kept(rules) = recipe else { return };
        let Some(seen) = Seen::of(rules, span, keys, event, false) else { return };
        if !self.take(rules, span, caps, &seen) {
            *self = Self::OverCap;
        }
    }

    /// Takes an event once more that was counted before, in order of (timestamp, position), after
    /// [`Content::rewind`]: only what is being repaired takes it.
    pub fn replay(&mut self, recipe: &Recipe, span: &Span<'_>, keys: &SetKey, event: &Usage<'_>) {
        let Recipe::Kept(rules) = recipe else { return };
        if let Some(seen) = Seen::of(rules, span, keys, event, true) {
            // Nothing new appears, so there is room for it.
            let _ = self.take(rules, span, Caps::NONE, &seen);
        }
    }

    /// Returns false if there is no room for the event.
    fn take(&mut self, rules: &Rules, span: &Span<'_>, caps: Caps, seen: &Seen<'_>) -> bool {
        match self {
            Self::Whole(state) => {
                state.add(&whole(rules, span), seen);
                state.values() <= caps.values_max
            }
            Self::Split(split) => split.add(rules, span, caps, seen),
            Self::OverCap | Self::GivenUp => true,
        }
    }

    /// Whether the bucket was dropped since it holds too much.
    pub const fn over_cap(&self) -> bool {
        matches!(self, Self::OverCap)
    }

    /// Whether the content no longer is that of the scan, since an event came later than the
    /// recipe can take.
    pub fn needs_repair(&self, recipe: &Recipe, span: &Span<'_>) -> bool {
        let Recipe::Kept(rules) = recipe else { return false };
        match self {
            Self::Whole(state) => state.repair(&whole(rules, span)).is_some(),
            Self::Split(split) => split.repairs(rules, span).next().is_some(),
            Self::OverCap | Self::GivenUp => false,
        }
    }

    /// Which events mend the content if it needs repair.
    pub fn repair(&self, recipe: &Recipe, span: &Span<'_>) -> Option<Repair> {
        let Recipe::Kept(rules) = recipe else { return None };
        match self {
            Self::Whole(state) => state.repair(&whole(rules, span)),
            Self::Split(split) => split.repairs(rules, span).min(),
            Self::OverCap | Self::GivenUp => None,
        }
    }

    /// Goes back to where the repair begins that [`Content::repair`] tells. Until
    /// [`Content::settle`] it takes events by [`Content::add`] if that is all of them, else by
    /// [`Content::replay`] alone.
    pub fn rewind(&mut self, recipe: &Recipe, span: &Span<'_>) {
        let Recipe::Kept(rules) = recipe else { return };
        if self.repair(recipe, span) == Some(Repair::Anew) {
            *self = Self::empty(rules);
        }
        match self {
            Self::Whole(state) => state.rewind(&whole(rules, span)),
            Self::Split(split) => split.rewind(rules, span),
            Self::OverCap | Self::GivenUp => {}
        }
    }

    /// Ends a repair.
    pub fn settle(&mut self, recipe: &Recipe, span: &Span<'_>) {
        let Recipe::Kept(rules) = recipe else { return };
        match self {
            Self::Whole(state) => state.settle(&whole(rules, span)),
            Self::Split(split) => split.settle(rules, span),
            Self::OverCap | Self::GivenUp => {}
        }
    }

    /// Leaves the bucket to the scan for the rest of the window. So it is with what goes by the
    /// order of position, if that is so far from the order of time that a repair does not help.
    pub fn give_up(&mut self) {
        *self = Self::GivenUp;
    }

    /// The content at a later window, given that no event lies after `old` and up to the end of
    /// `new`; none if it cannot be told, so that it has to be folded from the ledger.
    pub fn roll(&self, recipe: &Recipe, old: &Span<'_>, new: &Span<'_>) -> Option<Self> {
        let Recipe::Kept(rules) = recipe else { return None };
        if !rules.looks_back() || planted(Fault::CarryForgotten) {
            return Some(Self::empty(rules));
        }
        let weighted = rules.aggregation == Aggregation::WeightedSum;
        let follows = new.frame.lower() > old.frame.to && (!weighted || carries_on(old, new));
        if !follows || self.needs_repair(recipe, old) {
            return None;
        }
        match self {
            Self::Whole(state) => {
                Some(Self::Whole(state.roll(&whole(rules, old), &whole(rules, new))?))
            }
            Self::Split(split) => Some(Self::Split(Box::new(split.roll(rules, old, new)?))),
            Self::OverCap => Some(Self::OverCap),
            // The next window is another matter.
            Self::GivenUp => None,
        }
    }

    /// A copy that measures alike, for readers: large sets stay behind, so that it costs no more
    /// than the groups do. Nothing may be added to it.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        match self {
            Self::Whole(state) => Self::Whole(state.snapshot()),
            Self::Split(split) => Self::Split(Box::new(split.snapshot())),
            Self::OverCap => Self::OverCap,
            Self::GivenUp => Self::GivenUp,
        }
    }

    /// Appends the packed form. Equal contents give equal bytes.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        match self {
            Self::Whole(state) => {
                out.push(WHOLE);
                state.write_bytes(out);
            }
            Self::Split(split) => {
                out.push(SPLIT);
                split.write_bytes(out);
            }
            Self::OverCap => out.push(OVER_CAP),
            Self::GivenUp => out.push(GIVEN_UP),
        }
    }

    /// Reads the packed form from the front of `bytes`; none for bytes that nobody wrote.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        match take_byte(bytes)? {
            WHOLE => State::read_bytes(bytes).map(Self::Whole),
            SPLIT => Split::read_bytes(bytes).map(Box::new).map(Self::Split),
            OVER_CAP => Some(Self::OverCap),
            GIVEN_UP => Some(Self::GivenUp),
            _ => None,
        }
    }

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Whole(state) => state.weight(),
                Self::Split(split) => split.weight(),
                Self::OverCap | Self::GivenUp => 0,
            }
    }
}

/// What the state of a bucket that is not split depends on. Tiers always are.
pub fn whole<'a>(rules: &'a Rules, span: &'a Span<'_>) -> Around<'a> {
    const NOTHING: &Decimal = &Decimal::ZERO;
    Around { rules, span, carried: NOTHING }
}
