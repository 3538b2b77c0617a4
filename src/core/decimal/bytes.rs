//! The packed form of a decimal, for the ledger and for totals.
//!
//! One head byte: sign (0x80), whether decimals follow (0x40), whether the mantissa is long (0x20),
//! else its number of bytes (0 to 16). Then, if so marked, the number of decimals and the length of
//! a long mantissa, as varints, and the bytes of the mantissa, least significant first. Integers
//! below 256 take two bytes. Value and number of decimals survive the round trip.

use num_bigint::{BigInt, BigUint, Sign};

use super::{Decimal, Parts};

const NEGATIVE: u8 = 0x80;
const SCALED: u8 = 0x40;
const LONG: u8 = 0x20;
const LENGTH: u8 = 0x1f;
/// Most decimals that are read. What is kept is a product of a few numbers, none of which has more
/// than a few thousand; bytes that say more are damaged, and would be gigabytes as a text.
const DECIMALS_MAX: u32 = 1 << 16;
/// Bits that a varint of 32 bits can take.
const VARINT_BITS: u32 = 35;

impl Decimal {
    /// Appends the packed form.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        match self.parts() {
            Parts::Small(mantissa, scale) => {
                let bytes = mantissa.unsigned_abs().to_le_bytes();
                let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                // At most 16, so it fits its bits.
                let head = u8::try_from(length).unwrap_or(0);
                write_head(out, head, mantissa < 0, scale);
                out.extend_from_slice(&bytes[..length]);
            }
            Parts::Wide(mantissa, scale) => {
                let bytes = mantissa.magnitude().to_bytes_le();
                write_head(out, LONG, self.is_negative(), scale);
                write_varint(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                out.extend_from_slice(&bytes);
            }
        }
    }

    /// Takes one packed decimal from the front of `bytes`; none if there is no whole one, and then
    /// what is left of `bytes` is of no use.
    pub fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let (&head, rest) = bytes.split_first()?;
        *bytes = rest;
        let scale = if head & SCALED == 0 { 0 } else { read_varint(bytes)? };
        if scale > DECIMALS_MAX {
            return None;
        }
        let negative = head & NEGATIVE != 0;
        if head & LONG != 0 {
            let length = read_varint(bytes)? as usize;
            let magnitude = BigUint::from_bytes_le(take(bytes, length)?);
            let sign = if negative { Sign::Minus } else { Sign::Plus };
            return Some(Self::from_big(BigInt::from_biguint(sign, magnitude), scale));
        }
        let digits = take(bytes, usize::from(head & LENGTH))?;
        let mut wide = [0_u8; 16];
        wide.get_mut(..digits.len())?.copy_from_slice(digits);
        let magnitude = u128::from_le_bytes(wide);
        let mantissa = if negative {
            0_i128.checked_sub_unsigned(magnitude)
        } else {
            magnitude.try_into().ok()
        };
        Some(Self::small(mantissa?, scale))
    }
}

fn write_head(out: &mut Vec<u8>, length: u8, negative: bool, scale: u32) {
    let sign = if negative { NEGATIVE } else { 0 };
    let scaled = if scale == 0 { 0 } else { SCALED };
    out.push(length | sign | scaled);
    if scale != 0 {
        write_varint(out, scale);
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn write_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u64;
    for shift in (0..VARINT_BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}
