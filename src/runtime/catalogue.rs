//! The catalogue as the service holds it: the book in memory, customers and subscriptions in the
//! store.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use uuid::Uuid;

use super::rows::Rows;
use super::stints::stints;
use crate::core::aggregate::Stint;
use crate::core::catalog::book::{Book, Tenant};
use crate::core::catalog::directory::Directory;
use crate::core::catalog::version::{CustomerRow, Versioned};
use crate::core::catalog::{Customer, Plan, Status, Subscription};
use crate::core::instant::Instant;
use crate::core::period::{Terms, Zone};
use crate::engine::account::Account;
use crate::engine::digest::StableHasher;
use crate::engine::frame::Frame;
use crate::engine::shape::Shape;
use crate::engine::slot::Tenants;

/// Everything that an answer for one subscription is computed from, of one moment of the catalogue.
#[derive(Clone)]
pub struct Resolved {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// The customer; a subscription may name one that is gone.
    pub customer: Option<Arc<Customer>>,
    /// The active row.
    pub subscription: Arc<Subscription>,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// The rules its usage is folded under.
    pub frame: Arc<Frame>,
}

/// The catalogue with everything derived from it.
pub struct Catalogue {
    book: ArcSwap<Book>,
    /// Customers and subscriptions.
    pub rows: Rows,
    /// Raised when something changed that many accounts may be folded under.
    epoch: AtomicU64,
    shapes: Mutex<HashMap<Uuid, (u64, Arc<Shape>)>>,
    aside_bytes: AtomicU64,
    aside_bytes_max: u64,
}

impl Catalogue {
    /// A catalogue that stands where the store's does.
    pub fn new(book: Book, rows: Rows, aside_bytes_max: u64) -> Self {
        Self {
            book: ArcSwap::from_pointee(book),
            rows,
            epoch: AtomicU64::new(1),
            shapes: Mutex::default(),
            aside_bytes: AtomicU64::new(0),
            aside_bytes_max,
        }
    }

    /// The book as it stands.
    pub fn book(&self) -> Arc<Book> {
        self.book.load_full()
    }

    /// Next offset of the catalogue log.
    pub fn version(&self) -> u64 {
        self.book.load().version()
    }

    /// Changes whenever accounts have to look for their rules anew.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Shows a new book. `widely` tells whether it may change the rules of accounts beyond those
    /// that are told one by one.
    pub fn show(&self, book: Book, widely: bool) {
        self.book.store(Arc::new(book));
        if widely {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Takes room for set-aside events, whether or not there is any: on start they are there
    /// already.
    pub fn take_aside(&self, bytes: u64) {
        self.aside_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Puts an account under the rules that hold now.
    pub fn reframe(&self, account: &mut Account, now: Instant) {
        // The epoch is read first: a change that comes in between is found by the next comparison.
        let epoch = self.epoch();
        let frame = account.subscription.as_deref().and_then(|subscription| {
            let book = self.book();
            let tenant = book.tenant(&account.organization)?;
            Some(self.resolve(tenant, subscription, now)?.frame)
        });
        account.reframe(frame, epoch);
    }

    /// The active subscription with this external id and all that goes with it.
    pub fn resolve(
        &self,
        tenant: &Arc<Tenant>,
        subscription: &str,
        now: Instant,
    ) -> Option<Resolved> {
        let organization = &tenant.organization.external_id;
        let rows = self.rows.subscriptions(organization, subscription);
        let row = rows.iter().find(|row| row.status_at(now) == Status::Active)?;
        self.resolve_row(tenant, row)
    }

    /// What goes with a subscription row.
    pub fn resolve_row(
        &self,
        tenant: &Arc<Tenant>,
        row: &Versioned<Subscription>,
    ) -> Option<Resolved> {
        let organization = &tenant.organization.external_id;
        let plan = tenant.plan(row.plan)?;
        let customer: Option<CustomerRow> = self.rows.customer(organization, &row.customer);
        let customer = customer.map(|row| Arc::clone(&row.entity));
        let zone = zone(tenant, customer.as_deref());
        let terms = Terms {
            interval: plan.interval,
            bill_charges_monthly: plan.bill_charges_monthly,
            billing_time: row.billing_time,
            subscription_at: row.subscription_at,
            started_at: row.started_at,
            zone,
            previous: None,
        };
        let shape = self.shape(tenant, &plan.entity);
        let stints = stints(tenant, &self.rows, row, &plan.entity);
        let digest = digest(row.id, &terms, &shape, &stints);
        let frame = Arc::new(Frame { digest, shape, terms, stints });
        Some(Resolved {
            tenant: Arc::clone(tenant),
            customer,
            subscription: Arc::clone(&row.entity),
            plan: Arc::clone(&plan.entity),
            frame,
        })
    }

    /// The compiled charges of a plan; compiled once per epoch.
    fn shape(&self, tenant: &Tenant, plan: &Plan) -> Arc<Shape> {
        let epoch = self.epoch();
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shape)) = shapes.get(&plan.id).filter(|(compiled, _)| *compiled == epoch) {
            return Arc::clone(shape);
        }
        let metric = |id| tenant.metrics.get(id).map(|metric| &*metric.entity);
        let shape = Arc::new(Shape::compile(plan, metric));
        // An unchanged plan keeps its old shape, so that accounts go on sharing one.
        let shape = match shapes.get(&plan.id) {
            Some((_, old)) if old.digest == shape.digest => Arc::clone(old),
            _ => shape,
        };
        shapes.insert(plan.id, (epoch, Arc::clone(&shape)));
        shape
    }
}

impl Tenants for Catalogue {
    fn knows(&self, organization: &str) -> bool {
        self.book.load().tenant(organization).is_some()
    }

    fn set_aside(&self, bytes: u64) -> bool {
        let more = |held: u64| {
            let held = held.saturating_add(bytes);
            (held <= self.aside_bytes_max).then_some(held)
        };
        self.aside_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        let less = |held: u64| Some(held.saturating_sub(bytes));
        let _ = self.aside_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }
}

/// The zone in which a customer's days begin (specification 3.1).
fn zone(tenant: &Tenant, customer: Option<&Customer>) -> Zone {
    let names = [
        customer.and_then(|customer| customer.timezone.as_deref()),
        tenant.organization.timezone.as_deref(),
    ];
    let named = names.into_iter().flatten().find(|name| !name.trim().is_empty());
    named.and_then(Zone::parse).unwrap_or(Zone::UTC)
}

/// Unkeyed, so that entity tags are the same on every store.
fn digest(subscription: Uuid, terms: &Terms, shape: &Shape, stints: &[(u16, Vec<Stint>)]) -> u64 {
    let mut digest = StableHasher::default();
    (subscription, shape.digest).hash(&mut digest);
    (terms.interval, terms.bill_charges_monthly, terms.billing_time).hash(&mut digest);
    (terms.subscription_at, terms.started_at).hash(&mut digest);
    (terms.zone.name(), Zone::database_version()).hash(&mut digest);
    stints.hash(&mut digest);
    digest.finish()
}
