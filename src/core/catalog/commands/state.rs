//! What a command sees of the catalogue, and the record it builds.

use std::cell::Cell;

use uuid::Uuid;

use super::Refusal;
use crate::core::catalog::book::Tenant;
use crate::core::catalog::directory::Directory;
use crate::core::catalog::record::{Body, Change, Coded, Entity, EntityId, EntityKey, Record};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::{BillableMetric, Plan, Tax};
use crate::core::instant::{Instant, MILLISECOND};

/// The catalogue of one organisation at a moment.
pub struct State<'a> {
    /// The organisation with its metrics, plans and taxes.
    pub tenant: &'a Tenant,
    /// Customers and subscriptions.
    pub directory: &'a dyn Directory,
    /// When the command is decided, and what it stamps on what it creates.
    pub now: Instant,
    seed: Uuid,
    made: Cell<u16>,
}

impl<'a> State<'a> {
    /// The state at a moment. All identifiers of the command come from the random `seed`.
    pub fn new(tenant: &'a Tenant, directory: &'a dyn Directory, now: Instant, seed: Uuid) -> Self {
        Self { tenant, directory, now, seed, made: Cell::new(0) }
    }

    /// External id of the organisation.
    pub fn organization(&self) -> &'a str {
        &self.tenant.organization.entity.external_id
    }

    /// A new identifier. They ascend with time, and within a command in the order in which they
    /// are made, so that charges, which are listed by id, stand in the order they were given in.
    pub fn new_id(&self) -> Uuid {
        let number = self.made.get();
        self.made.set(number.wrapping_add(1));
        let random = Uuid::new_v5(&self.seed, &number.to_be_bytes()).into_bytes();
        let mut tail = [0; 10];
        tail.copy_from_slice(&random[..10]);
        tail[..2].copy_from_slice(&number.to_be_bytes());
        let millis = u64::try_from(self.now.micros() / MILLISECOND).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }

    /// The tax with this code.
    ///
    /// # Errors
    ///
    /// `tax_not_found`.
    pub fn tax(&self, code: &str) -> Result<&'a Versioned<Tax>, Refusal> {
        self.tenant.taxes.by_code(code).ok_or(Refusal::NotFound("tax"))
    }

    /// The billable metric with this code.
    ///
    /// # Errors
    ///
    /// `billable_metric_not_found`.
    pub fn metric(&self, code: &str) -> Result<&'a Versioned<BillableMetric>, Refusal> {
        self.tenant.metrics.by_code(code).ok_or(Refusal::NotFound("billable_metric"))
    }

    /// The plan with this code; private ones are not found.
    ///
    /// # Errors
    ///
    /// `plan_not_found`.
    pub fn plan(&self, code: &str) -> Result<&'a Versioned<Plan>, Refusal> {
        self.tenant.plans.by_code(code).ok_or(Refusal::NotFound("plan"))
    }

    /// Whether a subscription of any status points at a plan.
    pub fn is_attached(&self, plan: Uuid) -> bool {
        self.directory.is_attached(self.organization(), plan)
    }

    /// No changes yet.
    pub fn changes(&self) -> Changes {
        Changes { organization: self.organization().to_owned(), record: Record::default() }
    }
}

/// A record under construction: what is changed, and what the decision rests on.
#[derive(Clone, Debug)]
pub struct Changes {
    organization: String,
    record: Record,
}

impl Changes {
    /// The decision rests on this entity as it is at a version; none: on its absence.
    pub fn read(&mut self, id: EntityId, version: Option<u64>) {
        let key = self.key(id);
        if self.record.expects.iter().all(|(known, _)| *known != key) {
            self.record.expects.push((key, version));
        }
    }

    /// Nobody holds this code.
    pub fn free_code(&mut self, kind: Coded, code: &str) {
        self.read(EntityId::Code(kind, code.to_owned()), None);
    }

    /// Adds an entity, or replaces the one that was read at this version.
    pub fn put(&mut self, body: Body, version: Option<u64>) {
        let entity = Entity { organization: self.organization.clone(), body };
        self.read(entity.key().id, version);
        self.record.changes.push(Change::Put(entity));
    }

    /// Takes out an entity that was read at this version.
    pub fn delete(&mut self, id: EntityId, version: u64) {
        let key = self.key(id.clone());
        self.read(id, Some(version));
        self.record.changes.push(Change::Delete(key));
    }

    /// The record.
    pub fn into_record(self) -> Record {
        self.record
    }

    fn key(&self, id: EntityId) -> EntityKey {
        EntityKey { organization: self.organization.clone(), id }
    }
}
