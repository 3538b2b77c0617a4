//! The catalogue as the service holds it: the book in memory, customers and subscriptions in the
//! store.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use uuid::Uuid;

use super::rows::Rows;
use super::shapes::Shapes;
use super::stints::stints;
use crate::core::catalog::book::{Book, Tenant};
use crate::core::catalog::directory::Directory;
use crate::core::catalog::ingestion::Ingestion;
use crate::core::catalog::past::ZoneChange;
use crate::core::catalog::version::{CustomerRow, LifetimeRow, SubscriptionRows, Versioned};
use crate::core::catalog::zones::{Named, terms_of};
use crate::core::catalog::{Customer, Plan, Subscription, serving};
use crate::core::event::{Event, Rejection};
use crate::core::instant::Instant;
use crate::core::period::Zone;
use crate::core::properties::PropertiesBuf;
use crate::engine::account::Account;
use crate::engine::digest::StableHasher;
use crate::engine::frame::Frame;
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

/// What the catalogue makes of an event that is taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// Whether its organisation is known.
    pub known_tenant: bool,
    /// Its properties, if an expression changes them.
    pub properties: Option<PropertiesBuf>,
}

/// The catalogue with everything derived from it.
pub struct Catalogue {
    book: ArcSwap<Book>,
    /// Customers and subscriptions.
    pub rows: Rows,
    /// Raised when something changed that many accounts may be folded under.
    epoch: AtomicU64,
    shapes: Shapes,
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
            shapes: Shapes::default(),
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
        self.resolve_row(tenant, serving(&rows, now)?)
    }

    /// What goes with a subscription row.
    pub fn resolve_row(
        &self,
        tenant: &Arc<Tenant>,
        row: &Versioned<Subscription>,
    ) -> Option<Resolved> {
        let organization = &tenant.organization.external_id;
        let plan = tenant.plan(row.plan)?;
        let known = self.rows.customer_past(organization, &row.customer);
        let customer = known.as_ref().map(|known| Arc::clone(&known.row.entity));
        let own = Named {
            now: customer.as_ref().and_then(|customer| customer.timezone.as_deref()),
            changes: known.as_ref().and_then(|known| known.zones.as_deref()).unwrap_or_default(),
        };
        let organization_zone =
            Named { now: tenant.organization.timezone.as_deref(), changes: &tenant.past.zones };
        let terms = terms_of(row, plan, own, organization_zone);
        let metric = |id| tenant.metrics.get(id).map(|metric| &metric.entity);
        let shape = self.shapes.of(&plan.entity, metric);
        let metrics = plan.charges.iter().filter_map(|charge| tenant.metrics.get(charge.metric));
        let codes = metrics.map(|metric| metric.code.as_str());
        let ingestion = self.ingestion(tenant, &row.external_id, codes);
        let stints = stints(tenant, &self.rows, row, &plan.entity);
        let mut frame = Frame { digest: 0, shape, terms, stints, ingestion };
        frame.digest = digest(row.id, &frame);
        let frame = Arc::new(frame);
        Some(Resolved {
            tenant: Arc::clone(tenant),
            customer,
            subscription: Arc::clone(&row.entity),
            plan: Arc::clone(&plan.entity),
            frame,
        })
    }

    /// The rules of ingestion for the events of an external subscription id with these codes.
    pub fn ingestion<'a>(
        &self,
        tenant: &Tenant,
        subscription: &str,
        codes: impl IntoIterator<Item = &'a str>,
    ) -> Option<Arc<Ingestion>> {
        if tenant.past.is_empty() {
            return None;
        }
        let organization = &tenant.organization.external_id;
        Ingestion::of(&tenant.past, codes, |void| {
            let rows = self.rows.subscriptions_before(organization, subscription, void.version);
            rows.iter().any(|row| void.plans.binary_search(&row.plan).is_ok())
        })
    }

    /// What the catalogue makes of an event that is taken in. Its metric's expression is applied
    /// under the newest version of the metric that is not later than the event (4.5).
    pub fn admit(&self, event: &Event<'_>, log_time: Instant) -> Result<Admitted, Rejection> {
        let book = self.book.load();
        let known_tenant = book.tenant(event.organization).is_some();
        let past = book.expressions(event.organization).and_then(|past| past.code(event.code));
        let properties = match past.and_then(|past| past.formula(log_time)) {
            Some(formula) if !event.evaluated => formula
                .apply(event.code, event.timestamp, event.properties)
                .map(Some)
                .map_err(Rejection::Expression)?,
            _ => None,
        };
        Ok(Admitted { known_tenant, properties })
    }
}

impl Directory for Catalogue {
    fn customer(&self, organization: &str, external_id: &str) -> Option<CustomerRow> {
        self.rows.customer(organization, external_id)
    }

    fn subscriptions(&self, organization: &str, external_id: &str) -> SubscriptionRows {
        self.rows.subscriptions(organization, external_id)
    }

    fn subscriptions_of(&self, organization: &str, customer: &str) -> Vec<String> {
        self.rows.subscriptions_of(organization, customer)
    }

    fn zones(&self, organization: &str, customer: &str) -> Option<Arc<[ZoneChange]>> {
        self.rows.customer_past(organization, customer)?.zones
    }

    fn lifetime(&self, organization: &str, id: Uuid) -> Option<LifetimeRow> {
        self.rows.lifetime(organization, id)
    }

    fn is_attached(&self, organization: &str, plan: Uuid) -> bool {
        self.rows.is_attached(organization, plan)
    }

    fn each_customer(&self, organization: &str, visit: &mut dyn FnMut(CustomerRow)) {
        self.rows.each_customer(organization, visit);
    }

    fn plans_that_charged(&self, organization: &str, metric: Uuid, before: u64) -> Vec<Uuid> {
        self.rows.plans_that_charged(organization, metric, before)
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

/// Unkeyed, so that entity tags are the same on every store.
fn digest(subscription: Uuid, frame: &Frame) -> u64 {
    let Frame { shape, terms, stints, ingestion, .. } = frame;
    let mut digest = StableHasher::default();
    (subscription, shape.digest).hash(&mut digest);
    (terms.interval, terms.bill_charges_monthly, terms.billing_time).hash(&mut digest);
    (terms.subscription_at, terms.started_at).hash(&mut digest);
    (terms.zone.name(), Zone::database_version()).hash(&mut digest);
    terms.previous.as_ref().map(|last| (last.zone.name(), last.to)).hash(&mut digest);
    (stints, ingestion).hash(&mut digest);
    digest.finish()
}
