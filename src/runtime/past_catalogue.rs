//! The catalogue as it stood at instants of the past, read from the versions in the store
//! (specification 8.1 and 10.5).

use std::collections::HashMap;
use std::ops::ControlFlow;

use uuid::Uuid;

use super::rows::{Rows, decode_subscriptions, kind};
use crate::core::catalog::closed::PlanTerms;
use crate::core::catalog::record::Body;
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{BillableMetric, Customer, Organization, Plan, Tax};
use crate::core::instant::Instant;

/// A change of what a subscription row points at: its log time, and the plan from then on.
pub type PlanChange = (Instant, Uuid);

/// A change of what decides a plan's windows, by log time; none once it was deleted.
pub type TermsChange = (Instant, Option<PlanTerms>);

impl Rows {
    /// Of each row of an external subscription id that ever was, by its id: the plans that it was
    /// on, oldest first. The first entry is the row's creation.
    pub(super) fn row_plans(
        &self,
        organization: &str,
        external_id: &str,
    ) -> Result<HashMap<Uuid, Vec<PlanChange>>, String> {
        let mut found: HashMap<Uuid, Vec<PlanChange>> = HashMap::new();
        let mut unreadable = None;
        let scope = (kind::SUBSCRIPTIONS, organization, external_id);
        let visited = self.store.catalog_versions(scope.0, scope.1, scope.2, |entry| {
            match decode_subscriptions(entry.value) {
                Ok(rows) => {
                    for row in rows {
                        let changes = found.entry(row.id).or_default();
                        changes.push((row.log_time, row.plan));
                    }
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    unreadable = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        visited.map_err(|error| error.to_string())?;
        if let Some(error) = unreadable {
            return Err(error);
        }
        for changes in found.values_mut() {
            changes.reverse();
            // The list is written whenever one of its rows is.
            changes.dedup_by_key(|(_, plan)| *plan);
        }
        Ok(found)
    }

    /// What decided a plan's windows, oldest first.
    pub(super) fn plan_terms(
        &self,
        organization: &str,
        plan: Uuid,
    ) -> Result<Vec<TermsChange>, String> {
        let mut changes: Vec<TermsChange> = Vec::new();
        self.each_version(kind::PLAN, organization, &plan.to_string(), |_, stored| {
            changes.push(match stored {
                Err(gone) => (gone, None),
                Ok(stored) => {
                    let since = stored.log_time;
                    let terms = match stored.entity.body {
                        Body::Plan(plan) => Some(PlanTerms {
                            since,
                            interval: plan.interval,
                            bill_charges_monthly: plan.bill_charges_monthly,
                        }),
                        _ => None,
                    };
                    (since, terms)
                }
            });
            ControlFlow::Continue(())
        })?;
        changes.reverse();
        changes.dedup_by(|(_, next), (_, last)| match (next, last) {
            (Some(next), Some(last)) => PlanTerms { since: last.since, ..*next } == *last,
            (None, None) => true,
            _ => false,
        });
        Ok(changes)
    }
}

/// Versions of entities of one kind at some instants.
type Column<T> = HashMap<String, Vec<Option<Versioned<T>>>>;

/// The catalogue of one organisation at several instants. Each entity that is asked for is read
/// from the store once; of its versions only those are held that an instant asks for.
pub struct AsOf<'a> {
    rows: &'a Rows,
    organization: &'a str,
    /// Descending.
    instants: Vec<Instant>,
    organizations: Column<Organization>,
    customers: Column<Customer>,
    plans: Column<Plan>,
    metrics: Column<BillableMetric>,
    taxes: Column<Tax>,
}

impl<'a> AsOf<'a> {
    /// At these instants, newest first.
    pub fn new(rows: &'a Rows, organization: &'a str, mut instants: Vec<Instant>) -> Self {
        instants.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        instants.dedup();
        Self {
            rows,
            organization,
            instants,
            organizations: Column::new(),
            customers: Column::new(),
            plans: Column::new(),
            metrics: Column::new(),
            taxes: Column::new(),
        }
    }

    /// The organisation at one of the instants.
    pub fn organization(&mut self, at: Instant) -> Result<Option<Versioned<Organization>>, String> {
        let pick = |body| match body {
            Body::Organization(organization) => Some(organization),
            _ => None,
        };
        let id = self.organization.to_owned();
        let place = self.place(at);
        let scope = (self.rows, self.organization, &*self.instants);
        find(scope, &mut self.organizations, (kind::ORGANIZATION, id), place, pick)
    }

    /// A customer at one of the instants.
    pub fn customer(
        &mut self,
        external_id: &str,
        at: Instant,
    ) -> Result<Option<Versioned<Customer>>, String> {
        let pick = |body| match body {
            Body::Customer(customer) => Some(customer),
            _ => None,
        };
        let place = self.place(at);
        let scope = (self.rows, self.organization, &*self.instants);
        let id = external_id.to_owned();
        find(scope, &mut self.customers, (kind::CUSTOMER, id), place, pick)
    }

    /// A plan at one of the instants.
    pub fn plan(&mut self, id: Uuid, at: Instant) -> Result<Option<Versioned<Plan>>, String> {
        let pick = |body| match body {
            Body::Plan(plan) => Some(plan),
            _ => None,
        };
        let place = self.place(at);
        let scope = (self.rows, self.organization, &*self.instants);
        find(scope, &mut self.plans, (kind::PLAN, id.to_string()), place, pick)
    }

    /// A metric at one of the instants.
    pub fn metric(
        &mut self,
        id: Uuid,
        at: Instant,
    ) -> Result<Option<Versioned<BillableMetric>>, String> {
        let pick = |body| match body {
            Body::BillableMetric(metric) => Some(metric),
            _ => None,
        };
        let place = self.place(at);
        let scope = (self.rows, self.organization, &*self.instants);
        find(scope, &mut self.metrics, (kind::METRIC, id.to_string()), place, pick)
    }

    /// A tax at one of the instants.
    pub fn tax(&mut self, id: Uuid, at: Instant) -> Result<Option<Versioned<Tax>>, String> {
        let pick = |body| match body {
            Body::Tax(tax) => Some(tax),
            _ => None,
        };
        let place = self.place(at);
        let scope = (self.rows, self.organization, &*self.instants);
        find(scope, &mut self.taxes, (kind::TAX, id.to_string()), place, pick)
    }

    /// The place of an instant; one that was not announced has none.
    fn place(&self, at: Instant) -> usize {
        self.instants.partition_point(|own| *own > at)
    }
}

fn find<T>(
    (rows, organization, instants): (&Rows, &str, &[Instant]),
    column: &mut Column<T>,
    (kind, id): (u8, String),
    place: usize,
    pick: impl Fn(Body) -> Option<T>,
) -> Result<Option<Versioned<T>>, String> {
    if let Some(versions) = column.get(&id) {
        return Ok(versions.get(place).cloned().flatten());
    }
    let versions = at_instants(rows, (kind, organization, &id), instants, pick)?;
    let found = versions.get(place).cloned().flatten();
    column.insert(id, versions);
    Ok(found)
}

/// For each of the instants, which descend: the newest version of an entity that is not later. None
/// if there was none, or if it was a deletion.
fn at_instants<T>(
    rows: &Rows,
    (kind, organization, id): (u8, &str, &str),
    instants: &[Instant],
    pick: impl Fn(Body) -> Option<T>,
) -> Result<Vec<Option<Versioned<T>>>, String> {
    let mut found: Vec<Option<Versioned<T>>> = Vec::with_capacity(instants.len());
    rows.each_version(kind, organization, id, |version, stored| {
        let log_time = match &stored {
            Ok(stored) => stored.log_time,
            Err(gone) => *gone,
        };
        let left = &instants[found.len()..];
        let covered = left.partition_point(|at| *at >= log_time);
        if covered > 0 {
            let entity = stored.ok().and_then(|stored| pick(stored.entity.body));
            let entity = entity.map(|entity| Versioned::new(entity, version, log_time));
            found.extend(std::iter::repeat_n(entity, covered));
        }
        if found.len() == instants.len() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    found.resize(instants.len(), None);
    Ok(found)
}
