//! A backend whose customers are named after what happens to them.

use std::sync::Mutex;
use std::sync::mpsc::SyncSender;

use tokio::sync::Semaphore;
use uuid::Uuid;

use super::sample;
use super::world::World;
use crate::core::catalog::commands::Command;
use crate::core::instant::Instant;
use crate::core::usage::{ProjectedUsage, Request};
use crate::http::backend::{
    Accepted, Backend, CommandError, CurrentUsageRequest, Draft, EventsError, Fault, Filter, Found,
    Freshness, Lifetime, LifetimeUsageAnswer, LifetimeUsageRequest, Page, PastPage,
    PastUsageAnswer, PastUsageRequest, Print, PrintEstimated, PrintInstants, PrintPast,
    PrintProjected, PrintStory, Readiness, Recorded, Snapshot, UsageAnswer, UsageError, UsageLimit,
};

/// The tag of every answer.
pub const ETAG: &str = "7f-1";
/// What every answer reflects.
pub const OFFSETS: &str = "events_raw-0:1042,events_raw-1:977";

pub struct Mock {
    /// Every request that arrived.
    pub seen: Mutex<Vec<CurrentUsageRequest>>,
    /// The last request for past usage that was answered.
    pub past: Mutex<Option<PastUsageRequest>>,
    /// Told when a request for `slow` has arrived.
    pub arrived: SyncSender<()>,
    /// Lets requests for `slow` go on.
    pub gate: Semaphore,
    /// Whether the service is ready.
    pub ready: bool,
    /// The catalogue.
    pub world: World,
}

pub fn freshness() -> Freshness {
    Freshness { offsets: OFFSETS.into(), lag_ms: 12, catalog_version: 34, etag: Some(ETAG.into()) }
}

fn offset_not_reached(timed_out: bool) -> UsageError {
    UsageError::OffsetNotReached { timed_out, freshness: freshness() }
}

impl Backend for Mock {
    type Session = String;

    fn authenticate(&self, token: &str) -> Option<String> {
        matches!(token, "KEY" | "LIMITED" | "PLAIN" | "OTHER").then(|| token.to_owned())
    }

