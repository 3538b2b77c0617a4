//! What the HTTP surface asks of the running service.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::etag::IfNoneMatch;
use crate::core::catalog::book::Tenant;
use crate::core::catalog::commands::{Command, Refusal};
use crate::core::catalog::directory::Directory;
use crate::core::instant::Instant;
use crate::core::usage::{CurrentUsage, ProjectedUsage, Request, Threshold};
pub use crate::runtime::events::estimate::{Estimated, Instants, PrintEstimated, PrintInstants};
pub use crate::runtime::events::story::{Found, PrintStory, Told, ToldCopy};
pub use crate::runtime::events::{
    Accepted, BATCH_EVENTS_MAX, Draft, EVENTS_IN_FLIGHT_MAX, Fault, Filter, NewEvent, Page,
    Recorded, Refusal as EventsError,
};
pub use crate::runtime::past::{Lifetime, PastPage};

/// Prints a usage as the body of an answer. It is handed to the backend because a usage borrows
/// from the catalogue that it was priced with, which only the backend can hold on to.
pub type Print = fn(&CurrentUsage<'_>) -> String;

/// [`Print`] for a projected usage.
pub type PrintProjected = fn(&ProjectedUsage<'_>) -> String;

/// [`Print`] for a closed window, with the id of its invoice.
pub type PrintPast = fn(&CurrentUsage<'_>, Uuid) -> String;

/// The service behind the routes.
pub trait Backend: Send + Sync + 'static {
    /// Who asks: the tenant of an API key and what the key may do. Opaque to this layer.
    type Session: Send + Sync;

    /// The session of an API key; none if it is unknown or has expired (specification 1.2).
    fn authenticate(&self, token: &str) -> Option<Self::Session>;

    /// The tenant: what its requests take up is counted under this name.
    fn tenant<'s>(&self, session: &'s Self::Session) -> &'s str;

    /// Whether the key may `mode` (`read` or `write`) a resource such as `customer_usage`. True for
    /// every key of a tenant without `api_permissions`.
    fn permits(&self, session: &Self::Session, resource: &str, mode: &str) -> bool;

    /// Current usage, printed by `print` unless the request names the answer's tag already.
    fn current_usage(
        &self,
        session: &Self::Session,
        request: CurrentUsageRequest,
        print: Print,
    ) -> impl Future<Output = Result<UsageAnswer, UsageError>> + Send;

    /// Accepts the events of one request, all or none. `batch` says which of the two requests it
    /// is (specification 9.7).
    fn create_events(
        &self,
        session: &Self::Session,
        drafts: Vec<Draft>,
        batch: bool,
    ) -> impl Future<Output = Result<Accepted, EventsError>> + Send;

    /// The first event with a transaction id.
    fn find_event(
        &self,
        session: &Self::Session,
        transaction: String,
    ) -> impl Future<Output = Result<Option<Recorded>, EventsError>> + Send;

    /// A page of the tenant's events.
    fn list_events(
        &self,
        session: &Self::Session,
        filter: Filter,
    ) -> impl Future<Output = Result<Page, EventsError>> + Send;

    /// Where the events with a transaction id went, of one external subscription id or of all,
    /// printed.
    fn story(
        &self,
        session: &Self::Session,
        transaction: String,
        subscription: Option<String>,
        print: PrintStory,
    ) -> impl Future<Output = Result<Found, EventsError>> + Send;

    /// What an event would cost on top of what is stored, printed (9.9).
    fn estimate_fees(
        &self,
        session: &Self::Session,
        draft: Draft,
        print: PrintEstimated,
    ) -> impl Future<Output = Result<String, EventsError>> + Send;

    /// What events would cost by themselves, printed. In a batch one that no charge prices is left
    /// out (9.9).
    fn estimate_instant_fees(
        &self,
        session: &Self::Session,
        drafts: &[Draft],
        batch: bool,
        print: PrintInstants,
    ) -> Result<String, EventsError>;

    /// Whether the tenant has projected usage switched on (8.2).
    fn projects(&self, session: &Self::Session) -> bool;

    /// Current usage of several subscriptions, all at one moment: those of one account are of one
    /// copy of it. Otherwise each is what [`Backend::current_usage`] gives.
    fn current_usages(
        &self,
        session: &Self::Session,
        requests: Vec<CurrentUsageRequest>,
        print: Print,
    ) -> impl Future<Output = Vec<Result<UsageAnswer, UsageError>>> + Send;

    /// Projected usage, printed by `print` unless the request names the answer's tag already. Of
    /// the request's usage only taxes are honoured.
    fn projected_usage(
        &self,
        session: &Self::Session,
        request: CurrentUsageRequest,
        print: PrintProjected,
    ) -> impl Future<Output = Result<UsageAnswer, UsageError>> + Send;

    /// A page of closed windows (8.1), each printed by `print`, unless the request names the
    /// answer's tag already.
    fn past_usage(
        &self,
        session: &Self::Session,
        request: PastUsageRequest,
        print: PrintPast,
    ) -> impl Future<Output = Result<PastUsageAnswer, UsageError>> + Send;

    /// What a subscription and those that it followed have used (8.3).
    fn lifetime_usage(
        &self,
        session: &Self::Session,
        request: LifetimeUsageRequest,
    ) -> impl Future<Output = Result<LifetimeUsageAnswer, UsageError>> + Send;

    /// The catalogue of the session's organisation as it stands; none if that is gone.
    fn catalogue(&self, session: &Self::Session) -> Option<Snapshot>;

    /// Carries out a command. Once it is answered, every [`Backend::catalogue`] shows it.
    fn command<C: Command>(
        &self,
        session: &Self::Session,
        command: C,
    ) -> impl Future<Output = Result<C::Reply, CommandError>> + Send;

    /// Whether the service is caught up, and details for operators.
    fn readiness(&self) -> Readiness;

    /// The metrics in the form of [`crate::telemetry::CONTENT_TYPE`].
    fn metrics_text(&self) -> String;
}

/// The catalogue of one organisation at a moment.
#[derive(Clone)]
pub struct Snapshot {
    /// The organisation with its metrics, plans and taxes.
    pub tenant: Arc<Tenant>,
    /// Customers and subscriptions, as they stand when they are looked up.
    pub directory: Arc<dyn Directory + Send + Sync>,
    /// The moment.
    pub now: Instant,
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The request is refused.
    Refused(Refusal),
    /// The organisation is gone.
    NoOrganization,
    /// The catalogue cannot be written now; a change that was sent may still come into force.
    Unavailable,
}

/// A request for current usage (specification 1.3, 1.8).
#[derive(Clone, Debug, PartialEq)]
pub struct CurrentUsageRequest {
    /// External id of the customer.
    pub customer: String,
    /// External id of the subscription; none asks for the customer's only active one (1.5).
    pub subscription: Option<String>,
    /// What decides the figures.
    pub usage: Request,
    /// Whether the window starts with the subscription (1.6).
    pub full_usage: bool,
    /// Offsets that the answer has to reflect.
    pub wait_for: Option<WaitFor>,
    /// The lag, in milliseconds, beyond which no figure is wanted; none: any will do.
    pub max_staleness: Option<i64>,
    /// Tags that the caller has already.
    pub if_none_match: IfNoneMatch,
}

/// A request for closed windows (specification 8.1).
#[derive(Clone, Debug, PartialEq)]
pub struct PastUsageRequest {
    /// External id of the customer.
    pub customer: String,
    /// External id of the subscription.
    pub subscription: String,
    /// The metric whose charges are wanted; none for all.
    pub metric: Option<Uuid>,
    /// Most windows, counted from the newest; none for all.
    pub periods_max: Option<usize>,
    /// Windows before the page.
    pub skip: usize,
    /// Most windows of the page.
    pub take: usize,
    /// Offsets that the answer has to reflect.
    pub wait_for: Option<WaitFor>,
    /// Tags that the caller has already.
    pub if_none_match: IfNoneMatch,
}

/// A request for a lifetime usage (specification 8.3).
#[derive(Clone, Debug, PartialEq)]
pub struct LifetimeUsageRequest {
    /// External id of the subscription.
    pub subscription: String,
    /// The row.
    pub row: Uuid,
    /// What was used before, in cents.
    pub historical_cents: i64,
    /// Amounts whose moments are wanted.
    pub thresholds: Vec<Threshold>,
    /// Offsets that the answer has to reflect.
    pub wait_for: Option<WaitFor>,
}

/// Offsets to wait for (specification 1.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitFor {
    /// At least one.
    pub offsets: Vec<NextOffset>,
    /// How long to wait; none: not at all.
    pub wait: Option<Duration>,
}

