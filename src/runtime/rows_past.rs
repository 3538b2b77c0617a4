//! Versions of the past, read from the store: what [`Past`] is replayed from, the zones that a
//! customer had, and the rows that a deletion found.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use super::customers::CustomerPast;
use super::rows::{Rows, decode_subscriptions, gone, kind};
use crate::core::catalog::book::Book;
use crate::core::catalog::past::{Kept, ZoneChange, note_zone, replay};
use crate::core::catalog::record::Body;
use crate::core::catalog::version::{SubscriptionRows, Versioned};
use crate::core::instant::Instant;
use crate::log::catalog::{Stored, decode_stored};

/// Versions of parts of one organisation, each with its log time.
type Versions = Vec<(u64, Instant, Kept)>;

impl Rows {
    /// Puts back what the past decides, of all organisations.
    pub(super) fn load_pasts(&self, book: &mut Book) -> Result<(), String> {
        let mut versions: BTreeMap<String, Versions> = BTreeMap::new();
        for kind in [kind::ORGANIZATION, kind::METRIC] {
            for (organization, id) in self.ids_of(kind, None)? {
                let list = versions.entry(organization.clone()).or_default();
                self.each_version(kind, &organization, &id, |version, stored| {
                    let kept = match (stored, id.parse()) {
                        (Ok(stored), _) => {
                            let log_time = stored.log_time;
                            kept(stored.entity.body).map(|kept| (log_time, kept))
                        }
                        (Err(gone), Ok(id)) if kind == kind::METRIC => {
                            Some((gone, Kept::Metric(id, None)))
                        }
                        (Err(_), _) => None,
                    };
                    list.extend(kept.map(|(log_time, kept)| (version, log_time, kept)));
                    ControlFlow::Continue(())
                })?;
            }
        }
        for (organization, versions) in versions {
            let mut failed = None;
            let past = replay(versions, |metric, version| {
                self.plans_charging(&organization, metric, version).unwrap_or_else(|error| {
                    failed = Some(error);
                    Vec::new()
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
            book.restore_past(&organization, past);
        }
        Ok(())
    }

    /// Plans that had a charge on a metric in some version before this one.
    pub(super) fn plans_charging(
        &self,
        organization: &str,
        metric: Uuid,
        before: u64,
    ) -> Result<Vec<Uuid>, String> {
        let mut plans = Vec::new();
        for (organization, id) in self.ids_of(kind::PLAN, Some(organization))? {
            self.each_version(kind::PLAN, &organization, &id, |version, stored| {
                if let Ok(Body::Plan(plan)) = stored.map(|stored| stored.entity.body)
                    && version < before
                    && plan.charges.iter().any(|charge| charge.metric == metric)
                {
                    plans.push(plan.id);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(plans)
    }

    /// The customer with the zones that it had.
    pub fn customer_past(&self, organization: &str, external_id: &str) -> Option<CustomerPast> {
        let moment = match self.customers.get(organization, external_id) {
            Ok(known) => return Some(known),
            Err(moment) => moment,
        };
        let mut row = None;
        let mut zones: Vec<(Instant, Option<String>)> = Vec::new();
        let read =
            self.each_version(kind::CUSTOMER, organization, external_id, |version, stored| {
                // What was before a deletion was another customer.
                let Ok(Stored { entity, log_time, .. }) = stored else {
                    return ControlFlow::Break(());
                };
                let Body::Customer(customer) = entity.body else { return ControlFlow::Break(()) };
                zones.push((log_time, customer.timezone.clone()));
                row.get_or_insert_with(|| Versioned::new(customer, version, log_time));
                ControlFlow::Continue(())
            });
        self.read(read)?;
        let known = CustomerPast { row: row?, zones: changes(zones) };
        self.customers.keep(moment, organization, &known);
        Some(known)
    }

    /// The rows of an external subscription id as they were before a version.
    pub fn subscriptions_before(
        &self,
        organization: &str,
        external_id: &str,
        before: u64,
    ) -> SubscriptionRows {
        let mut found = None;
        let scope = (kind::SUBSCRIPTIONS, organization, external_id);
        let visited = self.store.catalog_versions(scope.0, scope.1, scope.2, |entry| {
            if entry.version >= before {
                return ControlFlow::Continue(());
            }
            found = Some(decode_subscriptions(entry.value));
            ControlFlow::Break(())
        });
        let rows = self.read(visited).and(found).and_then(|rows| self.read(rows));
        rows.map_or_else(|| Arc::from([]), Arc::from)
    }

    /// Organisation and id of every entity of a kind that ever was.
    fn ids_of(
        &self,
        kind: u8,
        organization: Option<&str>,
    ) -> Result<Vec<(String, String)>, String> {
        let mut ids = Vec::new();
        let visited = self.store.catalog_newest(kind, organization, |entry| {
            ids.push((entry.organization.to_owned(), entry.id.to_owned()));
            ControlFlow::Continue(())
        });
        visited.map_err(|error| error.to_string())?;
        Ok(ids)
    }

    /// Visits the versions of an entity, newest first: each as it was, or the log time at which it
    /// was deleted.
    pub(super) fn each_version(
        &self,
        kind: u8,
        organization: &str,
        id: &str,
        mut visit: impl FnMut(u64, Result<Stored, Instant>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let mut unreadable = None;
        let visited = self.store.catalog_versions(kind, organization, id, |entry| {
            if let Some(log_time) = gone(entry.value) {
                return visit(entry.version, Err(log_time));
            }
            match decode_stored(entry.value) {
                Ok(stored) => visit(entry.version, Ok(stored)),
                Err(error) => {
                    unreadable = Some(format!("{id} of {organization}: {error}"));
                    ControlFlow::Break(())
                }
            }
        });
        visited.map_err(|error| error.to_string())?;
        unreadable.map_or(Ok(()), Err)
    }
}

fn kept(body: Body) -> Option<Kept> {
    match body {
        Body::Organization(organization) => Some(Kept::Organization(organization.timezone)),
        Body::BillableMetric(metric) => Some(Kept::Metric(metric.id, Some(Box::new(metric)))),
        Body::Tax(_)
        | Body::Plan(_)
        | Body::Customer(_)
        | Body::Subscription(_)
        | Body::LifetimeUsage(_) => None,
    }
}

/// The changes of a zone from its versions, newest first; none if it never changed.
fn changes(versions: Vec<(Instant, Option<String>)>) -> Option<Arc<[ZoneChange]>> {
    let mut zones = Vec::new();
    for (log_time, zone) in versions.into_iter().rev() {
        note_zone(&mut zones, log_time, zone.as_deref());
    }
    (zones.len() > 1).then(|| Arc::from(zones))
}
