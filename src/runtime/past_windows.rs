//! The closed windows of a customer's subscription, found without reading an event (specification
//! 8.1).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::past_catalogue::{PlanChange, TermsChange};
use super::rows::Rows;
use crate::core::catalog::Subscription;
use crate::core::catalog::book::Tenant;
use crate::core::catalog::closed::{PlanTerms, closed_windows, ending};
use crate::core::catalog::version::{SubscriptionRows, Versioned};
use crate::core::catalog::zones::{timeline, zone_of};
use crate::core::instant::Instant;
use crate::core::period::{Closed, Zone};

/// A closed window of one row.
#[derive(Clone, Debug)]
pub struct RowWindow {
    /// The row as it stands.
    pub row: Arc<Subscription>,
    /// The plan that it was on when the window closed.
    pub plan: Uuid,
    /// The window.
    pub closed: Closed,
    /// Days that an upgrade takes off the window's share of its period.
    pub fewer_days: i64,
}

/// The closed windows of those `rows` of an external id that `takes` picks, newest first. Left out
/// are windows that closed before the row was recorded, or while its plan was not there.
pub fn row_windows(
    rows: &Rows,
    tenant: &Tenant,
    of_id: &SubscriptionRows,
    takes: impl Fn(&Subscription) -> bool,
    now: Instant,
) -> Result<Vec<RowWindow>, String> {
    let mut found: Vec<RowWindow> = Vec::new();
    let Some(first) = of_id.first() else { return Ok(found) };
    let organization = &tenant.organization.external_id;
    let plans = rows.row_plans(organization, &first.external_id)?;
    let mut terms: HashMap<Uuid, Vec<TermsChange>> = HashMap::new();
    for row in of_id.iter().filter(|row| takes(row)) {
        let Some(on) = plans.get(&row.id) else { continue };
        for (_, plan) in on {
            if !terms.contains_key(plan) {
                terms.insert(*plan, rows.plan_terms(organization, *plan)?);
            }
        }
        let zones = zones(rows, tenant, &row.customer);
        found.extend(of_row(row, of_id, on, &terms, &zones, now));
    }
    found.sort_by_key(|window| Reverse((window.closed.window.from, window.closed.window.to)));
    Ok(found)
}

fn of_row(
    row: &Versioned<Subscription>,
    of_id: &SubscriptionRows,
    on: &[PlanChange],
    terms: &HashMap<Uuid, Vec<TermsChange>>,
    zones: &[(Instant, Zone)],
    now: Instant,
) -> Vec<RowWindow> {
    let Some((created, _)) = on.first() else { return Vec::new() };
    let plans = plan_terms(on, terms);
    if plans.is_empty() {
        return Vec::new();
    }
    let (ending, is_upgraded) = ending(row, of_id.iter().map(|row| &*row.entity));
    let windows = closed_windows(row, ending, zones, &plans, now);
    let windows = windows.into_iter().filter(|closed| closed.closes_at >= *created);
    let listed = windows.filter_map(|closed| {
        let plan = on.iter().rfind(|(since, _)| *since <= closed.closes_at)?.1;
        let mut life = terms.get(&plan)?.iter();
        life.rfind(|(since, _)| *since <= closed.closes_at)?.1?;
        let fewer_days = i64::from(is_upgraded && closed.is_cut);
        Some(RowWindow { row: Arc::clone(&row.entity), plan, closed, fewer_days })
    });
    listed.collect()
}

/// What of the plans that a row was on decides its windows, by log time.
fn plan_terms(on: &[PlanChange], terms: &HashMap<Uuid, Vec<TermsChange>>) -> Vec<PlanTerms> {
    let mut found = Vec::new();
    for (place, (since, plan)) in on.iter().enumerate() {
        let until = on.get(place + 1).map_or(Instant::MAX, |(next, _)| *next);
        let Some(changes) = terms.get(plan) else { continue };
        let of_plan: Vec<PlanTerms> = changes.iter().filter_map(|(_, terms)| *terms).collect();
        let at_start = of_plan.iter().rfind(|terms| terms.since <= *since).or(of_plan.first());
        found.extend(at_start.map(|terms| PlanTerms { since: *since, ..*terms }));
        found.extend(of_plan.iter().filter(|terms| terms.since > *since && terms.since < until));
    }
    found
}

/// The zones that a customer had, by log time; at least one.
fn zones(rows: &Rows, tenant: &Tenant, customer: &str) -> Vec<(Instant, Zone)> {
    let known = rows.customer_past(&tenant.organization.external_id, customer);
    let name = known.as_ref().and_then(|known| known.row.timezone.as_deref());
    let changes = known.as_ref().and_then(|known| known.zones.as_deref()).unwrap_or_default();
    let names = (name, tenant.organization.timezone.as_deref());
    let zones = timeline(changes, &tenant.past.zones, names);
    if zones.is_empty() { vec![(Instant::MIN, zone_of(names.0, names.1))] } else { zones }
}
