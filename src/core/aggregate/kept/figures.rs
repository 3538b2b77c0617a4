//! From what a bucket holds to its quantities.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Span;
use super::content::{Content, whole};
use super::groups::Groups;
use super::latest::At;
use super::recipe::Rules;
use super::split::Split;
use super::state::{Around, State};
use super::tally::Tally;
use crate::core::aggregate::advance::{Levels, PRORATED_PLACES};
use crate::core::aggregate::figures::{Distinct, Summed, plain_count, plain_value};
use crate::core::aggregate::round;
use crate::core::aggregate::terms::{Breakdown, Figures, RunningTotals, Terms, breakdown_keys};
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::matching::Group;
use crate::core::pricing::Entries;

/// A condition of a request: the place of its key among those of the groups, and the texts it
/// allows.
pub type Condition<'a> = (usize, &'a [String]);

/// What a bucket holds, as a request sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// One entry per group in order, or exactly one that is not grouped.
    pub groups: Vec<Told>,
    /// Presentation breakdowns.
    pub breakdowns: Vec<Breakdown>,
}

/// What is told of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its figures.
    pub figures: Figures,
    /// Its single events as prices read them; none if the price does not.
    pub entries: Entries,
}

/// States by group, borrowed where a group is one that is kept.
type States<'a> = BTreeMap<Group, Cow<'a, State>>;

impl Content {
    /// The quantities under these terms and conditions; none if the content does not tell them.
    pub fn read(
        &self,
        rules: &Rules,
        span: &Span<'_>,
        terms: &Terms<'_>,
        conditions: &[Condition<'_>],
    ) -> Option<Reading> {
        if !(rules.is_mergeable() || rules.tells(terms, conditions)) {
            return None;
        }
        let grouped = !terms.group_keys.is_empty();
        let shows_nothing = !grouped && terms.presentation_keys.is_empty();
        let (states, around, breakdowns) = match self {
            Self::Whole(state) if rules.split_keys().is_empty() && shows_nothing => {
                let states = BTreeMap::from([(Group::default(), Cow::Borrowed(state))]);
                (states, whole(rules, span), Vec::new())
            }
            Self::Whole(_) | Self::OverCap | Self::GivenUp => return None,
            Self::Split(split) => {
                let (states, breakdowns) = split.read(rules, span, terms, conditions)?;
                (states, split.around(rules, span), breakdowns)
            }
        };
        let told = |(group, state): (&Group, &Cow<'_, State>)| {
            state.told(&around, terms, grouped.then(|| group.clone()))
        };
        let mut groups = states.iter().map(told).collect::<Option<Vec<Told>>>()?;
        if groups.is_empty() {
            let mut none = State::new(rules).told(&around, terms, None)?;
            if grouped {
                none.figures = Figures::empty(Some(Group::empty(terms.group_keys.len())));
            }
            groups.push(none);
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
        span: &Span<'_>,
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
        let (groups, keys, around) = match &self.shown {
            Some(shown) => (shown, &*rules.shown_keys, self.around_shown(rules, span)),
            None => (&self.groups, keys, self.around(rules, span)),
        };
        let mut breakdowns = Vec::new();
        for (group, state) in self::states(groups, keys, &shown_keys, conditions)? {
            if state.repair(&around).is_some() {
                return None;
            }
            if let Some(value) = state.shown(&around) {
                breakdowns.push(Breakdown { group, value });
            }
        }
        Some((states, breakdowns))
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

/// What a price reads beside the quantity.
#[derive(Default)]
struct More {
    running: Option<RunningTotals>,
    levels: Option<Levels>,
}

impl State {
    /// What is told of the group; none if its events are needed.
    fn told(&self, around: &Around<'_>, terms: &Terms<'_>, group: Option<Group>) -> Option<Told> {
        if self.repair(around).is_some() || self.is_unclear() {
            return None;
        }
        let (mut figures, entries) = match self {
            Self::With(with) => {
                let singles = with.singles.as_ref();
                let running = singles.and_then(|singles| singles.running_totals(around));
                let entries = singles.and_then(|singles| singles.entries(around));
                let more = More { running, levels: with.levels(around).ok()? };
                (with.base.figures(around, terms, group, more), entries)
            }
            _ => (self.figures(around, terms, group, More::default()), None),
        };
        round(terms, &mut figures);
        Some(Told { figures, entries: entries.unwrap_or(Entries::NONE) })
    }

    /// Whether only the events tell the quantity, whatever order they came in.
    fn is_unclear(&self) -> bool {
        match self {
            Self::Presence(presence) => presence.is_unclear(),
            Self::With(with) => with.base.is_unclear(),
            _ => false,
        }
    }

    /// The figures of the group, before the metric's rounding.
    fn figures(
        &self,
        around: &Around<'_>,
        terms: &Terms<'_>,
        group: Option<Group>,
        more: More,
    ) -> Figures {
        let More { running, levels } = more;
        match self {
            Self::Tally(tally) if terms.metric.aggregation == Aggregation::Sum => {
                let running = running.or(Some(RunningTotals::EMPTY));
                Summed { levels, running, ..summed(terms, tally) }.figures(terms, group)
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
                Distinct { active, shares: None, levels }.figures(terms, group)
            }
            Self::Presence(presence) => {
                let active = Decimal::from(presence.active());
                let shares = Some(presence.shares().ceil(PRORATED_PLACES));
                Distinct { active, shares, levels }.figures(terms, group)
            }
            Self::Shares(shares) => {
                let selected = if terms.metric.recurring { &shares.all } else { &shares.window };
                let parts = Summed {
                    all: Decimal::from(shares.all.count),
                    shares: Some(shares.prorated(terms)),
                    levels,
                    ..summed(terms, selected)
                };
                parts.figures(terms, group)
            }
            Self::Carrying(carrying) => carrying.parts(around.span).figures(terms, group),
            Self::With(with) => with.base.figures(around, terms, group, More { running, levels }),
        }
    }

    /// What is shown of a combination; none without an event.
    fn shown(&self, around: &Around<'_>) -> Option<Decimal> {
        match self {
            Self::Tally(tally) if around.rules.aggregation == Aggregation::Sum => {
                Some(tally.sum.clone())
            }
            Self::Tally(tally) => Some(Decimal::from(tally.count)),
            Self::Peak(peak) => peak.max.clone(),
            Self::Latest(latest) => latest.last.as_ref().map(|(_, value)| value.clone()),
            Self::Distinct(distinct) => Some(Decimal::from(distinct.active())),
            Self::Presence(presence) => Some(Decimal::from(presence.active())),
            Self::Shares(shares) => (shares.window.count > 0).then(|| shares.window.sum.clone()),
            Self::Carrying(carrying) => Some(carrying.value(around.span)),
            Self::With(with) => with.base.shown(around),
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
