//! From events to quantities (specification chapter 5, aggregation details).
//!
//! Every aggregation is *defined* as a scan over a bucket's events in order of (timestamp,
//! position): [`aggregate`]. The same figures are [`kept`] event by event.

mod advance;
mod dated;
mod figures;
mod frame;
pub mod kept;
mod listing;
mod presentation;
mod prorated;
mod rounding;
mod running;
mod scan;
mod select;
#[cfg(test)]
mod sheet;
pub mod store;
mod terms;
#[cfg(test)]
mod tests;
mod unique;
mod weighted;

pub use advance::{InAdvance, Levels, Record, Records};
pub use dated::{Action, Dated, dated};
pub use frame::Frame;
pub use listing::{Listed, Listing, list};
pub use rounding::round_units;
pub use select::{Sample, looks_back, numeric};
pub use terms::{
    Aggregate, Allowance, Breakdown, Figures, RunningTotals, Terms, Trigger, breakdown_keys,
};
pub use unique::{Row, adds};
pub use weighted::{Carry, Stint, is_inside, stretches};

use crate::core::catalog::Aggregation;
use crate::core::event::Usage;
use crate::core::matching::Group;
use crate::core::planted::{Fault, planted};

/// Aggregates one bucket.
///
/// `events`: the bucket's events in order of (timestamp, position). They may go beyond the window
/// on both sides, and have to reach back over all history for a recurring or prorated quantity.
pub fn aggregate(terms: &Terms<'_>, events: &[&Usage<'_>]) -> Aggregate {
    let grouped = !terms.group_keys.is_empty();
    if terms.bypass && !terms.metric.recurring {
        let group = grouped.then(|| Group::empty(terms.group_keys.len()));
        let groups = vec![Figures::empty(group)];
        return Aggregate { groups, in_advance: None, breakdowns: None };
    }
    let history = terms.history(events);
    let mut groups =
        if grouped { scan::groups(terms, &history) } else { vec![scan::whole(terms, &history)] };
    if groups.is_empty() {
        groups.push(Figures::empty(Some(Group::empty(terms.group_keys.len()))));
        return Aggregate { groups, in_advance: None, breakdowns: None };
    }
    let in_advance = (!grouped && bills_in_advance(terms.metric.aggregation))
        .then(|| advance::in_advance(terms, &history));
    if terms.trigger.is_none() {
        for figures in &mut groups {
            round(terms, figures);
        }
    } else if let (Some(full), [figures]) =
        (in_advance.as_ref().and_then(|own| own.full_units.clone()), &mut groups[..])
    {
        figures.full_units = Some(full);
    }
    let shows = !terms.presentation_keys.is_empty();
    let breakdowns = shows.then(|| presentation::breakdowns(terms, &history));
    Aggregate { groups, in_advance, breakdowns }
}

/// The aggregations that a pay-in-advance charge may have (5.1).
const fn bills_in_advance(aggregation: Aggregation) -> bool {
    matches!(aggregation, Aggregation::Count | Aggregation::Sum | Aggregation::UniqueCount)
}

fn round(terms: &Terms<'_>, figures: &mut Figures) {
    let rounding = terms.metric.rounding;
    if rounding.is_none() {
        return;
    }
    if !planted(Fault::RoundingForgotten) {
        figures.units = round_units(rounding, &figures.units);
    }
    figures.full_units = figures.full_units.as_ref().map(|units| round_units(rounding, units));
    figures.current_units =
        figures.current_units.as_ref().map(|units| round_units(rounding, units));
}
