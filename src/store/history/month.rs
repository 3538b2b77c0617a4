//! Months of event time, in UTC: no chunk reaches across two.

use crate::core::instant::{Instant, SECOND};
use crate::core::period::Date;

/// Microseconds of a day in UTC.
const DAY: i64 = 86_400 * SECOND;

/// The first instant of the month that holds an instant.
pub fn start(at: Instant) -> Instant {
    let (year, month, _) = date(at).ymd();
    first_of(year, month)
}

/// The first instant after the month that holds an instant; the last one there is if the month does
/// not end before.
pub fn end(at: Instant) -> Instant {
    let (year, month, _) = date(at).ymd();
    if month == 12 { first_of(year.saturating_add(1), 1) } else { first_of(year, month + 1) }
}

fn date(at: Instant) -> Date {
    // Microseconds of 64 bits are 107 million days.
    Date::from_days(i32::try_from(at.micros().div_euclid(DAY)).unwrap_or_default())
}

fn first_of(year: i32, month: u8) -> Instant {
    Instant(i64::from(Date::from_ymd(year, month, 1).days()).saturating_mul(DAY))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_month_holds_its_instants(at: i64) {
            let at = Instant(at);
            prop_assert!(start(at) <= at);
            prop_assert!(at < end(at) || end(at) == Instant::MAX);
            prop_assert_eq!(start(start(at)), start(at));
            if end(at) < Instant::MAX {
                prop_assert_eq!(start(end(at)), end(at));
                prop_assert_eq!(start(Instant(end(at).0 - 1)), start(at));
            }
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let february = Instant::from_seconds(1_709_164_800); // 2024-02-29
        assert_eq!(start(february), Instant::from_seconds(1_706_745_600));
        assert_eq!(end(february), Instant::from_seconds(1_709_251_200));
        let december = Instant::from_seconds(-1);
        assert_eq!((start(december), end(december)), (Instant(-31 * DAY), Instant(0)));
        assert_eq!(start(Instant::MIN), Instant::MIN);
    }
}
