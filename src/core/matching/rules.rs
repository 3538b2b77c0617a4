//! What a charge filter takes and what it leaves to others (specification 6.3).

use std::collections::BTreeSet;

use crate::core::catalog::{ChargeFilter, MetricFilter};
use crate::core::planted::{Fault, planted};

/// Stands for every value that the metric declares for a key.
pub const ALL_VALUES: &str = "__ALL_FILTER_VALUES__";

/// Accepted texts per property key; all keys have to agree.
pub type Condition = Vec<(String, Vec<String>)>;

/// The rule of one bucket: an event counts if it meets `matching` and none of `ignored`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Accepted texts per key. No key accepts everything.
    pub matching: Condition,
    /// What belongs to other filters. A missing property reads as empty text here.
    pub ignored: Vec<Condition>,
}

/// The rule of every filter, in filter order, then that of the default bucket.
///
/// The default bucket exists for an unfiltered charge too: it is then the only one.
pub fn rules(filters: &[ChargeFilter], declared: &[MetricFilter]) -> Vec<Rule> {
    let expanded: Vec<Condition> = filters.iter().map(|filter| expand(filter, declared)).collect();
    let mut rules: Vec<Rule> = (0..filters.len())
        .map(|own| Rule {
            matching: expanded[own].clone(),
            ignored: (0..filters.len())
                .filter(|other| *other != own)
                .filter_map(|other| exclusion(filters, &expanded, own, other))
                .collect(),
        })
        .collect();
    let ignored = expanded.into_iter().map(without_empty).filter(|clause| !clause.is_empty());
    let ignored = ignored.filter(|_| !planted(Fault::FilterMissed));
    rules.push(Rule { matching: Condition::new(), ignored: ignored.collect() });
    rules
}

/// The filter's values with [`ALL_VALUES`] replaced by what the metric declares.
fn expand(filter: &ChargeFilter, declared: &[MetricFilter]) -> Condition {
    let all = |key: &str| {
        declared.iter().find(|filter| filter.key == key).map_or(&[][..], |filter| &filter.values)
    };
    let values = |(key, values): &(String, Vec<String>)| {
        let mut expanded: Vec<String> = Vec::with_capacity(values.len());
        for value in values {
            if value == ALL_VALUES && !planted(Fault::AllValuesLiteral) {
                expanded.extend_from_slice(all(key));
            } else {
                expanded.push(value.clone());
            }
        }
        (key.clone(), expanded)
    };
    filter.values.iter().map(values).collect()
}

/// Which events of filter `own` belong to filter `other`; none if the two do not compete.
fn exclusion(
    filters: &[ChargeFilter],
    expanded: &[Condition],
    own: usize,
    other: usize,
) -> Option<Condition> {
    let (mine, theirs) = (&expanded[own], &expanded[other]);
    let is_child = mine.iter().all(|(key, values)| {
        values_of(theirs, key).is_some_and(|found| found.iter().any(|v| values.contains(v)))
    });
    if !is_child || planted(Fault::OverlapCountsTwice) {
        return None;
    }
    let clause = if mine.len() != theirs.len() {
        theirs.clone()
    } else if mine.iter().all(|(key, values)| same_values(values_of(theirs, key), values)) {
        let age = |index: usize| (filters[index].created_at, filters[index].id);
        if age(other) >= age(own) {
            return None;
        }
        theirs.clone()
    } else if mine.iter().all(|(key, values)| {
        values_of(theirs, key).is_some_and(|found| found.iter().all(|v| values.contains(v)))
    }) {
        theirs.clone()
    } else {
        overlap(&filters[own], mine, theirs)
    };
    Some(without_empty(clause)).filter(|clause| !clause.is_empty())
}

/// Same keys, neither contains the other: what only the other filter accepts. A key that stands for
/// all values keeps the other's list whole.
fn overlap(own: &ChargeFilter, mine: &Condition, theirs: &Condition) -> Condition {
    let stands_for_all =
        |key: &str| own.values.iter().any(|(name, values)| name == key && *values == [ALL_VALUES]);
    let left = |(key, values): &(String, Vec<String>)| {
        let own_values = values_of(mine, key).unwrap_or_default();
        let kept = |value: &&String| stands_for_all(key) || !own_values.contains(value);
        (key.clone(), values.iter().filter(kept).cloned().collect())
    };
    theirs.iter().map(left).collect()
}

fn values_of<'a>(condition: &'a Condition, key: &str) -> Option<&'a [String]> {
    condition.iter().find(|(name, _)| name == key).map(|(_, values)| values.as_slice())
}

/// Lists are compared as sets, so that two filters that differ in spelling order alone still have
/// an older and a newer one.
fn same_values(found: Option<&[String]>, values: &[String]) -> bool {
    let set = |values: &[String]| values.iter().cloned().collect::<BTreeSet<_>>();
    found.is_some_and(|found| set(found) == set(values))
}

fn without_empty(clause: Condition) -> Condition {
    clause.into_iter().filter(|(_, values)| !values.is_empty()).collect()
}
