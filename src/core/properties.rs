//! Event properties in canonical form: a flat list of keys with the text that filters and
//! aggregations read (specification 4.2).
//!
//! The wire form is turned into this one once, when an event is decoded. It is also what the ledger
//! keeps. Layout, repeated per property: key length (varint), key, kind (one byte), text length
//! (varint), text. Keys are unique.

use std::fmt;

/// What kind of value a property held when it was sent. Texts alone do not tell `1` from `"1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// JSON null: the property counts as missing.
    Null = 0,
    /// `true` or `false`.
    Bool = 1,
    /// A number; its text is canonical decimal notation without exponent.
    Number = 2,
    /// A text.
    Text = 3,
    /// A list or an object; its text is the canonical JSON text.
    Tree = 4,
}

impl Kind {
    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Bool,
            2 => Self::Number,
            3 => Self::Text,
            4 => Self::Tree,
            _ => Self::Null,
        }
    }
}

/// One property value: what it was, and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Property<'a> {
    /// What was sent.
    pub kind: Kind,
    /// Its text form. Empty for null.
    pub text: &'a str,
}

impl<'a> Property<'a> {
    /// The text that filters and aggregations see: none for null.
    pub fn text(self) -> Option<&'a str> {
        (self.kind != Kind::Null).then_some(self.text)
    }
}

/// Borrowed properties of one event.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// Properties without a member.
    pub const EMPTY: Self = Self(&[]);

    /// Takes bytes that [`PropertiesBuf`] made, here or in an earlier run.
    ///
    /// Bytes of another origin give missing properties, never a panic.
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The packed form.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no property at all.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The property with this key.
    pub fn get(self, key: &str) -> Option<Property<'a>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, property)| property)
    }

    /// The text form of a property: none if it is missing or null.
    pub fn text(self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Property::text)
    }

    /// All properties, in the order in which they are kept.
    pub fn iter(self) -> Iter<'a> {
        Iter(self.0)
    }

    /// An owned copy.
    pub fn to_owned(self) -> PropertiesBuf {
        PropertiesBuf(self.0.to_vec())
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(key, value)| (key, (value.kind, value.text))))
            .finish()
    }
}

/// Iterator over the properties of one event.
#[derive(Clone, Debug)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iter<'a> {
    fn take_text(&mut self) -> Option<&'a str> {
        let length = take_varint(&mut self.0)?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn take(&mut self) -> Option<(&'a str, Property<'a>)> {
        let key = self.take_text()?;
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        Some((key, Property { kind: Kind::from_byte(*kind), text: self.take_text()? }))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, Property<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.take();
        if item.is_none() {
            self.0 = &[];
        }
        item
    }
}

/// Owned properties, and the way to build them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PropertiesBuf(Vec<u8>);

impl PropertiesBuf {
    /// No property yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The borrowed form.
    pub fn as_ref(&self) -> Properties<'_> {
        Properties(&self.0)
    }

    /// Forgets all properties and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a property whose key is known not to be there yet.
    pub fn push(&mut self, key: &str, kind: Kind, text: &str) {
        put_varint(&mut self.0, key.len());
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(kind as u8);
        put_varint(&mut self.0, text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Sets a property, replacing one with the same key.
    pub fn set(&mut self, key: &str, kind: Kind, text: &str) {
        if self.as_ref().get(key).is_some() {
            let old = std::mem::take(self);
            for (name, value) in old.as_ref().iter().filter(|(name, _)| *name != key) {
                self.push(name, value.kind, value.text);
            }
        }
        self.push(key, kind, text);
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_property_replaces_the_one_before() {
        let mut properties = PropertiesBuf::new();
        properties.push("a", Kind::Number, "1");
        properties.push("b", Kind::Null, "");
        properties.set("a", Kind::Text, "2.0");
        assert_eq!(properties.as_ref().get("a"), Some(Property { kind: Kind::Text, text: "2.0" }));
        assert_eq!(properties.as_ref().text("b"), None);
        assert_eq!(properties.as_ref().iter().count(), 2);
    }

    #[test]
    fn foreign_bytes_are_missing_properties() {
        for bytes in [&[0xff_u8; 40][..], &[3, b'a'], &[1, b'a', 3, 9, b'x'], &[1, 0xff, 3, 0]] {
            assert_eq!(Properties::from_bytes(bytes).text("a"), None);
        }
    }
}
