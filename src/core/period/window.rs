//! Windows as instants: the period a subscription is in (specification 3.6 to 3.9).

use super::date::Date;
use super::grid::{Dates, Grid};
use super::zone::{DAY_SECONDS, Zone};
use crate::core::catalog::{BillingTime, Interval};
use crate::core::instant::{Instant, SECOND};
use crate::core::planted::{Fault, planted};

/// Two starts of a window this far apart or farther belong to different periods, so a change of
/// zone moves none of them (3.6). Zones lie at most 26 hours apart.
const ZONE_CHANGE_MICROS: u64 = 26 * 3_600 * 1_000_000;

/// What decides the windows of one subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Interval of the plan.
    pub interval: Interval,
    /// Charges of a yearly or semiannual plan are billed every month; ignored otherwise.
    pub bill_charges_monthly: bool,
    /// Alignment of periods.
    pub billing_time: BillingTime,
    /// Anchor of anniversaries.
    pub subscription_at: Instant,
    /// When the subscription became active; without it there is no window.
    pub started_at: Option<Instant>,
    /// The customer's zone.
    pub zone: Zone,
    /// The last window closed under another zone, if the zone has changed since the start.
    pub previous: Option<LastWindow>,
}

/// A window that was closed, and the zone that decided its end.
#[derive(Clone, Debug, PartialEq)]
pub struct LastWindow {
    /// The zone.
    pub zone: Zone,
    /// The window's end, inclusive.
    pub to: Instant,
}

/// A stretch of time, both ends inclusive, in microseconds.
///
/// An event is in it when `from.floor_ms() <= timestamp <= to` (4.7). Empty when `to <= from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// First instant.
    pub from: Instant,
    /// Last instant; a whole period ends at `…59.999999`.
    pub to: Instant,
}

impl Window {
    /// Whether an event of this instant counts in the window (4.7).
    pub const fn holds(self, at: Instant) -> bool {
        self.from.floor_ms().micros() <= at.micros() && at.micros() <= self.to.micros()
    }

    /// Whether the window has no extent, so that nothing is billed for it.
    pub const fn is_empty(self) -> bool {
        self.to.micros() <= self.from.micros()
    }
}

/// The period holding an instant, as current usage shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The usage window.
    pub charges: Window,
    /// Days of the whole usage period, without the clamp to the start (3.8).
    pub charges_duration: i32,
    /// The period of the plan's interval (billed windows 4).
    pub plan: Window,
    /// UTC date on which the plan's period ends (3.7).
    pub issuing_date: Date,
}

/// Ends of the plan-interval periods around an instant, not clamped (billed windows 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// Start of the period holding the instant.
    pub current_beginning: Instant,
    /// Start of the period before it.
    pub previous_beginning: Instant,
    /// End of the period holding the instant, `…59.999999`.
    pub next_end: Instant,
}

impl Terms {
    /// The grid of usage periods.
    pub(super) fn charges_grid(&self) -> Grid {
        let monthly = self.spans_months() && self.bill_charges_monthly;
        self.grid(if monthly { Interval::Monthly } else { self.interval })
    }

    /// Whether the plan's interval is one whose charges can be billed monthly.
    pub(super) fn spans_months(&self) -> bool {
        matches!(self.interval, Interval::Yearly | Interval::Semiannual)
    }

    /// The terms that held before the zone changed, and the end of the last window under them.
    pub(super) fn before_zone_change(&self) -> Option<(Self, Instant)> {
        let last = self.previous.as_ref()?;
        let before = Self { zone: last.zone.clone(), previous: None, ..self.clone() };
        Some((before, last.to))
    }

    /// The grid of the plan's own periods.
    pub(super) fn plan_grid(&self) -> Grid {
        self.grid(self.interval)
    }

    /// The grid of months, for fees that are billed monthly beside longer charges.
    pub(super) fn month_grid(&self) -> Grid {
        self.grid(Interval::Monthly)
    }

    fn grid(&self, interval: Interval) -> Grid {
        Grid::new(interval, self.billing_time, self.zone.date(self.subscription_at))
    }

    /// The window of a usage period, clamped to the start of the subscription.
    pub(super) fn window(&self, dates: Dates, started_at: Instant) -> Window {
        Window {
            from: match self.beginning(dates.first) {
                from if planted(Fault::WindowBeforeStart) => from,
                from => from.max(started_at),
            },
            to: self.zone.end_of_day(dates.last).max(started_at),
        }
    }

    /// Local midnight, or the instant after the last window of another zone if that is near.
    fn beginning(&self, first: Date) -> Instant {
        let midnight = self.zone.midnight(first);
        match &self.previous {
            Some(last) if last.zone != self.zone => {
                let after = last.to.floor_second().plus_micros(SECOND);
                let near = midnight.micros().abs_diff(after.micros()) < ZONE_CHANGE_MICROS;
                if near { after } else { midnight }
            }
            _ => midnight,
        }
    }
}

/// The period that holds the local date of `now`; none for a subscription that has not started.
pub fn current(terms: &Terms, now: Instant) -> Option<Period> {
    let started_at = terms.started_at?;
    let today = terms.zone.date(now);
    let dates = terms.charges_grid().holding(today);
    let plan = terms.plan_grid().holding(today);
    let end = terms.zone.end_of_day(plan.last);
    let start_of_first_day = terms.zone.midnight(terms.zone.date(started_at));
    Some(Period {
        charges: terms.window(dates, started_at),
        charges_duration: dates.days(),
        plan: Window {
            from: terms.zone.midnight(plan.first).max(start_of_first_day),
            to: end.max(started_at),
        },
        issuing_date: Zone::UTC.date(end),
    })
}

/// The usage window in which an event of this instant counts.
///
/// None before the start of the subscription, in the hour that no period has where clocks go back
/// at midnight (3.6), and beyond the calendar.
pub fn containing(terms: &Terms, at: Instant) -> Option<Window> {
    let started_at = terms.started_at?;
    if let Some((before, last)) = terms.before_zone_change()
        && at <= last
    {
        let window = containing(&before, at)?;
        return Some(Window { to: window.to.min(last), ..window });
    }
    let grid = terms.charges_grid();
    let dates = grid.holding(terms.zone.date(at));
    let window = terms.window(dates, started_at);
    // Where clocks go back over midnight, or the zone has changed, an instant can belong to the
    // period after the one of its local date.
    if at > window.to || terms.previous.is_some() {
        let next = terms.window(grid.after(dates), started_at);
        if next.holds(at) {
            return Some(next);
        }
    }
    window.holds(at).then_some(window)
}

/// Starts and ends around an instant, in periods of the plan's interval.
pub fn around(terms: &Terms, at: Instant) -> Around {
    let grid = terms.plan_grid();
    let dates = grid.holding(terms.zone.date(at));
    Around {
        current_beginning: terms.zone.midnight(dates.first),
        previous_beginning: terms.zone.midnight(grid.before(dates).first),
        next_end: terms.zone.end_of_day(dates.last),
    }
}

/// Days between two instants as proration counts them: begun local days, whatever the clocks did;
/// an end on a local midnight begins a day (3.9).
pub fn day_diff(zone: &Zone, from: Instant, to: Instant) -> i64 {
    let local = |at: Instant| at.micros().div_euclid(SECOND) + zone.offset_seconds(at);
    let mut end = local(to);
    let date = zone.date(to);
    if zone.midnight(date) == to {
        end += 1;
    }
    -(local(from) - end).div_euclid(DAY_SECONDS)
}