    fn tenant<'s>(&self, session: &'s String) -> &'s str {
        session
    }

    fn permits(&self, session: &String, resource: &str, mode: &str) -> bool {
        session != "LIMITED" || (resource, mode) == ("event", "read")
    }

    async fn current_usage(
        &self,
        _: &String,
        request: CurrentUsageRequest,
        print: Print,
    ) -> Result<UsageAnswer, UsageError> {
        let has_it = request.if_none_match.names(ETAG);
        let customer = request.customer.clone();
        self.seen.lock().unwrap().push(request);
        match customer.as_str() {
            "c" | "a/b" | "a.b@c.io" | "ü z" => {}
            "slow" => {
                self.arrived.send(()).unwrap();
                let _ = self.gate.acquire().await.unwrap();
            }
            "several" => return Err(UsageError::SubscriptionMandatory),
            "inactive" => return Err(UsageError::NoActiveSubscription),
            "full" => return Err(UsageError::FullUsageNotAllowed),
            "chargeless" => return Err(UsageError::ChargeNotFound),
            "behind" => return Err(offset_not_reached(false)),
            "late" => return Err(offset_not_reached(true)),
            "partition" => return Err(UsageError::MalformedOffset),
            "cold" => return Err(UsageError::NotReady),
            "old" => return Err(UsageError::TooStale(freshness())),
            "groups" => return Err(UsageError::LimitExceeded(UsageLimit::Groups)),
            "values" => return Err(UsageError::LimitExceeded(UsageLimit::UniqueValues)),
            "busy" => return Err(UsageError::Overloaded),
            "broken" => return Err(UsageError::Internal),
            "panic" => panic!("a defect"),
            _ => return Err(UsageError::CustomerNotFound),
        }
        let (charge, metric) = (sample::charge(), sample::metric());
        let usage = sample::usage(vec![sample::row(&charge, &metric)]);
        let body = (!has_it).then(|| print(&usage));
        Ok(UsageAnswer { freshness: freshness(), body })
    }

    async fn create_events(
        &self,
        session: &String,
        drafts: Vec<Draft>,
        batch: bool,
    ) -> Result<Accepted, EventsError> {
        assert_eq!(session, "KEY");
        let code = drafts.first().and_then(|draft| draft.code.clone()).unwrap_or_default();
        match code.as_str() {
            "busy" => return Err(EventsError::Overloaded),
            "cold" => return Err(EventsError::NotReady),
            "long" => return Err(EventsError::TooLarge),
            "off" => return Err(EventsError::Off),
            "broken" => return Err(EventsError::Internal("a defect".into())),
            "taken" => {
                return Err(EventsError::Invalid(vec![(usize::from(batch), Fault::taken())]));
            }
            "expression" => {
                let fault = Fault::Expression("Variable: b not found".into());
                return Err(EventsError::Invalid(vec![(0, fault)]));
            }
            _ => {}
        }
        let events = drafts.into_iter().map(sample::recorded).collect();
        Ok(Accepted { events, position: "odometer_events-0:41".into() })
    }

    async fn find_event(&self, _: &String, id: String) -> Result<Option<Recorded>, EventsError> {
        let draft = Draft { transaction: Some(id.clone()), ..Draft::default() };
        Ok((id != "nobody").then(|| sample::recorded(draft)))
    }

    async fn list_events(&self, _: &String, filter: Filter) -> Result<Page, EventsError> {
        let draft = Draft { subscription: filter.subscription, ..Draft::default() };
        Ok(Page { events: vec![sample::recorded(draft)], total: filter.skip + 1 })
    }

    async fn current_usages(
        &self,
        session: &String,
        requests: Vec<CurrentUsageRequest>,
        print: Print,
    ) -> Vec<Result<UsageAnswer, UsageError>> {
        let mut answers = Vec::new();
        for request in requests {
            answers.push(self.current_usage(session, request, print).await);
        }
        answers
    }

    async fn story(
        &self,
        _: &String,
        transaction: String,
        subscription: Option<String>,
        print: PrintStory,
    ) -> Result<Found, EventsError> {
        match transaction.as_str() {
            "nobody" => Ok(Found::Nothing { looked_at: 3, kept: 3 }),
            "lost" => Ok(Found::Nothing { looked_at: 3, kept: 7 }),
            "busy" => Err(EventsError::Overloaded),
            "long" => Err(EventsError::LimitExceeded),
            _ => Ok(sample::story(&transaction, subscription.as_deref(), print)),
        }
    }

    async fn estimate_fees(
        &self,
        _: &String,
        draft: Draft,
        _: PrintEstimated,
    ) -> Result<String, EventsError> {
        match draft.code.as_deref() {
            Some("known") => Ok("{\"fees\":[]}".into()),
            Some(_) => Err(EventsError::NotFound("billable_metric")),
            None => Err(EventsError::NotFound("subscription")),
        }
    }

    fn estimate_instant_fees(
        &self,
        _: &String,
        drafts: &[Draft],
        batch: bool,
        print: PrintInstants,
    ) -> Result<String, EventsError> {
        assert!(batch || drafts.len() == 1);
        Ok(print(&[]))
    }

    fn projects(&self, session: &String) -> bool {
        session == "KEY"
    }

    async fn projected_usage(
        &self,
        session: &String,
        request: CurrentUsageRequest,
        print: PrintProjected,
    ) -> Result<UsageAnswer, UsageError> {
        let answer = self.current_usage(session, request, |_| String::new()).await?;
        let projected = ProjectedUsage {
            usage: sample::usage(Vec::new()),
            projected: Vec::new(),
            projected_amount_cents: 7,
        };
        let body = answer.body.map(|_| print(&projected));
        Ok(UsageAnswer { body, ..answer })
    }

    async fn past_usage(
        &self,
        session: &String,
        request: PastUsageRequest,
        print: PrintPast,
    ) -> Result<PastUsageAnswer, UsageError> {
        let asked = CurrentUsageRequest {
            customer: request.customer.clone(),
            subscription: Some(request.subscription.clone()),
            usage: Request::default(),
            full_usage: false,
            wait_for: request.wait_for.clone(),
            max_staleness: None,
            if_none_match: request.if_none_match.clone(),
        };
        let answer = self.current_usage(session, asked, |_| String::new()).await?;
        let row = print(&sample::usage(Vec::new()), Uuid::from_u128(9));
        let page = answer.body.map(|_| PastPage { periods: vec![row], total: request.skip + 3 });
        *self.past.lock().unwrap() = Some(request);
        Ok(PastUsageAnswer { freshness: answer.freshness, page })
    }

    async fn lifetime_usage(
        &self,
        _: &String,
        request: LifetimeUsageRequest,
    ) -> Result<LifetimeUsageAnswer, UsageError> {
        match request.subscription.as_str() {
            "cold" => return Err(UsageError::NotReady),
            "behind" => return Err(offset_not_reached(false)),
            _ => {}
        }
        let now = Instant(1_709_251_200_000_000);
        let reached = vec![(20, now)];
        let lifetime = Lifetime { invoiced_cents: 30, current_cents: 4, reached, now };
        Ok(LifetimeUsageAnswer { freshness: freshness(), lifetime })
    }

    fn catalogue(&self, session: &String) -> Option<Snapshot> {
        self.world.snapshot(session)
    }

    async fn command<C: Command>(
        &self,
        session: &String,
        command: C,
    ) -> Result<C::Reply, CommandError> {
        self.world.run(session, &command)
    }

    fn readiness(&self) -> Readiness {
        let detail = [("slots", "64"), ("offsets", "\"x\"")];
        Readiness {
            ready: self.ready,
            detail: detail.map(|(name, value)| (name.into(), value.into())).to_vec(),
        }
    }

    fn metrics_text(&self) -> String {
        "odometer_events_total 1\n# EOF\n".into()
    }
}
