//! Periods as local dates (specification 3.2 to 3.5).
//!
//! Whatever the interval, periods are the stretches between the marks of a grid: every seven days,
//! or every so many months on one day, moved to the month's last day where a month is shorter.

use super::date::{Date, Month};
use crate::core::catalog::{BillingTime, Interval};
use crate::core::planted::{Fault, planted};

/// Days in a week.
const WEEK_DAYS: i32 = 7;

/// First and last local date of a period, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dates {
    /// First date.
    pub first: Date,
    /// Last date.
    pub last: Date,
}

impl Dates {
    /// Days of the whole period.
    pub const fn days(self) -> i32 {
        self.last.days_since(self.first).saturating_add(1)
    }
}

/// Where the periods of one interval begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grid {
    /// On the same weekday as this date.
    Weeks(Date),
    /// In months that lie a multiple of `step` from `anchor`, on `day`.
    Months {
        /// A month in which a period begins.
        anchor: Month,
        /// Months in a period.
        step: i32,
        /// Day of the month.
        day: u8,
    },
}

impl Grid {
    /// The grid of an interval, aligned to the calendar or to a local date.
    pub(super) fn new(interval: Interval, billing_time: BillingTime, subscribed: Date) -> Self {
        let step = match interval {
            Interval::Weekly => {
                return Self::Weeks(match billing_time {
                    BillingTime::Calendar => subscribed.plus_days(-subscribed.weekday()),
                    BillingTime::Anniversary => subscribed,
                });
            }
            Interval::Monthly => 1,
            Interval::Quarterly => 3,
            Interval::Semiannual => 6,
            Interval::Yearly => 12,
        };
        let aligned = match billing_time {
            // Every step divides a year, so any January carries the calendar's grid.
            BillingTime::Calendar => Date::default(),
            BillingTime::Anniversary => subscribed,
        };
        let (anchor, day) = Month::of(aligned);
        let day = if planted(Fault::MonthEndMoved) { day.min(28) } else { day };
        Self::Months { anchor, step, day }
    }

    /// The period that holds a date.
    pub(super) fn holding(self, date: Date) -> Dates {
        match self {
            Self::Weeks(anchor) => {
                let into = date.days_since(anchor).rem_euclid(WEEK_DAYS);
                let first = date.plus_days(-into);
                Dates { first, last: first.plus_days(WEEK_DAYS - 1) }
            }
            Self::Months { anchor, step, day } => {
                let mut month = Month::of(date).0.aligned(anchor, step);
                if month.day(day) > date {
                    month = month.plus(-step);
                }
                Dates { first: month.day(day), last: month.plus(step).day(day).plus_days(-1) }
            }
        }
    }

    /// The period after one.
    pub(super) fn after(self, dates: Dates) -> Dates {
        self.holding(dates.last.plus_days(1))
    }

