//! The manifest of a backup: which files it consists of.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::core::instant::Instant;

/// Version of the manifest.
const FORMAT: u64 = 1;
/// What a manifest's name ends with.
pub const SUFFIX: &str = ".json";
/// Digits of the moment in a manifest's name: microseconds up to the year 5138.
const MOMENT_DIGITS: usize = 17;

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the store's folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits: its name in the backup.
    pub sha256: String,
}

/// What a backup consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The store.
    pub store_id: Uuid,
    /// Number of its slots.
    pub slots: u8,
    /// When the backup was made.
    pub made_at: Instant,
    /// Its files.
    pub files: Vec<Entry>,
}

impl Manifest {
    /// The name that a manifest with these bytes has: names sort by moment, and tell whether the
    /// bytes are those that were written.
    pub fn name_of(made_at: Instant, bytes: &[u8]) -> String {
        let moment = made_at.micros().max(0);
        format!("{moment:0MOMENT_DIGITS$}-{}{SUFFIX}", hex(&Sha256::digest(bytes)))
    }

    /// The manifest as it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let files: Vec<Json> = self
            .files
            .iter()
            .map(|file| json!({"name": file.name, "bytes": file.bytes, "sha256": file.sha256}))
            .collect();
        let manifest = json!({
            "format": FORMAT,
            "store_id": self.store_id.to_string(),
            "slots": self.slots,
            "made_at_micros": self.made_at.micros(),
            "files": files,
        });
        manifest.to_string().into_bytes()
    }

    /// Reads a manifest; the error says what is wrong with it.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if json["format"] != FORMAT {
            return Err(format!("its format is {}, this release reads {FORMAT}", json["format"]));
        }
        let read = || {
            let entry = |file: &Json| {
                let name = file["name"].as_str()?;
                // A name that is a path would lead out of the folder.
                let plain = !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
                let sha256 = file["sha256"].as_str().filter(|digest| is_digest(digest))?;
                plain.then_some(Entry {
                    name: name.to_owned(),
                    bytes: file["bytes"].as_u64()?,
                    sha256: sha256.to_owned(),
                })
            };
            Some(Self {
                store_id: json["store_id"].as_str()?.parse().ok()?,
                slots: json["slots"].as_u64()?.try_into().ok()?,
                made_at: Instant(json["made_at_micros"].as_i64()?),
                files: json["files"].as_array()?.iter().map(entry).collect::<Option<_>>()?,
            })
        };
        let manifest = read().ok_or("a field is missing or has another form")?;
        if Self::name_of(manifest.made_at, bytes) != name {
            return Err("the manifest does not match the digest in its name".to_owned());
        }
        Ok(manifest)
    }
}

/// Whether a text is a SHA-256 in hexadecimal digits.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
