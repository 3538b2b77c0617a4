//! Settles what a file leaves open against what is there: identifiers and creation times of
//! entities that exist, and the start of subscriptions.

use std::collections::HashMap;

use uuid::Uuid;

use super::{DesiredOrganization, Problem, Reference, ReferenceKind, derived_id};
use crate::core::catalog::book::Tenant;
use crate::core::catalog::directory::Directory;
use crate::core::catalog::{Charge, ChargeFilter, Plan, Status, Subscription, serving};
use crate::core::instant::Instant;
use crate::core::period::Zone;

/// Gives every new entity a creation time of its own, in the order of the file.
pub(super) struct Stamps {
    /// The present moment.
    pub(super) now: Instant,
    next: Instant,
}

impl Stamps {
    pub(super) const fn new(now: Instant) -> Self {
        Self { now, next: now }
    }

    fn stamp(&mut self) -> Instant {
        let stamp = self.next;
        self.next = stamp.plus_micros(1);
        stamp
    }
}

/// What an organisation is settled against.
pub(super) struct Present<'a> {
    pub(super) tenant: Option<&'a Tenant>,
    pub(super) directory: &'a dyn Directory,
}

/// The organisation as it should be after the file was applied: an entity that has a namesake takes
/// over its identifier and creation time, and everything that refers to it follows.
pub(super) fn settle(
    desired: &DesiredOrganization,
    present: &Present<'_>,
    stamps: &mut Stamps,
) -> Result<DesiredOrganization, Vec<Problem>> {
    let mut settled = desired.clone();
    let name = desired.organization.external_id.as_str();
    let mut ids = Ids::default();
    bind_references(desired, present, &mut ids)?;
    if let Some(tenant) = present.tenant {
        settled.organization.id = tenant.organization.id;
    }
    for tax in &mut settled.taxes {
        let row = present.tenant.and_then(|tenant| tenant.taxes.by_code(&tax.code));
        let row = row.map(|row| (row.id, row.created_at));
        ids.adopt(&mut tax.id, &mut tax.created_at, row, stamps);
    }
    for metric in &mut settled.metrics {
        let row = present.tenant.and_then(|tenant| tenant.metrics.by_code(&metric.code));
        let row = row.map(|row| (row.id, row.created_at));
        ids.adopt(&mut metric.id, &mut metric.created_at, row, stamps);
    }
    for plan in &mut settled.plans {
        let row = present.tenant.and_then(|tenant| tenant.plans.by_code(&plan.code));
        let known = row.map(|row| (row.id, row.created_at));
        ids.adopt(&mut plan.id, &mut plan.created_at, known, stamps);
        // A file says nothing of what is only shown.
        plan.echo = row.map(|row| row.echo.clone()).unwrap_or_default();
        settle_charges(plan, row.map(|row| &**row), &mut ids, stamps);
        ids.follow_all(&mut plan.taxes);
    }
    ids.follow_all(&mut settled.organization.taxes);
    for customer in &mut settled.customers {
        let row = present.directory.customer(name, &customer.external_id);
        customer.echo = row.as_ref().map(|row| row.echo.clone()).unwrap_or_default();
        let row = row.map(|row| (row.id, row.created_at));
        ids.adopt(&mut customer.id, &mut customer.created_at, row, stamps);
        ids.follow_all(&mut customer.taxes);
    }
    settle_subscriptions(&mut settled, present, &ids, stamps);
    Ok(settled)
}

/// Derived identifiers that stand for others.
#[derive(Default)]
struct Ids(HashMap<Uuid, Uuid>);

impl Ids {
    fn adopt(
        &mut self,
        id: &mut Uuid,
        created_at: &mut Instant,
        known: Option<(Uuid, Instant)>,
        stamps: &mut Stamps,
    ) {
        let (adopted, created) = known.unwrap_or_else(|| (*id, stamps.stamp()));
        if adopted != *id {
            self.0.insert(*id, adopted);
        }
        (*id, *created_at) = (adopted, created);
    }

    fn follow(&self, id: &mut Uuid) {
        *id = self.0.get(id).copied().unwrap_or(*id);
    }

    fn follow_all(&self, ids: &mut [Uuid]) {
        for id in ids {
            self.follow(id);
        }
    }
}

