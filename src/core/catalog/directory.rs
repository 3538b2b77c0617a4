//! Customers and subscriptions: millions of rows, so they live outside the book and are looked up
//! one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::apply::RowChange;
use super::past::ZoneChange;
use super::version::{CustomerRow, LifetimeRow, SubscriptionRows};

/// Where customers and subscriptions are found. A row that is not there is absent, never an error:
/// an implementation that can fail fails before it is asked through this trait.
pub trait Directory {
    /// The customer with this external id in the organisation with this external id.
    fn customer(&self, organization: &str, external_id: &str) -> Option<CustomerRow>;

    /// All subscription rows with this external id, see [`SubscriptionRows`]; empty if there is
    /// none.
    fn subscriptions(&self, organization: &str, external_id: &str) -> SubscriptionRows;

    /// External ids of the subscriptions of a customer, ascending, each once.
    fn subscriptions_of(&self, organization: &str, customer: &str) -> Vec<String>;

    /// The zones that a customer had, see [`ZoneChange`]; none if it always had the one it has, or
    /// if nothing here remembers.
    fn zones(&self, _organization: &str, _customer: &str) -> Option<Arc<[ZoneChange]>> {
        None
    }

    /// The lifetime usage with this id; none if none was ever stored.
    fn lifetime(&self, organization: &str, id: Uuid) -> Option<LifetimeRow>;

    /// Whether a subscription of any status points at a plan, or has once pointed at it.
    fn is_attached(&self, organization: &str, plan: Uuid) -> bool;

    /// Shows every customer of an organisation, in no order that means anything.
    fn each_customer(&self, organization: &str, visit: &mut dyn FnMut(CustomerRow));

    /// Plans that had a charge on a metric in some version before this one. Plans of the book that
    /// have one still need not be among them.
    fn plans_that_charged(&self, organization: &str, metric: Uuid, before: u64) -> Vec<Uuid>;
}

/// A directory in memory, for tests and for tools that read a small catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryDirectory {
    customers: BTreeMap<(String, String), CustomerRow>,
    subscriptions: BTreeMap<(String, String), SubscriptionRows>,
    links: BTreeSet<(String, String, String)>,
    lifetimes: BTreeMap<(String, Uuid), LifetimeRow>,
}

impl MemoryDirectory {
    /// Makes the changes that [`apply`](super::apply::apply) asked for.
    pub fn take(&mut self, changes: &[RowChange]) {
        for change in changes {
            match change {
                RowChange::Customer { organization, external_id, row } => {
                    let key = (organization.clone(), external_id.clone());
                    match row {
                        Some(row) => self.customers.insert(key, row.clone()),
                        None => self.customers.remove(&key),
                    };
                }
                RowChange::Subscriptions { organization, external_id, rows } => {
                    let key = (organization.clone(), external_id.clone());
                    if rows.is_empty() {
                        self.subscriptions.remove(&key);
                    } else {
                        self.subscriptions.insert(key, Arc::clone(rows));
                    }
                }
                RowChange::Lifetime { organization, id, row } => {
                    let key = (organization.clone(), *id);
                    match row {
                        Some(row) => self.lifetimes.insert(key, row.clone()),
                        None => self.lifetimes.remove(&key),
                    };
                }
                RowChange::Link { organization, customer, external_id, present } => {
                    let link = (organization.clone(), customer.clone(), external_id.clone());
                    if *present {
                        self.links.insert(link);
                    } else {
                        self.links.remove(&link);
                    }
                }
            }
        }
    }
}

impl Directory for MemoryDirectory {
    fn customer(&self, organization: &str, external_id: &str) -> Option<CustomerRow> {
        self.customers.get(&(organization.to_owned(), external_id.to_owned())).cloned()
    }

    fn subscriptions(&self, organization: &str, external_id: &str) -> SubscriptionRows {
        let key = (organization.to_owned(), external_id.to_owned());
        self.subscriptions.get(&key).map_or_else(|| Arc::from([]), Arc::clone)
    }

    fn subscriptions_of(&self, organization: &str, customer: &str) -> Vec<String> {
        let first = (organization.to_owned(), customer.to_owned(), String::new());
        self.links
            .range(first..)
            .take_while(|(org, of, _)| org == organization && of == customer)
            .map(|(_, _, external_id)| external_id.clone())
            .collect()
    }

    fn lifetime(&self, organization: &str, id: Uuid) -> Option<LifetimeRow> {
        self.lifetimes.get(&(organization.to_owned(), id)).cloned()
    }

    fn is_attached(&self, organization: &str, plan: Uuid) -> bool {
        let mut rows = self.subscriptions.iter().filter(|((owner, _), _)| owner == organization);
        rows.any(|(_, rows)| rows.iter().any(|row| row.plan == plan))
    }

    fn each_customer(&self, organization: &str, visit: &mut dyn FnMut(CustomerRow)) {
        let rows = self.customers.iter().filter(|((owner, _), _)| owner == organization);
        rows.for_each(|(_, row)| visit(row.clone()));
    }

    // Nothing here remembers versions, and the tools that use it ask for no figures.
    fn plans_that_charged(&self, _: &str, _: Uuid, _: u64) -> Vec<Uuid> {
        Vec::new()
    }
}
