//! Which events a bucket of a charge counts (specification 6.3, 6.5).

use odometer::core::catalog::{BillableMetric, Charge, ChargeFilter};

use super::event::Event;

const ALL: &str = "__ALL_FILTER_VALUES__";

type Values = Vec<(String, Vec<String>)>;

/// The filter's values, with the marker replaced by what the metric declares.
fn expanded(filter: &ChargeFilter, metric: &BillableMetric) -> Values {
    let values = |key: &String, values: &Vec<String>| -> Vec<String> {
        if values != &[ALL] {
            return values.clone();
        }
        let declared = metric.filters.iter().find(|declared| declared.key == *key);
        declared.map(|declared| declared.values.clone()).unwrap_or_default()
    };
    filter.values.iter().map(|(key, own)| (key.clone(), values(key, own))).collect()
}

fn of<'v>(values: &'v Values, key: &str) -> Option<&'v Vec<String>> {
    values.iter().find(|(own, _)| own == key).map(|(_, values)| values)
}

/// Whether one bucket counts an event. `filter` is the place of the charge's filter, none for the
/// default bucket; `asked` the `group` of the request.
pub fn counts(
    event: &Event,
    charge: &Charge,
    metric: &BillableMetric,
    filter: Option<usize>,
    asked: &Values,
) -> bool {
    let own = filter.map(|at| expanded(&charge.filters[at], metric)).unwrap_or_default();
    let has = |key: &str, values: &Vec<String>| {
        event.text(key).is_some_and(|text| values.contains(&text))
    };
    let matches = own
        .iter()
        .filter(|(key, _)| of(asked, key).is_none())
        .chain(asked)
        .all(|(key, values)| has(key, values));
    let clause_holds = |clause: &Values| {
        clause.iter().all(|(key, values)| values.contains(&event.text(key).unwrap_or_default()))
    };
    matches && !clauses(charge, metric, filter).iter().any(clause_holds)
}

/// What other buckets take away.
fn clauses(charge: &Charge, metric: &BillableMetric, filter: Option<usize>) -> Vec<Values> {
    let mut clauses = Vec::new();
    for (at, other) in charge.filters.iter().enumerate() {
        let taken = expanded(other, metric);
        match filter {
            None => clauses.push(taken),
            Some(own) if own != at => {
                clauses.extend(clause(&charge.filters[own], other, metric));
            }
            Some(_) => {}
        }
    }
    clauses
}

fn clause(own: &ChargeFilter, other: &ChargeFilter, metric: &BillableMetric) -> Option<Values> {
    let (mine, theirs) = (expanded(own, metric), expanded(other, metric));
    let shares = |(key, values): &(String, Vec<String>)| {
        of(&theirs, key).is_some_and(|their| values.iter().any(|value| their.contains(value)))
    };
    if !mine.iter().all(shares) {
        return None;
    }
    if mine.len() != theirs.len() {
        return Some(theirs);
    }
    let within = |one: &Values, two: &Values| {
        one.iter().all(|(key, values)| {
            of(two, key).is_some_and(|other| values.iter().all(|value| other.contains(value)))
        })
    };
    if within(&mine, &theirs) && within(&theirs, &mine) {
        let older = (other.created_at, other.id) < (own.created_at, own.id);
        return older.then_some(theirs);
    }
    if within(&theirs, &mine) {
        return Some(theirs);
    }
    let mut rest: Values = Vec::new();
    for (key, values) in &theirs {
        let configured = of(&own.values, key).unwrap();
        let mine = of(&mine, key).unwrap();
        let keep = |value: &&String| configured == &[ALL] || !mine.contains(value);
        let left: Vec<String> = values.iter().filter(keep).cloned().collect();
        if !left.is_empty() {
            rest.push((key.clone(), left));
        }
    }
    (!rest.is_empty()).then_some(rest)
}
