//! From what a bucket holds to its quantities.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::content::Content;
use super::groups::Groups;
use super::latest::At;
use super::recipe::Rules;
use super::split::Split;
use super::state::State;
use super::tally::Tally;
use crate::core::aggregate::figures::{Distinct, Summed, plain_count, plain_value};
use crate::core::aggregate::round;
use crate::core::aggregate::terms::{Breakdown, Figures, RunningTotals, Terms, breakdown_keys};
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::matching::Group;

/// A condition of a request: the place of its key among those of the groups, and the texts it
/// allows.
pub type Condition<'a> = (usize, &'a [String]);

/// What a bucket holds, as a request sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// One entry per group in order, or exactly one that is not grouped.
    pub groups: Vec<Figures>,
    /// Presentation breakdowns.
    pub breakdowns: Vec<Breakdown>,
}

/// States by group, borrowed where a group is one that is kept.
type States<'a> = BTreeMap<Group, Cow<'a, State>>;

impl Content {
    /// The quantities under these terms and conditions; none if the content does not tell them.
    pub fn read(
        &self,
        rules: &Rules,
        terms: &Terms<'_>,
        conditions: &[Condition<'_>],
    ) -> Option<Reading> {
        if self.needs_repair() || !(rules.is_mergeable() || rules.tells(terms, conditions)) {
            return None;
        }
        let grouped = !terms.group_keys.is_empty();
        let shows_nothing = !grouped && terms.presentation_keys.is_empty();
        let (states, breakdowns) = match self {
            Self::Whole(state) if rules.split_keys().is_empty() && shows_nothing => {
                (BTreeMap::from([(Group::default(), Cow::Borrowed(state))]), Vec::new())
            }
            Self::Whole(_) | Self::OverCap => return None,
            Self::Split(split) => split.read(rules, terms, conditions)?,
        };
        let exists = |state: &State| !grouped || !state.is_empty();
        let own = states.iter().filter(|(_, state)| exists(state));
        let figures = |(group, state): (&Group, &Cow<'_, State>)| {
            let mut figures = state.figures(terms, grouped.then(|| group.clone()));
            round(terms, &mut figures);
            figures
        };
        let mut groups: Vec<Figures> = own.map(figures).collect();
        if groups.is_empty() {
            groups.push(if grouped {
                Figures::empty(Some(Group::empty(terms.group_keys.len())))
            } else {
                State::new(rules).figures(terms, None)
            });
        }
        Some(Reading { groups, breakdowns })
    }
}

impl Rules {
    /// Whether a request asks for just the groups that are kept.
    fn tells(&self, terms: &Terms<'_>, conditions: &[Condition<'_>]) -> bool {
        let shown = breakdown_keys(terms.group_keys, terms.presentation_keys);
        conditions.is_empty()
            && terms.group_keys == &*self.group_keys
            && (terms.presentation_keys.is_empty() || shown == *self.shown_keys)
    }
}

impl Split {
    fn read<'s>(
        &'s self,
        rules: &Rules,
        terms: &Terms<'_>,
        conditions: &[Condition<'_>],
    ) -> Option<(States<'s>, Vec<Breakdown>)> {
        let keys = rules.split_keys();
        let states = states(&self.groups, keys, terms.group_keys, conditions)?;
        if terms.presentation_keys.is_empty() {
            return Some((states, Vec::new()));
        }
        let shown_keys = breakdown_keys(terms.group_keys, terms.presentation_keys);
        if rules.aggregation == Aggregation::Latest {
            let shown = latest(&self.groups, keys, terms.group_keys, &shown_keys, conditions)?;
            return Some((states, shown));
        }
        let (groups, keys) = match &self.shown {
            Some(shown) => (shown, &*rules.shown_keys),
            None => (&self.groups, keys),
        };
        let shown = self::states(groups, keys, &shown_keys, conditions)?;
        let breakdown = |(group, state): (Group, Cow<'_, State>)| {
            Some(Breakdown { value: state.shown(rules.aggregation)?, group })
        };
        Some((states, shown.into_iter().filter_map(breakdown).collect()))
    }
}

/// Where the wanted keys stand among those of the groups.
fn places(keys: &[String], wanted: &[String]) -> Option<Vec<usize>> {
    wanted.iter().map(|key| keys.iter().position(|own| own == key)).collect()
}

