//! Answers what was used: finds the account, copies it once, prices the copy.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::catalogue::Resolved;
use super::clock::Stopwatch;
use super::scan::{ScanError, settle};
use super::shared::Shared;
use super::target::{Kept, Target};
use super::view::View;
use super::worker::{Command, CutAccount};
use crate::core::catalog::directory::Directory;
use crate::core::catalog::{BillableMetric, Charge, Flag, serving};
use crate::core::instant::Instant;
use crate::core::period;
use crate::core::position::Source;
use crate::core::usage::{Request, UsageError};
use crate::engine::account::Known;
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::AccountKey;
use crate::engine::progress::Progress;
use crate::engine::totals::Cells;

/// Reads of the ledger that run at once; each may hold a whole account in memory.
const SCANS_MAX: usize = 4;
/// Longest wait for a slot or a rebuild before the reader is told to come back.
const READY_WAIT: Duration = Duration::from_secs(30);
/// A rebuild that nobody has reported for so long is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// A question about one subscription.
#[derive(Clone, Debug)]
pub struct Question {
    /// External id of the organisation.
    pub organization: String,
    /// External id of the customer.
    pub customer: String,
    /// External id of the subscription; none asks for the only active one (specification 1.5).
    pub subscription: Option<String>,
    /// What decides the figures.
    pub request: Request,
    /// Whether the window starts with the subscription (1.6).
    pub full_usage: bool,
    /// Offsets that the answer has to reflect, by partition.
    pub offsets: Vec<(Source, i64)>,
    /// How long to wait for them; none: not at all.
    pub wait: Option<Duration>,
    /// The lag, in milliseconds, beyond which no figure is wanted.
    pub max_staleness: Option<i64>,
    /// The moment that is asked about; none: now.
    pub now: Option<Instant>,
}

/// What an answer reflects.
#[derive(Clone, Debug)]
pub struct Reflects {
    /// Applied offsets.
    pub progress: Arc<Progress>,
    /// Milliseconds behind.
    pub lag_ms: i64,
    /// Next offset of the catalogue log.
    pub catalog_version: u64,
    /// Tag over all that determines the figures; none for errors.
    pub tag: Option<u128>,
}

/// Why there is no answer (specification 1.4, 1.8, 1.9).
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The organisation has no such customer.
    #[error("customer_not_found")]
    CustomerNotFound,
    /// No subscription is named and several are active.
    #[error("external_subscription_id: value_is_mandatory")]
    SubscriptionMandatory,
    /// No active subscription fits.
    #[error("no_active_subscription")]
    NoActiveSubscription,
    /// `full_usage` does not go with this tenant or request.
    #[error("full_usage_not_allowed")]
    FullUsageNotAllowed,
    /// The wanted offsets are not applied.
    #[error("offset_not_reached")]
    OffsetNotReached {
        /// Whether the caller has waited.
        timed_out: bool,
        /// What is applied.
        reflects: Reflects,
    },
    /// The figure would be older than the caller wants.
    #[error("too_stale")]
    TooStale(Reflects),
    /// The account is not back from the store, or not rebuilt yet.
    #[error("not ready")]
    NotReady,
    /// Stored events of the account cannot be read.
    #[error("the ledger of the account cannot be read")]
    Unreadable,
    /// The usage cannot be computed.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Something that is ours to mend.
    #[error("{0}")]
    Internal(String),
}

/// Reads usages.
pub struct Usages {
    pub(super) shared: Arc<Shared>,
    pub(super) scans: Semaphore,
}

/// What was copied from the board.
enum Copied {
    Nothing,
    Cells(Cells),
    Unknown,
}

