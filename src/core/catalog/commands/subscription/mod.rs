//! Subscriptions (specification 9.5 and 9.6). What a request leads to is decided by
//! [`lifecycle`](crate::core::catalog::lifecycle); here its members are read and checked, and the
//! rows and the plan for it are found.

mod create;
mod end;
mod update;

use uuid::Uuid;

use super::input::{Input, text_of};
use super::{Changes, Refusal, State};
use crate::core::catalog::check::Errors;
use crate::core::catalog::lifecycle::{Decided, Refused, Situation, check_end};
use crate::core::catalog::record::{Body, EntityId};
use crate::core::catalog::version::Versioned;
use crate::core::catalog::zones::zone_of;
use crate::core::catalog::{Plan, Status, Subscription, serving};
use crate::core::instant::Instant;
use crate::core::period::{Zone, text};
use crate::core::value::Value;

pub use create::CreateSubscription;
pub use end::EndSubscription;
pub use update::UpdateSubscription;

const INVALID_DATE: &str = "invalid_date";
const OVERRIDES: &str = "plan_overrides";

/// The rows of an external id, as a decision sees them.
struct Lives<'a> {
    state: &'a State<'a>,
    rows: &'a [Versioned<Subscription>],
    zone: Zone,
}

impl<'a> Lives<'a> {
    fn new(state: &'a State<'a>, rows: &'a [Versioned<Subscription>], customer: &str) -> Self {
        let row = state.directory.customer(state.organization(), customer);
        let named = row.as_ref().and_then(|row| row.timezone.as_deref());
        let zone = zone_of(named, state.tenant.organization.timezone.as_deref());
        Self { state, rows, zone }
    }

    /// Lets a rule decide.
    fn decide(
        &self,
        rule: impl FnOnce(&Situation<'_>) -> Result<Decided, Refused>,
    ) -> Result<Decided, Refusal> {
        let now = self.state.now;
        let plans = |id: Uuid| -> Option<&Plan> { Some(&*self.state.tenant.plan(id)?.entity) };
        let situation = Situation { rows: self.rows, plans: &plans, zone: &self.zone, now };
        rule(&situation).map_err(refusal)
    }

    /// Puts what was decided into the record, which rests on every row that is not over: one that
    /// ends or is exchanged meanwhile would have led elsewhere.
    fn write(&self, decided: &Decided, changes: &mut Changes) {
        let version = |id: Uuid| self.rows.iter().find(|row| row.id == id).map(|row| row.version);
        for row in &decided.writes {
            changes.put(Body::Subscription(row.clone()), version(row.id));
        }
        for row in self.rows.iter().filter(|row| is_live(row, self.state.now)) {
            let external_id = row.external_id.clone();
            changes.read(EntityId::Subscription { external_id, id: row.id }, Some(row.version));
        }
    }
}

/// The row that a request means which names a status, `active` if it names none: the serving one,
/// or of several the one that ended last, then the one that started last.
pub fn row_in<'a>(
    rows: &'a [Versioned<Subscription>],
    status: Option<&str>,
    now: Instant,
) -> Option<&'a Versioned<Subscription>> {
    let status = status.map_or(Some(Status::Active), Status::from_name)?;
    if status == Status::Active {
        return serving(rows, now);
    }
    let of_status = rows.iter().filter(|row| row.status_at(now) == status);
    of_status.max_by_key(|row| (row.ends_at(), row.started_at))
}

fn is_live(row: &Subscription, now: Instant) -> bool {
    matches!(row.status_at(now), Status::Active | Status::Pending)
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::Taken => Refusal::invalid("external_id", "value_already_exist"),
        Refused::EndingAt => Refusal::invalid("ending_at", INVALID_DATE),
        Refused::NotFound => Refusal::NotFound("subscription"),
    }
}

/// A moment that was sent. None if there is none, an error if it is no ISO 8601 date or time; one
/// without an offset is in UTC.
fn moment(value: &Value) -> Result<Option<Instant>, NotAMoment> {
    let Some(sent) = text_of(value) else { return Ok(None) };
    let read = |text: &str| text::parse(text).ok();
    let found = read(&sent)
        .or_else(|| read(&format!("{sent}Z")))
        .or_else(|| read(&format!("{sent}:00Z")))
        .or_else(|| read(&format!("{sent}T00:00:00Z")));
    found.map(Some).ok_or(NotAMoment)
}

/// A text that is no date and no time.
struct NotAMoment;

/// The start and the end that are sent.
struct Dates {
    /// None if it is not sent, or null.
    subscription_at: Option<Instant>,
    /// None if it is not sent; no end if it is null or blank.
    #[allow(clippy::option_option)] // as the lifecycle takes it
    ending_at: Option<Option<Instant>>,
}

impl Dates {
    /// Reads and checks them; the start is `begins` if none is sent.
    fn read(input: Input<'_>, begins: Instant, now: Instant) -> Result<Self, Refusal> {
        let mut errors = Errors::default();
        let start = moment(input.value("subscription_at"));
        if start.is_err() {
            errors.add("subscription_at", INVALID_DATE);
        }
        let end = match input.present("ending_at") {
            Some(_) => moment(input.value("ending_at")),
            None => Ok(None),
        };
        let fits = match (&start, &end) {
            (_, Ok(None)) => true,
            (Ok(start), Ok(end)) => check_end(*end, start.unwrap_or(begins), now).is_ok(),
            _ => false,
        };
        if !fits {
            errors.add("ending_at", INVALID_DATE);
        }
        Refusal::unless_empty(errors)?;
        let ending_at = input.has("ending_at").then_some(end.unwrap_or(None));
        Ok(Self { subscription_at: start.unwrap_or(None), ending_at })
    }
}

/// A text without blanks around it; none if nothing is left.
fn stripped(input: Input<'_>, name: &str) -> Option<String> {
    Some(input.present(name)?.trim().to_owned())
}
