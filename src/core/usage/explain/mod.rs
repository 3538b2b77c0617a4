//! Where one event went: which subscription and window it lies in, and what the charges of the
//! plan make of it (specification 4.3 to 4.7).
//!
//! A figure of zero has a reason, and it is one of these. Everything is decided by the rules that
//! figures are computed with, asked about a single event.

mod fate;
#[cfg(test)]
mod tests;

pub use fate::{Fate, FateKind, Taken, Worth, fate};

use crate::core::aggregate::{Stint, stretches};
use crate::core::catalog::ingestion::{Ingestion, Settled, Voided};
use crate::core::catalog::{BillableMetric, Plan, Status, Subscription};
use crate::core::event::{Usage, UsageBuf};
use crate::core::instant::Instant;
use crate::core::period::{self, Terms, Window};

/// One subscription row with all that its windows and charges are computed from.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// The row.
    pub subscription: &'a Subscription,
    /// Its plan.
    pub plan: &'a Plan,
    /// What its windows are computed from.
    pub terms: &'a Terms,
    /// By charge with a carry of its own, the rows whose plan holds it (5.9).
    pub stints: &'a [(u16, Vec<Stint>)],
    /// Whether it is the row that serves the external id now (1.5).
    pub serves: bool,
}

/// Everything that decides where an event went.
pub struct Case<'c, 'a> {
    /// The event as it was kept.
    pub event: &'c UsageBuf,
    /// The rows with its external id whose plan is known, oldest first.
    pub standings: &'c [Standing<'a>],
    /// The metric that has its code now.
    pub metric: Option<&'a BillableMetric>,
    /// The rules of ingestion for its code; none if all count as they were kept.
    pub ingestion: Option<&'c Ingestion>,
    /// The moment of the question.
    pub now: Instant,
}

/// What an event waits for. At least one is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// A subscription with its external id.
    pub subscription: bool,
    /// A billable metric with its code.
    pub metric: bool,
    /// A charge on that metric in the plan of the subscription.
    pub charge: bool,
}

/// Where an event went.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is part of the current usage.
    Applied,
    /// It counts, in another window than the running one.
    OtherWindow,
    /// What it needs to count does not exist yet (4.3).
    Waiting(Waiting),
    /// It happened before the subscription began.
    BeforeSubscription,
    /// It happened after the subscription ended.
    AfterSubscription,
    /// It happened in an hour that belongs to no period (3.6), or beyond the calendar.
    NoWindow,
    /// No charge sees it: the metric's field holds no number (4.2).
    NotNumeric,
    /// No bucket of a charge takes it (6.3).
    Unmatched,
    /// It does not count any more.
    Void(Voided),
}

impl Outcome {
    /// The name in answers.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::OtherWindow => "outside_window",
            Self::Waiting(_) => "waiting",
            Self::BeforeSubscription => "before_subscription",
            Self::AfterSubscription => "after_subscription",
            Self::NoWindow => "no_window",
            Self::NotNumeric => "not_numeric",
            Self::Unmatched => "unmatched",
            Self::Void(Voided::Deleted(_)) => "metric_deleted",
            Self::Void(Voided::Expression(_)) => "expression_failed",
        }
    }
}

/// Where a window lies, seen from the moment of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is the one that current usage shows.
    Current,
    /// It is over.
    Past,
    /// It is still to come.
    Future,
}

impl Relation {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Past => "past",
            Self::Future => "future",
        }
    }
}

/// Where one event went, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Story<'a> {
    /// In one word.
    pub outcome: Outcome,
    /// The subscription row it is judged by; none if there is none with its external id.
    pub subscription: Option<&'a Subscription>,
    /// That row's plan.
    pub plan: Option<&'a Plan>,
    /// The charges window it is judged by.
    pub window: Option<(Window, Relation)>,
    /// What each charge on its metric makes of it, in the order of the plan.
    pub fates: Vec<Fate<'a>>,
}

/// The row and the window that an event is judged by.
#[derive(Clone, Copy)]
struct Place<'c, 'a> {
    standing: &'c Standing<'a>,
    window: Window,
    relation: Relation,
}

