//! Subscriptions (specification 3.6, 3.11, 9.5).

use uuid::Uuid;

use super::version::Versioned;
use crate::core::instant::Instant;

/// What billing periods are aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BillingTime {
    /// The calendar.
    Calendar,
    /// The day of `subscription_at`.
    Anniversary,
}

impl BillingTime {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Anniversary => "anniversary",
        }
    }

    /// The alignment with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Calendar, Self::Anniversary].into_iter().find(|time| time.name() == name)
    }
}

/// Where a subscription stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Starts later.
    Pending,
    /// Running.
    Active,
    /// Ended.
    Terminated,
    /// Given up before it started.
    Canceled,
}

impl Status {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Terminated => "terminated",
            Self::Canceled => "canceled",
        }
    }

    /// The status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Terminated, Self::Canceled]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// A subscription row: one customer on one plan for one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Identifier.
    pub id: Uuid,
    /// The tenant's own id; events carry it. Rows that follow one another may share it.
    pub external_id: String,
    /// External id of the customer.
    pub customer: String,
    /// The plan, by id.
    pub plan: Uuid,
    /// Display name.
    pub name: Option<String>,
    /// Alignment of periods.
    pub billing_time: BillingTime,
    /// Anchor of anniversaries.
    pub subscription_at: Instant,
    /// When it became active, to the millisecond; it only clamps windows.
    pub started_at: Option<Instant>,
    /// When it ends by itself.
    pub ending_at: Option<Instant>,
    /// When it ended.
    pub terminated_at: Option<Instant>,
    /// As recorded; see [`Subscription::status_at`] for what holds at an instant.
    pub status: Status,
    /// The row before a plan change.
    pub previous: Option<Uuid>,
    /// Creation.
    pub created_at: Instant,
}

impl Subscription {
    /// The status at an instant: a pending row turns active at its recorded start, an open one ends
    /// at its recorded end, without any record saying so.
    pub fn status_at(&self, now: Instant) -> Status {
        match self.status {
            Status::Pending | Status::Active if self.ends_at().is_some_and(|end| end <= now) => {
                Status::Terminated
            }
            Status::Pending if self.started_at.is_some_and(|start| start <= now) => Status::Active,
            status => status,
        }
    }

    /// When it ended or will end, as far as that is known: at its termination, at the plan change
    /// that waits for the end of a period, or by itself.
    pub fn ends_at(&self) -> Option<Instant> {
        match (self.terminated_at, self.ending_at) {
            (Some(terminated), Some(ending)) => Some(terminated.min(ending)),
            (terminated, ending) => terminated.or(ending),
        }
    }
}

/// The row that serves an external id at an instant (1.5, 3.12), of all its rows in ascending order
/// of (creation, id).
///
/// At most one row may be active; a log that holds several all the same gets one answer: the row
/// that was created first holds the id, and gives way only to the row that a plan change has put in
/// its place. The customers of the others have no active subscription.
pub fn serving(rows: &[Versioned<Subscription>], now: Instant) -> Option<&Versioned<Subscription>> {
    let active = |row: &&Versioned<Subscription>| row.status_at(now) == Status::Active;
    let mut holder = rows.iter().find(active)?;
    // Each step takes another row, unless the links run in a circle.
    for _ in rows {
        let successor = |row: &&Versioned<Subscription>| row.previous == Some(holder.id);
        match rows.iter().filter(active).find(successor) {
            Some(row) => holder = row,
            None => break,
        }
    }
    Some(holder)
}
