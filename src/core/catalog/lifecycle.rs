//! The lives of subscriptions: what creating, changing and ending one leads to (specification 3.6,
//! 3.11, 9.5 and 9.6).
//!
//! Pure: from all rows of an external id, the plans and the moment to the rows to write. What is
//! written is resolved: a start or an end that lies ahead stands in the row as an instant and takes
//! effect by itself, see [`Subscription::status_at`].

use uuid::Uuid;

use super::version::Versioned;
use super::{BillingTime, Plan, Status, Subscription, serving};
use crate::core::instant::{Instant, MILLISECOND};
use crate::core::period::{self, Terms, Zone};

/// By how much the row before an upgrade outlives its successor's start: "a few milliseconds"
/// (3.11). It shows in the end of its last window.
pub const UPGRADE_OVERLAP_MICROS: i64 = 3 * MILLISECOND;

/// A request to create a subscription, its references found.
#[derive(Clone, Debug)]
pub struct Creation<'a> {
    /// Identifier of the row, should one be made.
    pub id: Uuid,
    /// The tenant's id of the subscription.
    pub external_id: &'a str,
    /// External id of the customer.
    pub customer: &'a str,
    /// The plan; a private one if the request overrides charges.
    pub plan: &'a Plan,
    /// Display name.
    pub name: Option<&'a str>,
    /// Alignment of periods; the calendar if none is given.
    pub billing_time: Option<BillingTime>,
    /// When it begins; now if not given.
    pub subscription_at: Option<Instant>,
    /// When it ends by itself; none if the request does not say, then a plan change keeps the end.
    pub ending_at: Option<Option<Instant>>,
}

/// A request to change a subscription. None leaves a member as it is.
#[derive(Clone, Debug, Default)]
pub struct Update<'a> {
    /// Display name.
    pub name: Option<Option<&'a str>>,
    /// When it ends by itself.
    pub ending_at: Option<Option<Instant>>,
    /// When it begins; of no effect once it has begun.
    pub subscription_at: Option<Instant>,
    /// The private plan with which the request overrides charges.
    pub plan: Option<Uuid>,
}

/// What is known when a request is decided.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// All rows of the external id, of whatever customer, in ascending order of (creation, id).
    pub rows: &'a [Versioned<Subscription>],
    /// Plans by id, private ones included.
    pub plans: &'a dyn Fn(Uuid) -> Option<&'a Plan>,
    /// The customer's zone (3.1).
    pub zone: &'a Zone,
    /// The present moment.
    pub now: Instant,
}

/// What a request leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// Rows to write; none if nothing changes.
    pub writes: Vec<Subscription>,
    /// The row that the answer shows.
    pub shown: Subscription,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The external id is active under another customer.
    #[error("external_id: value_already_exist")]
    Taken,
    /// The end lies in the past or before the start.
    #[error("ending_at: invalid_date")]
    EndingAt,
    /// No row is in the state that the request is about.
    #[error("subscription_not_found")]
    NotFound,
}

/// A request to create a subscription: a first one, one that begins later, a repetition, or a
/// change of plan (3.11).
pub fn create(creation: &Creation<'_>, situation: &Situation<'_>) -> Result<Decided, Refused> {
    let Situation { rows, now, .. } = *situation;
    let active = serving(rows, now);
    if active.is_some_and(|row| row.customer != creation.customer) {
        return Err(Refused::Taken);
    }
    let begins = creation.subscription_at.unwrap_or(now);
    check_end(creation.ending_at.flatten(), begins, now)?;
    if let Some(active) = active {
        return Ok(change_plan(creation, active, situation));
    }
    match waiting(rows, creation.customer, now) {
        Some(row) => Ok(replan(creation, row, situation)),
        None => Ok(first(creation, begins, situation)),
    }
}

/// The row that a creation is about: what serves the external id, whosever it is, or else what
/// begins later for the customer.
pub fn current<'a>(
    rows: &'a [Versioned<Subscription>],
    customer: &str,
    now: Instant,
) -> Option<&'a Subscription> {
    serving(rows, now).or_else(|| waiting(rows, customer, now)).map(|row| &*row.entity)
}

