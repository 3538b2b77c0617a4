//! States by group.

use std::hash::{Hash, Hasher};

use hashbrown::{Equivalent, HashMap};

use super::bytes::{put_option, put_text, put_varint, take_count, take_option, take_text};
use super::recipe::Rules;
use super::repair::Repair;
use super::state::{Around, State};
use super::{Caps, Seen};
use crate::core::decimal::Decimal;
use crate::core::matching::Group;
use crate::core::properties::Properties;

/// Keys of a group that are looked up without making room for them; charges have one or two.
const KEYS_INLINE: usize = 8;
/// The least that the packed form of a group takes.
const GROUP_BYTES: usize = 3;

/// States by group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    map: HashMap<Group, State>,
    /// Distinct values in all of them.
    values: usize,
}

/// The texts of an event's group, borrowed: they hash as [`Group`] does.
struct Texts<'a>(&'a [Option<&'a str>]);

impl Hash for Texts<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Group> for Texts<'_> {
    fn equivalent(&self, group: &Group) -> bool {
        self.0.iter().copied().eq(group.0.iter().map(Option::as_deref))
    }
}

impl Groups {
    /// Counts an event. Returns false if there is no room for it.
    pub fn add(&mut self, around: &Around<'_>, caps: Caps, seen: &Seen<'_>) -> bool {
        // The group of an event that was counted before is there.
        let groups_max = if seen.again { 0 } else { caps.groups_max };
        let Some(state) = self.of(around.rules, seen.event.properties, groups_max) else {
            return false;
        };
        let before = state.values();
        state.add(around, seen);
        let after = state.values();
        self.values = self.values.saturating_add(after).saturating_sub(before);
        self.values <= caps.values_max
    }

    /// The state of the group that an event belongs to; none if it is a new one and there is no
    /// room for it.
    fn of(
        &mut self,
        rules: &Rules,
        properties: Properties<'_>,
        groups_max: usize,
    ) -> Option<&mut State> {
        let keys = rules.split_keys();
        let text = |key: &String| properties.text(key).filter(|text| !text.is_empty());
        let mut inline = [None; KEYS_INLINE];
        if let Some(texts) = inline.get_mut(..keys.len()) {
            texts.iter_mut().zip(keys).for_each(|(own, key)| *own = text(key));
            return self.look_up(rules, texts, groups_max);
        }
        let texts: Vec<Option<&str>> = keys.iter().map(text).collect();
        self.look_up(rules, &texts, groups_max)
    }

    fn look_up(
        &mut self,
        rules: &Rules,
        texts: &[Option<&str>],
        groups_max: usize,
    ) -> Option<&mut State> {
        if !self.map.contains_key(&Texts(texts)) {
            if self.map.len() >= groups_max {
                return None;
            }
            let group = Group(texts.iter().map(|text| text.map(Box::from)).collect());
            self.map.insert(group, State::new(rules));
        }
        self.map.get_mut(&Texts(texts))
    }

    /// Groups with their states, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Group, &State)> {
        self.map.iter()
    }

    /// The groups at a later window; none if they cannot be told.
    pub fn roll(&self, old: &Around<'_>, new: &Around<'_>) -> Option<Self> {
        let rolled =
            |(group, state): (&Group, &State)| Some((group.clone(), state.roll(old, new)?));
        Some(Self { map: self.map.iter().map(rolled).collect::<Option<_>>()?, ..*self })
    }

    /// Σ of the values of all time, if the groups are prorated sums.
    pub fn total(&self) -> Decimal {
        let own = |state: &State| match state {
            State::Shares(shares) => Some(shares.all.sum.clone()),
            State::With(with) => match &with.base {
                State::Shares(shares) => Some(shares.all.sum.clone()),
                _ => None,
            },
            _ => None,
        };
        self.map.values().filter_map(own).sum()
    }

    /// What mends each state that needs it.
    pub fn repairs<'g>(&'g self, around: Around<'g>) -> impl Iterator<Item = Repair> + 'g {
        self.map.values().filter_map(move |state| state.repair(&around))
    }

    /// Goes back to where a repair begins that is not one of all events.
    pub fn rewind(&mut self, around: &Around<'_>) {
        self.map.values_mut().for_each(|state| state.rewind(around));
    }

    /// Ends a repair.
    pub fn settle(&mut self, around: &Around<'_>) {
        self.map.values_mut().for_each(|state| state.settle(around));
    }

    /// A copy without large sets.
    pub fn snapshot(&self) -> Self {
        let copied = |(group, state): (&Group, &State)| (group.clone(), state.snapshot());
        Self { map: self.map.iter().map(copied).collect(), ..*self }
    }

    /// Appends the packed form, groups in order.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        let mut sorted: Vec<(&Group, &State)> = self.map.iter().collect();
        sorted.sort_unstable_by_key(|(group, _)| *group);
        put_varint(out, sorted.len() as u64);
        for (group, state) in sorted {
            put_varint(out, group.0.len() as u64);
            for text in &group.0 {
                put_option(out, text.as_deref(), put_text);
            }
            state.write_bytes(out);
        }
    }

    /// Reads the packed form.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let count = take_count(bytes, GROUP_BYTES)?;
        let mut groups = Self { map: HashMap::with_capacity(count), values: 0 };
        for _ in 0..count {
            let keys = take_count(bytes, 1)?;
            let text = |_| take_option(bytes, take_text).map(|text| text.map(Box::from));
            let group = Group((0..keys).map(text).collect::<Option<_>>()?);
            let state = State::read_bytes(bytes)?;
            groups.values = groups.values.saturating_add(state.values());
            groups.map.insert(group, state);
        }
        Some(groups)
    }

    /// Bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        let text = |text: &Option<Box<str>>| {
            size_of::<Option<Box<str>>>() + text.as_ref().map_or(0, |text| text.len())
        };
        let own = |(group, state): (&Group, &State)| {
            group.0.iter().map(text).sum::<usize>() + state.weight()
        };
        let table = self.map.capacity().saturating_mul(size_of::<(Group, State)>());
        table.saturating_add(self.map.iter().map(own).sum::<usize>())
    }
}
