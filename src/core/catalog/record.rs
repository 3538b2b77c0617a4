//! Catalogue records: accepted facts, each the resolved result of one command (architecture, logs).

use uuid::Uuid;

use super::{BillableMetric, Customer, LifetimeUsage, Organization, Plan, Subscription, Tax};

/// What one record changes, as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The changes, made in this order.
    pub changes: Vec<Change>,
    /// Versions of the entities that the command read: none for an entity it found absent. If one
    /// has moved, another writer was faster, and the record does nothing.
    pub expects: Vec<(EntityKey, Option<u64>)>,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Adds an entity, or replaces the one with the same key.
    Put(Entity),
    /// Takes an entity out. One that is not there stays absent.
    Delete(EntityKey),
}

/// An entity with the organisation it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// External id of the organisation. For an organisation itself its own.
    pub organization: String,
    /// What it is.
    pub body: Body,
}

/// The kinds of entity.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A tenant; its `external_id` is that of [`Entity::organization`].
    Organization(Organization),
    /// A tax.
    Tax(Tax),
    /// A billable metric.
    BillableMetric(BillableMetric),
    /// A plan with its charges.
    Plan(Plan),
    /// A customer.
    Customer(Customer),
    /// A subscription row.
    Subscription(Subscription),
    /// What subscriptions had used before they came here.
    LifetimeUsage(LifetimeUsage),
}

/// Names an entity for good: what it is stored under and expected by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey {
    /// External id of the organisation.
    pub organization: String,
    /// The entity in it.
    pub id: EntityId,
}

/// Names an entity within its organisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityId {
    /// The organisation itself.
    Organization,
    /// A tax.
    Tax(Uuid),
    /// A billable metric.
    BillableMetric(Uuid),
    /// A plan.
    Plan(Uuid),
    /// A customer, by external id.
    Customer(String),
    /// A subscription row.
    Subscription {
        /// The external id that it may share with others.
        external_id: String,
        /// The row.
        id: Uuid,
    },
    /// What was used before.
    LifetimeUsage(Uuid),
    /// Whoever holds a code: something to expect, such as that nobody does, and never to change.
    /// Two writers that give one code to two entities would otherwise both win.
    Code(Coded, String),
}

/// The kinds of entity that are found by code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coded {
    /// Taxes.
    Tax,
    /// Billable metrics.
    BillableMetric,
    /// Plans; private ones hold no code.
    Plan,
}

impl Coded {
    /// The kind's name, as in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tax => "tax",
            Self::BillableMetric => "billable_metric",
            Self::Plan => "plan",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Tax, Self::BillableMetric, Self::Plan].into_iter().find(|kind| kind.name() == name)
    }
}

impl EntityId {
    /// The kind's name, as in requests and in printed differences.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Tax(_) => "tax",
            Self::BillableMetric(_) => "billable_metric",
            Self::Plan(_) => "plan",
            Self::Customer(_) => "customer",
            Self::Subscription { .. } => "subscription",
            Self::LifetimeUsage(_) => "lifetime_usage",
            Self::Code(coded, _) => coded.name(),
        }
    }
}

impl Entity {
    /// The key that the entity goes by.
    pub fn key(&self) -> EntityKey {
        let id = match &self.body {
            Body::Organization(_) => EntityId::Organization,
            Body::Tax(tax) => EntityId::Tax(tax.id),
            Body::BillableMetric(metric) => EntityId::BillableMetric(metric.id),
            Body::Plan(plan) => EntityId::Plan(plan.id),
            Body::Customer(customer) => EntityId::Customer(customer.external_id.clone()),
            Body::Subscription(row) => {
                EntityId::Subscription { external_id: row.external_id.clone(), id: row.id }
            }
            Body::LifetimeUsage(usage) => EntityId::LifetimeUsage(usage.id),
        };
        EntityKey { organization: self.organization.clone(), id }
    }
}

impl Change {
    /// The key of the entity that changes.
    pub fn key(&self) -> EntityKey {
        match self {
            Self::Put(entity) => entity.key(),
            Self::Delete(key) => key.clone(),
        }
    }
}
