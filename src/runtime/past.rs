//! Answers what was used in windows that have closed, and since the beginning (specification 8.1
//! and 8.3).
//!
//! All windows of an answer are priced in one pass over one cut of the ledger, in the order of
//! time. Only the events that a window still to come needs are held.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::clock::Stopwatch;
use super::past_catalogue::AsOf;
use super::past_dating::Dating;
use super::past_pass::Pass;
use super::past_period::Period;
use super::past_windows::{RowWindow, row_windows};
use super::scan::Cut;
use super::shared::Shared;
use super::usages::{Reflects, Refusal, Usages, refuse};
use super::worker::{Command, CutAccount};
use crate::core::catalog::book::{Book, Tenant};
use crate::core::catalog::directory::Directory;
use crate::core::catalog::version::SubscriptionRows;
use crate::core::catalog::{Status, Subscription};
use crate::core::event::UsageBuf;
use crate::core::instant::Instant;
use crate::core::period;
use crate::core::position::Source;
use crate::core::usage::{CurrentUsage, Threshold, UsageError, invoice_id};
use crate::engine::digest::StableHasher;
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::AccountKey;
use crate::engine::progress::Progress;
use crate::serving::board::Look;

/// What is asked about closed windows.
#[derive(Clone, Debug)]
pub struct PastQuestion {
    /// External id of the organisation.
    pub organization: String,
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
    /// What the answer has to reflect.
    pub wanted: Wanted,
}

/// What is asked about the whole life of a subscription.
#[derive(Clone, Debug)]
pub struct LifetimeQuestion {
    /// External id of the organisation.
    pub organization: String,
    /// External id of the subscription.
    pub subscription: String,
    /// The row.
    pub row: Uuid,
    /// What was used before, in cents.
    pub historical_cents: i64,
    /// Amounts whose moments are wanted.
    pub thresholds: Vec<Threshold>,
    /// What the answer has to reflect.
    pub wanted: Wanted,
}

/// Offsets that an answer has to reflect.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Offsets by partition.
    pub offsets: Vec<(Source, i64)>,
    /// How long to wait for them; none: not at all.
    pub wait: Option<Duration>,
}

/// A page of closed windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastPage<R> {
    /// Each window as it was printed, newest first.
    pub periods: Vec<R>,
    /// Windows in all.
    pub total: usize,
}

/// What a subscription and those that it followed have used, in cents without taxes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Σ of the closed windows.
    pub invoiced_cents: i64,
    /// The running window; 0 unless the subscription is active.
    pub current_cents: i64,
    /// Amounts of thresholds that were reached by usage, and when.
    pub reached: Vec<(i64, Instant)>,
    /// The moment.
    pub now: Instant,
}

/// The windows of an answer under one state of the catalogue.
struct Listing {
    periods: Vec<Period>,
    total: usize,
    catalog_version: u64,
    now: Instant,
}

/// An account and the slot it is in.
type Place = (SlotNumber, AccountKey);

impl Usages {
    /// Answers a question about closed windows. `known` says whether the caller has the answer with
    /// this tag already; if so nothing is priced. `print` makes a row of a window's usage and the
    /// id of its invoice.
    ///
    /// A customer or subscription that is unknown has no windows.
    ///
    /// # Errors
    ///
    /// That the offsets are not reached, that the account is not ready, and what pricing reports.
    pub async fn past<R: Send + 'static>(
        &self,
        question: &PastQuestion,
        known: impl Fn(u128) -> bool,
        print: fn(&CurrentUsage<'_>, Uuid) -> R,
    ) -> Result<(Reflects, Option<PastPage<R>>), Refusal> {
        let place = self.ready(&question.organization, &question.subscription, &question.wanted);
        let place = place.await?;
        let asked = question.clone();
        let listing = self.list(move |shared, now| list_past(shared, &asked, now)).await?;
        let Listing { periods, total, catalog_version, .. } = listing;
        let tag = |state| Some(tag(question, &periods, total, state));
        let look = self.state_of(place).await?;
        let reflects = self.reflects_past(look.progress, catalog_version, tag(look.copied));
        if reflects.tag.is_some_and(known) {
            return Ok((reflects, None));
        }
        if periods.is_empty() {
            return Ok((reflects, Some(PastPage { periods: Vec::new(), total })));
        }
        let _permit = self.scans.acquire().await.map_err(|_| Refusal::NotReady)?;
        let CutAccount { cut, progress, state } = self.cut(place).await?;
        let reflects = self.reflects_past(progress, catalog_version, tag(state));
        let (limits, metric) = (self.shared.scan_limits, question.metric);
        let priced = self.priced(cut, place.1, periods, move |period, events| {
            let usage = period.usage(events, metric, limits)?;
            Ok(print(&usage, invoice_id(period.subscription, period.window)))
        });
        Ok((reflects, Some(PastPage { periods: priced.await?, total })))
    }

