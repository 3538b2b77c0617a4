//! Instants and dates as text, and back.
//!
//! Writing covers every instant: years beyond four digits are written with as many as they have,
//! years before 0 with a sign. Reading takes the four-digit years of RFC 3339.

use std::fmt::{self, Write};

use super::date::Date;
use super::zone::DAY_SECONDS;
use crate::core::instant::{Instant, MILLISECOND, SECOND};

/// Digits of a fraction that an instant keeps.
const FRACTION_DIGITS: usize = 6;
/// Room for the longest text: a signed year of six digits and `-12-31T23:59:59.999+00:00`.
const TEXT_BYTES_MAX: usize = 40;

/// Writes `2024-03-01`.
pub fn write_date(out: &mut impl Write, date: Date) -> fmt::Result {
    let mut text = Text::new();
    text.date(date);
    out.write_str(text.as_str())
}

/// Writes `2024-03-01T00:00:00Z`, without the fraction of a second.
pub fn write_seconds(out: &mut impl Write, at: Instant) -> fmt::Result {
    let mut text = Text::new();
    text.date_time(at);
    text.push(b"Z");
    out.write_str(text.as_str())
}

/// Writes `2024-03-01T00:00:00.000Z`, without the fraction of a millisecond.
pub fn write_millis(out: &mut impl Write, at: Instant) -> fmt::Result {
    let mut text = Text::new();
    text.date_time(at);
    text.push(b".");
    text.digits(at.micros().rem_euclid(SECOND) / MILLISECOND, 3);
    text.push(b"Z");
    out.write_str(text.as_str())
}

/// Writes `2024-03-01T00:00:00+00:00`, without the fraction of a second.
pub fn write_offset(out: &mut impl Write, at: Instant) -> fmt::Result {
    let mut text = Text::new();
    text.date_time(at);
    text.push(b"+00:00");
    out.write_str(text.as_str())
}