fn waiting<'a>(
    rows: &'a [Versioned<Subscription>],
    customer: &str,
    now: Instant,
) -> Option<&'a Versioned<Subscription>> {
    rows.iter()
        .find(|row| row.customer == customer && row.previous.is_none() && is_waiting(row, now))
}

/// A subscription of its own.
fn first(creation: &Creation<'_>, begins: Instant, situation: &Situation<'_>) -> Decided {
    let mut row = Subscription {
        id: creation.id,
        external_id: creation.external_id.to_owned(),
        customer: creation.customer.to_owned(),
        plan: creation.plan.id,
        name: creation.name.map(str::to_owned),
        billing_time: creation.billing_time.unwrap_or(BillingTime::Calendar),
        subscription_at: begins,
        started_at: None,
        ending_at: creation.ending_at.flatten(),
        terminated_at: None,
        status: Status::Pending,
        previous: None,
        created_at: situation.now,
    };
    start(&mut row, situation);
    Decided { writes: vec![row.clone()], shown: row }
}

/// Sets status and start of a row that begins at its `subscription_at` (3.6): on a later local date
/// at the midnight that begins it, today at that instant, in the past there too, but not before the
/// end of a row that the external id had.
fn start(row: &mut Subscription, situation: &Situation<'_>) {
    let Situation { rows, zone, now, .. } = *situation;
    let (date, today) = (zone.date(row.subscription_at), zone.date(now));
    if date > today {
        row.status = Status::Pending;
        row.started_at = Some(zone.midnight(date));
        return;
    }
    row.status = Status::Active;
    row.started_at = Some(row.subscription_at);
    if date < today {
        let ended = rows.iter().filter(|other| other.status_at(now) == Status::Terminated);
        let last = ended.filter_map(|other| other.ends_at()).max();
        row.started_at = row.started_at.max(last);
    }
}

/// A creation for an external id that is active already.
fn change_plan(
    creation: &Creation<'_>,
    active: &Versioned<Subscription>,
    situation: &Situation<'_>,
) -> Decided {
    let before = (situation.plans)(active.plan);
    if repeats(creation.plan, active.plan, before) {
        return Decided { writes: Vec::new(), shown: (*active.entity).clone() };
    }
    let now = situation.now;
    let mut writes = cancel_waiting(active.id, situation);
    let mut ends = (*active.entity).clone();
    let mut next = Subscription {
        id: creation.id,
        plan: creation.plan.id,
        name: creation.name.map(str::to_owned),
        started_at: Some(now),
        ending_at: creation.ending_at.unwrap_or(active.ending_at),
        terminated_at: None,
        status: Status::Active,
        previous: Some(active.id),
        created_at: now,
        ..ends.clone()
    };
    // A plan that is gone costs nothing, so that leaving it is an upgrade.
    let is_upgrade = yearly(creation.plan) >= before.map_or(i128::MIN, yearly);
    let period_end = before.and_then(|plan| next_period(active, plan, situation));
    match period_end.filter(|_| !is_upgrade) {
        None => {
            ends.status = Status::Terminated;
            ends.terminated_at = Some(now.plus_micros(UPGRADE_OVERLAP_MICROS));
            writes.extend([ends, next.clone()]);
            Decided { writes, shown: next }
        }
        Some(start) => {
            // Both rows say when they change over, so nothing has to be done then.
            ends.status = Status::Active;
            ends.terminated_at = Some(start);
            next.status = Status::Pending;
            next.started_at = Some(start);
            writes.extend([ends.clone(), next]);
            Decided { writes, shown: ends }
        }
    }
}

/// Whether a request for a plan asks for what a row has already, be it in a private copy. `before`
/// is the row's plan, none if it is gone.
pub fn repeats(asked: &Plan, row: Uuid, before: Option<&Plan>) -> bool {
    row == asked.id || before.is_some_and(|plan| plan.parent == Some(asked.id))
}

/// The start of the plan's next period.
fn next_period(
    row: &Subscription,
    plan: &Plan,
    Situation { zone, now, .. }: &Situation<'_>,
) -> Option<Instant> {
    let terms = Terms {
        interval: plan.interval,
        bill_charges_monthly: plan.bill_charges_monthly,
        billing_time: row.billing_time,
        subscription_at: row.subscription_at,
        started_at: Some(row.started_at?),
        zone: (*zone).clone(),
        previous: None,
    };
    let last_day = zone.date(period::around(&terms, *now).next_end);
    Some(zone.midnight(last_day.plus_days(1)))
}

