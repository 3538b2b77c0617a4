//! Catalogue records and entities as JSON: what the catalogue log and the store's catalogue family
//! hold.
//!
//! A document names its format and revision. Another format is refused: it means something this
//! version cannot know. A newer revision of the same format only adds members that an older version
//! may leave out of account, so these are skipped; in a document of a known revision an unknown
//! member is an error, because it was written by mistake. Numbers are exact: amounts and charge
//! properties keep the text they were written with.

mod model;
mod read;
mod strict;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod wire;
mod write;

use serde::Serialize;

use crate::core::catalog::record::{Change, Entity, Record};
use crate::core::instant::Instant;

pub use text::{digest_from_hex, digest_to_hex};
pub use value::{value_from_json, value_to_json};

/// Format of the documents this version writes and reads.
pub const FORMAT: u32 = 1;
/// Revision of the format that this version writes.
pub const REVISION: u32 = 0;
/// Bytes that [`batches`] puts into one record at most, if no single change is larger: half of
/// Kafka's default message limit, which counts headers and framing too.
pub const RECORD_BYTES_MAX: usize = 512 * 1024;
/// Changes that [`batches`] puts into one record at most, so that applying one record stays short.
pub const RECORD_CHANGES_MAX: usize = 1_000;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It is not the JSON of such a document.
    #[error("not a catalogue document: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by a version with another format.
    #[error("catalogue format {found} is not known, this version reads format {FORMAT}")]
    Format {
        /// The format of the document.
        found: u32,
    },
    /// A member that this revision does not have.
    #[error("unknown member `{path}`")]
    UnknownMember {
        /// Where it stands.
        path: String,
    },
    /// A text that names nothing.
    #[error("{member}: `{text}` cannot be read")]
    Unreadable {
        /// The member it stands in.
        member: &'static str,
        /// The text.
        text: String,
    },
}

/// An entity as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The entity.
    pub entity: Entity,
    /// Offset of its last change plus one.
    pub version: u64,
    /// Log time of its last change.
    pub log_time: Instant,
}

/// The bytes of a record.
pub fn encode_record(record: &Record) -> Vec<u8> {
    to_bytes(&write::record(record))
}

/// Reads a record.
pub fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    read::record(from_bytes(bytes)?)
}

/// The bytes of a stored entity.
pub fn encode_stored(stored: &Stored) -> Vec<u8> {
    to_bytes(&wire::Stored {
        format: FORMAT,
        revision: REVISION,
        version: stored.version,
        log_time: stored.log_time.micros(),
        entity: write::entity(&stored.entity),
    })
}

/// Reads a stored entity.
pub fn decode_stored(bytes: &[u8]) -> Result<Stored, CodecError> {
    let stored: wire::Stored = from_bytes(bytes)?;
    Ok(Stored {
        version: stored.version,
        log_time: Instant(stored.log_time),
        entity: read::entity(stored.entity)?,
    })
}

/// Splits changes, each with the version its entity must have, into records that keep their order
/// and stay within [`RECORD_CHANGES_MAX`] and [`RECORD_BYTES_MAX`].
pub fn batches(changes: impl IntoIterator<Item = (Change, Option<u64>)>) -> Vec<Record> {
    let mut records = Vec::new();
    let mut record = Record::default();
    let mut bytes = 0;
    for (change, expected) in changes {
        let key = change.key();
        // The key is written a second time as what is expected; 64 bytes stand for the framing.
        let size = to_bytes(&write::change(&change)).len() + key.organization.len() + 128;
        let full = record.changes.len() >= RECORD_CHANGES_MAX || bytes + size > RECORD_BYTES_MAX;
        if full && !record.changes.is_empty() {
            records.push(std::mem::take(&mut record));
            bytes = 0;
        }
        bytes += size;
        record.expects.push((key, expected));
        record.changes.push(change);
    }
    if !record.changes.is_empty() {
        records.push(record);
    }
    records
}

/// Writing to memory cannot fail, and the shapes hold nothing that JSON cannot spell.
fn to_bytes(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

fn from_bytes<T: wire::Document>(bytes: &[u8]) -> Result<T, CodecError> {
    let document: T = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        // A document of another format is named as such and not as one with a wrong shape.
        Err(error) => {
            return Err(match serde_json::from_slice::<wire::Head>(bytes) {
                Ok(head) if head.format != FORMAT => CodecError::Format { found: head.format },
                _ => error.into(),
            });
        }
    };
    let (format, revision) = document.head();
    if format != FORMAT {
        return Err(CodecError::Format { found: format });
    }
    // What this version wrote comes out the same to the byte, which costs a fraction of comparing
    // trees.
    if revision > REVISION || to_bytes(&document) == bytes {
        return Ok(document);
    }
    let given = serde_json::from_slice(bytes)?;
    match strict::unknown_member(&given, &serde_json::to_value(&document)?) {
        Some(path) => Err(CodecError::UnknownMember { path }),
        None => Ok(document),
    }
}
