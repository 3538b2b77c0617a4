//! Local dates, and the window that holds a moment (specification chapter 3).

use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use odometer::core::catalog::{BillingTime, Interval};

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in 24 hours.
pub const DAY: i64 = 86_400 * SECOND;

/// The days of one time zone.
pub struct Calendar(TimeZone);

impl Calendar {
    /// The zone with this IANA name.
    pub fn new(zone: &str) -> Self {
        Self(TimeZone::get(zone).unwrap())
    }

    /// The calendar date of a moment.
    pub fn date(&self, micros: i64) -> Date {
        self.0.to_datetime(Timestamp::from_microsecond(micros).unwrap()).date()
    }

    /// Local midnight; the first later time there is where the clocks skip it (3.6).
    pub fn midnight(&self, day: Date) -> i64 {
        self.moment(day, Time::midnight())
    }

    /// The last microsecond of a day; of two readings the earlier one (3.6).
    pub fn end_of_day(&self, day: Date) -> i64 {
        self.moment(day, Time::constant(23, 59, 59, 999_999_000))
    }

    fn moment(&self, day: Date, time: Time) -> i64 {
        let zoned = self.0.to_ambiguous_zoned(day.to_datetime(time)).compatible().unwrap();
        zoned.timestamp().as_microsecond()
    }

    fn offset(&self, micros: i64) -> i64 {
        let moment = Timestamp::from_microsecond(micros).unwrap();
        i64::from(self.0.to_offset(moment).seconds())
    }

    /// Days from one moment to another, begun ones counted (3.9).
    pub fn day_diff(&self, from: i64, to: i64) -> i64 {
        let (from, mut to) = (from.div_euclid(SECOND), to.div_euclid(SECOND));
        if self.midnight(self.date(to * SECOND)) == to * SECOND {
            to += 1;
        }
        let shift = self.offset(from * SECOND) - self.offset(to * SECOND);
        let seconds = to - from - shift;
        -(-seconds).div_euclid(86_400)
    }
}

/// Days from one date to another.
pub fn days_between(from: Date, to: Date) -> i64 {
    i64::from(from.until(to).unwrap().get_days())
}

/// What is billed when.
pub struct Billing {
    pub interval: Interval,
    pub charges_monthly: bool,
    pub time: BillingTime,
    pub subscription_at: i64,
    pub started_at: i64,
}

/// Zones by name, each with the log time from which on it was in force; the first one always was.
pub type Zones = [(i64, String)];

/// Two starts of a window nearer to each other than this are those of one window (3.6).
const HOURS_26: i64 = 26 * 3_600 * SECOND;

/// Where a window begins that follows the last one closed in another zone than the one in force
/// now, if there is such a one (3.6).
pub fn taken_over(zones: &Zones, billing: &Billing) -> Option<i64> {
    let mut closed: Vec<(&str, i64)> = Vec::new();
    for ((since, zone), (until, _)) in zones.iter().zip(&zones[1.min(zones.len())..]) {
        let calendar = Calendar::new(zone);
        let anchor = calendar.date(billing.subscription_at);
        let (next, _) = period(billing.of_charges(), billing.time, anchor, calendar.date(*until));
        let to = calendar.end_of_day(shifted(next, -1));
        let fits = match closed.last() {
            Some((_, last)) => calendar.midnight(next) > *since && to - last >= HOURS_26,
            None => true,
        };
        if fits && to > billing.started_at {
            closed.push((zone, to));
        }
    }
    let (_, now) = zones.last()?;
    let (_, to) = closed.iter().rev().find(|(zone, _)| zone != now)?;
    Some((to.div_euclid(SECOND) + 1) * SECOND)
}

impl Billing {
    /// The interval of the charges window (3.2).
    fn of_charges(&self) -> Interval {
        let long = matches!(self.interval, Interval::Yearly | Interval::Semiannual);
        if long && self.charges_monthly { Interval::Monthly } else { self.interval }
    }
}

/// The charges window, the days of its whole period, and the issuing date.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: i64,
    pub to: i64,
    pub days: i64,
    pub issuing: Date,
}

/// The window that holds `now` (3.2, 3.6 to 3.8). `after` is where a window begins that follows one
/// of another zone.
pub fn window(calendar: &Calendar, billing: &Billing, after: Option<i64>, now: i64) -> Window {
    let anchor = calendar.date(billing.subscription_at);
    let today = calendar.date(now);
    let (first, last) = period(billing.of_charges(), billing.time, anchor, today);
    let midnight = calendar.midnight(first);
    let from = after.filter(|after| (midnight - after).abs() < HOURS_26).unwrap_or(midnight);
    let (_, last_of_plan) = period(billing.interval, billing.time, anchor, today);
    Window {
        from: from.max(billing.started_at),
        to: calendar.end_of_day(last).max(billing.started_at),
        days: days_between(first, last) + 1,
        issuing: Calendar(TimeZone::UTC).date(calendar.end_of_day(last_of_plan)),
    }
}

