//! Values that travel as text.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An identifier in its hyphenated form.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Id(pub(super) Uuid);

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Uuid::try_parse(&text).map(Self).map_err(|_| format!("`{text}` is not a UUID"))
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.hyphenated().to_string()
    }
}

/// A SHA-256 digest as 64 hexadecimal digits.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Digest(pub(super) [u8; 32]);

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        digest_from_hex(&text).map(Self).ok_or_else(|| "a key digest is no SHA-256".to_owned())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest_to_hex(&digest.0)
    }
}

/// Reads 64 hexadecimal digits of either case.
pub fn digest_from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if text.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (place, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *place = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
}

/// Prints a digest as lower-case hexadecimal digits.
pub fn digest_to_hex(digest: &[u8; 32]) -> String {
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}
