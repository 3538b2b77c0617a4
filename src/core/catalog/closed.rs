//! Which windows of a subscription row have closed, and under what (specification 8.1, billed
//! windows 2).

use super::{Interval, Status, Subscription};
use crate::core::instant::Instant;
use crate::core::period::{Closed, Ending, Stretch, Terms, Zone, closed};

/// What of a plan decides windows, with the log time from which on it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanTerms {
    /// From when on.
    pub since: Instant,
    /// Interval of the plan.
    pub interval: Interval,
    /// Charges of a yearly or semiannual plan are billed every month.
    pub bill_charges_monthly: bool,
}

/// How a row ended or will end. Among `rows`, all of its external id, is the one that took its
/// place, if a change of plan did: at once after an upgrade, which the row outlives by a moment, or
/// when its period was over after a downgrade (3.11).
pub fn ending<'a>(
    row: &Subscription,
    rows: impl IntoIterator<Item = &'a Subscription>,
) -> (Ending, bool) {
    let Some(end) = row.ends_at() else { return (Ending::Open, false) };
    let mut next = rows.into_iter();
    let next = next.find(|next| next.previous == Some(row.id) && next.status != Status::Canceled);
    let Some(start) = next.and_then(|next| next.started_at) else {
        return (Ending::Cut(end), next.is_some());
    };
    if start < end {
        return (Ending::Cut(end), true);
    }
    // The row may end by itself before a change that waits has come.
    let changed = start == end || row.terminated_at == Some(end);
    (if changed { Ending::Downgraded(end) } else { Ending::Cut(end) }, false)
}

/// The windows of a row that have closed by now, oldest first. `zones` are those that its customer
/// had and `plans` the terms of its plans, both by log time and neither empty; what comes first was
/// in force always.
pub fn closed_windows(
    row: &Subscription,
    ending: Ending,
    zones: &[(Instant, Zone)],
    plans: &[PlanTerms],
    now: Instant,
) -> Vec<Closed> {
    if row.status == Status::Canceled {
        return Vec::new();
    }
    let mut turns: Vec<Instant> =
        zones.iter().map(|(at, _)| *at).chain(plans.iter().map(|plan| plan.since)).collect();
    turns.sort_unstable();
    turns.dedup();
    let in_force = |at: Instant| {
        let zone = zones.iter().rfind(|(since, _)| *since <= at).or(zones.first())?;
        let plan = plans.iter().rfind(|plan| plan.since <= at).or(plans.first())?;
        let terms = Terms {
            interval: plan.interval,
            bill_charges_monthly: plan.bill_charges_monthly,
            billing_time: row.billing_time,
            subscription_at: row.subscription_at,
            started_at: row.started_at,
            zone: zone.1.clone(),
            previous: None,
        };
        Some(Stretch { since: at, terms })
    };
    let mut stretches: Vec<Stretch> = turns.into_iter().filter_map(in_force).collect();
    stretches.dedup_by(|next, last| next.terms == last.terms);
    // A termination is recorded when it has happened; the moment by which a row outlives an upgrade
    // is not waited for.
    let ended = ending.at().filter(|_| row.status == Status::Terminated);
    closed(&stretches, ending, ended.map_or(now, |end| end.max(now)))
}
