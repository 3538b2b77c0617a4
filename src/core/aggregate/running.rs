//! Running totals for free units (specification 6.9, aggregation details 4).

use super::select::{Sample, numeric};
use super::terms::{RunningTotals, Terms};
use crate::core::decimal::Decimal;
use crate::core::matching::Group;

/// Running totals of a quantity that grows by one: counts and unique counts.
pub fn counted(terms: &Terms<'_>, units: &Decimal) -> RunningTotals {
    if !gives_away(terms) {
        return RunningTotals::EMPTY;
    }
    RunningTotals::Counted(units.trunc_i64().and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
}

/// Running totals of a sum: of the first events that are free, or up to the first total over the
/// free amount. A group's events are looked up by its values.
pub fn summed(terms: &Terms<'_>, selected: &[Sample<'_>], group: Option<&Group>) -> RunningTotals {
    if !gives_away(terms) {
        return RunningTotals::EMPTY;
    }
    let found = |sample: &&Sample<'_>| {
        group.is_none_or(|group| group.finds(sample.event.properties, terms.group_keys))
    };
    let estimated = terms.trigger.filter(|trigger| !trigger.stored);
    let estimated =
        estimated.map(|trigger| numeric(trigger.event, terms.field()).unwrap_or(Decimal::ZERO));
    let values = selected.iter().filter(found).map(|sample| &sample.value).chain(&estimated);
    let mut totals = Vec::new();
    let mut total = Decimal::ZERO;
    for value in values {
        let enough = match usize::try_from(terms.allowance.events) {
            Ok(0) => total > terms.allowance.total,
            Ok(events) => totals.len() >= events,
            Err(_) => false,
        };
        if enough {
            break;
        }
        total += value;
        totals.push(total.clone());
    }
    RunningTotals::Listed(totals)
}

fn gives_away(terms: &Terms<'_>) -> bool {
    terms.allowance.events > 0 || !terms.allowance.total.is_zero()
}