    /// The period before one.
    pub(super) fn before(self, dates: Dates) -> Dates {
        self.holding(dates.first.plus_days(-1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVALS: [Interval; 5] = [
        Interval::Weekly,
        Interval::Monthly,
        Interval::Quarterly,
        Interval::Semiannual,
        Interval::Yearly,
    ];

    fn clamped(year: i32, month: i32, day: u8) -> Date {
        let month0 = month - 1;
        let year = year + month0.div_euclid(12);
        let month = u8::try_from(month0.rem_euclid(12) + 1).unwrap();
        (1..=day)
            .rev()
            .map(|day| Date::from_ymd(year, month, day))
            .find(|d| d.ymd().1 == month)
            .unwrap()
    }

    fn last_of_month(year: i32, month: i32) -> Date {
        clamped(year, month, 31)
    }

    /// Day `day - 1` of a month, by the letter of 3.3 and 3.5.
    fn day_before(year: i32, month: i32, day: u8) -> Date {
        let end = clamped(year, month, day - 1);
        let shortened = end == last_of_month(year, month) && day > end.ymd().2;
        end.plus_days(-i32::from(shortened))
    }

    /// Anniversary periods by the letter of 3.3, 3.4 and 3.5, case by case.
    fn by_the_letter(interval: Interval, subscribed: Date, today: Date) -> Dates {
        let (_, anchor, day) = subscribed.ymd();
        let (year, month, today_day) = today.ymd();
        let month_end = last_of_month(year, i32::from(month)) == today;
        match interval {
            Interval::Weekly => {
                let first = (0..7)
                    .map(|back| today.plus_days(-back))
                    .find(|date| date.weekday() == subscribed.weekday())
                    .unwrap();
                Dates { first, last: first.plus_days(6) }
            }
            Interval::Monthly => {
                let first = if month_end && today_day < day {
                    today
                } else if today_day < day {
                    clamped(year, i32::from(month) - 1, day)
                } else {
                    clamped(year, i32::from(month), day)
                };
                let (year, month, _) = first.ymd();
                let last = if day == 1 {
                    last_of_month(year, i32::from(month))
                } else {
                    day_before(year, i32::from(month) + 1, day)
                };
                Dates { first, last }
            }
            Interval::Quarterly | Interval::Semiannual => {
                let step = if interval == Interval::Quarterly { 3 } else { 6 };
                let mut months: Vec<i32> =
                    (0..12 / step).map(|k| (i32::from(anchor) - 1 + k * step) % 12 + 1).collect();
                months.sort_unstable();
                let month = i32::from(month);
                let before_mark = |month: i32| {
                    i32::from(today_day) < i32::from(clamped(year, month, day).ymd().2)
                };
                let smallest = months[0];
                let (year, month) = if month < smallest || month == smallest && before_mark(month) {
                    (year - 1, months[months.len() - 1])
                } else if !months.contains(&month) || before_mark(month) {
                    (year, *months.iter().rfind(|m| **m < month).unwrap())
                } else {
                    (year, month)
                };
                let last = clamped(year, month + step, day).plus_days(-1);
                Dates { first: clamped(year, month, day), last }
            }
            Interval::Yearly => {
                let anchor = i32::from(anchor);
                let mark = clamped(year, anchor, day).ymd();
                let year = if (month, today_day) >= (mark.1, mark.2) { year } else { year - 1 };
                let last = if day == 1 {
                    last_of_month(year + 1, anchor - 1)
                } else {
                    day_before(year + 1, anchor, day)
                };
                Dates { first: clamped(year, anchor, day), last }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn anniversaries_follow_the_letter_of_the_rules(
            interval in prop::sample::select(&INTERVALS[..]),
            subscribed in -2_000..40_000_i32,
            today in -2_000..40_000_i32,
        ) {
            let (subscribed, today) = (Date::from_days(subscribed), Date::from_days(today));
            let grid = Grid::new(interval, BillingTime::Anniversary, subscribed);
            prop_assert_eq!(grid.holding(today), by_the_letter(interval, subscribed, today));
        }

        #[test]
        fn periods_hold_their_date_and_follow_one_another(
            interval in prop::sample::select(&INTERVALS[..]),
            calendar: bool,
            subscribed in -2_000..40_000_i32,
            today in -800_000..2_950_000_i32,
        ) {
            let billing_time =
                if calendar { BillingTime::Calendar } else { BillingTime::Anniversary };
            let grid = Grid::new(interval, billing_time, Date::from_days(subscribed));
            let dates = grid.holding(Date::from_days(today));
            prop_assert!((dates.first..=dates.last).contains(&Date::from_days(today)));
            prop_assert_eq!(grid.after(dates).first, dates.last.plus_days(1));
            prop_assert_eq!(grid.before(dates).last, dates.first.plus_days(-1));
            prop_assert_eq!(grid.holding(dates.first), dates);
            prop_assert_eq!(grid.holding(dates.last), dates);
        }
    }

    #[test]
    fn calendar_periods_begin_where_people_expect() {
        let date = |month, day| Date::from_ymd(2024, month, day);
        let today = date(8, 14);
        for (interval, first, last) in [
            (Interval::Weekly, date(8, 12), date(8, 18)),
            (Interval::Monthly, date(8, 1), date(8, 31)),
            (Interval::Quarterly, date(7, 1), date(9, 30)),
            (Interval::Semiannual, date(7, 1), date(12, 31)),
            (Interval::Yearly, date(1, 1), date(12, 31)),
        ] {
            let grid = Grid::new(interval, BillingTime::Calendar, date(2, 29));
            assert_eq!(grid.holding(today), Dates { first, last }, "{interval:?}");
        }
    }
}