fn agrees(group: &Group, conditions: &[Condition<'_>]) -> bool {
    let value = |place: usize| group.0.get(place).and_then(Option::as_deref);
    conditions.iter().all(|(place, texts)| {
        value(*place).is_some_and(|value| texts.iter().any(|text| text == value))
    })
}

/// The states of the groups by the wanted keys, those that agree put together.
fn states<'s>(
    groups: &'s Groups,
    keys: &[String],
    wanted: &[String],
    conditions: &[Condition<'_>],
) -> Option<States<'s>> {
    let places = places(keys, wanted)?;
    let mut states = States::new();
    for (group, state) in groups.iter().filter(|(group, _)| agrees(group, conditions)) {
        let own = states.entry(group.project(&places));
        match own {
            Entry::Vacant(vacant) => {
                vacant.insert(Cow::Borrowed(state));
            }
            Entry::Occupied(mut known) => {
                if !known.get_mut().to_mut().merge(state) {
                    return None;
                }
            }
        }
    }
    Some(states)
}

/// One entry per pricing group: the combination and the value of its latest event.
fn latest(
    groups: &Groups,
    keys: &[String],
    group_keys: &[String],
    shown_keys: &[String],
    conditions: &[Condition<'_>],
) -> Option<Vec<Breakdown>> {
    let (places, shown) = (places(keys, group_keys)?, places(keys, shown_keys)?);
    let mut last: BTreeMap<Group, (At, &Group, &Decimal)> = BTreeMap::new();
    for (group, state) in groups.iter().filter(|(group, _)| agrees(group, conditions)) {
        let State::Latest(own) = state else { return None };
        let Some((at, value)) = &own.last else { continue };
        let entry = last.entry(group.project(&places)).or_insert((*at, group, value));
        if entry.0 < *at {
            *entry = (*at, group, value);
        }
    }
    let breakdown = |(_, group, value): (At, &Group, &Decimal)| Breakdown {
        group: group.project(&shown),
        value: value.clone(),
    };
    let mut breakdowns: Vec<Breakdown> = last.into_values().map(breakdown).collect();
    breakdowns.sort_by(|one, other| one.group.cmp(&other.group));
    Some(breakdowns)
}

impl State {
    /// The figures of the group, before the metric's rounding.
    fn figures(&self, terms: &Terms<'_>, group: Option<Group>) -> Figures {
        match self {
            Self::Tally(tally) if terms.metric.aggregation == Aggregation::Sum => {
                let parts = Summed { running: Some(RunningTotals::EMPTY), ..summed(terms, tally) };
                parts.figures(terms, group)
            }
            Self::Tally(tally) => plain_count(terms, Decimal::from(tally.count), group),
            Self::Peak(peak) => plain_value(peak.max.clone(), Decimal::from(peak.count), group),
            Self::Latest(latest) => {
                let value = latest.last.as_ref().map(|(_, value)| value);
                let value = value.map(|value| value.clone().max(Decimal::ZERO));
                plain_value(value, Decimal::from(latest.count), group)
            }
            Self::Distinct(distinct) => {
                let active = Decimal::from(distinct.active());
                Distinct { active, shares: None, levels: None }.figures(terms, group)
            }
            Self::Shares(shares) => {
                let selected = if terms.metric.recurring { &shares.all } else { &shares.window };
                let parts = Summed {
                    all: Decimal::from(shares.all.count),
                    shares: Some(shares.prorated(terms)),
                    ..summed(terms, selected)
                };
                parts.figures(terms, group)
            }
        }
    }

    /// What is shown of a combination; none without an event.
    fn shown(&self, aggregation: Aggregation) -> Option<Decimal> {
        match self {
            Self::Tally(tally) if aggregation == Aggregation::Sum => {
                (tally.count > 0).then(|| tally.sum.clone())
            }
            Self::Tally(tally) => (tally.count > 0).then(|| Decimal::from(tally.count)),
            Self::Peak(peak) => peak.max.clone(),
            Self::Latest(latest) => latest.last.as_ref().map(|(_, value)| value.clone()),
            Self::Distinct(distinct) => {
                (distinct.values() > 0).then(|| Decimal::from(distinct.active()))
            }
            Self::Shares(shares) => (shares.window.count > 0).then(|| shares.window.sum.clone()),
        }
    }
}

/// The parts of a sum that a tally tells.
fn summed(terms: &Terms<'_>, tally: &Tally) -> Summed {
    let count = Decimal::from(tally.count);
    Summed {
        total: tally.sum.clone(),
        selected: count.clone(),
        all: count,
        cents: terms.dynamic.then(|| tally.cents()),
        shares: None,
        levels: None,
        running: None,
    }
}
