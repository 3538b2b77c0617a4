//! How a catalogue record changes the book and the directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::book::Book;
use super::directory::Directory;
use super::past::MetricChange;
use super::record::{Body, Change, Entity, EntityId, EntityKey, Record};
use super::version::{CustomerRow, LifetimeRow, SubscriptionRows, Versioned};
use super::{Customer, LifetimeUsage, Subscription};
use crate::core::instant::Instant;

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The book after the record. A stale record moves its version forward too.
    pub book: Book,
    /// What the record did.
    pub result: Result<Applied, Stale>,
}

/// The effects of a record that was applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// What to keep on disk: the last state of each changed entity, none for a deleted one. Every
    /// entry has the version [`Book::version`] and the record's log time.
    pub writes: Vec<(EntityKey, Option<Entity>)>,
    /// What changes in the directory.
    pub rows: Vec<RowChange>,
    /// Whose figures may differ from now on.
    pub touched: Vec<Touched>,
}

/// A change of the directory. Each names the full new value, so making it twice is harmless.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// A customer; none if it is gone.
    Customer {
        /// External id of the organisation.
        organization: String,
        /// External id of the customer.
        external_id: String,
        /// The row.
        row: Option<CustomerRow>,
    },
    /// All rows of an external subscription id; empty if none is left.
    Subscriptions {
        /// External id of the organisation.
        organization: String,
        /// External subscription id.
        external_id: String,
        /// The rows.
        rows: SubscriptionRows,
    },
    /// A lifetime usage; none if it is gone.
    Lifetime {
        /// External id of the organisation.
        organization: String,
        /// The lifetime usage.
        id: Uuid,
        /// The row.
        row: Option<LifetimeRow>,
    },
    /// An entry of the index from customers to external subscription ids.
    Link {
        /// External id of the organisation.
        organization: String,
        /// External id of the customer.
        customer: String,
        /// External subscription id.
        external_id: String,
        /// Whether the entry is there from now on.
        present: bool,
    },
}

/// Something whose change may change figures. It names what changed, not which accounts that
/// concerns: the caller knows its accounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Touched {
    /// External id of the organisation.
    pub organization: String,
    /// What changed in it.
    pub what: What,
}

/// What a record touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The organisation: its time zone, taxes, flags or keys, or that it exists.
    Organization,
    /// A tax.
    Tax(Uuid),
    /// A metric; the code is the one that events carry. A metric that changes its code is touched
    /// under both.
    Metric {
        /// The metric.
        id: Uuid,
        /// Its code.
        code: String,
    },
    /// A plan.
    Plan(Uuid),
    /// A customer: all its subscriptions.
    Customer(String),
    /// A subscription, by external id.
    Subscription(String),
}

/// A record that came too late: an entity it relied on has moved on. It changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "stale record: {} of {} has version {found:?}, the record expects {expected:?}",
    key.id.kind(), key.organization
)]
pub struct Stale {
    /// The first entity that moved.
    pub key: EntityKey,
    /// The version the record relied on; none for absent.
    pub expected: Option<u64>,
    /// The version there is; none for absent.
    pub found: Option<u64>,
}

/// Applies a record at an offset of the catalogue log, with its log time (specification 10.5).
///
/// Pure, and a function of the records alone: the same records in the same order give the same
/// book, rows and effects. References to entities that are not known are kept as they are and bind
/// when these appear.
pub fn apply(
    book: &Book,
    directory: &dyn Directory,
    record: Record,
    offset: i64,
    log_time: Instant,
) -> Outcome {
    let version = u64::try_from(offset).unwrap_or(0).saturating_add(1);
    let mut step = Step::new(book, directory, version, log_time);
    step.book.advance(version);
    for (key, expected) in record.expects {
        let found = step.version_of(&key);
        if found != expected {
            return Outcome { book: step.book, result: Err(Stale { key, expected, found }) };
        }
    }
    for change in record.changes {
        match change {
            Change::Put(entity) => step.put(entity),
            Change::Delete(key) => step.delete(key),
        }
    }
    step.finish(book)
}

