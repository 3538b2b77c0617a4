//! Calendar dates as day numbers, in the Gregorian calendar without a beginning or an end.

use std::fmt;

/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01, where the arithmetic below starts its years, to 1970-01-01.
const EPOCH_SHIFT: i64 = 719_468;
/// 1970-01-01 was a Thursday; weekdays count from Monday.
const EPOCH_WEEKDAY: i32 = 3;

/// A calendar date: the number of days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

impl Date {
    /// The date this many days after 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// The date of a year, a month (1 to 12) and a day (1 to 31); a day that the month does not
    /// have runs over into the next month.
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Self {
        // Years start in March here, so that the leap day is the last of its year.
        let year = i64::from(year) - i64::from(month <= 2);
        let month = (i64::from(month) + 9) % 12;
        let of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        Self(saturate(days - EPOCH_SHIFT))
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// Year, month (1 to 12) and day (1 to 31).
    pub fn ymd(self) -> (i32, u8, u8) {
        let days = i64::from(self.0) + EPOCH_SHIFT;
        let era = days.div_euclid(ERA_DAYS);
        let of_era = days.rem_euclid(ERA_DAYS);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + i64::from(month <= 2);
        (saturate(year), small(month), small(day))
    }

    /// Day of the week: 0 is Monday, 6 is Sunday.
    pub const fn weekday(self) -> i32 {
        // Reduced first: the sum must not leave the range of day numbers.
        (self.0.rem_euclid(7) + EPOCH_WEEKDAY) % 7
    }

    /// The date some days later, or earlier for a negative number.
    #[must_use]
    pub const fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from an earlier date to this one.
    pub const fn days_since(self, earlier: Self) -> i32 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::text::write_date(f, *self)
    }
}

/// A month of a year, numbered through all years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month(i32);

impl Month {
    /// The month of a date, and the day in it.
    pub(super) fn of(date: Date) -> (Self, u8) {
        let (year, month, day) = date.ymd();
        (Self(year.saturating_mul(12).saturating_add(i32::from(month) - 1)), day)
    }

    /// The latest month not after this one that lies a multiple of `step` months from `anchor`.
    pub(super) fn aligned(self, anchor: Self, step: i32) -> Self {
        Self(self.0 - (self.0 - anchor.0).rem_euclid(step))
    }

    /// The month some months later or earlier.
    pub(super) fn plus(self, months: i32) -> Self {
        Self(self.0 + months)
    }

    /// The given day of this month, or its last day if it is shorter.
    pub(super) fn day(self, day: u8) -> Date {
        let first = self.first();
        let last = self.plus(1).first().plus_days(-1);
        first.plus_days(i32::from(day) - 1).min(last)
    }

    fn first(self) -> Date {
        Date::from_ymd(self.0.div_euclid(12), small(i64::from(self.0.rem_euclid(12)) + 1), 1)
    }
}

/// Day numbers and years beyond 32 bits lie beyond every instant; they stop at the ends.
fn saturate(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

/// Months and days of the month always fit.
fn small(value: i64) -> u8 {
    u8::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_have_known_numbers() {
        for (days, ymd, weekday) in [
            (0, (1970, 1, 1), 3),
            (-1, (1969, 12, 31), 2),
            (11_016, (2000, 2, 29), 1),
            (19_782, (2024, 2, 29), 3),
            (-719_528, (0, 1, 1), 5),
            (2_932_896, (9999, 12, 31), 4),
        ] {
            let (year, month, day) = ymd;
            assert_eq!(Date::from_ymd(year, month, day), Date(days));
            assert_eq!(Date(days).ymd(), ymd);
            assert_eq!(Date(days).weekday(), weekday, "{ymd:?}");
        }
    }

    #[test]
    fn numbers_and_dates_agree_over_eight_centuries_of_days() {
        let mut before = Date::from_ymd(1599, 12, 31);
        for days in before.days() + 1..Date::from_ymd(2400, 3, 2).days() {
            let date = Date(days);
            let (year, month, day) = date.ymd();
            assert_eq!(Date::from_ymd(year, month, day), date);
            assert!(date.ymd() > before.ymd());
            before = date;
        }
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        for date in [Date(i32::MIN), Date(i32::MAX)] {
            let (year, month, day) = date.ymd();
            assert_eq!(Date::from_ymd(year, month, day), date);
            assert!((0..7).contains(&date.weekday()));
        }
    }

    #[test]
    fn a_day_the_month_lacks_is_its_last() {
        let (month, _) = Month::of(Date::from_ymd(2023, 2, 10));
        assert_eq!(month.day(31), Date::from_ymd(2023, 2, 28));
        assert_eq!(month.plus(12).day(31), Date::from_ymd(2024, 2, 29));
        assert_eq!(month.plus(-2).day(31), Date::from_ymd(2022, 12, 31));
    }
}