    /// Answers what a subscription has used since its beginning, with those that a change of plan
    /// made it follow.
    ///
    /// # Errors
    ///
    /// As [`Usages::past`]; [`Refusal::NoActiveSubscription`] if the row is gone.
    pub async fn lifetime(
        &self,
        question: &LifetimeQuestion,
    ) -> Result<(Reflects, Lifetime), Refusal> {
        let place = self.ready(&question.organization, &question.subscription, &question.wanted);
        let place = place.await?;
        let asked = question.clone();
        let listing = self.list(move |shared, now| list_lifetime(shared, &asked, now)).await?;
        let Listing { periods, catalog_version, now, .. } = listing;
        let _permit = self.scans.acquire().await.map_err(|_| Refusal::NotReady)?;
        let CutAccount { cut, progress, .. } = self.cut(place).await?;
        let reflects = self.reflects_past(progress, catalog_version, None);
        let limits = self.shared.scan_limits;
        let dating = Dating::new(question.thresholds.clone(), question.historical_cents);
        let priced = self.priced(cut, place.1, periods, move |period, events| {
            let cents = |events: &[UsageBuf]| Ok(period.usage(events, None, limits)?.amount_cents);
            let sum = cents(events)?;
            Ok((period.is_running(), sum, dating.reached(period.window, events, sum, &cents)?))
        });
        let mut lifetime = Lifetime { now, ..Lifetime::default() };
        for (is_running, cents, reached) in priced.await? {
            lifetime.reached.extend(reached);
            let sum =
                if is_running { &mut lifetime.current_cents } else { &mut lifetime.invoiced_cents };
            *sum = sum.checked_add(cents).ok_or(UsageError::AmountOutOfRange)?;
        }
        Ok((reflects, lifetime))
    }

    /// The place of an account, once its slot is back from the store and reflects what is wanted.
    async fn ready(
        &self,
        organization: &str,
        subscription: &str,
        wanted: &Wanted,
    ) -> Result<Place, Refusal> {
        let watch = Stopwatch::start();
        let (slot, key) = self.shared.account(organization, Some(subscription));
        loop {
            let moved = self.shared.moved.notified();
            let progress = Arc::clone(&self.shared.board.slot(slot).progress);
            let reached = |(source, next): &(Source, i64)| progress.next(*source) >= *next;
            if wanted.offsets.iter().all(reached) {
                break;
            }
            let left = wanted.wait.map(|wait| wait.saturating_sub(watch.elapsed()));
            let Some(left) = left.filter(|left| !left.is_zero()) else {
                let version = self.shared.catalogue.version();
                let reflects = self.reflects_past(progress, version, None);
                let timed_out = wanted.wait.is_some();
                return Err(Refusal::OffsetNotReached { timed_out, reflects });
            };
            let _ = tokio::time::timeout(left, moved).await;
        }
        loop {
            let moved = self.shared.moved.notified();
            if self.shared.board.is_back(slot, key) {
                return Ok((slot, key));
            }
            self.shared.ask_for_account(slot, key);
            self.wait_for(moved, &watch).await?;
        }
    }

    /// The state of an account, which comes back first if it is away.
    async fn state_of(&self, place: Place) -> Result<Look<u128>, Refusal> {
        let watch = Stopwatch::start();
        loop {
            let moved = self.shared.moved.notified();
            let look = self.shared.board.look(place.0, place.1, |known| known.map(account_state));
            if look.copied.is_some() || !self.is_away(place)? {
                let copied = look.copied.unwrap_or_default();
                return Ok(Look { copied, progress: look.progress });
            }
            self.shared.ask_for_account(place.0, place.1);
            self.wait_for(moved, &watch).await?;
        }
    }

    /// Finds windows. That reads versions from the store, so it is done on a thread that may block.
    async fn list(
        &self,
        find: impl FnOnce(&Shared, Instant) -> Result<Listing, Refusal> + Send + 'static,
    ) -> Result<Listing, Refusal> {
        let shared = Arc::clone(&self.shared);
        let listed = tokio::task::spawn_blocking(move || {
            let failures = shared.catalogue.rows.failures();
            let listing = find(&shared, shared.clock.now());
            if shared.catalogue.rows.failures() != failures {
                // An absence in between may be a failure to read.
                return Err(Refusal::Internal("the catalogue cannot be read".to_owned()));
            }
            listing
        });
        listed.await.map_err(|error| Refusal::Internal(error.to_string()))?
    }

    async fn cut(&self, (slot, key): Place) -> Result<CutAccount, Refusal> {
        let (reply, cut) = tokio::sync::oneshot::channel();
        let command = Command::Cut(slot, key, reply);
        self.shared.owner(slot).try_send(command).map_err(|_| Refusal::NotReady)?;
        cut.await.map_err(|_| Refusal::NotReady)
    }

