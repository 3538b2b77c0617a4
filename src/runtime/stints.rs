//! The rows of one external id as the carries of weighted sums see them (specification 5.9).

use super::rows::Rows;
use crate::core::aggregate::Stint;
use crate::core::catalog::book::Tenant;
use crate::core::catalog::directory::Directory;
use crate::core::catalog::{Aggregation, Plan, Subscription};

/// For every charge of the plan with a carry of its own, by its index: the rows of the external id
/// whose plan holds it, oldest first, up to the one that is read.
pub fn stints(
    tenant: &Tenant,
    rows: &Rows,
    subscription: &Subscription,
    plan: &Plan,
) -> Vec<(u16, Vec<Stint>)> {
    let carries = |metric| {
        tenant.metrics.get(metric).is_some_and(|metric| {
            metric.recurring && metric.aggregation == Aggregation::WeightedSum
        })
    };
    let charges: Vec<_> =
        (0_u16..).zip(&plan.charges).filter(|(_, charge)| carries(charge.metric)).collect();
    if charges.is_empty() {
        return Vec::new();
    }
    let rows = rows.subscriptions(&tenant.organization.external_id, &subscription.external_id);
    let of = |charge| {
        let holds = |plan| {
            tenant.plan(plan).is_some_and(|plan| plan.charges.iter().any(|own| own.id == charge))
        };
        let mut stints: Vec<Stint> = rows
            .iter()
            .filter(|row| holds(row.plan))
            .filter_map(|row| {
                let started_at = row.started_at?;
                (started_at <= subscription.started_at?).then_some(Stint {
                    started_at,
                    ended_at: row.terminated_at.filter(|_| row.id != subscription.id),
                    has_previous: row.previous.is_some(),
                })
            })
            .collect();
        stints.sort_by_key(|stint| stint.started_at);
        stints
    };
    charges.into_iter().map(|(index, charge)| (index, of(charge.id))).collect()
}