impl Usages {
    /// Reads from these accounts.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, scans: Semaphore::new(SCANS_MAX) }
    }

    /// Answers a question. `known` says whether the caller has the answer with this tag already; if
    /// so nothing is priced and there is no body. `view` makes the body.
    pub async fn answer<V: View>(
        &self,
        question: &Question,
        known: impl Fn(u128) -> bool,
        view: &V,
    ) -> Result<(Reflects, Option<V::Body>), Refusal> {
        let watch = Stopwatch::start();
        self.await_offsets(question, &watch).await?;
        loop {
            let moved = self.shared.moved.notified();
            let target = self.target(question)?;
            if !self.shared.board.is_back(target.slot, target.key) {
                self.shared.ask_for_account(target.slot, target.key);
                self.wait_for(moved, &watch).await?;
                continue;
            }
            let frame = &target.resolved.frame;
            let kept = target.is_kept() && view.reads_totals(&target);
            let look = self.shared.board.look(target.slot, target.key, |account| {
                let state = account.map(|account| account.state.0);
                let copied = match account {
                    None => Copied::Nothing,
                    // Totals are kept only for windows that events are folded into.
                    Some(_) if !kept => Copied::Unknown,
                    Some(account) => match account.known(frame, target.window) {
                        Known::Nothing => Copied::Nothing,
                        Known::Totals(totals) => Copied::Cells(totals.cells.snapshot()),
                        Known::Unknown => Copied::Unknown,
                    },
                };
                (state, copied)
            });
            let (state, copied) = look.copied;
            if state.is_none() && self.is_away((target.slot, target.key))? {
                self.shared.ask_for_account(target.slot, target.key);
                self.wait_for(moved, &watch).await?;
                continue;
            }
            let state = state.unwrap_or_default();
            let reflects =
                self.reflects(&target, question, state, look.progress, &view.mark(&target));
            let reflects = fresh(question, reflects)?;
            if reflects.tag.is_some_and(&known) {
                return Ok((reflects, None));
            }
            let cells = match copied {
                Copied::Nothing => Cells::default(),
                Copied::Cells(cells) => cells,
                Copied::Unknown if kept && !self.is_unfit(&target) => {
                    let unreadable = self.shared.troubles.is_unreadable(target.key);
                    // It is tried again for every reader, none of whom waits for it.
                    self.ask_for_rebuild(&target)?;
                    if unreadable {
                        return Err(Refusal::Unreadable);
                    }
                    self.wait_for(moved, &watch).await?;
                    continue;
                }
                Copied::Unknown => return self.scan(question, &target, view).await,
            };
            let source = Kept { cells: &cells, target: &target, lacks: Cell::default() };
            let body = view.body(&target, &question.request, &source, &source);
            if source.lacks.get() {
                return self.scan(question, &target, view).await;
            }
            return Ok((reflects, Some(body?)));
        }
    }

    /// The account that a question is about, under the catalogue of this moment.
    ///
    /// # Errors
    ///
    /// As for an answer.
    pub fn account(&self, question: &Question) -> Result<AccountKey, Refusal> {
        self.target(question).map(|target| target.key)
    }

    /// Customer, subscription and window of a question, under the catalogue of this moment.
    ///
    /// # Errors
    ///
    /// As for an answer.
    pub fn target(&self, question: &Question) -> Result<Target, Refusal> {
        let catalogue = &self.shared.catalogue;
        let failures = catalogue.rows.failures();
        let found = self.find(question);
        if catalogue.rows.failures() != failures {
            // An absence in between may be a failure to read.
            return Err(Refusal::Internal("the catalogue cannot be read".to_owned()));
        }
        found
    }

    fn find(&self, question: &Question) -> Result<Target, Refusal> {
        let now = question.now.unwrap_or_else(|| self.shared.clock.now());
        let catalogue = &self.shared.catalogue;
        let book = catalogue.book();
        let organization = &question.organization;
        let tenant = book.tenant(organization).ok_or(Refusal::CustomerNotFound)?;
        let customer = catalogue.rows.customer(organization, &question.customer);
        let customer = customer.ok_or(Refusal::CustomerNotFound)?;
        let active = |external_id: &str| {
            let rows = catalogue.rows.subscriptions(organization, external_id);
            serving(&rows, now).filter(|row| row.customer == customer.external_id).cloned()
        };
        let row = if let Some(external_id) = question.subscription.as_deref() {
            active(external_id)
        } else {
            let ids = catalogue.rows.subscriptions_of(organization, &customer.external_id);
            let mut rows = ids.iter().filter_map(|id| active(id));
            let first = rows.next();
            if rows.next().is_some() {
                return Err(Refusal::SubscriptionMandatory);
            }
            first
        };
        let row = row.ok_or(Refusal::NoActiveSubscription)?;
        let resolved = catalogue.resolve_row(tenant, &row).ok_or(Refusal::NoActiveSubscription)?;
        let period = period::current(&resolved.frame.terms, now);
        let period = period.ok_or(Refusal::NoActiveSubscription)?;
        let mut window = period.charges;
        if question.full_usage {
            let allowed = tenant.organization.flags.contains(&Flag::GranularLifetimeUsage)
                && question.request.allows_full_usage(charges(&resolved));
            if !allowed {
                return Err(Refusal::FullUsageNotAllowed);
            }
            window.from = row.started_at.unwrap_or(window.from);
        }
        let (slot, key) = self.shared.account(organization, Some(&row.external_id));
        let catalog_version = book.version();
        Ok(Target { resolved, slot, key, period, window, now, catalog_version })
    }

    /// Waits until something has moved, but not for ever.
    pub(super) async fn wait_for(
        &self,
        moved: impl Future<Output = ()>,
        watch: &Stopwatch,
    ) -> Result<(), Refusal> {
        let _ = tokio::time::timeout(ASK_AGAIN, moved).await;
        if watch.elapsed() > READY_WAIT || self.shared.is_stopping() {
            return Err(Refusal::NotReady);
        }
        Ok(())
    }

    /// Whether an account that was not on the board is in the store alone.
    pub(super) fn is_away(&self, (slot, key): (SlotNumber, AccountKey)) -> Result<bool, Refusal> {
        self.shared.is_away(slot, key).map_err(|error| Refusal::Internal(error.to_string()))
    }

    fn is_unfit(&self, target: &Target) -> bool {
        self.shared.unfit.holds(target.key, self.shared.catalogue.epoch())
    }

    fn ask_for_rebuild(&self, target: &Target) -> Result<(), Refusal> {
        let command = Command::Rebuild(target.slot, target.key, target.window);
        self.shared.owner(target.slot).try_send(command).map_err(|_| Refusal::NotReady)
    }

    /// Answers from the events themselves.
    async fn scan<V: View>(
        &self,
        question: &Question,
        target: &Target,
        view: &V,
    ) -> Result<(Reflects, Option<V::Body>), Refusal> {
        let _permit = self.scans.acquire().await.map_err(|_| Refusal::NotReady)?;
        let (reply, cut) = tokio::sync::oneshot::channel();
        let command = Command::Cut(target.slot, target.key, reply);
        self.shared.owner(target.slot).try_send(command).map_err(|_| Refusal::NotReady)?;
        let CutAccount { cut, progress, state } = cut.await.map_err(|_| Refusal::NotReady)?;
        let (store, key) = (Arc::clone(&self.shared.store), target.key);
        let read = tokio::task::spawn_blocking(move || cut.events(&store, key)).await;
        let events = read.map_err(|error| Refusal::Internal(error.to_string()))?;
        let mut events = events.map_err(|error| refuse(error, target.slot))?;
        if let Some(ingestion) = &target.resolved.frame.ingestion {
            events.retain_mut(|event| settle(ingestion, event));
        }
        let reflects = self.reflects(target, question, state, progress, &view.mark(target));
        let reflects = fresh(question, reflects)?;
        let body = target.scanned(&events, self.shared.scan_limits, |window, plan| {
            view.body(target, &question.request, window, plan)
        })?;
        Ok((reflects, Some(body)))
    }

    async fn await_offsets(&self, question: &Question, watch: &Stopwatch) -> Result<(), Refusal> {
        if question.offsets.is_empty() {
            return Ok(());
        }
        loop {
            let moved = self.shared.moved.notified();
            let target = self.target(question)?;
            if !self.shared.board.is_back(target.slot, target.key) {
                self.shared.ask_for_account(target.slot, target.key);
            }
            let progress = Arc::clone(&self.shared.board.slot(target.slot).progress);
            let reached = |(source, next): &(Source, i64)| progress.next(*source) >= *next;
            if question.offsets.iter().all(reached) {
                return Ok(());
            }
            let left = question.wait.map(|wait| wait.saturating_sub(watch.elapsed()));
            let Some(left) = left.filter(|left| !left.is_zero()) else {
                let mut reflects = self.reflects(&target, question, 0, progress, "");
                reflects.tag = None;
                let timed_out = question.wait.is_some();
                return Err(Refusal::OffsetNotReached { timed_out, reflects });
            };
            let _ = tokio::time::timeout(left, moved).await;
        }
    }

    fn reflects(
        &self,
        target: &Target,
        question: &Question,
        state: u128,
        progress: Arc<Progress>,
        mark: &str,
    ) -> Reflects {
        Reflects {
            lag_ms: self.shared.ends.lag_ms(&progress, self.shared.clock.now()),
            progress,
            catalog_version: target.catalog_version,
            tag: Some(target.tag(&question.request, state, mark)),
        }
    }
}