/// Everything below `next` is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextOffset {
    /// Topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: u32,
    /// Next offset, 0 or more.
    pub next: i64,
}

/// What an answer reflects (specification 1.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// `topic-partition:next` joined by commas, in order of (topic, partition).
    pub offsets: String,
    /// Milliseconds behind; 0 when everything known is applied.
    pub lag_ms: i64,
    /// Next offset of the catalogue log.
    pub catalog_version: u64,
    /// Strong tag without its quotes: visible ASCII other than `"`.
    pub etag: Option<String>,
}

/// An answered usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageAnswer {
    /// What it reflects.
    pub freshness: Freshness,
    /// The printed body; none if the caller has it already.
    pub body: Option<String>,
}

/// Answered closed windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastUsageAnswer {
    /// What they reflect.
    pub freshness: Freshness,
    /// The windows; none if the caller has them already.
    pub page: Option<PastPage<String>>,
}

/// An answered lifetime usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifetimeUsageAnswer {
    /// What it reflects; it has no tag.
    pub freshness: Freshness,
    /// The figures.
    pub lifetime: Lifetime,
}

/// A bound that a scan ran into (specification 1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageLimit {
    /// Groups of one bucket.
    Groups,
    /// Distinct values of one bucket.
    UniqueValues,
    /// Events of one read.
    Events,
}

impl UsageLimit {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::UniqueValues => "unique_values",
            Self::Events => "events",
        }
    }
}

/// Why a usage is not answered (specification 1.4, 1.8, 1.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// The tenant has no such customer.
    CustomerNotFound,
    /// No subscription is named and several are active.
    SubscriptionMandatory,
    /// No active subscription fits.
    NoActiveSubscription,
    /// `full_usage` does not go with this tenant or request.
    FullUsageNotAllowed,
    /// Charges are selected and the plan has none of them.
    ChargeNotFound,
    /// The wanted offsets are not applied.
    OffsetNotReached {
        /// Whether the caller's wait is over, rather than that there was none.
        timed_out: bool,
        /// What is applied; its tag is not sent.
        freshness: Freshness,
    },
    /// A wanted offset names an unknown partition.
    MalformedOffset,
    /// The figure would be older than the caller wants.
    TooStale(Freshness),
    /// The account is not back from the store yet.
    NotReady,
    /// More groups or values than are answered.
    LimitExceeded(UsageLimit),
    /// Too much is asked at once.
    Overloaded,
    /// Stored events of the account cannot be read; the backend has logged it.
    Unreadable,
    /// Anything else; the backend has logged it.
    Internal,
}

/// Whether the service is caught up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Whether everything known at start is folded, and the service is not shutting down.
    pub ready: bool,
    /// Names and values for operators, in order.
    pub detail: Vec<(String, String)>,
}