type Name = (String, String);

/// One record while it is applied: the book so far, and the rows it has changed over the directory.
struct Step<'a> {
    directory: &'a dyn Directory,
    version: u64,
    log_time: Instant,
    book: Book,
    writes: BTreeMap<EntityKey, Option<Entity>>,
    customers: BTreeMap<Name, Option<CustomerRow>>,
    subscriptions: BTreeMap<Name, Vec<Versioned<Subscription>>>,
    lifetimes: BTreeMap<(String, Uuid), Option<LifetimeRow>>,
    touched: Vec<Touched>,
}

impl<'a> Step<'a> {
    fn new(book: &Book, directory: &'a dyn Directory, version: u64, log_time: Instant) -> Self {
        Self {
            directory,
            version,
            log_time,
            book: book.clone(),
            writes: BTreeMap::new(),
            customers: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            lifetimes: BTreeMap::new(),
            touched: Vec::new(),
        }
    }

    fn version_of(&self, key: &EntityKey) -> Option<u64> {
        let organization = &key.organization;
        match &key.id {
            EntityId::Customer(external_id) => {
                self.directory.customer(organization, external_id).map(|row| row.version)
            }
            EntityId::Subscription { external_id, id } => {
                let rows = self.directory.subscriptions(organization, external_id);
                rows.iter().find(|row| row.id == *id).map(|row| row.version)
            }
            EntityId::LifetimeUsage(id) => {
                self.directory.lifetime(organization, *id).map(|row| row.version)
            }
            _ => self.book.version_of(organization, &key.id),
        }
    }

    fn put(&mut self, entity: Entity) {
        let key = entity.key();
        self.touch(&key);
        self.writes.insert(key.clone(), Some(entity.clone()));
        let organization = entity.organization;
        match entity.body {
            Body::Customer(customer) => self.put_customer(organization, customer),
            Body::Subscription(row) => self.put_subscription(organization, row),
            Body::LifetimeUsage(usage) => self.put_lifetime(organization, usage),
            body => {
                self.book.put(&organization, body, self.version, self.log_time);
                // The code after the change; the one before was touched above.
                self.touch(&key);
            }
        }
    }

    fn delete(&mut self, key: EntityKey) {
        // A code is held, it is nothing by itself.
        if matches!(key.id, EntityId::Code(..)) {
            return;
        }
        self.touch(&key);
        let organization = key.organization.clone();
        match &key.id {
            EntityId::Customer(external_id) => {
                self.customers.insert((organization, external_id.clone()), None);
            }
            EntityId::Subscription { external_id, id } => {
                self.rows_of((organization, external_id.clone())).retain(|row| row.id != *id);
            }
            EntityId::LifetimeUsage(id) => {
                self.lifetimes.insert((organization, *id), None);
            }
            id => self.book.remove(&organization, id),
        }
        self.writes.insert(key, None);
    }

    fn put_customer(&mut self, organization: String, customer: Customer) {
        let name = (organization, customer.external_id.clone());
        let row = Versioned::new(customer, self.version, self.log_time);
        self.customers.insert(name, Some(row));
    }

    fn put_lifetime(&mut self, organization: String, usage: LifetimeUsage) {
        let name = (organization, usage.id);
        let row = Versioned::new(usage, self.version, self.log_time);
        self.lifetimes.insert(name, Some(row));
    }

    fn put_subscription(&mut self, organization: String, subscription: Subscription) {
        let row = Versioned::new(subscription, self.version, self.log_time);
        let rows = self.rows_of((organization, row.external_id.clone()));
        rows.retain(|other| other.id != row.id);
        rows.push(row);
        rows.sort_by_key(|row| (row.created_at, row.id));
    }