/// What a failed read of the ledger means to the reader.
pub(super) fn refuse(error: ScanError, slot: SlotNumber) -> Refusal {
    match error {
        ScanError::Usage(error) => Refusal::Usage(error),
        ScanError::TooLarge => Refusal::Usage(UsageError::LimitExceeded("events")),
        error @ (ScanError::Store(_) | ScanError::Damaged { .. }) => {
            let hint = error.hint();
            tracing::error!(%error, slot, hint, "the ledger cannot be read");
            Refusal::Unreadable
        }
        error @ ScanError::Overtaken { .. } => Refusal::Internal(error.to_string()),
    }
}

/// What an answer reflects, unless the caller wants none that is so old.
fn fresh(question: &Question, reflects: Reflects) -> Result<Reflects, Refusal> {
    if question.max_staleness.is_none_or(|max| reflects.lag_ms <= max) {
        return Ok(reflects);
    }
    Err(Refusal::TooStale(Reflects { tag: None, ..reflects }))
}

fn charges(resolved: &Resolved) -> Vec<(&Charge, &BillableMetric)> {
    let metric = |charge: &Charge| resolved.tenant.metrics.get(charge.metric);
    resolved
        .plan
        .charges
        .iter()
        .filter_map(|charge| Some((charge, &*metric(charge)?.entity)))
        .collect()
}
