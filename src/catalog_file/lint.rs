//! What is right and yet perhaps not meant.

use std::collections::HashSet;

use super::{Desired, DesiredOrganization, Problem};
use crate::core::catalog::check::ALL_FILTER_VALUES;
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter};

/// SHA-256 of the key of the example, `odometer-demo-key`, which everybody can read.
const DEMO_KEY: [u8; 32] = [
    0xf6, 0xa3, 0x79, 0x3b, 0xae, 0xde, 0xf5, 0x89, 0x38, 0x74, 0x0b, 0x4d, 0xc0, 0x2c, 0x4c, 0x3f,
    0x43, 0xef, 0x15, 0x4d, 0x62, 0xbc, 0x83, 0x23, 0x9a, 0xaf, 0x44, 0x16, 0xcc, 0x4e, 0x5e, 0x8d,
];

/// Remarks about a file that was read without problems.
pub fn lint(desired: &Desired) -> Vec<Problem> {
    let mut remarks = Remarks(Vec::new());
    for one in &desired.organizations {
        remarks.organization(one);
    }
    remarks.0
}

struct Remarks(Vec<Problem>);

impl Remarks {
    fn add(&mut self, path: String, message: impl Into<String>, hint: &str) {
        self.0.push(Problem { path, message: message.into(), hint: Some(hint.to_owned()) });
    }

    fn organization(&mut self, one: &DesiredOrganization) {
        let name = &one.organization.external_id;
        let keys = &one.organization.api_keys;
        if keys.is_empty() {
            let hint = "add an entry to `api_keys`";
            self.add(name.clone(), "nobody can ask for its usage", hint);
        }
        if keys.iter().any(|key| key.digest == DEMO_KEY) {
            let hint = "replace it before the service can be reached by others";
            self.add(name.clone(), "uses the demo key, which is public", hint);
        }
        let charged: HashSet<_> =
            one.plans.iter().flat_map(|plan| &plan.charges).map(|charge| charge.metric).collect();
        for metric in one.metrics.iter().filter(|metric| !charged.contains(&metric.id)) {
            let path = format!("{name}: billable metric {}", metric.code);
            self.add(path, "no plan of the file charges it", "add a charge, or leave it out");
        }
        for plan in &one.plans {
            for charge in &plan.charges {
                let metric = one.metrics.iter().find(|metric| metric.id == charge.metric);
                if let Some(metric) = metric {
                    let path = format!("{name}: plan {}, charge {}", plan.code, charge.code);
                    self.charge(&path, charge, metric);
                }
            }
        }
    }

    /// Filters that take the same events (specification 6.3).
    fn charge(&mut self, path: &str, charge: &Charge, metric: &BillableMetric) {
        for (place, left) in charge.filters.iter().enumerate() {
            for (offset, right) in charge.filters[place + 1..].iter().enumerate() {
                let pair = format!("filters {place} and {}", place + 1 + offset);
                match overlap(left, right, metric) {
                    Overlap::Equal => {
                        let hint = "the second will always show zero: leave it out";
                        self.add(path.to_owned(), format!("{pair} have equal values"), hint);
                    }
                    Overlap::Twice => {
                        let hint =
                            "let one of them have all keys of the other, or split the values";
                        let message = format!("{pair} both count an event that matches both");
                        self.add(path.to_owned(), message, hint);
                    }
                    Overlap::None => {}
                }
            }
        }
    }
}

enum Overlap {
    /// No event is counted by both.
    None,
    /// Both take the same events; the older counts them.
    Equal,
    /// Some events are counted by both.
    Twice,
}

fn overlap(left: &ChargeFilter, right: &ChargeFilter, metric: &BillableMetric) -> Overlap {
    let (left, right) = (expand(left, metric), expand(right, metric));
    let values = |of: &Values, key: &str| -> Option<HashSet<String>> {
        of.iter().find(|(name, _)| name == key).map(|(_, values)| values.clone())
    };
    let shares = |key: &str, mine: &HashSet<String>, other: &Values| {
        values(other, key).is_none_or(|theirs| !mine.is_disjoint(&theirs))
    };
    if !left.iter().all(|(key, mine)| shares(key, mine, &right)) {
        return Overlap::None;
    }
    let holds_keys_of = |of: &Values, other: &Values| {
        other.iter().all(|(key, _)| of.iter().any(|(name, _)| name == key))
    };
    let within = |of: &Values, other: &Values| {
        of.iter()
            .all(|(key, mine)| values(other, key).is_some_and(|theirs| mine.is_subset(&theirs)))
    };
    let keys = (holds_keys_of(&left, &right), holds_keys_of(&right, &left));
    let inside = (within(&left, &right), within(&right, &left));
    match (keys, inside) {
        ((true, true), (true, true)) => Overlap::Equal,
        ((false, false), _) | ((true, true), (false, false)) => Overlap::Twice,
        // The one with more keys, or with fewer values, is the more specific and takes the event.
        _ => Overlap::None,
    }
}

type Values = Vec<(String, HashSet<String>)>;

/// The values of a filter, with the declared ones in place of the marker for all.
fn expand(filter: &ChargeFilter, metric: &BillableMetric) -> Values {
    let declared = |key: &str| {
        let filter = metric.filters.iter().find(|filter| filter.key == key);
        filter.map(|filter| filter.values.iter().cloned().collect()).unwrap_or_default()
    };
    let one = |(key, values): &(String, Vec<String>)| {
        let all = values.len() == 1 && values[0] == ALL_FILTER_VALUES;
        let values = if all { declared(key) } else { values.iter().cloned().collect() };
        (key.clone(), values)
    };
    filter.values.iter().map(one).collect()
}