/// Names that the file does not define have to be in the catalogue.
fn bind_references(
    desired: &DesiredOrganization,
    present: &Present<'_>,
    ids: &mut Ids,
) -> Result<(), Vec<Problem>> {
    let organization = desired.organization.external_id.as_str();
    let mut problems = Vec::new();
    for Reference { path, kind, name, hint } in &desired.references {
        let found = match kind {
            ReferenceKind::Tax => {
                present.tenant.and_then(|tenant| tenant.taxes.by_code(name)).map(|row| row.id)
            }
            ReferenceKind::Plan => {
                present.tenant.and_then(|tenant| tenant.plans.by_code(name)).map(|row| row.id)
            }
            ReferenceKind::Customer => {
                present.directory.customer(organization, name).map(|row| row.id)
            }
        };
        let kind = kind.name();
        match found {
            Some(found) => {
                ids.0.insert(derived_id(&[organization, kind, name]), found);
            }
            None => problems.push(Problem {
                path: path.clone(),
                message: format!("{kind} `{name}` is neither in the file nor in the catalogue"),
                hint: hint.clone(),
            }),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn settle_charges(plan: &mut Plan, present: Option<&Plan>, ids: &mut Ids, stamps: &mut Stamps) {
    let charges = present.map_or(&[][..], |plan| &plan.charges);
    for charge in &mut plan.charges {
        let row = charges.iter().find(|row| row.code == charge.code);
        let known = row.map(|row| (row.id, row.created_at));
        charge.echo = row.map(|row| row.echo.clone()).unwrap_or_default();
        ids.adopt(&mut charge.id, &mut charge.created_at, known, stamps);
        ids.follow(&mut charge.metric);
        ids.follow_all(&mut charge.taxes);
        settle_filters(charge, row, ids, stamps);
    }
    plan.charges.sort_by_key(|charge| charge.id);
}

/// Of several filters with equal values the first takes over the first, and so on.
fn settle_filters(
    charge: &mut Charge,
    present: Option<&Charge>,
    ids: &mut Ids,
    stamps: &mut Stamps,
) {
    let mut left: Vec<&ChargeFilter> =
        present.map_or_else(Vec::new, |row| row.filters.iter().collect());
    for filter in &mut charge.filters {
        let twin = left.iter().position(|row| row.values == filter.values);
        let known = twin.map(|place| left.remove(place)).map(|row| (row.id, row.created_at));
        ids.adopt(&mut filter.id, &mut filter.created_at, known, stamps);
    }
}

fn settle_subscriptions(
    settled: &mut DesiredOrganization,
    present: &Present<'_>,
    ids: &Ids,
    stamps: &mut Stamps,
) {
    let DesiredOrganization { organization, customers, subscriptions, .. } = settled;
    let zones: HashMap<&str, Option<&str>> = customers
        .iter()
        .map(|customer| (customer.external_id.as_str(), customer.timezone.as_deref()))
        .collect();
    for row in subscriptions {
        ids.follow(&mut row.plan);
        let rows = present.directory.subscriptions(&organization.external_id, &row.external_id);
        if let Some(known) = rows
            .iter()
            .find(|known| known.id == row.id)
            .or_else(|| serving(&rows, stamps.now))
            .or_else(|| rows.iter().rev().find(|known| is_open(known, stamps.now)))
        {
            row.id = known.id;
            row.created_at = known.created_at;
            row.previous = known.previous;
            row.terminated_at = known.terminated_at;
            if known.subscription_at == row.subscription_at || !is_open(known, stamps.now) {
                row.status = known.status;
                row.started_at = known.started_at;
                continue;
            }
        } else {
            row.created_at = stamps.stamp();
        }
        let of_customer = match zones.get(row.customer.as_str()) {
            Some(zone) => zone.map(str::to_owned),
            None => present
                .directory
                .customer(&organization.external_id, &row.customer)
                .and_then(|customer| customer.timezone.clone()),
        };
        let zone = of_customer.as_deref().or(organization.timezone.as_deref());
        start(row, &zone.and_then(Zone::parse).unwrap_or(Zone::UTC), stamps.now);
    }
}

/// Whether a row still runs, or will.
pub(super) fn is_open(row: &Subscription, now: Instant) -> bool {
    matches!(row.status_at(now), Status::Active | Status::Pending)
}

/// When a subscription becomes active (specification 3.6): at its date, if that is today or earlier
/// in the customer's zone, else at the local midnight that begins it.
fn start(row: &mut Subscription, zone: &Zone, now: Instant) {
    let date = zone.date(row.subscription_at);
    if date > zone.date(now) {
        row.status = Status::Pending;
        row.started_at = Some(zone.midnight(date));
    } else {
        row.status = Status::Active;
        row.started_at = Some(row.subscription_at);
    }
}
