//! What a bucket holds that is split by keys.

use super::bytes::{put_option, take_option};
use super::groups::Groups;
use super::recipe::{Price, Rules};
use super::repair::Repair;
use super::shares::is_before;
use super::state::Around;
use super::{Caps, Seen, Span};
use crate::core::decimal::Decimal;

/// What a split bucket holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// The state of every group.
    pub(super) groups: Groups,
    /// What is shown, of every combination, where that is not told from the groups.
    pub(super) shown: Option<Groups>,
    /// Σ of the values before the window, of all groups; kept only for prorated tiers, of which
    /// every group begins with it.
    carried: Decimal,
}

impl Split {
    /// Nothing yet.
    pub fn new(rules: &Rules) -> Self {
        let shown = rules.shown.as_ref().map(|_| Groups::default());
        Self { groups: Groups::default(), shown, carried: Decimal::ZERO }
    }

    /// Counts an event. Returns false if there is no room for it.
    pub fn add(&mut self, rules: &Rules, span: &Span<'_>, caps: Caps, seen: &Seen<'_>) -> bool {
        let Self { groups, shown, carried } = self;
        let carries = matches!(rules.price, Price::Tiers(_)) && !seen.again;
        if carries && is_before(span, seen.event.timestamp) {
            *carried += &seen.value;
        }
        let around = Around { rules, span, carried };
        let fits = match (shown, &rules.shown) {
            (Some(shown), Some(rules)) if seen.in_window || rules.looks_back() => {
                shown.add(&Around { rules, ..around }, caps, seen)
            }
            _ => true,
        };
        fits && groups.add(&around, caps, seen)
    }

    /// What its groups depend on.
    pub fn around<'a>(&'a self, rules: &'a Rules, span: &'a Span<'_>) -> Around<'a> {
        Around { rules, span, carried: &self.carried }
    }

    /// What is shown of its groups depends on.
    pub fn around_shown<'a>(&'a self, rules: &'a Rules, span: &'a Span<'_>) -> Around<'a> {
        self.around(rules.shown.as_deref().unwrap_or(rules), span)
    }

    /// What mends each state that needs it.
    pub fn repairs<'s>(
        &'s self,
        rules: &'s Rules,
        span: &'s Span<'_>,
    ) -> impl Iterator<Item = Repair> + 's {
        let around = self.around_shown(rules, span);
        let shown = self.shown.iter().flat_map(move |shown| shown.repairs(around));
        self.groups.repairs(self.around(rules, span)).chain(shown)
    }

    /// Goes back to where a repair begins that is not one of all events.
    pub fn rewind(&mut self, rules: &Rules, span: &Span<'_>) {
        let Self { groups, shown, carried } = self;
        let around = Around { rules, span, carried };
        groups.rewind(&around);
        if let Some((shown, rules)) = shown.as_mut().zip(rules.shown.as_deref()) {
            shown.rewind(&Around { rules, ..around });
        }
    }

    /// Ends a repair.
    pub fn settle(&mut self, rules: &Rules, span: &Span<'_>) {
        let Self { groups, shown, carried } = self;
        let around = Around { rules, span, carried };
        groups.settle(&around);
        if let Some((shown, rules)) = shown.as_mut().zip(rules.shown.as_deref()) {
            shown.settle(&Around { rules, ..around });
        }
    }

    /// The content at a later window; none if it cannot be told.
    pub fn roll(&self, rules: &Rules, old: &Span<'_>, new: &Span<'_>) -> Option<Self> {
        let mut rolled = Self::new(rules);
        if matches!(rules.price, Price::Tiers(_)) {
            rolled.carried = self.groups.total();
        }
        let now = rolled.around(rules, new);
        let groups = self.groups.roll(&self.around(rules, old), &now)?;
        let shown = match (&self.shown, &rules.shown) {
            (Some(shown), Some(rules)) if rules.looks_back() => {
                Some(shown.roll(&self.around(rules, old), &Around { rules, ..now })?)
            }
            (Some(_), _) => Some(Groups::default()),
            (None, _) => None,
        };
        Some(Self { groups, shown, ..rolled })
    }

    /// A copy without large sets.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self {
            groups: self.groups.snapshot(),
            shown: self.shown.as_ref().map(Groups::snapshot),
            carried: self.carried.clone(),
        }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        self.groups.write_bytes(out);
        put_option(out, self.shown.as_ref(), |out, shown| shown.write_bytes(out));
        self.carried.write_bytes(out);
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let groups = Groups::read_bytes(bytes)?;
        let shown = take_option(bytes, Groups::read_bytes)?;
        Some(Self { groups, shown, carried: Decimal::read_bytes(bytes)? })
    }

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        let shown = self.shown.as_ref().map_or(0, Groups::weight);
        size_of::<Self>() + self.groups.weight() + shown
    }
}
