//! Canonical UUID texts as 16 bytes: most producers use one as transaction id.

/// Length of the canonical text.
pub(super) const TEXT_BYTES: usize = 36;

/// Where each byte's two digits stand.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const DIGITS: &[u8; 16] = b"0123456789abcdef";
const NO_DIGIT: u8 = 0xff;

/// Value of every lower-case hexadecimal digit.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0_u8;
    while digit < 16 {
        values[DIGITS[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

/// The 16 bytes behind a text that is exactly a lower-case UUID with hyphens; none for any other.
pub(super) fn pack(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; TEXT_BYTES] = text.as_bytes().try_into().ok()?;
    if HYPHENS.iter().any(|place| text[*place] != b'-') {
        return None;
    }
    let mut packed = [0; 16];
    let mut seen = 0;
    for (byte, place) in packed.iter_mut().zip(PLACES) {
        let high = VALUES[usize::from(text[place])];
        let low = VALUES[usize::from(text[place + 1])];
        seen |= high | low;
        *byte = high << 4 | low & 0x0f;
    }
    // Digits are at most 15, so only a byte that is none leaves a high bit.
    (seen & 0xf0 == 0).then_some(packed)
}

/// The text again.
pub(super) fn unpack(packed: [u8; 16], text: &mut [u8; TEXT_BYTES]) {
    *text = [b'-'; TEXT_BYTES];
    for (byte, place) in packed.iter().zip(PLACES) {
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 0x0f)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packed_texts_come_back(bytes: [u8; 16]) {
            let text = uuid::Uuid::from_bytes(bytes).to_string();
            prop_assert_eq!(pack(&text), Some(bytes));
            let mut back = [0; TEXT_BYTES];
            unpack(bytes, &mut back);
            prop_assert_eq!(text.as_bytes(), back);
        }
    }

    #[test]
    fn other_texts_are_not_packed() {
        for text in [
            "",
            "00000000-0000-0000-0000-00000000000",
            "00000000-0000-0000-0000-00000000000A",
            "00000000-0000-0000-0000-00000000000g",
            "00000000+0000-0000-0000-000000000000",
            "000000000000-0000-0000-0000-00000000",
            "00000000-0000-0000-0000-0000000000é",
        ] {
            assert_eq!(pack(text), None, "{text}");
        }
    }
}
