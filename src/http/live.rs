//! The running service behind the routes.

mod usages;

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::backend::{
    Accepted, Backend, CommandError, CurrentUsageRequest, Draft, EventsError, Filter, Found,
    Freshness, LifetimeUsageAnswer, LifetimeUsageRequest, Page, PastUsageAnswer, PastUsageRequest,
    Print, PrintEstimated, PrintInstants, PrintPast, PrintProjected, PrintStory, Readiness,
    Recorded, Snapshot, UsageAnswer, UsageError, UsageLimit, WaitFor,
};
use crate::core::catalog::Flag;
use crate::core::catalog::commands::Command;
use crate::core::position::Source;
use crate::core::usage;
use crate::engine::counters::Counters;
use crate::engine::keys::numbers;
use crate::runtime::commands::{Commands, Failure};
use crate::runtime::events::Events;
use crate::runtime::past::{LifetimeQuestion, PastQuestion, Wanted};
use crate::runtime::publish::Publisher;
use crate::runtime::shared::Shared;
use crate::runtime::usages::{Question, Reflects, Refusal, Usages};
use crate::runtime::view::{Current, Projected, View};

/// Answers from a running service.
pub struct Live {
    shared: Arc<Shared>,
    usages: Arc<Usages>,
    commands: Commands,
    events: Events,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Session {
    organization: String,
    digest: [u8; 32],
}

impl Live {
    /// A backend over a running service, which writes to its logs.
    pub fn new(shared: Arc<Shared>, commands: Commands, publisher: Arc<Publisher>) -> Self {
        let events = Events::new(Arc::clone(&shared), publisher);
        Self { usages: Arc::new(Usages::new(Arc::clone(&shared))), commands, events, shared }
    }

    fn freshness(&self, reflects: &Reflects) -> Freshness {
        let mut offsets = String::new();
        for reached in reflects.progress.iter() {
            let comma = if offsets.is_empty() { "" } else { "," };
            let name = self.shared.sources.name(reached.source);
            let _ = write!(offsets, "{comma}{name}:{}", reached.next);
        }
        Freshness {
            offsets,
            lag_ms: reflects.lag_ms,
            catalog_version: reflects.catalog_version,
            etag: reflects.tag.map(tag_text),
        }
    }

    fn refuse(&self, refusal: &Refusal) -> UsageError {
        match refusal {
            Refusal::CustomerNotFound => UsageError::CustomerNotFound,
            Refusal::SubscriptionMandatory => UsageError::SubscriptionMandatory,
            Refusal::NoActiveSubscription => UsageError::NoActiveSubscription,
            Refusal::FullUsageNotAllowed => UsageError::FullUsageNotAllowed,
            Refusal::OffsetNotReached { timed_out, reflects } => UsageError::OffsetNotReached {
                timed_out: *timed_out,
                freshness: self.freshness(reflects),
            },
            Refusal::TooStale(reflects) => UsageError::TooStale(self.freshness(reflects)),
            Refusal::NotReady => UsageError::NotReady,
            Refusal::Unreadable => UsageError::Unreadable,
            Refusal::Usage(usage::UsageError::ChargeNotFound) => UsageError::ChargeNotFound,
            Refusal::Usage(usage::UsageError::LimitExceeded("unique_values")) => {
                UsageError::LimitExceeded(UsageLimit::UniqueValues)
            }
            Refusal::Usage(usage::UsageError::LimitExceeded("events")) => {
                UsageError::LimitExceeded(UsageLimit::Events)
            }
            Refusal::Usage(usage::UsageError::LimitExceeded(_)) => {
                UsageError::LimitExceeded(UsageLimit::Groups)
            }
            Refusal::Usage(_) | Refusal::Internal(_) => {
                tracing::error!(error = %refusal, "a usage was not answered");
                UsageError::Internal
            }
        }
    }

    fn offsets(&self, wait_for: Option<&WaitFor>) -> Result<Vec<(Source, i64)>, UsageError> {
        let wanted = wait_for.iter().flat_map(|wait| &wait.offsets);
        let known = wanted.map(|wanted| {
            let partition = i32::try_from(wanted.partition).ok()?;
            let source = self.shared.sources.find(&wanted.topic, partition)?;
            self.shared.ends.knows(source).then_some((source, wanted.next))
        });
        known.collect::<Option<_>>().ok_or(UsageError::MalformedOffset)
    }