/// What a plan's base fee comes to in a year; it tells upgrades from downgrades (3.11).
pub fn yearly(plan: &Plan) -> i128 {
    i128::from(plan.amount_cents) * i128::from(plan.interval.times_a_year())
}

/// A creation for an external id that begins later: the plan is exchanged.
fn replan(
    creation: &Creation<'_>,
    row: &Versioned<Subscription>,
    situation: &Situation<'_>,
) -> Decided {
    let mut row = (*row.entity).clone();
    if repeats(creation.plan, row.plan, (situation.plans)(row.plan)) {
        return Decided { writes: Vec::new(), shown: row };
    }
    row.plan = creation.plan.id;
    if let Some(name) = creation.name {
        row.name = Some(name.to_owned());
    }
    Decided { writes: vec![row.clone()], shown: row }
}

/// A request to change a row that runs or begins later.
pub fn update(
    row: &Subscription,
    update: &Update<'_>,
    situation: &Situation<'_>,
) -> Result<Decided, Refused> {
    let now = situation.now;
    if !matches!(row.status_at(now), Status::Active | Status::Pending) {
        return Err(Refused::NotFound);
    }
    let mut row = row.clone();
    let before = row.clone();
    if let Some(name) = update.name {
        row.name = name.map(str::to_owned);
    }
    if let Some(plan) = update.plan {
        row.plan = plan;
    }
    if let Some(begins) = update.subscription_at
        && row.previous.is_none()
        && is_waiting(&row, now)
    {
        row.subscription_at = begins;
        start(&mut row, situation);
    }
    if let Some(ending_at) = update.ending_at {
        check_end(ending_at, row.subscription_at, now)?;
        row.ending_at = ending_at;
    }
    let writes = if row == before { Vec::new() } else { vec![row.clone()] };
    Ok(Decided { writes, shown: row })
}

/// A request to end what serves the external id. A plan change that waits is given up.
pub fn terminate(situation: &Situation<'_>) -> Result<Decided, Refused> {
    let active = serving(situation.rows, situation.now).ok_or(Refused::NotFound)?;
    let mut writes = cancel_waiting(active.id, situation);
    let mut row = (*active.entity).clone();
    row.status = Status::Terminated;
    row.terminated_at = Some(situation.now);
    writes.push(row.clone());
    Ok(Decided { writes, shown: row })
}

/// A request to give up what has not begun: a subscription that begins later, or a plan change that
/// waits; then the row before goes on.
pub fn cancel(situation: &Situation<'_>) -> Result<Decided, Refused> {
    let waiting = situation.rows.iter().find(|row| is_waiting(row, situation.now));
    let waiting = waiting.ok_or(Refused::NotFound)?;
    let before = situation.rows.iter().find(|row| waiting.previous == Some(row.id));
    let mut writes = Vec::new();
    if let Some(before) = before.filter(|row| row.status_at(situation.now) == Status::Active) {
        let mut before = (*before.entity).clone();
        before.terminated_at = None;
        writes.push(before);
    }
    let row = canceled(waiting);
    writes.push(row.clone());
    Ok(Decided { writes, shown: row })
}

fn cancel_waiting(of: Uuid, situation: &Situation<'_>) -> Vec<Subscription> {
    let successors = situation.rows.iter().filter(|row| row.previous == Some(of));
    successors.filter(|row| is_waiting(row, situation.now)).map(|row| canceled(row)).collect()
}

fn canceled(row: &Subscription) -> Subscription {
    Subscription { status: Status::Canceled, started_at: None, ..row.clone() }
}

fn is_waiting(row: &Subscription, now: Instant) -> bool {
    row.status_at(now) == Status::Pending
}

/// An end has to lie on a later date than today and than the start, by UTC.
///
/// # Errors
///
/// [`Refused::EndingAt`].
pub fn check_end(ending_at: Option<Instant>, begins: Instant, now: Instant) -> Result<(), Refused> {
    let date = |at| Zone::UTC.date(at);
    match ending_at {
        Some(end) if date(end) <= date(now) || date(end) <= date(begins) => Err(Refused::EndingAt),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
