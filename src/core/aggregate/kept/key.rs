//! Short names for values, so that a set of long texts takes little room.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::core::properties::{Kind, Property};

/// A value's 128-bit keyed hash; a pair of words, so that maps need no padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueKey(pub u64, pub u64);

/// Hashes values under the secret of one store, so that nobody can make two of them collide.
#[derive(Clone)]
pub struct SetKey([u8; 16]);

/// What a hash is taken of: a missing value is one of its own.
const MISSING: u8 = 0;
const TEXT: u8 = 1;
const KIND: u8 = 2;

impl SetKey {
    /// Hashes under this secret.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// The key of a value by its text; none for a property that is missing or null.
    pub fn text(&self, value: Option<&str>) -> ValueKey {
        match value {
            None => self.key(MISSING, ""),
            Some(text) => self.key(TEXT, text),
        }
    }

    /// The key of a value by what was sent: `1` and `"1"` differ. Missing and null are one value.
    pub fn property(&self, value: Option<Property<'_>>) -> ValueKey {
        match value.filter(|property| property.kind != Kind::Null) {
            None => self.key(MISSING, ""),
            Some(property) => self.key(KIND + property.kind as u8, property.text),
        }
    }

    fn key(&self, form: u8, text: &str) -> ValueKey {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&[form]);
        hasher.write(text.as_bytes());
        let hash = hasher.finish128();
        ValueKey(hash.h1, hash.h2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_empty_and_kinds_differ() {
        let key = SetKey::new([3; 16]);
        let sent = |kind, text| key.property(Some(Property { kind, text }));
        assert_ne!(key.text(None), key.text(Some("")));
        assert_ne!(sent(Kind::Text, "1"), sent(Kind::Number, "1"));
        assert_eq!(sent(Kind::Null, ""), key.property(None));
        assert_ne!(key.text(Some("a")), SetKey::new([4; 16]).text(Some("a")));
    }
}