    fn wanted(&self, wait_for: Option<&WaitFor>) -> Result<Wanted, UsageError> {
        let wait = wait_for.and_then(|wait| wait.wait);
        Ok(Wanted { offsets: self.offsets(wait_for)?, wait })
    }
}

impl Live {
    fn question(
        &self,
        session: &Session,
        request: &CurrentUsageRequest,
    ) -> Result<Question, UsageError> {
        let offsets = self.offsets(request.wait_for.as_ref())?;
        Ok(Question {
            organization: session.organization.clone(),
            customer: request.customer.clone(),
            subscription: request.subscription.clone(),
            request: request.usage.clone(),
            full_usage: request.full_usage,
            offsets,
            wait: request.wait_for.as_ref().and_then(|wait| wait.wait),
            max_staleness: request.max_staleness,
            now: None,
        })
    }

    async fn usage<V: View<Body = String>>(
        &self,
        session: &Session,
        request: CurrentUsageRequest,
        view: &V,
    ) -> Result<UsageAnswer, UsageError> {
        let question = self.question(session, &request)?;
        let known = |tag| request.if_none_match.names(&tag_text(tag));
        let answered = self.usages.answer(&question, known, view).await;
        let (reflects, body) = answered.map_err(|refusal| self.refuse(&refusal))?;
        Ok(UsageAnswer { freshness: self.freshness(&reflects), body })
    }
}

impl Backend for Live {
    type Session = Session;

    fn authenticate(&self, token: &str) -> Option<Session> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let book = self.shared.catalogue.book();
        let (tenant, key) = book.by_key(&digest)?;
        let now = self.shared.clock.now();
        let valid = key.expires_at.is_none_or(|end| now < end);
        valid.then(|| Session { organization: tenant.organization.external_id.clone(), digest })
    }

