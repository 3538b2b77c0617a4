//! Event properties in canonical form: a flat list of keys with the text that filters and
//! aggregations read (specification 4.2).
//!
//! The wire form is turned into this one once, when an event is decoded. It is also what the ledger
//! keeps. Layout, repeated per property: key length (varint), key, kind (one byte), text length
//! (varint), text. Keys are unique.
//!
//! After the last property may stand a trailer that says who has applied the metric's expression,
//! see [`Origin`]: the expression's field, a kind with `TRAILER` set, what the field held when the
//! event was sent, and a version (varint). Who asks for properties never sees it.

use std::fmt;

/// The bit of a kind byte by which a trailer differs from a property.
const TRAILER: u8 = 0x80;
/// Kind of a trailer: the event was sent without the field.
const TRAILER_NEW: u8 = 0x87;
/// Kind of a trailer: the producer has applied the expression.
const TRAILER_PRODUCER: u8 = 0xff;
/// What stands after the packed properties of an event whose producer has applied the expression:
/// the whole of such a trailer.
pub const PRODUCER_MARK: [u8; 4] = [0, TRAILER_PRODUCER, 0, 0];

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

/// Who has applied a metric's expression to an event (4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Nobody: the properties are as they were sent.
    Sent,
    /// The producer; it is never done again.
    Producer,
    /// We, when the event was taken in.
    Evaluated {
        /// Which version of the catalogue brought the expression.
        version: u64,
        /// The property that holds the result; empty if there is none.
        field: &'a str,
        /// What was sent in its place.
        before: Option<Property<'a>>,
    },
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

    /// Who has applied the metric's expression. Walks over all properties.
    pub fn origin(self) -> Origin<'a> {
        let mut rest = Iter(self.0);
        rest.by_ref().for_each(drop);
        trailer(rest.0).unwrap_or(Origin::Sent)
    }

    /// The properties as they were sent, without what an expression of ours has made of them.
    pub fn as_sent(self) -> PropertiesBuf {
        match self.origin() {
            Origin::Evaluated { field, before, .. } => self.with(field, before),
            Origin::Sent | Origin::Producer => self.to_owned(),
        }
    }

    /// Properties that were sent, with the result of an expression in a field; an empty name is
    /// that of no field. `version` says which version of the catalogue brought the expression.
    pub fn evaluated(self, field: &str, result: &str, version: u64) -> PropertiesBuf {
        let before = self.get(field).filter(|_| !field.is_empty());
        let mut out = self.with(field, Some(Property { kind: Kind::Text, text: result }));
        let (kind, text) = match before {
            Some(before) => (TRAILER | before.kind as u8, before.text),
            None => (TRAILER_NEW, ""),
        };
        put_text(&mut out.0, field);
        out.0.push(kind);
        put_text(&mut out.0, text);
        put_varint(&mut out.0, version);
        out
    }

    /// The properties, one of them in another state and at its old place, without a trailer.
    fn with(self, field: &str, value: Option<Property<'_>>) -> PropertiesBuf {
        let mut out = PropertiesBuf(Vec::with_capacity(self.0.len()));
        let mut value = value.filter(|_| !field.is_empty());
        for (name, property) in self.iter() {
            if name != field || field.is_empty() {
                out.push(name, property.kind, property.text);
            } else if let Some(value) = value.take() {
                out.push(name, value.kind, value.text);
            }
        }
        if let Some(value) = value {
            out.push(field, value.kind, value.text);
        }
        out
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

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, Property<'a>);

    /// The next property. Where there is none, what is left stays where it is.
    fn next(&mut self) -> Option<Self::Item> {
        let mut input = self.0;
        let key = take_text(&mut input)?;
        let (&kind, rest) = input.split_first()?;
        input = rest;
        if kind & TRAILER != 0 {
            return None;
        }
        let text = take_text(&mut input)?;
        self.0 = input;
        Some((key, Property { kind: Kind::from_byte(kind), text }))
    }
}

fn trailer(mut input: &[u8]) -> Option<Origin<'_>> {
    let field = take_text(&mut input)?;
    let (&kind, rest) = input.split_first()?;
    input = rest;
    let text = take_text(&mut input)?;
    let version = take_varint(&mut input)?;
    Some(match kind {
        TRAILER_PRODUCER => Origin::Producer,
        TRAILER_NEW => Origin::Evaluated { version, field, before: None },
        kind => {
            let kind = Kind::from_byte(kind & !TRAILER);
            Origin::Evaluated { version, field, before: Some(Property { kind, text }) }
        }
    })
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
        put_text(&mut self.0, key);
        self.0.push(kind as u8);
        put_text(&mut self.0, text);
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

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
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
    fn a_result_can_be_taken_back() {
        let mut sent = PropertiesBuf::new();
        sent.push("a", Kind::Number, "1");
        sent.push("b", Kind::Null, "");
        for (field, before) in [
            ("a", Some(Property { kind: Kind::Number, text: "1" })),
            ("b", Some(Property { kind: Kind::Null, text: "" })),
            ("c", None),
            ("", None),
        ] {
            let stored = sent.as_ref().evaluated(field, "7.0", 300);
            let stored = stored.as_ref();
            assert_eq!(stored.text(field), (!field.is_empty()).then_some("7.0"));
            assert_eq!(stored.iter().count(), 2 + usize::from(field == "c"));
            assert_eq!(stored.origin(), Origin::Evaluated { version: 300, field, before });
            assert_eq!(stored.as_sent(), sent);
        }
        assert_eq!(sent.as_ref().origin(), Origin::Sent);
        let marked = [sent.as_ref().as_bytes(), &PRODUCER_MARK].concat();
        let marked = Properties::from_bytes(&marked);
        assert_eq!(marked.origin(), Origin::Producer);
        assert!(marked.iter().eq(sent.as_ref().iter()));
    }

    #[test]
    fn foreign_bytes_are_missing_properties() {
        for bytes in [&[0xff_u8; 40][..], &[3, b'a'], &[1, b'a', 3, 9, b'x'], &[1, 0xff, 3, 0]] {
            assert_eq!(Properties::from_bytes(bytes).text("a"), None);
        }
    }
}