    /// The rows of an external subscription id as this record has left them so far.
    fn rows_of(&mut self, name: Name) -> &mut Vec<Versioned<Subscription>> {
        let directory = self.directory;
        self.subscriptions
            .entry(name)
            .or_insert_with_key(|(org, id)| directory.subscriptions(org, id).to_vec())
    }

    fn touch(&mut self, key: &EntityKey) {
        let what = match &key.id {
            EntityId::Organization => What::Organization,
            EntityId::Tax(id) => What::Tax(*id),
            EntityId::BillableMetric(id) => match self.book.metric_code(&key.organization, *id) {
                Some(code) => What::Metric { id: *id, code },
                None => return,
            },
            EntityId::Plan(id) => What::Plan(*id),
            EntityId::Customer(external_id) => What::Customer(external_id.clone()),
            EntityId::Subscription { external_id, .. } => What::Subscription(external_id.clone()),
            // No figure of an account depends on it.
            EntityId::LifetimeUsage(_) | EntityId::Code(..) => return,
        };
        self.touched.push(Touched { organization: key.organization.clone(), what });
    }

    /// Leaves to the past what it has to know of this record. The book before it is `before`.
    fn remember(&mut self, before: &Book) {
        let mut changed: BTreeMap<String, Vec<MetricChange>> = BTreeMap::new();
        for (key, entity) in &self.writes {
            let changes = match key.id {
                EntityId::Organization if entity.is_some() => {
                    changed.entry(key.organization.clone()).or_default()
                }
                EntityId::BillableMetric(_) => changed.entry(key.organization.clone()).or_default(),
                _ => continue,
            };
            if let EntityId::BillableMetric(id) = key.id {
                changes.push(MetricChange {
                    id,
                    before: before.metric_code(&key.organization, id),
                    after: self.book.metric_code(&key.organization, id),
                });
            }
        }
        let (directory, version) = (self.directory, self.version);
        for (organization, changes) in changed {
            let charged = |metric| {
                let mut plans = directory.plans_that_charged(&organization, metric, version);
                plans.extend(before.plans_charging(&organization, metric));
                plans
            };
            self.book.note_past(&organization, &changes, (version, self.log_time), charged);
        }
    }

    fn finish(mut self, before: &Book) -> Outcome {
        self.remember(before);
        let mut rows = Vec::new();
        for ((organization, external_id), row) in self.customers {
            rows.push(RowChange::Customer { organization, external_id, row });
        }
        for ((organization, id), row) in self.lifetimes {
            rows.push(RowChange::Lifetime { organization, id, row });
        }
        for ((organization, external_id), after) in self.subscriptions {
            let before = self.directory.subscriptions(&organization, &external_id);
            link(&mut rows, &organization, &external_id, &before, &after);
            rows.push(RowChange::Subscriptions {
                organization,
                external_id,
                rows: Arc::from(after),
            });
        }
        self.touched.sort();
        self.touched.dedup();
        let writes = self.writes.into_iter().collect();
        let applied = Applied { writes, rows, touched: self.touched };
        Outcome { book: self.book, result: Ok(applied) }
    }
}

/// The entries of the customers' index that come and go when the rows of one external id change.
fn link(
    out: &mut Vec<RowChange>,
    organization: &str,
    external_id: &str,
    before: &[Versioned<Subscription>],
    after: &[Versioned<Subscription>],
) {
    let mut change = |customer: &str, present| {
        out.push(RowChange::Link {
            organization: organization.to_owned(),
            customer: customer.to_owned(),
            external_id: external_id.to_owned(),
            present,
        });
    };
    let belongs = |rows: &[Versioned<Subscription>], customer: &str| {
        rows.iter().any(|row| row.customer == customer)
    };
    for (place, row) in before.iter().enumerate() {
        if !belongs(after, &row.customer) && !belongs(&before[..place], &row.customer) {
            change(&row.customer, false);
        }
    }
    for (place, row) in after.iter().enumerate() {
        if !belongs(before, &row.customer) && !belongs(&after[..place], &row.customer) {
            change(&row.customer, true);
        }
    }
}
