//! Writing decimals as text.

use std::fmt;

use super::{Decimal, Parts};

/// Bytes of the longest `u128`.
const U128_BYTES: usize = 39;
/// Zeros are written in runs of this many.
const ZEROS: &str = "00000000000000000000000000000000";

impl Decimal {
    /// Positional notation with at least one digit after the point and no trailing zero beyond it
    /// (`decstr` of specification 0.3): `0.0`, `14.0`, `1234.5`.
    pub fn decstr(&self) -> String {
        let mut text = String::with_capacity(24);
        // Writing to a string cannot fail.
        let _ = self.write_decstr(&mut text);
        text
    }

    /// Writes [`Decimal::decstr`].
    pub fn write_decstr(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let scale = self.scale();
        self.with_digits(|negative, digits| {
            let zero = digits == "0";
            let kept = digits.trim_end_matches('0').len();
            let trailing = u32::try_from(digits.len() - kept).unwrap_or(u32::MAX);
            if zero || trailing >= scale {
                let whole = if zero { digits } else { &digits[..digits.len() - scale as usize] };
                write_positional(out, negative && !zero, whole, 0)?;
                return out.write_str(".0");
            }
            write_positional(out, negative, &digits[..kept], scale - trailing)
        })
    }

    /// Runs `write` with the sign and the digits of the mantissa.
    fn with_digits<T>(&self, write: impl FnOnce(bool, &str) -> T) -> T {
        match self.parts() {
            Parts::Small(mantissa, _) => {
                let mut buffer = [0_u8; U128_BYTES];
                write(mantissa < 0, digits_into(mantissa.unsigned_abs(), &mut buffer))
            }
            Parts::Wide(mantissa, _) => {
                write(self.is_negative(), &mantissa.magnitude().to_str_radix(10))
            }
        }
    }
}

fn digits_into(value: u128, buffer: &mut [u8; U128_BYTES]) -> &str {
    let mut at = U128_BYTES;
    let mut push = |digit: u8| {
        at -= 1;
        buffer[at] = b'0' + digit;
    };
    let mut rest = value;
    // Division of 128 bits is slow, so it ends as soon as one word is left.
    while rest > u128::from(u64::MAX) {
        push(u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
    }
    let mut rest = u64::try_from(rest).unwrap_or(0);
    loop {
        push(u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    std::str::from_utf8(&buffer[at..]).unwrap_or("0")
}

/// Writes digits with the point `scale` places from their end.
fn write_positional(
    out: &mut impl fmt::Write,
    negative: bool,
    digits: &str,
    scale: u32,
) -> fmt::Result {
    if negative {
        out.write_char('-')?;
    }
    let scale = scale as usize;
    if scale == 0 {
        return out.write_str(digits);
    }
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.write_str(whole)?;
        out.write_char('.')?;
        return out.write_str(fraction);
    }
    out.write_str("0.")?;
    let mut zeros = scale - digits.len();
    while zeros > 0 {
        let run = zeros.min(ZEROS.len());
        out.write_str(&ZEROS[..run])?;
        zeros -= run;
    }
    out.write_str(digits)
}

/// Plain positional text that keeps the decimals: `1.50`, `0.00`, `-7`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_digits(|negative, digits| write_positional(f, negative, digits, self.scale()))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}