    fn tenant<'s>(&self, session: &'s Session) -> &'s str {
        &session.organization
    }

    fn permits(&self, session: &Session, resource: &str, mode: &str) -> bool {
        let book = self.shared.catalogue.book();
        let Some((tenant, key)) = book.by_key(&session.digest) else { return false };
        if !tenant.organization.flags.contains(&Flag::ApiPermissions) {
            return true;
        }
        key.permissions.as_ref().is_none_or(|granted| {
            granted.iter().any(|(name, granted)| name == resource && granted == mode)
        })
    }

    async fn current_usage(
        &self,
        session: &Session,
        request: CurrentUsageRequest,
        print: Print,
    ) -> Result<UsageAnswer, UsageError> {
        self.usage(session, request, &Current(print)).await
    }

    async fn current_usages(
        &self,
        session: &Session,
        requests: Vec<CurrentUsageRequest>,
        print: Print,
    ) -> Vec<Result<UsageAnswer, UsageError>> {
        self.usages_at_once(session, requests, print).await
    }

    fn projects(&self, session: &Session) -> bool {
        let book = self.shared.catalogue.book();
        let tenant = book.tenant(&session.organization);
        tenant.is_some_and(|tenant| tenant.organization.flags.contains(&Flag::ProjectedUsage))
    }

    async fn projected_usage(
        &self,
        session: &Session,
        request: CurrentUsageRequest,
        print: PrintProjected,
    ) -> Result<UsageAnswer, UsageError> {
        self.usage(session, request, &Projected(print)).await
    }

    async fn past_usage(
        &self,
        session: &Session,
        request: PastUsageRequest,
        print: PrintPast,
    ) -> Result<PastUsageAnswer, UsageError> {
        let question = PastQuestion {
            organization: session.organization.clone(),
            wanted: self.wanted(request.wait_for.as_ref())?,
            customer: request.customer,
            subscription: request.subscription,
            metric: request.metric,
            periods_max: request.periods_max,
            skip: request.skip,
            take: request.take,
        };
        let known = |tag| request.if_none_match.names(&tag_text(tag));
        let answered = self.usages.past(&question, known, print).await;
        let (reflects, page) = answered.map_err(|refusal| self.refuse(&refusal))?;
        Ok(PastUsageAnswer { freshness: self.freshness(&reflects), page })
    }

    async fn lifetime_usage(
        &self,
        session: &Session,
        request: LifetimeUsageRequest,
    ) -> Result<LifetimeUsageAnswer, UsageError> {
        let question = LifetimeQuestion {
            organization: session.organization.clone(),
            wanted: self.wanted(request.wait_for.as_ref())?,
            subscription: request.subscription,
            row: request.row,
            historical_cents: request.historical_cents,
            thresholds: request.thresholds,
        };
        let answered = self.usages.lifetime(&question).await;
        let (reflects, lifetime) = answered.map_err(|refusal| self.refuse(&refusal))?;
        Ok(LifetimeUsageAnswer { freshness: self.freshness(&reflects), lifetime })
    }

    fn catalogue(&self, session: &Session) -> Option<Snapshot> {
        let catalogue = &self.shared.catalogue;
        let tenant = Arc::clone(catalogue.book().tenant(&session.organization)?);
        let now = self.shared.clock.now();
        Some(Snapshot { tenant, directory: Arc::clone(catalogue) as Arc<_>, now })
    }

    async fn command<C: Command>(
        &self,
        session: &Session,
        command: C,
    ) -> Result<C::Reply, CommandError> {
        self.commands.run(&session.organization, command).await.map_err(|failure| match failure {
            Failure::Refused(refusal) => CommandError::Refused(refusal),
            Failure::NoOrganization => CommandError::NoOrganization,
            Failure::Contended | Failure::Unconfirmed | Failure::Log(_) => {
                tracing::error!(error = %failure, "a change of the catalogue is not confirmed");
                CommandError::Unavailable
            }
        })
    }

    async fn create_events(
        &self,
        session: &Session,
        drafts: Vec<Draft>,
        batch: bool,
    ) -> Result<Accepted, EventsError> {
        self.events.create(&session.organization, &drafts, batch).await
    }

    async fn find_event(
        &self,
        session: &Session,
        transaction: String,
    ) -> Result<Option<Recorded>, EventsError> {
        self.events.find(&session.organization, &transaction).await
    }

    async fn list_events(&self, session: &Session, filter: Filter) -> Result<Page, EventsError> {
        self.events.list(&session.organization, filter).await
    }

    async fn story(
        &self,
        session: &Session,
        transaction: String,
        subscription: Option<String>,
        print: PrintStory,
    ) -> Result<Found, EventsError> {
        let Session { organization, .. } = session;
        self.events.story(organization, &transaction, subscription.as_deref(), print).await
    }

    async fn estimate_fees(
        &self,
        session: &Session,
        draft: Draft,
        print: PrintEstimated,
    ) -> Result<String, EventsError> {
        self.events.estimate_fees(&session.organization, &draft, print).await
    }

    fn estimate_instant_fees(
        &self,
        session: &Session,
        drafts: &[Draft],
        batch: bool,
        print: PrintInstants,
    ) -> Result<String, EventsError> {
        self.events.estimate_instant_fees(&session.organization, drafts, batch, print)
    }

    fn readiness(&self) -> Readiness {
        let shared = &self.shared;
        let slots: Vec<_> = numbers(shared.slots).map(|slot| shared.board.slot(slot)).collect();
        let recovered = slots.iter().filter(|slot| slot.ready).count();
        let caught_up =
            recovered == slots.len() && slots.iter().all(|s| shared.ends.caught_up(&s.progress));
        let stopping = shared.is_stopping();
        let stopped = shared.ends.stopped().into_iter().map(|(source, stop)| {
            (format!("stopped {}", shared.sources.name(source)), stop.to_string())
        });
        let catalogue = shared.ends.catalogue_stop();
        let catalogue = catalogue.map(|stop| ("stopped catalog".to_owned(), stop.to_string()));
        let passed = shared.metrics.gap_records.get();
        let passed = (passed > 0).then(|| ("gap_records".to_owned(), passed.to_string()));
        let failing = shared.troubles.failing();
        let healthy = failing.is_empty();
        let failing = failing.into_iter().map(|(doing, told)| (format!("failing {doing}"), told));
        let unreadable = shared.troubles.unreadable();
        let unreadable =
            (unreadable > 0).then(|| ("unreadable_accounts".to_owned(), unreadable.to_string()));
        Readiness {
            ready: caught_up && !stopping && healthy,
            detail: [
                ("slots_recovered".to_owned(), format!("{recovered}/{}", slots.len())),
                ("caught_up".to_owned(), caught_up.to_string()),
                ("stopping".to_owned(), stopping.to_string()),
                ("accounts".to_owned(), shared.board.len().to_string()),
                ("catalog_version".to_owned(), shared.catalogue.version().to_string()),
            ]
            .into_iter()
            .chain(stopped)
            .chain(catalogue)
            .chain(passed)
            .chain(failing)
            .chain(unreadable)
            .collect(),
        }
    }

    fn metrics_text(&self) -> String {
        let mut all = Counters::default();
        numbers(self.shared.slots).for_each(|slot| all += self.shared.board.slot(slot).counters);
        let ledger = &self.shared.metrics.ledger;
        ledger.accepted.set(all.accepted);
        ledger.duplicate.set(all.duplicate);
        ledger.replaced.set(all.replaced);
        ledger.rejected.set(all.rejected);
        ledger.set_aside.set(all.set_aside);
        self.shared.metrics.encode()
    }
}

fn tag_text(tag: u128) -> String {
    format!("{tag:032x}")
}
