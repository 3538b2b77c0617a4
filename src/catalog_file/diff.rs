//! What has to change so that the catalogue is what a file asks for.

use std::collections::BTreeSet;
use std::fmt;

use super::adopt::{Present, Stamps, is_open, settle};
use super::{Desired, DesiredOrganization, Problem, changes};
use crate::core::catalog::book::{Book, Tenant};
use crate::core::catalog::directory::Directory;
use crate::core::catalog::record::{Body, Change, Entity, EntityId, EntityKey, Record};
use crate::core::catalog::version::Versioned;
use crate::core::instant::Instant;
use crate::log::catalog::batches;

/// How a file is applied.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The present moment: creation time of what is new, and what pending means.
    pub now: Instant,
    /// Delete what the organisations of the file have beyond it: taxes, metrics, plans, and
    /// subscriptions of the file's customers. Customers and organisations are never deleted.
    pub prune: bool,
}

/// The changes that a file asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplyPlan {
    /// One line per entity that changes.
    pub lines: Vec<Line>,
    /// The changes, each with the version its entity must have.
    pub changes: Vec<(Change, Option<u64>)>,
}

impl ApplyPlan {
    /// Whether the catalogue is as the file asks for.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The records to append, in order. Should one turn out stale, compare again and go on.
    pub fn into_records(self) -> Vec<Record> {
        batches(self.changes)
    }
}

/// What happens to one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What happens.
    pub sign: Sign,
    /// The kind of entity.
    pub kind: &'static str,
    /// Its code or external id.
    pub name: String,
    /// What differs, or why nothing happens.
    pub details: Vec<String>,
}

/// What happens to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It is added.
    Add,
    /// It changes.
    Change,
    /// It is deleted.
    Delete,
    /// It is left alone although the file says otherwise.
    Keep,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.sign {
            Sign::Add => '+',
            Sign::Change => '~',
            Sign::Delete => '-',
            Sign::Keep => '!',
        };
        write!(f, "{sign} {} {}", self.kind, self.name)?;
        if self.details.is_empty() { Ok(()) } else { write!(f, ": {}", self.details.join(", ")) }
    }
}

