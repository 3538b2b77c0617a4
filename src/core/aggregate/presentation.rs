//! Presentation breakdowns (specification 2.7, aggregation details 10).

use super::scan::{partition, weighted_partition};
use super::select::{number, numeric, samples, since, sum};
use super::terms::{Breakdown, Terms, breakdown_keys};
use super::unique;
use super::weighted::weigh;
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::matching::Group;

/// The quantity of every combination of pricing and presentation keys, in order of its values.
pub fn breakdowns(terms: &Terms<'_>, history: &[&Usage<'_>]) -> Vec<Breakdown> {
    let keys = breakdown_keys(terms.group_keys, terms.presentation_keys);
    if terms.metric.aggregation == Aggregation::WeightedSum {
        return weighted_partition(terms, history, &keys)
            .into_iter()
            .map(|(group, (initial, own))| Breakdown {
                group,
                value: weigh(&terms.frame, &initial, &own),
            })
            .collect();
    }
    // A prorated sum shows the window alone, a prorated unique count what it is computed from.
    let window_only = terms.prorated && terms.metric.aggregation == Aggregation::Sum;
    let lower = if window_only { terms.frame.lower() } else { terms.lower() };
    let selected = since(history, lower);
    if terms.metric.aggregation == Aggregation::Latest {
        return latest(terms, selected, &keys);
    }
    partition(selected, &keys)
        .into_iter()
        .filter_map(|(group, events)| Some(Breakdown { group, value: value(terms, &events)? }))
        .collect()
}

/// The quantity of one combination; none without a valid event.
fn value(terms: &Terms<'_>, events: &[&Usage<'_>]) -> Option<Decimal> {
    let field = terms.field();
    match terms.metric.aggregation {
        Aggregation::Count => Some(number(events.len())),
        Aggregation::UniqueCount => Some(Decimal::from_i64(unique::active(events, field))),
        Aggregation::Max => samples(events, field).into_iter().map(|sample| sample.value).max(),
        _ => {
            Some(samples(events, field)).filter(|valid| !valid.is_empty()).map(|valid| sum(&valid))
        }
    }
}

/// One entry per pricing group: the combination and the value of its latest valid event, as sent.
fn latest(terms: &Terms<'_>, selected: &[&Usage<'_>], keys: &[String]) -> Vec<Breakdown> {
    let field = terms.field();
    let entry = |events: Vec<&Usage<'_>>| {
        events.iter().rev().find_map(|event| {
            let value = numeric(event, field)?;
            Some(Breakdown { group: Group::of(event.properties, keys), value })
        })
    };
    let mut entries: Vec<Breakdown> =
        partition(selected, terms.group_keys).into_values().filter_map(entry).collect();
    entries.sort_by(|one, other| one.group.cmp(&other.group));
    entries
}
