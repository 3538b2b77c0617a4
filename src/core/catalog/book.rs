//! The price book: the small part of the catalogue as one immutable snapshot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::past::{MetricChange, Past};
use super::record::{Body, Coded, EntityId};
use super::table::Table;
use super::version::Versioned;
use super::{ApiKey, BillableMetric, Organization, Plan, Tax};
use crate::core::instant::Instant;

/// Organisations with their metrics, plans and taxes after some prefix of the catalogue log.
///
/// Cloning copies three pointers. A change copies the maps of the organisation it touches and the
/// list of organisations, never the entities; readers of the older snapshot go on undisturbed.
/// Customers and subscriptions are in the [`Directory`](super::directory::Directory).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    version: u64,
    tenants: Arc<BTreeMap<Arc<str>, Arc<Tenant>>>,
    /// Entities whose organisation is not known yet, or not any more.
    orphans: Arc<BTreeMap<Arc<str>, Arc<Tables>>>,
    /// Holders of keys by digest. The map hashes with a secret of its own, and never in an order:
    /// how long a look-up takes tells nothing of the digests that are in it.
    keys: Arc<HashMap<[u8; 32], Arc<str>>>,
    /// Whether any organisation ever had an expression.
    evaluates: bool,
}

/// An organisation with all that the book holds of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// The organisation.
    pub organization: Versioned<Organization>,
    tables: Arc<Tables>,
}

/// The entities of one organisation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// Billable metrics.
    pub metrics: Table<BillableMetric>,
    /// Plans, private ones included.
    pub plans: Table<Plan>,
    /// Taxes.
    pub taxes: Table<Tax>,
    /// What earlier versions still decide.
    pub past: Arc<Past>,
}

impl std::ops::Deref for Tenant {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.tables
    }
}

impl Tenant {
    /// The metric with this code (4.4).
    pub fn metric(&self, code: &str) -> Option<&Versioned<BillableMetric>> {
        self.metrics.by_code(code)
    }

    /// The plan with this id, which may be a private one.
    pub fn plan(&self, id: Uuid) -> Option<&Versioned<Plan>> {
        self.plans.get(id)
    }

    /// The tax with this id.
    pub fn tax(&self, id: Uuid) -> Option<&Versioned<Tax>> {
        self.taxes.get(id)
    }
}

impl Book {
    /// The next offset of the catalogue log: every record before it is in.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The organisation with the id that events carry.
    pub fn tenant(&self, external_id: &str) -> Option<&Arc<Tenant>> {
        self.tenants.get(external_id)
    }

    /// All organisations in ascending order of external id.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }

    /// The organisation and the key with this digest, expired or not (1.2).
    pub fn by_key(&self, digest: &[u8; 32]) -> Option<(&Arc<Tenant>, &ApiKey)> {
        let tenant = self.tenants.get(self.keys.get(digest)?)?;
        // The comparison that decides takes the same time whatever it finds.
        let mut keys = tenant.organization.api_keys.iter();
        let key = keys.find(|key| bool::from(key.digest.ct_eq(digest)))?;
        Some((tenant, key))
    }

    /// The version of an entity of the book; none if it is absent or not the book's.
    pub fn version_of(&self, organization: &str, id: &EntityId) -> Option<u64> {
        if *id == EntityId::Organization {
            return self.tenant(organization).map(|tenant| tenant.organization.version);
        }
        let tables = self.tables(organization)?;
        match id {
            EntityId::Tax(id) => tables.taxes.get(*id).map(|row| row.version),
            EntityId::BillableMetric(id) => tables.metrics.get(*id).map(|row| row.version),
            EntityId::Plan(id) => tables.plans.get(*id).map(|row| row.version),
            EntityId::Code(Coded::Tax, code) => tables.taxes.by_code(code).map(|row| row.version),
            EntityId::Code(Coded::BillableMetric, code) => {
                tables.metrics.by_code(code).map(|row| row.version)
            }
            EntityId::Code(Coded::Plan, code) => tables.plans.by_code(code).map(|row| row.version),
            EntityId::Organization
            | EntityId::Customer(_)
            | EntityId::Subscription { .. }
            | EntityId::LifetimeUsage(_) => None,
        }
    }

    /// Puts back an entity that was saved with its version, when a book is loaded. Customers and
    /// subscriptions are not the book's and are left out. The order of calls does not matter.
    pub fn restore(&mut self, organization: &str, body: Body, version: u64, log_time: Instant) {
        self.version = self.version.max(version);
        self.put(organization, body, version, log_time);
    }

    /// Puts back the past of an organisation, known or not, when a book is loaded.
    pub fn restore_past(&mut self, organization: &str, past: Past) {
        self.evaluates |= past.evaluates();
        self.tables_mut(organization).past = Arc::new(past);
    }

    /// The past of an organisation that had expressions; none if no organisation ever had any,
    /// which costs nothing to find out. The organisation need not be known.
    pub fn expressions(&self, organization: &str) -> Option<&Past> {
        if !self.evaluates {
            return None;
        }
        self.tables(organization).map(|tables| &*tables.past)
    }

    /// Moves the next offset forward, e.g. past records that changed customers only.
    pub fn advance(&mut self, version: u64) {
        self.version = self.version.max(version);
    }

    fn tables(&self, organization: &str) -> Option<&Tables> {
        let of_tenant = self.tenants.get(organization).map(|tenant| &tenant.tables);
        of_tenant.or_else(|| self.orphans.get(organization)).map(AsRef::as_ref)
    }