/// Compares a file with the catalogue. Problems are names that neither of the two defines.
pub fn diff(
    desired: &Desired,
    book: &Book,
    directory: &dyn Directory,
    options: Options,
) -> Result<ApplyPlan, Vec<Problem>> {
    let mut stamps = Stamps::new(options.now);
    let mut plan = ApplyPlan::default();
    let mut problems = Vec::new();
    for one in &desired.organizations {
        let tenant = book.tenant(&one.organization.external_id).map(AsRef::as_ref);
        match settle(one, &Present { tenant, directory }, &mut stamps) {
            Ok(settled) => {
                let now = options.now;
                let mut scope = Scope { tenant, directory, wanted: &settled, now, plan: &mut plan };
                scope.put_all();
                if options.prune {
                    scope.prune();
                }
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}

/// One organisation while it is compared.
struct Scope<'a> {
    tenant: Option<&'a Tenant>,
    directory: &'a dyn Directory,
    wanted: &'a DesiredOrganization,
    now: Instant,
    plan: &'a mut ApplyPlan,
}

impl Scope<'_> {
    fn organization(&self) -> &str {
        &self.wanted.organization.external_id
    }

    fn put_all(&mut self) {
        let (wanted, tenant) = (self.wanted, self.tenant);
        let name = self.organization().to_owned();
        let old = tenant.map(|tenant| &tenant.organization);
        self.put(&name, old, &wanted.organization, changes::organization, Body::Organization);
        for tax in &wanted.taxes {
            let old = tenant.and_then(|tenant| tenant.tax(tax.id));
            self.put(&tax.code, old, tax, changes::tax, Body::Tax);
        }
        for metric in &wanted.metrics {
            let old = tenant.and_then(|tenant| tenant.metrics.get(metric.id));
            self.put(&metric.code, old, metric, changes::metric, Body::BillableMetric);
        }
        for plan in &wanted.plans {
            let old = tenant.and_then(|tenant| tenant.plan(plan.id));
            self.put(&plan.code, old, plan, changes::plan, Body::Plan);
        }
        for customer in &wanted.customers {
            let old = self.directory.customer(&name, &customer.external_id);
            let code = &customer.external_id;
            self.put(code, old.as_ref(), customer, changes::customer, Body::Customer);
        }
        for row in &wanted.subscriptions {
            let rows = self.directory.subscriptions(&name, &row.external_id);
            let old = rows.iter().find(|old| old.id == row.id);
            if let Some(old) = old.filter(|old| !is_open(old, self.now)) {
                let status = old.status_at(self.now);
                let details = vec![format!("is {} and left alone", status.name())];
                self.line(Sign::Keep, "subscription", &row.external_id, details);
                continue;
            }
            self.put(&row.external_id, old, row, changes::subscription, Body::Subscription);
        }
    }

    /// Adds or changes one entity, unless it is as wanted.
    fn put<T: Clone + PartialEq>(
        &mut self,
        name: &str,
        old: Option<&Versioned<T>>,
        new: &T,
        details: fn(&T, &T) -> Vec<String>,
        body: fn(T) -> Body,
    ) {
        let (sign, details) = match old {
            None => (Sign::Add, Vec::new()),
            Some(old) if *old.entity == *new => return,
            Some(old) => (Sign::Change, details(old, new)),
        };
        let entity =
            Entity { organization: self.organization().to_owned(), body: body(new.clone()) };
        self.line(sign, entity.key().id.kind(), name, details);
        self.plan.changes.push((Change::Put(entity), old.map(|old| old.version)));
    }

    fn line(&mut self, sign: Sign, kind: &'static str, name: &str, details: Vec<String>) {
        self.plan.lines.push(Line { sign, kind, name: name.to_owned(), details });
    }

    /// Deletes what the file does not have, dependents first.
    fn prune(&mut self) {
        let (wanted, tenant) = (self.wanted, self.tenant);
        self.prune_subscriptions();
        let Some(tenant) = tenant else { return };
        let used = wanted.subscriptions.iter().map(|row| row.plan);
        let kept: BTreeSet<_> = wanted.plans.iter().map(|plan| plan.id).chain(used).collect();
        for row in tenant.plans.iter() {
            // A private plan goes with the one it overrides.
            if !kept.contains(&row.parent.unwrap_or(row.id)) {
                self.delete(EntityId::Plan(row.id), &row.code, row.version);
            }
        }
        let kept: BTreeSet<_> = wanted.metrics.iter().map(|metric| metric.id).collect();
        for row in tenant.metrics.iter().filter(|row| !kept.contains(&row.id)) {
            self.delete(EntityId::BillableMetric(row.id), &row.code, row.version);
        }
        let charges = wanted.plans.iter().flat_map(|plan| &plan.charges);
        let used = charges
            .flat_map(|charge| &charge.taxes)
            .chain(wanted.plans.iter().flat_map(|plan| &plan.taxes))
            .chain(wanted.customers.iter().flat_map(|customer| &customer.taxes));
        let kept: BTreeSet<_> =
            wanted.taxes.iter().map(|tax| tax.id).chain(used.copied()).collect();
        for row in tenant.taxes.iter().filter(|row| !kept.contains(&row.id)) {
            self.delete(EntityId::Tax(row.id), &row.code, row.version);
        }
    }

    fn prune_subscriptions(&mut self) {
        let wanted = self.wanted;
        let kept: BTreeSet<&str> =
            wanted.subscriptions.iter().map(|row| row.external_id.as_str()).collect();
        for customer in &wanted.customers {
            let ids = self.directory.subscriptions_of(self.organization(), &customer.external_id);
            for external_id in ids.into_iter().filter(|id| !kept.contains(id.as_str())) {
                let rows = self.directory.subscriptions(self.organization(), &external_id);
                for row in rows.iter().filter(|row| row.customer == customer.external_id) {
                    let id =
                        EntityId::Subscription { external_id: external_id.clone(), id: row.id };
                    self.delete(id, &external_id, row.version);
                }
            }
        }
    }

    fn delete(&mut self, id: EntityId, name: &str, version: u64) {
        self.line(Sign::Delete, id.kind(), name, Vec::new());
        let key = EntityKey { organization: self.organization().to_owned(), id };
        self.plan.changes.push((Change::Delete(key), Some(version)));
    }
}
