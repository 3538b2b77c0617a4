//! The questions below an aggregation: what an event store is asked for (aggregation details 12).
//!
//! All take the bucket's events in order of (timestamp, position) and the bounds, values and keys
//! of the terms. Nothing here rounds, raises levels or stands in for empty groups.

use std::collections::BTreeMap;

use super::dated::date_sums;
use super::scan::{self, partition};
use super::select::{Sample, samples, since, sum};
use super::terms::{Breakdown, Figures, Terms};
use super::unique::{Row, rows};
use super::{presentation, unique};
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::matching::Group;
use crate::core::period::Date;

/// The events of the quantity's window that the looked-up values find.
pub fn selected<'e>(terms: &Terms<'_>, events: &[&'e Usage<'e>]) -> Vec<&'e Usage<'e>> {
    since(&terms.history(events), terms.lower()).to_vec()
}

/// The valid ones of [`selected`] with their values.
pub fn values<'e>(terms: &Terms<'_>, events: &[&'e Usage<'e>]) -> Vec<Sample<'e>> {
    samples(&selected(terms, events), terms.field())
}

/// Value and count of every group, or of the whole; no entry for a grouped quantity without events.
pub fn figures(terms: &Terms<'_>, events: &[&Usage<'_>]) -> Vec<Figures> {
    let history = terms.history(events);
    if terms.group_keys.is_empty() {
        vec![scan::whole(terms, &history)]
    } else {
        scan::groups(terms, &history)
    }
}

/// Value of every combination of group keys and presentation keys, unrounded and as sent.
pub fn combinations(terms: &Terms<'_>, events: &[&Usage<'_>]) -> Vec<Breakdown> {
    presentation::breakdowns(terms, &terms.history(events))
}

/// The latest of [`selected`] of every group.
pub fn latest<'e>(terms: &Terms<'_>, events: &[&'e Usage<'e>]) -> BTreeMap<Group, &'e Usage<'e>> {
    let selected = selected(terms, events).into_iter();
    selected.map(|event| (Group::of(event.properties, terms.group_keys), event)).collect()
}

/// The operations that change a value's presence, of every group, with their unrounded shares.
pub fn presences<'e>(terms: &Terms<'_>, events: &[&'e Usage<'e>]) -> BTreeMap<Group, Vec<Row<'e>>> {
    let groups = partition(&selected(terms, events), terms.group_keys);
    let own =
        |events: &[&'e Usage<'e>]| rows(&terms.frame, terms.field(), terms.group_keys, events);
    groups.into_iter().map(|(group, events)| (group, own(&events))).collect()
}

/// Σ of the shares of presences, unrounded.
pub fn presence_sum(rows: &[Row<'_>]) -> Decimal {
    unique::presence_sum(rows)
}

/// Σ of the values by the share of the period that `ratio` gives, or each by what remained of it.
pub fn prorated_sum(terms: &Terms<'_>, events: &[&Usage<'_>], ratio: Option<&Decimal>) -> Decimal {
    let values = values(terms, events);
    match ratio {
        Some(ratio) => &sum(&values) * ratio,
        None => values
            .iter()
            .map(|sample| &sample.value * &terms.frame.share_from(sample.event.timestamp))
            .sum(),
    }
}

/// Σ of the values of each local date that has any.
pub fn sums_by_date(terms: &Terms<'_>, events: &[&Usage<'_>]) -> Vec<(Date, Decimal)> {
    date_sums(&terms.frame, &samples(&terms.history(events), terms.field()))
}

/// Σ of the events' own amounts in cents, of every group; null counts 0.
pub fn precise_cents(terms: &Terms<'_>, events: &[&Usage<'_>]) -> BTreeMap<Group, Decimal> {
    let mut sums: BTreeMap<Group, Decimal> = BTreeMap::new();
    for event in selected(terms, events) {
        let sum = sums.entry(Group::of(event.properties, terms.group_keys)).or_default();
        if let Some(cents) = &event.precise_cents {
            *sum += cents;
        }
    }
    sums
}