    /// The maps of one organisation, ready to be changed: copied if an older snapshot shares them.
    fn tables_mut(&mut self, organization: &str) -> &mut Tables {
        if self.tenants.contains_key(organization) {
            let tenants = Arc::make_mut(&mut self.tenants);
            if let Some(tenant) = tenants.get_mut(organization) {
                return Arc::make_mut(&mut Arc::make_mut(tenant).tables);
            }
        }
        let orphans = Arc::make_mut(&mut self.orphans);
        Arc::make_mut(orphans.entry(Arc::from(organization)).or_default())
    }

    /// Plans that have a charge on a metric.
    pub(super) fn plans_charging(&self, organization: &str, metric: Uuid) -> Vec<Uuid> {
        let plans = self.tables(organization).into_iter().flat_map(|tables| tables.plans.iter());
        let charging = plans.filter(|plan| plan.charges.iter().any(|c| c.metric == metric));
        charging.map(|plan| plan.id).collect()
    }

    /// The code of a metric as it stands.
    pub(super) fn metric_code(&self, organization: &str, id: Uuid) -> Option<String> {
        Some(self.tables(organization)?.metrics.get(id)?.code.clone())
    }

    pub(super) fn put(&mut self, organization: &str, body: Body, version: u64, log_time: Instant) {
        match body {
            Body::Organization(entity) => {
                self.put_organization(organization, Versioned::new(entity, version, log_time));
            }
            Body::Tax(tax) => self.tables_mut(organization).taxes.put(tax, version, log_time),
            Body::BillableMetric(metric) => {
                self.tables_mut(organization).metrics.put(metric, version, log_time);
            }
            Body::Plan(plan) => self.tables_mut(organization).plans.put(plan, version, log_time),
            Body::Customer(_) | Body::Subscription(_) | Body::LifetimeUsage(_) => {}
        }
    }

    /// Notes what a record that was just applied leaves to the past.
    pub(super) fn note_past(
        &mut self,
        organization: &str,
        changes: &[MetricChange],
        at: (u64, Instant),
        plans: impl FnMut(Uuid) -> Vec<Uuid>,
    ) {
        let zone = self.tenants.get(organization).map(|tenant| &tenant.organization);
        let zone = zone.filter(|row| row.version == at.0).map(|row| row.timezone.clone());
        let tables = self.tables_mut(organization);
        let past = Arc::make_mut(&mut tables.past);
        if let Some(zone) = zone {
            past.note_zone(at.1, zone.as_deref());
        }
        past.note_metrics(changes, &tables.metrics, at, plans);
        self.evaluates |= self.tables(organization).is_some_and(|tables| tables.past.evaluates());
    }

    pub(super) fn remove(&mut self, organization: &str, id: &EntityId) {
        // Asked first, so that deleting what is not there copies nothing.
        if self.version_of(organization, id).is_none() {
            return;
        }
        match id {
            EntityId::Organization => self.remove_organization(organization),
            EntityId::Tax(id) => self.tables_mut(organization).taxes.remove(*id),
            EntityId::BillableMetric(id) => self.tables_mut(organization).metrics.remove(*id),
            EntityId::Plan(id) => self.tables_mut(organization).plans.remove(*id),
            EntityId::Customer(_)
            | EntityId::Subscription { .. }
            | EntityId::LifetimeUsage(_)
            | EntityId::Code(..) => {}
        }
    }

    fn put_organization(&mut self, external_id: &str, organization: Versioned<Organization>) {
        let old = self.tenants.get(external_id).cloned();
        let tables = match &old {
            Some(tenant) => Arc::clone(&tenant.tables),
            None if self.orphans.contains_key(external_id) => {
                Arc::make_mut(&mut self.orphans).remove(external_id).unwrap_or_default()
            }
            None => Arc::default(),
        };
        let tenant = Arc::new(Tenant { organization, tables });
        let name: Arc<str> = Arc::from(external_id);
        Arc::make_mut(&mut self.tenants).insert(Arc::clone(&name), Arc::clone(&tenant));
        if let Some(old) = old {
            self.release_keys(external_id, &old.organization);
        }
        for key in &tenant.organization.api_keys {
            let claim = (tenant.organization.version, &name);
            let holder = self.keys.get(&key.digest);
            let held = holder.and_then(|name| Some((self.tenants.get(name)?, name)));
            if held.is_none_or(|(held, name)| (held.organization.version, name) <= claim) {
                Arc::make_mut(&mut self.keys).insert(key.digest, Arc::clone(&name));
            }
        }
    }

    fn remove_organization(&mut self, external_id: &str) {
        let Some(tenant) = Arc::make_mut(&mut self.tenants).remove(external_id) else { return };
        Arc::make_mut(&mut self.orphans).insert(Arc::from(external_id), Arc::clone(&tenant.tables));
        self.release_keys(external_id, &tenant.organization);
    }

    /// Gives up the keys that an organisation held until now. A key that others claim too goes to
    /// the one with the greatest (version, external id), so that no order of loading decides it.
    fn release_keys(&mut self, external_id: &str, organization: &Organization) {
        for key in &organization.api_keys {
            if self.keys.get(&key.digest).is_none_or(|holder| **holder != *external_id) {
                continue;
            }
            let claims = |tenant: &Tenant| {
                tenant.organization.api_keys.iter().any(|other| other.digest == key.digest)
            };
            let heir = self
                .tenants
                .iter()
                .filter(|(_, tenant)| claims(tenant))
                .max_by_key(|(name, tenant)| (tenant.organization.version, Arc::clone(name)))
                .map(|(name, _)| Arc::clone(name));
            let keys = Arc::make_mut(&mut self.keys);
            match heir {
                Some(heir) => keys.insert(key.digest, heir),
                None => keys.remove(&key.digest),
            };
        }
    }
}