impl<'c, 'a> Case<'c, 'a> {
    /// Tells where the event went.
    pub fn story(&self) -> Story<'a> {
        if let Some(voided) = self.voided() {
            let standing = self.standing();
            return Story { outcome: Outcome::Void(voided), ..Story::beside(standing) };
        }
        let running = self.running();
        if let Some(place) = running {
            // A recurring metric may carry an event of another window, and of another row (3.12).
            let fates = self.fates_in(place);
            if fates.iter().any(|fate| fate.kind.counts()) {
                return Story::at(place, fates, Outcome::Applied);
            }
        }
        let inside = |place: &Place<'_, 'a>| place.window.holds(self.event.timestamp);
        if let Some(place) = running.filter(inside).or_else(|| self.elsewhere()) {
            let fates = self.fates_in(place);
            let outcome = self.outcome(place, &fates);
            return Story::at(place, fates, outcome);
        }
        self.nowhere(running)
    }

    fn voided(&self) -> Option<Voided> {
        let event = self.event;
        let (log_time, kept) = (event.position.log_time, event.properties.as_ref());
        self.ingestion?.voided(&event.code, log_time, event.timestamp, kept)
    }

    fn standings(&self) -> impl DoubleEndedIterator<Item = &'c Standing<'a>> + use<'c, 'a> {
        let kept = |standing: &&Standing<'_>| standing.subscription.status != Status::Canceled;
        self.standings.iter().filter(kept)
    }

    /// The row that serves, else the last one.
    fn standing(&self) -> Option<&'c Standing<'a>> {
        let serving = self.standings().find(|standing| standing.serves);
        serving.or_else(|| self.standings().next_back())
    }

    /// The window that current usage shows.
    fn running(&self) -> Option<Place<'c, 'a>> {
        let standing = self.standings().find(|standing| standing.serves)?;
        let window = period::current(standing.terms, self.now)?.charges;
        Some(Place { standing, window, relation: Relation::Current })
    }

    /// The window that had or will have the event, of the newest row that has one.
    fn elsewhere(&self) -> Option<Place<'c, 'a>> {
        self.standings().rev().find_map(|standing| {
            let window = window_holding(standing, self.event.timestamp)?;
            let over = window.to < self.now;
            let relation = if over { Relation::Past } else { Relation::Future };
            Some(Place { standing, window, relation })
        })
    }

    fn outcome(&self, place: Place<'_, 'a>, fates: &[Fate<'a>]) -> Outcome {
        let any = |kind: FateKind| fates.iter().any(|fate| fate.kind == kind);
        if fates.is_empty() {
            let metric = self.metric.is_none();
            return Outcome::Waiting(Waiting { subscription: false, metric, charge: !metric });
        }
        if any(FateKind::Applied) && place.relation != Relation::Current {
            Outcome::OtherWindow
        } else if any(FateKind::NotNumeric) {
            Outcome::NotNumeric
        } else {
            Outcome::Unmatched
        }
    }

    /// The story of an event that no window holds.
    fn nowhere(&self, running: Option<Place<'_, 'a>>) -> Story<'a> {
        let Some(standing) = self.standing() else {
            let metric = self.metric.is_none();
            let waiting = Waiting { subscription: true, metric, charge: false };
            return Story { outcome: Outcome::Waiting(waiting), ..Story::beside(None) };
        };
        let at = self.event.timestamp;
        let row = standing.subscription;
        let outcome = if self.metric.is_none() {
            Outcome::Waiting(Waiting { metric: true, ..Waiting::default() })
        } else if row.started_at.is_none_or(|start| at < start.floor_ms()) {
            Outcome::BeforeSubscription
        } else if row.ends_at().is_some_and(|end| end < at) {
            Outcome::AfterSubscription
        } else {
            Outcome::NoWindow
        };
        match running {
            Some(place) => Story::at(place, self.fates_in(place), outcome),
            None => Story { outcome, ..Story::beside(Some(standing)) },
        }
    }

    /// What the charges on the event's metric make of it, for the window of a place.
    fn fates_in(&self, place: Place<'_, 'a>) -> Vec<Fate<'a>> {
        let Some(metric) = self.metric else { return Vec::new() };
        let Place { standing, window, .. } = place;
        self.settled(|event| {
            let charges = standing.plan.charges.iter().enumerate();
            let own = charges.filter(|(_, charge)| charge.metric == metric.id);
            own.map(|(index, charge)| {
                let stints = standing.stints.iter().find(|(own, _)| usize::from(*own) == index);
                let carried =
                    stints.map_or_else(Vec::new, |(_, stints)| stretches(stints, window.from));
                fate((index, charge, metric), window, &carried, event)
            })
            .collect()
        })
    }

    /// The event as the rules of ingestion leave it.
    fn settled<R: Default>(&self, look: impl FnOnce(&Usage<'_>) -> R) -> R {
        let (event, usage) = (self.event, self.event.usage());
        let Some(ingestion) = self.ingestion else { return look(&usage) };
        let log_time = event.position.log_time;
        match ingestion.settle(&event.code, log_time, event.timestamp, usage.properties) {
            Settled::Kept => look(&usage),
            Settled::Changed(properties) => {
                look(&Usage { properties: properties.as_ref(), ..usage.clone() })
            }
            Settled::Void => R::default(),
        }
    }
}

impl<'a> Story<'a> {
    fn at(place: Place<'_, 'a>, fates: Vec<Fate<'a>>, outcome: Outcome) -> Self {
        let window = Some((place.window, place.relation));
        Self { outcome, window, fates, ..Self::beside(Some(place.standing)) }
    }

    /// What is told of a row, or of none, before anything is found out.
    fn beside(standing: Option<&Standing<'a>>) -> Self {
        Self {
            outcome: Outcome::NoWindow,
            subscription: standing.map(|standing| standing.subscription),
            plan: standing.map(|standing| standing.plan),
            window: None,
            fates: Vec::new(),
        }
    }
}

/// The charges window of a row that holds an instant, cut where the row ended.
fn window_holding(standing: &Standing<'_>, at: Instant) -> Option<Window> {
    let window = period::containing(standing.terms, at)?;
    match standing.subscription.ends_at() {
        Some(end) if end < at => None,
        Some(end) => Some(Window { to: window.to.min(end), ..window }),
        None => Some(window),
    }
}
