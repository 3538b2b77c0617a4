//! Bytes on disk: one file per record, and the few forms they share.
//!
//! Reading never panics: bytes that are not what a writer made are a [`Damage`] that names what
//! could not be read.

pub mod block;
pub mod head;
pub mod position;

/// Stored bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The bytes end early or hold an impossible value.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    /// The checksum does not match.
    #[error("{0} does not match its checksum")]
    Checksum(&'static str),
    /// Written by a newer release.
    #[error("{what} has format {found}, this release reads up to {known}")]
    Newer {
        /// The record.
        what: &'static str,
        /// Its version.
        found: u8,
        /// The newest version we know.
        known: u8,
    },
}

/// Appends an unsigned number: 7 bits a byte, lowest first, the top bit says that more follow.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Appends a signed number so that small ones of either sign are short.
pub(crate) fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends bytes with their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes that are being read. Each method names what it reads, for the error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next so many bytes.
    pub fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Damage> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(Damage::Unreadable(what))?;
        self.0 = rest;
        Ok(head)
    }

    /// The next so many bytes, as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Damage> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Damage::Unreadable(what))?;
        self.0 = rest;
        Ok(*head)
    }

    /// One byte.
    pub fn byte(&mut self, what: &'static str) -> Result<u8, Damage> {
        self.array(what).map(|[byte]| byte)
    }

    /// What [`put_varint`] wrote.
    #[inline]
    pub fn varint(&mut self, what: &'static str) -> Result<u64, Damage> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage::Unreadable(what))
    }

    /// What [`put_zigzag`] wrote.
    #[inline]
    pub fn zigzag(&mut self, what: &'static str) -> Result<i64, Damage> {
        let value = self.varint(what)?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A number that counts or indexes something in memory.
    pub fn count(&mut self, what: &'static str) -> Result<usize, Damage> {
        usize::try_from(self.varint(what)?).map_err(|_| Damage::Unreadable(what))
    }

    /// A number of 32 bits.
    pub fn varint32(&mut self, what: &'static str) -> Result<u32, Damage> {
        u32::try_from(self.varint(what)?).map_err(|_| Damage::Unreadable(what))
    }

    /// What [`put_bytes`] wrote.
    pub fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], Damage> {
        let length = self.count(what)?;
        self.take(length, what)
    }

    /// Bytes with their length that are text.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, Damage> {
        std::str::from_utf8(self.bytes(what)?).map_err(|_| Damage::Unreadable(what))
    }

    /// The version byte a record begins with; one that is newer than `known` is refused.
    pub fn version(&mut self, known: u8, what: &'static str) -> Result<u8, Damage> {
        match self.byte(what)? {
            0 => Err(Damage::Unreadable(what)),
            found if found > known => Err(Damage::Newer { what, found, known }),
            found => Ok(found),
        }
    }

    /// Refuses bytes that are left over.
    pub fn end(self, what: &'static str) -> Result<(), Damage> {
        if self.0.is_empty() { Ok(()) } else { Err(Damage::Unreadable(what)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(unsigned: u64, signed: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, unsigned);
            put_zigzag(&mut out, signed);
            let mut input = Input(&out);
            prop_assert_eq!(input.varint("number"), Ok(unsigned));
            prop_assert_eq!(input.zigzag("number"), Ok(signed));
            prop_assert!(input.end("number").is_ok());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Input(&bytes).varint("number");
            let _ = Input(&bytes).text("text");
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_refused() {
        let mut out = Vec::new();
        put_varint(&mut out, u64::MAX);
        assert_eq!(Input(&out).varint("number"), Ok(u64::MAX));
        *out.last_mut().unwrap() = 2;
        assert_eq!(Input(&out).varint("number"), Err(Damage::Unreadable("number")));
        assert_eq!(Input(&[0x80; 11]).varint("number"), Err(Damage::Unreadable("number")));
    }
}
