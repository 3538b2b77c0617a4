//! Quantities event by event, for prices that depend on single events (aggregation details 9).

use super::advance::PRORATED_PLACES;
use super::select::{Sample, numeric, samples, samples_since, samples_until, since, sum};
use super::terms::Terms;
use super::unique;
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;

/// What becomes of the triggering event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its value is appended.
    pub include: bool,
    /// Its value is left out of the stored ones.
    pub exclude: bool,
}

/// One quantity per event, and of equal length what of it remains after proration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// Values in order of (timestamp, position).
    pub full: Vec<Decimal>,
    /// Prorated values; none if the charge is not prorated.
    pub prorated: Option<Vec<Decimal>>,
}

/// Lists the events of the bucket, or of the group that `terms.only` names.
///
/// None for aggregations that have no such list: latest and weighted sum.
pub fn list(terms: &Terms<'_>, events: &[&Usage<'_>], listing: Listing) -> Option<Listed> {
    if terms.bypass && !terms.metric.recurring {
        let prorated = terms.prorated.then(Vec::new);
        return Some(Listed { full: Vec::new(), prorated });
    }
    let history = terms.history(events);
    let window = since(&history, terms.frame.lower());
    let ones = || vec![Decimal::ONE; window.len() + usize::from(listing.include)];
    Some(match (terms.metric.aggregation, terms.prorated) {
        (Aggregation::Latest | Aggregation::WeightedSum, _) => return None,
        (Aggregation::Count, _) | (Aggregation::UniqueCount, false) => {
            Listed { full: ones(), prorated: None }
        }
        (Aggregation::UniqueCount, true) => presences(terms, &history),
        (Aggregation::Max, _) => {
            Listed { full: peaks(&samples(window, terms.field())), prorated: None }
        }
        (Aggregation::Sum, false) => values(terms, window, listing),
        (Aggregation::Sum, true) => shares(terms, events, window),
    })
}

/// The first event with the greatest value keeps it, every other counts 0.
fn peaks(samples: &[Sample<'_>]) -> Vec<Decimal> {
    let top = samples.iter().map(|sample| &sample.value).max();
    let at = samples.iter().position(|sample| Some(&sample.value) == top);
    let value = |(index, sample): (usize, &Sample<'_>)| {
        if Some(index) == at { sample.value.clone() } else { Decimal::ZERO }
    };
    samples.iter().enumerate().map(value).collect()
}

fn values(terms: &Terms<'_>, window: &[&Usage<'_>], listing: Listing) -> Listed {
    let trigger = terms.trigger.map(|trigger| trigger.event);
    let left_out = trigger.filter(|_| listing.exclude).map(|event| event.transaction);
    let mut full: Vec<Decimal> = samples(window, terms.field())
        .into_iter()
        .filter(|sample| left_out != Some(sample.event.transaction))
        .map(|sample| sample.value)
        .collect();
    if let Some(event) = trigger.filter(|_| listing.include) {
        full.push(numeric(event, terms.field()).unwrap_or(Decimal::ZERO));
    }
    Listed { full, prorated: None }
}

/// Each event with what remained of the period; before them what was carried into the window, by
/// all groups of the bucket together, which is what Lago gives to every group.
fn shares(terms: &Terms<'_>, bucket: &[&Usage<'_>], window: &[&Usage<'_>]) -> Listed {
    let all = samples(bucket, terms.field());
    let carried = sum(samples_until(&all, terms.frame.from.plus_micros(-1)));
    let mut listed = Listed { full: Vec::new(), prorated: Some(Vec::new()) };
    let mut push = |full: Decimal, prorated: Decimal| {
        listed.full.push(full);
        if let Some(list) = &mut listed.prorated {
            list.push(prorated);
        }
    };
    if !carried.is_zero() {
        let share = &carried * &terms.frame.ratio(terms.fewer_days).fd();
        push(carried, share);
    }
    let own = samples(window, terms.field());
    for sample in samples_since(&own, terms.frame.lower()) {
        let share = &sample.value * &terms.frame.share_from(sample.event.timestamp);
        push(sample.value.clone(), share);
    }
    listed
}

/// One entry per operation that changes a value's presence, removals with nothing left of them.
fn presences(terms: &Terms<'_>, history: &[&Usage<'_>]) -> Listed {
    let selected = since(history, terms.lower());
    let rows = unique::rows::<&str>(&terms.frame, terms.field(), &[], selected);
    let sign = |adds| if adds { Decimal::ONE } else { Decimal::from_i64(-1) };
    Listed {
        full: rows.iter().map(|row| sign(row.adds)).collect(),
        prorated: Some(rows.iter().map(|row| row.ratio.ceil(PRORATED_PLACES)).collect()),
    }
}