/// Text under construction, on the stack.
struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    length: usize,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; TEXT_BYTES_MAX], length: 0 }
    }

    fn push(&mut self, text: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(self.length).zip(text) {
            *slot = *byte;
            self.length += 1;
        }
    }

    /// A number with at least `width` digits.
    fn digits(&mut self, value: i64, width: u32) {
        let mut width = width;
        while value >= 10_i64.saturating_pow(width) {
            width += 1;
        }
        for place in (0..width).rev() {
            let digit = value / 10_i64.saturating_pow(place) % 10;
            self.push(&[b'0' + u8::try_from(digit).unwrap_or_default()]);
        }
    }

    fn date(&mut self, date: Date) {
        let (year, month, day) = date.ymd();
        if year < 0 {
            self.push(b"-");
        }
        self.digits(i64::from(year).abs(), 4);
        self.push(b"-");
        self.digits(i64::from(month), 2);
        self.push(b"-");
        self.digits(i64::from(day), 2);
    }

    fn date_time(&mut self, at: Instant) {
        let seconds = at.micros().div_euclid(SECOND);
        let days = i32::try_from(seconds.div_euclid(DAY_SECONDS)).unwrap_or_default();
        self.date(Date::from_days(days));
        let clock = seconds.rem_euclid(DAY_SECONDS);
        for (mark, value) in [(b"T", clock / 3_600), (b":", clock / 60 % 60), (b":", clock % 60)] {
            self.push(mark);
            self.digits(value, 2);
        }
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// Why a text is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date and time with offset")]
pub struct NotAnInstant;

/// Reads an RFC 3339 date and time with `Z` or an offset; digits beyond microseconds are cut off.
///
/// Years outside 0000 to 9999, leap seconds and a missing offset are errors.
pub fn parse(text: &str) -> Result<Instant, NotAnInstant> {
    read(text.as_bytes()).ok_or(NotAnInstant)
}

/// Reads `2024-03-01`.
pub fn parse_date(text: &str) -> Option<Date> {
    let mut rest = text.as_bytes();
    let date = take_date(&mut rest)?;
    rest.is_empty().then_some(date)
}

fn read(text: &[u8]) -> Option<Instant> {
    let mut rest = text;
    let date = take_date(&mut rest)?;
    take_mark(&mut rest, b"Tt")?;
    let clock = take_clock(&mut rest)?;
    take_mark(&mut rest, b":")?;
    let second = take_number(&mut rest, 2, 0..=59)?;
    let micros = if take_mark(&mut rest, b".").is_some() { take_fraction(&mut rest)? } else { 0 };
    let offset = match take_mark(&mut rest, b"Zz+-")? {
        b'+' => take_clock(&mut rest)?,
        b'-' => -take_clock(&mut rest)?,
        _ => 0,
    };
    let seconds = i64::from(date.days()) * DAY_SECONDS + clock + second - offset;
    rest.is_empty().then(|| Instant::from_seconds(seconds).plus_micros(micros))
}

fn take_date(rest: &mut &[u8]) -> Option<Date> {
    let year = take_number(rest, 4, 0..=9_999)?;
    take_mark(rest, b"-")?;
    let month = take_number(rest, 2, 1..=12)?;
    take_mark(rest, b"-")?;
    let day = take_number(rest, 2, 1..=31)?;
    let (year, month, day) =
        (i32::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    let date = Date::from_ymd(year, month, day);
    // A day the month does not have has run over.
    (date.ymd() == (year, month, day)).then_some(date)
}

/// Hours and minutes, in seconds.
fn take_clock(rest: &mut &[u8]) -> Option<i64> {
    let hour = take_number(rest, 2, 0..=23)?;
    take_mark(rest, b":")?;
    Some(hour * 3_600 + take_number(rest, 2, 0..=59)? * 60)
}

/// Digits after the point, as microseconds.
fn take_fraction(rest: &mut &[u8]) -> Option<i64> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at_checked(length)?;
    *rest = after;
    let kept = digits.iter().chain(std::iter::repeat(&b'0')).take(FRACTION_DIGITS);
    (length > 0).then(|| kept.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

fn take_number(
    rest: &mut &[u8],
    width: usize,
    range: std::ops::RangeInclusive<i64>,
) -> Option<i64> {
    let (digits, after) = rest.split_at_checked(width)?;
    *rest = after;
    let mut value = 0;
    for digit in digits {
        value = value * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    range.contains(&value).then_some(value)
}

fn take_mark(rest: &mut &[u8], marks: &[u8]) -> Option<u8> {
    let (mark, after) = rest.split_first()?;
    if !marks.contains(mark) {
        return None;
    }
    *rest = after;
    Some(*mark)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: fn(&mut String, Instant) -> fmt::Result, at: Instant) -> String {
        let mut text = String::new();
        write(&mut text, at).unwrap();
        text
    }

    #[test]
    fn instants_are_written_in_three_forms() {
        let at = Instant(1_709_251_199_987_654);
        assert_eq!(written(write_seconds, at), "2024-02-29T23:59:59Z");
        assert_eq!(written(write_millis, at), "2024-02-29T23:59:59.987Z");
        assert_eq!(written(write_offset, at), "2024-02-29T23:59:59+00:00");
        assert_eq!(written(write_millis, Instant(-1)), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn instants_far_out_are_written_too() {
        assert_eq!(written(write_seconds, Instant::MAX), "294247-01-10T04:00:54Z");
        assert_eq!(written(write_seconds, Instant::MIN), "-290308-12-21T19:59:05Z");
        assert_eq!(Date::from_ymd(-5, 3, 1).to_string(), "-0005-03-01");
        assert_eq!(Date::from_ymd(987, 3, 1).to_string(), "0987-03-01");
        assert!(!Date::from_days(i32::MIN).to_string().is_empty());
    }

    #[test]
    fn rfc_3339_is_read_to_the_microsecond() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.0000019Z", 1),
            ("1969-12-31T23:59:59.5z", -500_000),
            ("1970-01-01t02:30:00+02:30", 0),
            ("1969-12-31T19:00:01.25-05:00", 1_250_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000_000),
            ("9999-12-31T23:59:59.999999-23:59", 253_402_387_139_999_999),
        ] {
            assert_eq!(parse(text), Ok(Instant(micros)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2024-03-01",
            "2024-03-01T00:00:00",
            "2024-03-01 00:00:00Z",
            "2024-3-1T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-03-01T24:00:00Z",
            "2024-03-01T23:59:60Z",
            "2024-03-01T00:00:00.Z",
            "2024-03-01T00:00:00+2:00",
            "2024-03-01T00:00:00+24:00",
            "2024-03-01T00:00:00Z ",
            "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
            "２０２４-03-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), Err(NotAnInstant), "{text}");
        }
        assert_eq!(parse_date("2024-02-29"), Some(Date::from_ymd(2024, 2, 29)));
        assert_eq!(parse_date("2024-02-29T"), None);
        assert_eq!(parse_date("2024-02-30"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(millis in -62_167_219_200_000..253_402_300_800_000_i64) {
            let at = Instant::from_millis(millis);
            prop_assert_eq!(parse(&written(write_millis, at)), Ok(at));
            prop_assert_eq!(parse(&written(write_offset, at)), Ok(at.floor_second()));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,40}|[0-9TZ:.+-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
