//! Timestamps of events: epoch seconds in any numeric form, or RFC 3339 text (specification 4.8).

use crate::core::instant::Instant;

/// Reads epoch seconds: an optional sign, digits with an optional point, an optional exponent.
/// Surrounding spaces and `_` between digits are tolerated.
///
/// The seconds are exact and cut to microseconds toward the past, as a clock shows them. `None`
/// if the text is no decimal number or does not fit 64 bits of microseconds.
pub fn from_seconds_text(text: &str) -> Option<Instant> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (unsigned, 0),
    };
    // Digits left of the point once the number is counted in microseconds.
    let mut left = whole_digits(mantissa)? + exponent + 6;
    let (mut micros, mut cut) = (0_u64, false);
    for digit in mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0') {
        if left > 0 {
            micros = micros.checked_mul(10)?.checked_add(u64::from(digit))?;
            left -= 1;
        } else {
            cut |= digit != 0;
        }
    }
    while left > 0 && micros > 0 {
        micros = micros.checked_mul(10)?;
        left -= 1;
    }
    if negative {
        0_i64.checked_sub_unsigned(micros.checked_add(u64::from(cut))?).map(Instant)
    } else {
        i64::try_from(micros).ok().map(Instant)
    }
}

/// Checks the digits of a number and counts those left of its point.
fn whole_digits(mantissa: &str) -> Option<i64> {
    let (mut whole, mut any, mut point, mut last) = (0, false, false, b'_');
    for byte in mantissa.bytes() {
        match byte {
            b'0'..=b'9' => {
                any = true;
                whole += i64::from(!point);
            }
            b'_' if last.is_ascii_digit() => {}
            b'.' if !point && (last.is_ascii_digit() || !any) => point = true,
            _ => return None,
        }
        last = byte;
    }
    (any && last != b'_').then_some(whole)
}

/// Exponents that are absurdly large are cut; they are beyond 64 bits, or zero, all the same.
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return None;
    }
    let mut exponent = 0_i64;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(1_000_000_000);
    }
    Some(if negative { -exponent } else { exponent })
}

/// Reads an RFC 3339 date and time with a zone, cut to microseconds.
///
/// Leap seconds are refused: no instant can stand for them.
pub fn from_rfc3339(text: &str) -> Option<Instant> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        bytes.get(from..to)?.iter().try_fold(0, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
        })
    };
    let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    let shape = is(4, b"-") && is(7, b"-") && is(10, b"Tt") && is(13, b":") && is(16, b":");
    if !shape {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, zone) = read_fraction(bytes.get(19..)?)?;
    let offset = match bytes.get(bytes.len().checked_sub(zone)?..)? {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let start = bytes.len() - 5;
            let (hours, minutes) = (number(start, start + 2)?, number(start + 3, start + 5)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
        }
        _ => return None,
    };
    let days = days_since_epoch(year, month, day)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    Some(Instant::from_seconds(seconds).plus_micros(micros))
}

/// Microseconds of an optional fraction, and the length of what follows it.
fn read_fraction(bytes: &[u8]) -> Option<(i64, usize)> {
    let Some((b'.', digits)) = bytes.split_first() else {
        return Some((0, bytes.len()));
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let digit = |at: usize| digits.get(at).filter(|_| at < count).map_or(0, |d| d - b'0');
    let micros = (0..6).fold(0, |sum, at| sum * 10 + i64::from(digit(at)));
    Some((micros, digits.len() - count))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` if there is no such day.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    // Years are counted from March, so that the leap day is the last one of its year.
    let shifted = if month > 2 { year } else { year - 1 };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let leap_days = shifted.div_euclid(4) - shifted.div_euclid(100) + shifted.div_euclid(400);
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    Some(shifted * 365 + leap_days + day_of_year - 719_468)
}

/// Reads the text of a timestamp: RFC 3339 if it looks like a date, else seconds.
pub fn from_text(text: &str) -> Option<Instant> {
    if text.as_bytes().get(4) == Some(&b'-') && text.as_bytes().get(7) == Some(&b'-') {
        return from_rfc3339(text);
    }
    from_seconds_text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_and_cut_toward_the_past() {
        let cases: [(&str, Option<i64>); 32] = [
            ("1741007009", Some(1_741_007_009_000_000)),
            ("1741007009.123", Some(1_741_007_009_123_000)),
            ("1741007009.1234569", Some(1_741_007_009_123_456)),
            ("\t 1_741_007_009.5 \n", Some(1_741_007_009_500_000)),
            ("1.741007009e9", Some(1_741_007_009_000_000)),
            ("17410070091e-1", Some(1_741_007_009_100_000)),
            ("1741007009123456789E-9", Some(1_741_007_009_123_456)),
            ("-1", Some(-1_000_000)),
            ("-0.0000001", Some(-1)),
            ("-0.000001", Some(-1)),
            ("0.00000001e-3", Some(0)),
            ("0e999999999999", Some(0)),
            ("+.5", Some(500_000)),
            ("5.", Some(5_000_000)),
            ("9223372036854.775807", Some(i64::MAX)),
            ("-9223372036854.775808", Some(i64::MIN)),
            ("9223372036854.775808", None),
            ("-9223372036854.7758081", None),
            ("1e30", None),
            ("", None),
            (" ", None),
            (".", None),
            ("-", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("1_.5", None),
            ("1e", None),
            ("1e+", None),
            ("0x10", None),
            ("1 0", None),
            ("NaN", None),
        ];
        for (text, micros) in cases {
            assert_eq!(from_text(text), micros.map(Instant), "{text}");
        }
    }

    #[test]
    fn dates_need_a_zone_and_a_real_day() {
        let cases: [(&str, Option<i64>); 20] = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2025-03-03T13:03:29.123Z", Some(1_741_007_009_123_000)),
            ("2025-03-03t14:03:29.1234569+01:00", Some(1_741_007_009_123_456)),
            ("2025-03-03T12:33:29-00:30", Some(1_741_007_009_000_000)),
            ("1969-12-31T23:59:59.9999999z", Some(-1)),
            ("0000-01-01T00:00:00Z", Some(-62_167_219_200_000_000)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799_000_000)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000)),
            ("2023-02-29T00:00:00Z", None),
            ("1900-02-29T00:00:00Z", None),
            ("2025-03-03T13:03:29", None),
            ("2025-03-03T13:03:60Z", None),
            ("2025-03-03T24:00:00Z", None),
            ("2025-03-03T13:03:29.Z", None),
            ("2025-03-03T13:03:29+0100", None),
            ("2025-03-03T13:03:29+01:60", None),
            ("2025-13-03T13:03:29Z", None),
            ("2025-00-03T13:03:29Z", None),
            ("2025-03-03", None),
            ("2025-03-03T13:03:29Zx", None),
        ];
        for (text, micros) in cases {
            assert_eq!(from_text(text), micros.map(Instant), "{text}");
        }
    }
}
