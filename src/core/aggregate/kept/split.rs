//! What a bucket holds that is split by keys.

use super::bytes::{put_option, take_option};
use super::groups::Groups;
use super::recipe::Rules;
use super::{Caps, Seen, Span};

/// What a split bucket holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// The state of every group.
    pub(super) groups: Groups,
    /// What is shown, of every combination, where that is not told from the groups.
    pub(super) shown: Option<Groups>,
}

impl Split {
    /// Nothing yet.
    pub fn new(rules: &Rules) -> Self {
        let shown = rules.shown.as_ref().map(|_| Groups::default());
        Self { groups: Groups::default(), shown }
    }

    /// Counts an event. Returns false if there is no room for it.
    pub fn add(&mut self, rules: &Rules, span: &Span<'_>, caps: Caps, seen: &Seen<'_>) -> bool {
        let fits = match (&mut self.shown, &rules.shown) {
            (Some(groups), Some(rules)) if seen.in_window || rules.looks_back() => {
                groups.add(rules, span, caps, seen)
            }
            _ => true,
        };
        fits && self.groups.add(rules, span, caps, seen)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The content at a later window; none if it cannot be told.
    pub fn roll(&self, rules: &Rules) -> Option<Self> {
        let shown = match (&self.shown, &rules.shown) {
            (Some(groups), Some(rules)) if rules.looks_back() => Some(groups.roll()?),
            (Some(_), _) => Some(Groups::default()),
            (None, _) => None,
        };
        Some(Self { groups: self.groups.roll()?, shown })
    }

    /// A copy without large sets.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { groups: self.groups.snapshot(), shown: self.shown.as_ref().map(Groups::snapshot) }
    }

    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        self.groups.write_bytes(out);
        put_option(out, self.shown.as_ref(), |out, shown| shown.write_bytes(out));
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let groups = Groups::read_bytes(bytes)?;
        Some(Self { groups, shown: take_option(bytes, Groups::read_bytes)? })
    }

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        let shown = self.shown.as_ref().map_or(0, Groups::weight);
        size_of::<Self>() + self.groups.weight() + shown
    }
}
