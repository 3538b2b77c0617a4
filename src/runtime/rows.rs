//! Customers and subscriptions: rows of the store, read when they are needed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::customers::Customers;
use crate::core::catalog::Subscription;
use crate::core::catalog::apply::{Applied, RowChange};
use crate::core::catalog::book::Book;
use crate::core::catalog::directory::Directory;
use crate::core::catalog::record::{Body, Entity, EntityId, EntityKey};
use crate::core::catalog::version::{CustomerRow, LifetimeRow, SubscriptionRows, Versioned};
use crate::core::instant::Instant;
use crate::log::catalog::{Stored, decode_stored, encode_stored};
use crate::store::{CatalogEntry, CatalogProgress, Store, StoreError};

/// Numbers of the entity kinds in the store. They are on disk: never reuse one.
pub(super) mod kind {
    pub const ORGANIZATION: u8 = 1;
    pub const TAX: u8 = 2;
    pub const METRIC: u8 = 3;
    pub const PLAN: u8 = 4;
    pub const CUSTOMER: u8 = 5;
    /// All rows of one external subscription id.
    pub const SUBSCRIPTIONS: u8 = 6;
    /// Entry of the index from customers to external subscription ids.
    pub const LINK: u8 = 7;
    /// A plan that a subscription points at, or has once pointed at.
    pub const ATTACHED: u8 = 8;
    pub const LIFETIME: u8 = 9;
}

/// Separates the names that are joined into the key of a link.
const JOINT: char = '\u{0}';
/// First byte of a version that deleted something; its log time follows. No entity begins so.
const GONE: u8 = 0;
/// Value of a list or of a link that is empty.
const NOTHING: &[u8] = b"";
/// Value of a link that is there.
const PRESENT: &[u8] = b"1";

/// The catalogue's rows in the store.
///
/// [`Directory`] has no way to say that a row could not be read, so failures are counted: who got
/// an answer compares [`Rows::failures`] before and after, and does not trust an absence in
/// between.
pub struct Rows {
    pub(super) store: Arc<Store>,
    pub(super) customers: Customers,
    failures: AtomicU64,
}

impl Rows {
    /// The rows of this store.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, customers: Customers::default(), failures: AtomicU64::new(0) }
    }

    /// How many reads have failed so far.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// The book as the store has it, and how far the catalogue log is applied.
    pub fn load_book(&self) -> Result<(Book, CatalogProgress), String> {
        let mut book = Book::default();
        let mut unreadable = None;
        for kind in [kind::ORGANIZATION, kind::TAX, kind::METRIC, kind::PLAN] {
            let visited = self.store.catalog_newest(kind, None, |entry| {
                if gone(entry.value).is_some() {
                    return ControlFlow::Continue(());
                }
                match decode_stored(entry.value) {
                    Ok(stored) => {
                        let Entity { organization, body } = stored.entity;
                        book.restore(&organization, body, stored.version, stored.log_time);
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        unreadable =
                            Some(format!("{} of {}: {error}", entry.id, entry.organization));
                        ControlFlow::Break(())
                    }
                }
            });
            visited.map_err(|error| error.to_string())?;
        }
        if let Some(detail) = unreadable {
            return Err(detail);
        }
        self.load_pasts(&mut book)?;
        let progress = self.store.catalog_progress().map_err(|error| error.to_string())?;
        book.advance(progress.version);
        Ok((book, progress))
    }

    /// Makes the changes of one record durable together with the log's progress.
    pub fn commit(
        &self,
        applied: &Applied,
        version: u64,
        log_time: Instant,
        progress: CatalogProgress,
    ) -> Result<(), StoreError> {
        let mut entries = Entries { version, log_time, list: Vec::new() };
        for (key, entity) in &applied.writes {
            entries.entity(key, entity.as_ref());
        }
        for change in &applied.rows {
            entries.row(change);
        }
        let list: Vec<CatalogEntry<'_>> = entries
            .list
            .iter()
            .map(|(kind, organization, id, value)| CatalogEntry {
                kind: *kind,
                organization,
                id,
                // True once is true for ever, so one version of it is enough.
                version: if *kind == kind::ATTACHED { 0 } else { version },
                value,
            })
            .collect();
        self.store.commit_catalog(&list, progress)?;
        if list.iter().any(|entry| entry.kind == kind::CUSTOMER) {
            self.customers.forget();
        }
        Ok(())
    }

    pub(super) fn read<T>(&self, result: Result<T, impl std::fmt::Display>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.failures.fetch_add(1, Ordering::AcqRel);
                tracing::error!(%error, "a row of the catalogue cannot be read");
                None
            }
        }
    }

    fn get(&self, kind: u8, organization: &str, id: &str) -> Option<Vec<u8>> {
        let found = self.read(self.store.catalog_get(kind, organization, id))?;
        found.map(|(_, value)| value).filter(|value| gone(value).is_none())
    }
}

impl Directory for Rows {
    fn customer(&self, organization: &str, external_id: &str) -> Option<CustomerRow> {
        self.customer_past(organization, external_id).map(|known| known.row)
    }

    fn subscriptions(&self, organization: &str, external_id: &str) -> SubscriptionRows {
        let Some(value) = self.get(kind::SUBSCRIPTIONS, organization, external_id) else {
            return Arc::from([]);
        };
        self.read(decode_subscriptions(&value)).map_or_else(|| Arc::from([]), Arc::from)
    }

