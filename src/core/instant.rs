//! Instants: signed 64-bit microseconds since the Unix epoch.

/// A moment in microseconds since 1970-01-01T00:00:00Z.
///
/// Not a calendar type: a millisecond epoch sent as seconds (year 50000 and later) is kept as it is
/// and simply lies outside every window (specification 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

/// Microseconds in one second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in one millisecond.
pub const MILLISECOND: i64 = 1_000;

impl Instant {
    /// The earliest instant there is; the lower bound of recurring windows.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant there is.
    pub const MAX: Self = Self(i64::MAX);

    /// Whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// Whole milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(MILLISECOND))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The same instant without its fraction of a millisecond, toward the past (specification 4.7).
    #[must_use]
    pub const fn floor_ms(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(MILLISECOND)))
    }

    /// The same instant without its fraction of a second, toward the past.
    #[must_use]
    pub const fn floor_second(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(SECOND)))
    }

    /// This instant moved by a number of microseconds, stopping at the ends of the range.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}
