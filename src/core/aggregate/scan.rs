//! The figures of one group, aggregation by aggregation.

use std::collections::BTreeMap;

use super::advance::{PRORATED_PLACES, levels, raise};
use super::prorated::{Prorated, sum_shares};
use super::rounding::round_units;
use super::running;
use super::select::{Sample, number, samples, samples_since, since, sum};
use super::terms::{Figures, RunningTotals, Terms};
use super::unique;
use super::weighted::weigh;
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::matching::Group;

/// Decimals to which an ungrouped weighted sum is rounded up (5.9).
const WEIGHTED_PLACES: i32 = 20;

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
            let units = number(since(history, terms.lower()).len());
            Figures {
                count: units.clone(),
                current_units: Some(units.clone()),
                running_totals: Some(running::counted(terms, &units)),
                units,
                group,
                ..Figures::default()
            }
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
            Figures {
                count: number(selected.len()),
                units: value.unwrap_or(Decimal::ZERO),
                group,
                ..Figures::default()
            }
        }
    }
}

/// The plain quantity: rounded before it is prorated, else left to the end.
fn plain(terms: &Terms<'_>, total: Decimal) -> Decimal {
    let rounds = terms.prorated && terms.trigger.is_none();
    if rounds { round_units(terms.metric.rounding, &total) } else { total }
}

fn in_advance_usage(terms: &Terms<'_>) -> bool {
    terms.pay_in_advance && terms.current_usage
}

fn summed(terms: &Terms<'_>, history: &[&Usage<'_>], group: Option<Group>) -> Figures {
    let all = samples(history, terms.field());
    let selected = samples_since(&all, terms.lower());
    let total = plain(terms, sum(selected));
    let cents = || {
        let own = selected.iter().filter_map(|sample| sample.event.precise_cents.as_ref());
        own.fold(Decimal::ZERO, |sum, cents| sum + cents)
    };
    let mut figures = Figures {
        count: number(if terms.prorated { all.len() } else { selected.len() }),
        precise_cents: terms.dynamic.then(cents),
        ..Figures::default()
    };
    let levels = in_advance_usage(terms).then(|| levels(terms, history, group.as_ref())).flatten();
    let raised = in_advance_usage(terms).then(|| raise(&total, levels.as_ref()));
    if terms.prorated {
        let billing_run = terms.pay_in_advance && !terms.current_usage && terms.trigger.is_none();
        if billing_run {
            figures.count = number(selected.len());
        }
        let (shown, plain) = raised.unwrap_or_else(|| (total.clone(), total));
        let shares = sum_shares(terms, &all);
        let prorated = Prorated { plain, shown, shares, levels: levels.as_ref() };
        (figures.units, figures.current_units, figures.full_units) = prorated.resolve(terms);
    } else {
        figures.running_totals = Some(running::summed(terms, selected, group.as_ref()));
        match raised {
            Some((shown, priced)) => {
                figures.units = priced;
                figures.current_units = Some(shown);
            }
            None => figures.units = total,
        }
    }
    figures.group = group;
    figures
}

fn counted(terms: &Terms<'_>, history: &[&Usage<'_>], group: Option<Group>) -> Figures {
    let selected = since(history, terms.lower());
    let active = Decimal::from_i64(unique::active(selected, terms.field()));
    let total = plain(terms, active.clone());
    let levels = in_advance_usage(terms).then(|| levels(terms, history, group.as_ref())).flatten();
    let raised = in_advance_usage(terms).then(|| raise(&total, levels.as_ref()));
    let mut figures = Figures::default();
    if terms.prorated {
        let keys = if group.is_some() { terms.group_keys } else { &[] };
        let rows = unique::rows(&terms.frame, terms.field(), keys, selected);
        let (shown, plain) = raised.unwrap_or_else(|| (total.clone(), total));
        let shares = unique::presence_sum(&rows).ceil(PRORATED_PLACES);
        let prorated = Prorated { plain, shown, shares, levels: levels.as_ref() };
        (figures.units, figures.current_units, figures.full_units) = prorated.resolve(terms);
        figures.count = figures.units.clone();
    } else {
        let (shown, priced) = match raised {
            Some((shown, priced)) => (Some(shown), priced),
            None => (None, total),
        };
        let running = if group.is_some() { &priced } else { &active };
        figures.running_totals = Some(running::counted(terms, running));
        figures.count = if group.is_some() { active.clone() } else { priced.clone() };
        figures.units = priced;
        figures.current_units = shown;
    }
    figures.group = group;
    figures
}

fn carried(terms: &Terms<'_>, history: &[Sample<'_>], keys: &[String]) -> BTreeMap<Group, Decimal> {
    if terms.metric.recurring {
        terms.carry.groups(history, |sample| Group::of(sample.event.properties, keys))
    } else {
        BTreeMap::new()
    }
}

fn weighted(
    terms: &Terms<'_>,
    history: &[Sample<'_>],
    initial: &Decimal,
    group: Option<Group>,
) -> Figures {
    let selected = samples_since(history, terms.frame.lower());
    let variation = sum(selected);
    let value = weigh(&terms.frame, initial, selected);
    let latest = || selected.last().map_or(terms.frame.from, |sample| sample.event.timestamp);
    Figures {
        units: if group.is_none() { value.ceil(WEIGHTED_PLACES) } else { value },
        count: number(selected.len()),
        total_units: Some(&variation + initial),
        variation: Some(variation),
        recurring_updated_at: terms.metric.recurring.then(latest),
        running_totals: group.is_none().then_some(RunningTotals::EMPTY),
        group,
        ..Figures::default()
    }
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