    fn subscriptions_of(&self, organization: &str, customer: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let scope = link_scope(organization, customer);
        let visited = self.store.catalog_newest(kind::LINK, Some(&scope), |entry| {
            if entry.value == PRESENT {
                ids.push(entry.id.to_owned());
            }
            ControlFlow::Continue(())
        });
        let _ = self.read(visited);
        ids.sort_unstable();
        ids
    }

    fn lifetime(&self, organization: &str, id: Uuid) -> Option<LifetimeRow> {
        let value = self.get(kind::LIFETIME, organization, &id.to_string())?;
        let stored = self.read(decode_stored(&value))?;
        match stored.entity.body {
            Body::LifetimeUsage(usage) => {
                Some(Versioned::new(usage, stored.version, stored.log_time))
            }
            _ => None,
        }
    }

    fn is_attached(&self, organization: &str, plan: Uuid) -> bool {
        self.get(kind::ATTACHED, organization, &plan.to_string()).is_some()
    }

    fn each_customer(&self, organization: &str, visit: &mut dyn FnMut(CustomerRow)) {
        let visited = self.store.catalog_newest(kind::CUSTOMER, Some(organization), |entry| {
            if gone(entry.value).is_none()
                && let Some(stored) = self.read(decode_stored(entry.value))
                && let Body::Customer(customer) = stored.entity.body
            {
                visit(Versioned::new(customer, stored.version, stored.log_time));
            }
            ControlFlow::Continue(())
        });
        let _ = self.read(visited);
    }

    fn plans_that_charged(&self, organization: &str, metric: Uuid, before: u64) -> Vec<Uuid> {
        self.read(self.plans_charging(organization, metric, before)).unwrap_or_default()
    }
}

/// The log time of a version that deleted something; none if it did not. [`NOTHING`] is what
/// deletions left behind before they kept their time. A list is longer than a deletion.
pub(super) fn gone(value: &[u8]) -> Option<Instant> {
    match value.split_first() {
        None => Some(Instant::MIN),
        Some((&GONE, rest)) => Some(Instant(i64::from_le_bytes(rest.try_into().ok()?))),
        Some(_) => None,
    }
}

fn deleted(log_time: Instant) -> Vec<u8> {
    let mut value = vec![GONE];
    value.extend(log_time.micros().to_le_bytes());
    value
}

/// Rows of the store that one record leads to, under construction.
struct Entries {
    version: u64,
    log_time: Instant,
    list: Vec<(u8, String, String, Vec<u8>)>,
}

impl Entries {
    fn entity(&mut self, key: &EntityKey, entity: Option<&Entity>) {
        let (kind, id) = match &key.id {
            EntityId::Organization => (kind::ORGANIZATION, key.organization.clone()),
            EntityId::Tax(id) => (kind::TAX, id.to_string()),
            EntityId::BillableMetric(id) => (kind::METRIC, id.to_string()),
            EntityId::Plan(id) => (kind::PLAN, id.to_string()),
            EntityId::Customer(id) => (kind::CUSTOMER, id.clone()),
            EntityId::LifetimeUsage(id) => (kind::LIFETIME, id.to_string()),
            // Written with all rows of the external id, see `row`.
            EntityId::Subscription { .. } | EntityId::Code(..) => return,
        };
        let value = entity.map_or_else(
            || deleted(self.log_time),
            |entity| {
                encode_stored(&Stored {
                    entity: entity.clone(),
                    version: self.version,
                    log_time: self.log_time,
                })
            },
        );
        self.list.push((kind, key.organization.clone(), id, value));
    }

    fn row(&mut self, change: &RowChange) {
        match change {
            // Written as the entities that they are.
            RowChange::Customer { .. } | RowChange::Lifetime { .. } => {}
            RowChange::Subscriptions { organization, external_id, rows } => {
                for row in rows.iter() {
                    let plan = row.plan.to_string();
                    let fact = (kind::ATTACHED, organization.clone(), plan, PRESENT.to_vec());
                    if !self.list.contains(&fact) {
                        self.list.push(fact);
                    }
                }
                let value = encode_subscriptions(organization, rows);
                let id = external_id.clone();
                self.list.push((kind::SUBSCRIPTIONS, organization.clone(), id, value));
            }
            RowChange::Link { organization, customer, external_id, present } => {
                let value = if *present { PRESENT } else { NOTHING };
                let scope = link_scope(organization, customer);
                self.list.push((kind::LINK, scope, external_id.clone(), value.to_vec()));
            }
        }
    }
}

fn link_scope(organization: &str, customer: &str) -> String {
    format!("{organization}{JOINT}{customer}")
}

/// Rows one after the other, each with its length in four bytes before it. None: [`NOTHING`].
fn encode_subscriptions(organization: &str, rows: &SubscriptionRows) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows.iter() {
        let body = Body::Subscription((*row.entity).clone());
        let bytes = encode_stored(&Stored {
            entity: Entity { organization: organization.to_owned(), body },
            version: row.version,
            log_time: row.log_time,
        });
        out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(bytes);
    }
    out
}

pub(super) fn decode_subscriptions(
    mut bytes: &[u8],
) -> Result<Vec<Versioned<Subscription>>, String> {
    let mut rows = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let (row, rest) = rest.split_at_checked(length).ok_or("a subscription row is cut short")?;
        bytes = rest;
        let stored = decode_stored(row).map_err(|error| error.to_string())?;
        if let Body::Subscription(subscription) = stored.entity.body {
            rows.push(Versioned::new(subscription, stored.version, stored.log_time));
        }
    }
    Ok(rows)
}
