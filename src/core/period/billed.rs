//! Closed windows: what a billing run closes, and the chain of windows of one subscription
//! (billed windows 1 and 2).

use super::date::Date;
use super::grid::{Dates, Grid};
use super::window::{Terms, Window};
use crate::core::instant::{Instant, SECOND};

/// First year whose windows are not listed: the zone rules end there, so the chain does too.
pub(super) const CHAIN_END_YEAR: i32 = 9_990;

/// How a subscription ended, if it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// It runs.
    #[default]
    Open,
    /// It was terminated or upgraded at this instant: the running period is cut short there.
    Cut(Instant),
    /// It was downgraded: the change waited for the end of a period, which closed in the normal
    /// way.
    Downgraded(Instant),
}

impl Ending {
    /// When it ended; none while it runs.
    pub const fn at(self) -> Option<Instant> {
        match self {
            Self::Open => None,
            Self::Cut(at) | Self::Downgraded(at) => Some(at),
        }
    }
}

/// A window of a subscription's chain, or the one that a billing run closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billed {
    /// The usage window; empty when nothing is billed.
    pub window: Window,
    /// Days of the whole period, neither clamped to the start nor cut at the end.
    pub charges_duration: i32,
    /// When it closes: the next period's local midnight, or the end of the subscription.
    pub closes_at: Instant,
}

/// The window that a billing run at an instant closes.
///
/// `fixed_charges_monthly`: fees beside usage are billed every month, so that the runs within a
/// plan period close nothing. None then, and for a subscription that has not started.
pub fn closed_at(
    terms: &Terms,
    ending: Ending,
    fixed_charges_monthly: bool,
    billing_at: Instant,
) -> Option<Billed> {
    let started_at = terms.started_at?;
    let today = terms.zone.date(billing_at);
    let grid = terms.charges_grid();
    let running = grid.holding(today);
    let cut =
        matches!(ending, Ending::Cut(end) if nearest_second(end) <= nearest_second(billing_at));
    let dates = if cut {
        running
    } else if fixed_charges_monthly && !opens_period(terms, today) {
        return None;
    } else {
        grid.before(running)
    };
    Some(billed(terms, ending, dates, started_at))
}

/// Whether the month of a date opens a plan period. Shorter intervals and monthly charges have no
/// monthly runs beside their own.
fn opens_period(terms: &Terms, date: Date) -> bool {
    !terms.spans_months()
        || terms.bill_charges_monthly
        || terms.month_grid().holding(date).first == terms.plan_grid().holding(date).first
}

pub(super) fn billed(terms: &Terms, ending: Ending, dates: Dates, started_at: Instant) -> Billed {
    let mut window = terms.window(dates, started_at);
    let mut closes_at = terms.zone.midnight(dates.last.plus_days(1));
    if let Some(end) = ending.at()
        && end <= window.to
    {
        window.to = end.max(started_at);
        closes_at = closes_at.min(end);
    }
    Billed { window, charges_duration: dates.days(), closes_at }
}

/// To whole seconds, half up.
fn nearest_second(at: Instant) -> Instant {
    at.plus_micros(SECOND / 2).floor_second()
}

/// The windows of one subscription, oldest first, without empty ones: the closed ones, the running
/// one and, while it has no end, those to come. They neither overlap nor leave a gap, but for the
/// hour that no period has (3.6).
///
/// With [`Terms::previous`], windows up to that end are those of the zone before.
pub fn windows(terms: &Terms, ending: Ending) -> Windows {
    let Some(started_at) = terms.started_at else {
        return Windows(None);
    };
    let (terms, next) = match terms.before_zone_change() {
        Some((before, last)) => (before, Some((last, terms.clone()))),
        None => (terms.clone(), None),
    };
    let grid = terms.charges_grid();
    let dates = grid.holding(terms.zone.date(started_at));
    Windows(Some(Chain { terms, next, ending, started_at, grid, dates }))
}

/// Iterator over the windows of one subscription; see [`windows`].
#[derive(Clone, Debug)]
pub struct Windows(Option<Chain>);

impl Iterator for Windows {
    type Item = Billed;

    fn next(&mut self) -> Option<Billed> {
        while let Some(chain) = &mut self.0 {
            let Some(billed) = chain.step() else {
                self.0 = None;
                return None;
            };
            if !billed.window.is_empty() {
                return Some(billed);
            }
        }
        None
    }
}

#[derive(Clone, Debug)]
struct Chain {
    /// What decides the windows now.
    terms: Terms,
    /// The end of the last window under these terms, and the terms that follow.
    next: Option<(Instant, Terms)>,
    ending: Ending,
    started_at: Instant,
    grid: Grid,
    /// The period to come.
    dates: Dates,
}

impl Chain {
    /// The next window, which may be empty; none once the subscription has ended.
    fn step(&mut self) -> Option<Billed> {
        if self.dates.first.ymd().0 >= CHAIN_END_YEAR {
            return None;
        }
        let whole = self.terms.window(self.dates, self.started_at);
        match self.ending {
            Ending::Cut(end) if end <= whole.from => return None,
            Ending::Downgraded(end) if end < whole.to => return None,
            _ => {}
        }
        let mut billed = billed(&self.terms, self.ending, self.dates, self.started_at);
        self.dates = self.grid.after(self.dates);
        if let Some((last, terms)) = self.next.take_if(|(last, _)| *last <= whole.to) {
            billed.window.to = billed.window.to.min(last);
            billed.closes_at = billed.closes_at.min(last.plus_micros(1));
            self.grid = terms.charges_grid();
            // Seen from the new zone, the period after the last window begins within a day of the
            // date after its end; the date after that lies inside it.
            self.dates = self.grid.holding(self.terms.zone.date(last).plus_days(2));
            self.terms = terms;
        }
        Some(billed)
    }
}
