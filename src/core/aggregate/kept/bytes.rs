//! The few byte forms that packed states share. Reading takes from the front of a slice and never
//! makes room for more than the slice holds.

use super::latest::At;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};

/// Bits of the widest number.
const WIDTH: u32 = 64;
/// Bits that one byte of a number carries.
const STEP: usize = 7;

/// Appends an unsigned number: 7 bits a byte, lowest first, the top bit says that more follow.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= STEP;
    }
    out.push((value & 0x7f) as u8);
}

/// Reads what [`put_varint`] wrote.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..WIDTH).step_by(STEP) {
        let byte = take_byte(bytes)?;
        let bits = u64::from(byte & 0x7f);
        if bits.checked_shl(shift)? >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Appends a signed number so that small ones of either sign are short.
pub fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Reads what [`put_zigzag`] wrote.
pub fn take_zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let value = take_varint(bytes)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// One byte.
pub fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(byte)
}

/// Appends a text with its length.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads what [`put_text`] wrote.
pub fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

/// A number of things that follow, each of at least `least` bytes: none if they cannot all be
/// there, so that it is safe to make room for them.
pub fn take_count(bytes: &mut &[u8], least: usize) -> Option<usize> {
    let count = usize::try_from(take_varint(bytes)?).ok()?;
    (count.checked_mul(least)? <= bytes.len()).then_some(count)
}

/// Appends 0 for none, or 1 and the value.
pub fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// Reads what [`put_option`] wrote: none if it cannot be read.
#[allow(clippy::option_option)] // unreadable and absent are two things
pub fn take_option<'a, T>(
    bytes: &mut &'a [u8],
    take: impl FnOnce(&mut &'a [u8]) -> Option<T>,
) -> Option<Option<T>> {
    match take_byte(bytes)? {
        0 => Some(None),
        1 => take(bytes).map(Some),
        _ => None,
    }
}

/// Appends the key by which events are ordered.
pub fn put_at(out: &mut Vec<u8>, (timestamp, position): At) {
    put_zigzag(out, timestamp.micros());
    put_zigzag(out, position.log_time.micros());
    put_varint(out, u64::from(position.source.0));
    put_zigzag(out, position.offset);
    put_varint(out, u64::from(position.index));
}

/// Reads what [`put_at`] wrote.
pub fn take_at(bytes: &mut &[u8]) -> Option<At> {
    let timestamp = Instant(take_zigzag(bytes)?);
    let position = Position {
        log_time: Instant(take_zigzag(bytes)?),
        source: Source(u32::try_from(take_varint(bytes)?).ok()?),
        offset: take_zigzag(bytes)?,
        index: u32::try_from(take_varint(bytes)?).ok()?,
    };
    Some((timestamp, position))
}