/// First and last day of the period that holds `today` (3.2 to 3.5).
fn period(interval: Interval, time: BillingTime, anchor: Date, today: Date) -> (Date, Date) {
    let anniversary = time == BillingTime::Anniversary;
    match interval {
        Interval::Weekly => {
            let first_day =
                if anniversary { anchor.weekday() } else { jiff::civil::Weekday::Monday };
            let back = today.weekday().since(first_day);
            let first = shifted(today, -i64::from(back));
            (first, shifted(first, 6))
        }
        Interval::Monthly if anniversary => monthly_anniversary(anchor.day(), today),
        Interval::Quarterly if anniversary => stepped_anniversary(anchor, today, 3),
        Interval::Semiannual if anniversary => stepped_anniversary(anchor, today, 6),
        Interval::Yearly if anniversary => yearly_anniversary(anchor, today),
        Interval::Monthly => calendar_months(today, 1),
        Interval::Quarterly => calendar_months(today, 3),
        Interval::Semiannual => calendar_months(today, 6),
        Interval::Yearly => calendar_months(today, 12),
    }
}

fn shifted(day: Date, days: i64) -> Date {
    day.checked_add(days.days()).unwrap()
}

/// A year and a month, the latter out of range or not.
fn month(year: i16, month: i16) -> (i16, i8) {
    let (years, place) = ((month - 1).div_euclid(12), (month - 1).rem_euclid(12));
    (year + years, i8::try_from(place + 1).unwrap())
}

fn days_in((year, month): (i16, i8)) -> i8 {
    date(year, month, 1).days_in_month()
}

fn clamp((year, month): (i16, i8), day: i8) -> Date {
    date(year, month, day.min(days_in((year, month))))
}

fn last_day(at: (i16, i8)) -> Date {
    clamp(at, 31)
}

fn calendar_months(today: Date, step: i8) -> (Date, Date) {
    let first = (today.month() - 1) / step * step + 1;
    let last = (today.year(), first + step - 1);
    (date(today.year(), first, 1), last_day(last))
}

/// The day before the anniversary, unless that cuts a short month (3.3, 3.5).
fn before_anniversary(at: (i16, i8), day: i8) -> Date {
    let end = clamp(at, day - 1);
    if end.day() == days_in(at) && day > end.day() { shifted(end, -1) } else { end }
}

fn monthly_anniversary(day: i8, today: Date) -> (Date, Date) {
    let this = (today.year(), today.month());
    let first = if today.day() < day && today.day() == days_in(this) {
        today
    } else if today.day() < day {
        clamp(month(today.year(), i16::from(today.month()) - 1), day)
    } else {
        date(today.year(), today.month(), day)
    };
    if day == 1 {
        return (first, last_day((first.year(), first.month())));
    }
    (first, before_anniversary(month(first.year(), i16::from(first.month()) + 1), day))
}

fn stepped_anniversary(anchor: Date, today: Date, step: i8) -> (Date, Date) {
    let day = anchor.day();
    let mut months: Vec<i8> =
        (0..12 / step).map(|n| (anchor.month() - 1 + n * step) % 12 + 1).collect();
    months.sort_unstable();
    let reached = |m: i8| today.day() >= clamp((today.year(), m), day).day();
    let (smallest, largest) = (months[0], months[months.len() - 1]);
    let before_first =
        today.month() < smallest || (today.month() == smallest && !reached(smallest));
    let first = if before_first {
        clamp((today.year() - 1, largest), day)
    } else if !months.contains(&today.month()) || !reached(today.month()) {
        let earlier = months.iter().rev().find(|m| **m < today.month()).unwrap();
        clamp((today.year(), *earlier), day)
    } else {
        clamp((today.year(), today.month()), day)
    };
    let last = if day == 1 && (anchor.month() - 1) % step == 0 {
        calendar_months(first, step).1
    } else {
        let next = month(first.year(), i16::from(first.month()) + i16::from(step));
        shifted(clamp(next, day), -1)
    };
    (first, last)
}

fn yearly_anniversary(anchor: Date, today: Date) -> (Date, Date) {
    let (m, day) = (anchor.month(), anchor.day());
    let reached = (today.month(), today.day()) >= (m, day.min(days_in((today.year(), m))));
    let year = if reached { today.year() } else { today.year() - 1 };
    let first = clamp((year, m), day);
    let last = match (m, day) {
        (1, 1) => date(year, 12, 31),
        (m, 1) => last_day((year + 1, m - 1)),
        (m, day) => before_anniversary((year + 1, m), day),
    };
    (first, last)
}
