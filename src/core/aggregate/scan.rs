//! From the events of one group to its figures, aggregation by aggregation.

use std::collections::BTreeMap;

use super::advance::{Levels, PRORATED_PLACES, levels};
use super::figures::{Distinct, Summed, Weighted, plain_count, plain_value};
use super::prorated::sum_shares;
use super::running;
use super::select::{Sample, number, samples, samples_since, since, sum};
use super::terms::{Figures, Terms};
use super::unique;
use super::weighted::weigh;
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::matching::Group;

/// The figures of a bucket that is not grouped. `history`: its events up to the upper bound.
pub fn whole(terms: &Terms<'_>, history: &[&Usage<'_>]) -> Figures {
    match terms.metric.aggregation {
        Aggregation::WeightedSum => {
            let samples = samples(history, terms.field());
            let initial = carried(terms, &samples, &[]).remove(&Group::default());
            weighted(terms, &samples, &initial.unwrap_or(Decimal::ZERO), None)
        }
        _ => figures(terms, history, None),
    }
}

/// The figures of every group, in order of the group values. Groups without a selected event do not
/// exist.
pub fn groups(terms: &Terms<'_>, history: &[&Usage<'_>]) -> Vec<Figures> {
    let keys = terms.group_keys;
    if terms.metric.aggregation == Aggregation::WeightedSum {
        return weighted_groups(terms, history);
    }
    let field = terms.field();
    let numeric = terms.metric.aggregation != Aggregation::Count
        && terms.metric.aggregation != Aggregation::UniqueCount;
    let all_time = terms.prorated && terms.metric.aggregation == Aggregation::Sum;
    let lower = terms.lower();
    let exists = |events: &Vec<&Usage<'_>>| {
        let selected = if all_time { events } else { since(events, lower) };
        selected.iter().any(|event| !numeric || super::select::numeric(event, field).is_some())
    };
    partition(history, keys)
        .into_iter()
        .filter(|(_, events)| exists(events))
        .map(|(group, events)| figures(terms, &events, Some(group)))
        .collect()
}

/// Splits events by their group, keeping their order.
pub fn partition<'e>(
    events: &[&'e Usage<'e>],
    keys: &[String],
) -> BTreeMap<Group, Vec<&'e Usage<'e>>> {
    let mut groups: BTreeMap<Group, Vec<&Usage<'_>>> = BTreeMap::new();
    for event in events {
        groups.entry(Group::of(event.properties, keys)).or_default().push(event);
    }
    groups
}

fn figures(terms: &Terms<'_>, history: &[&Usage<'_>], group: Option<Group>) -> Figures {
    match terms.metric.aggregation {
        Aggregation::Count => {
            plain_count(terms, number(since(history, terms.lower()).len()), group)
        }
        Aggregation::Sum => summed(terms, history, group),
        Aggregation::UniqueCount => counted(terms, history, group),
        Aggregation::Max | Aggregation::Latest | Aggregation::WeightedSum => {
            let all = samples(history, terms.field());
            let selected = samples_since(&all, terms.lower());
            let value = if terms.metric.aggregation == Aggregation::Max {
                selected.iter().map(|sample| &sample.value).max().cloned()
            } else {
                selected.last().map(|latest| latest.value.clone().max(Decimal::ZERO))
            };
            plain_value(value, number(selected.len()), group)
        }
    }
}

fn in_advance_levels(
    terms: &Terms<'_>,
    history: &[&Usage<'_>],
    group: Option<&Group>,
) -> Option<Levels> {
    (terms.pay_in_advance && terms.current_usage).then(|| levels(terms, history, group)).flatten()
}

fn summed(terms: &Terms<'_>, history: &[&Usage<'_>], group: Option<Group>) -> Figures {
    let all = samples(history, terms.field());
    let selected = samples_since(&all, terms.lower());
    let cents = || {
        let own = selected.iter().filter_map(|sample| sample.event.precise_cents.as_ref());
        own.fold(Decimal::ZERO, |sum, cents| sum + cents)
    };
    let parts = Summed {
        total: sum(selected),
        selected: number(selected.len()),
        all: number(all.len()),
        cents: terms.dynamic.then(cents),
        shares: terms.prorated.then(|| sum_shares(terms, &all)),
        levels: in_advance_levels(terms, history, group.as_ref()),
        running: (!terms.prorated).then(|| running::summed(terms, selected, group.as_ref())),
    };
    parts.figures(terms, group)
}

fn counted(terms: &Terms<'_>, history: &[&Usage<'_>], group: Option<Group>) -> Figures {
    let selected = since(history, terms.lower());
    let shares = || {
        let keys = if group.is_some() { terms.group_keys } else { &[] };
        let rows = unique::rows(&terms.frame, terms.field(), keys, selected);
        unique::presence_sum(&rows).ceil(PRORATED_PLACES)
    };
    let parts = Distinct {
        active: Decimal::from_i64(unique::active(selected, terms.field())),
        shares: terms.prorated.then(shares),
        levels: in_advance_levels(terms, history, group.as_ref()),
    };
    parts.figures(terms, group)
}

fn carried(terms: &Terms<'_>, history: &[Sample<'_>], keys: &[String]) -> BTreeMap<Group, Decimal> {
    if !terms.metric.recurring {
        return BTreeMap::new();
    }
    let mut carried =
        terms.carry.groups(history, |sample| Group::of(sample.event.properties, keys));
    // What somebody else keeps by pricing group says nothing of the combinations in it.
    carried.retain(|group, _| group.0.len() == keys.len());
    carried
}

fn weighted(
    terms: &Terms<'_>,
    history: &[Sample<'_>],
    initial: &Decimal,
    group: Option<Group>,
) -> Figures {
    let selected = samples_since(history, terms.frame.lower());
    let parts = Weighted {
        value: weigh(&terms.frame, initial, selected),
        count: number(selected.len()),
        variation: sum(selected),
        initial: initial.clone(),
        latest: selected.last().map(|sample| sample.event.timestamp),
    };
    parts.figures(terms, group)
}

fn weighted_groups(terms: &Terms<'_>, history: &[&Usage<'_>]) -> Vec<Figures> {
    weighted_partition(terms, history, terms.group_keys)
        .into_iter()
        .map(|(group, (initial, own))| weighted(terms, &own, &initial, Some(group)))
        .collect()
}

/// The initial value and the samples of the window of every group that has either.
pub fn weighted_partition<'e>(
    terms: &Terms<'_>,
    history: &[&'e Usage<'e>],
    keys: &[String],
) -> BTreeMap<Group, (Decimal, Vec<Sample<'e>>)> {
    let all = samples(history, terms.field());
    let mut groups: BTreeMap<Group, (Decimal, Vec<Sample<'_>>)> = carried(terms, &all, keys)
        .into_iter()
        .map(|(group, initial)| (group, (initial, Vec::new())))
        .collect();
    let lower = terms.frame.lower();
    for sample in all.into_iter().filter(|sample| sample.event.timestamp >= lower) {
        let group = Group::of(sample.event.properties, keys);
        groups.entry(group).or_insert((Decimal::ZERO, Vec::new())).1.push(sample);
    }
    groups
}
