//! The charges window as aggregations read it: bounds, local days, shares of the period.

use crate::core::decimal::Decimal;
use crate::core::double::Double;
use crate::core::instant::{Instant, SECOND};
use crate::core::period::{Zone, day_diff};
use crate::core::planted::{Fault, planted};

/// Seconds of a day by the calendar; durations are real seconds even where a day has 23 hours
/// (5.9).
const DAY_SECONDS: i64 = 86_400;

/// The charges window with the length of its full period.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// First instant; event comparison floors it to the millisecond (4.7).
    pub from: Instant,
    /// Last instant, inclusive.
    pub to: Instant,
    /// `charges_duration`: days of the full period, whatever part of it the window covers (3.8).
    pub days: i64,
    /// The customer's time zone.
    pub zone: &'a Zone,
}

impl Frame<'_> {
    /// The lower bound of events.
    pub const fn lower(&self) -> Instant {
        self.from.floor_ms()
    }

    /// The end that weighted sums run to: the next whole second (5.9).
    pub fn end(&self) -> Instant {
        let rest = if planted(Fault::LastSecondLost) { 0 } else { SECOND - 1 };
        self.to.plus_micros(rest).floor_second()
    }

    /// Local calendar day of an instant, numbered in sequence.
    pub fn day(&self, at: Instant) -> i64 {
        i64::from(self.zone.date(at).days())
    }

    /// Local day that an instant reaches one day later.
    pub fn day_after(&self, at: Instant) -> i64 {
        self.day(at.plus_micros(DAY_SECONDS * SECOND))
    }

    /// Share of the period from the day of `at` to the last one, both counted.
    pub fn share_from(&self, at: Instant) -> Decimal {
        let days = self.day(self.to) - self.day(at);
        self.share(if planted(Fault::LastDayLost) { days } else { days + 1 })
    }

    /// `days / charges_duration` as the database divides; a missing duration counts one day.
    pub fn share(&self, days: i64) -> Decimal {
        let whole = Decimal::from_i64(self.days.max(1));
        Decimal::pgdiv(&Decimal::from_i64(days), &whole).unwrap_or(Decimal::ZERO)
    }

    /// Share of the period that remains at `at`, as a double (3.9, 5.12).
    pub fn ratio_from(&self, at: Instant) -> Double {
        Double::ratio(day_diff(self.zone, at, self.to), self.days.max(1))
    }

    /// Share of the period that the window covers, less `fewer` days, as a double.
    pub fn ratio(&self, fewer: i64) -> Double {
        let days = day_diff(self.zone, self.from, self.to) - fewer;
        Double::ratio(days.max(0), self.days.max(1))
    }

    /// Seconds of the full period.
    pub fn seconds(&self) -> i64 {
        self.days.max(1).saturating_mul(DAY_SECONDS)
    }
}