    async fn priced<R: Send + 'static>(
        &self,
        cut: Cut,
        account: AccountKey,
        periods: Vec<Period>,
        price: impl Fn(&Period, &[UsageBuf]) -> Result<R, UsageError> + Send + 'static,
    ) -> Result<Vec<R>, Refusal> {
        let (store, slot) = (Arc::clone(&self.shared.store), cut.slot);
        let read = tokio::task::spawn_blocking(move || {
            Pass::new(&periods, &price).over(&cut, &store, account)
        });
        let priced = read.await.map_err(|error| Refusal::Internal(error.to_string()))?;
        priced.map_err(|error| refuse(error, slot))
    }

    fn reflects_past(
        &self,
        progress: Arc<Progress>,
        catalog_version: u64,
        tag: Option<u128>,
    ) -> Reflects {
        let lag_ms = self.shared.ends.lag_ms(&progress, self.shared.clock.now());
        Reflects { progress, lag_ms, catalog_version, tag }
    }
}

fn account_state(account: &crate::engine::account::Account) -> u128 {
    account.state.0
}

/// Everything that determines the figures of a page, the same on every store.
fn tag(question: &PastQuestion, periods: &[Period], total: usize, state: u128) -> u128 {
    let mut digest = StableHasher::default();
    "past".hash(&mut digest);
    (&question.organization, &question.customer, &question.subscription).hash(&mut digest);
    (question.metric, question.periods_max).hash(&mut digest);
    (question.skip, question.take, total, state).hash(&mut digest);
    for period in periods {
        period.hash(&mut digest);
    }
    digest.finish128()
}

/// The rows of an external id with the organisation that they belong to.
struct Found {
    book: Arc<Book>,
    tenant: Arc<Tenant>,
    rows: SubscriptionRows,
}

fn find(shared: &Shared, organization: &str, subscription: &str) -> Option<Found> {
    let book = shared.catalogue.book();
    let tenant = Arc::clone(book.tenant(organization)?);
    let rows = shared.catalogue.rows.subscriptions(organization, subscription);
    Some(Found { book, tenant, rows })
}

fn list_past(shared: &Shared, question: &PastQuestion, now: Instant) -> Result<Listing, Refusal> {
    let rows = &shared.catalogue.rows;
    let found = find(shared, &question.organization, &question.subscription);
    let found =
        found.filter(|_| rows.customer(&question.organization, &question.customer).is_some());
    let Some(found) = found else {
        let catalog_version = shared.catalogue.version();
        return Ok(Listing { periods: Vec::new(), total: 0, catalog_version, now });
    };
    let takes = |row: &Subscription| row.customer == question.customer;
    let windows = row_windows(rows, &found.tenant, &found.rows, takes, now);
    let mut windows = windows.map_err(Refusal::Internal)?;
    windows.truncate(question.periods_max.unwrap_or(usize::MAX));
    let total = windows.len();
    let page: Vec<_> = windows.into_iter().skip(question.skip).take(question.take).collect();
    let periods = periods(shared, &found, &page)?;
    Ok(Listing { periods, total, catalog_version: found.book.version(), now })
}

fn list_lifetime(
    shared: &Shared,
    question: &LifetimeQuestion,
    now: Instant,
) -> Result<Listing, Refusal> {
    let found = find(shared, &question.organization, &question.subscription);
    let found = found.ok_or(Refusal::NoActiveSubscription)?;
    let row = found.rows.iter().find(|row| row.id == question.row);
    let row = row.ok_or(Refusal::NoActiveSubscription)?;
    let takes = |other: &Subscription| is_of_chain(other, row);
    let windows = row_windows(&shared.catalogue.rows, &found.tenant, &found.rows, takes, now);
    let mut periods = periods(shared, &found, &windows.map_err(Refusal::Internal)?)?;
    let total = periods.len();
    if row.status_at(now) == Status::Active
        && let Some(resolved) = shared.catalogue.resolve_row(&found.tenant, row)
        && let Some(running) = period::current(&resolved.frame.terms, now)
    {
        periods.push(Period::running(&resolved, &running));
    }
    Ok(Listing { periods, total, catalog_version: found.book.version(), now })
}

/// Whether two rows of one external id followed one another by changes of plan (8.3).
fn is_of_chain(one: &Subscription, other: &Subscription) -> bool {
    one.customer == other.customer && one.subscription_at == other.subscription_at
}

fn periods(
    shared: &Shared,
    Found { tenant, rows: of_id, .. }: &Found,
    windows: &[RowWindow],
) -> Result<Vec<Period>, Refusal> {
    let rows = &shared.catalogue.rows;
    let instants = windows.iter().map(|window| window.closed.closes_at).collect();
    let mut as_of = AsOf::new(rows, &tenant.organization.external_id, instants);
    let mut periods = Vec::with_capacity(windows.len());
    for window in windows {
        let period = Period::closed(&mut as_of, rows, tenant, of_id, window);
        periods.extend(period.map_err(Refusal::Internal)?);
    }
    Ok(periods)
}
