//! Backups: the files of a store at one moment, kept by what is in them.
//!
//! A file is kept under the SHA-256 of its bytes, so a file that an earlier backup has is not sent
//! again; of a store that grows, that is nearly everything. The manifest that lists them comes
//! last, and its own name has its digest: until it is there, there is no backup, and one that was
//! cut short or altered is none either.

mod depot;
mod manifest;
mod restore;

pub use depot::Depot;
pub use manifest::{Entry, Manifest};
pub use restore::{Restored, restore};

use std::path::PathBuf;

use crate::core::instant::Instant;
use crate::store::{Store, StoreError};

/// Why a backup could not be made, or is refused.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Not a place for backups.
    #[error("{0} is no place for backups\n  hint: give a folder, or file:// and its path")]
    Place(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be read or written.
    #[error("{operation} {} failed: {source}", path.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// There is no backup.
    #[error("there is no backup in {0}\n  hint: a backup counts once its manifest is there")]
    None(String),
    /// The backup is not what was written.
    #[error("the backup {backup} is damaged\n  {detail}\n  hint: restore an earlier one")]
    Damaged {
        /// Name of the manifest.
        backup: String,
        /// What is wrong.
        detail: String,
    },
    /// The folder to restore into is in use.
    #[error(
        "{} is not empty\n  hint: restore into a folder that does not exist, and point store.path \
         at it", .0.display()
    )]
    NotEmpty(PathBuf),
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Name of its manifest.
    pub name: String,
    /// Files it consists of.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were sent, since no earlier backup has them.
    pub sent_files: u64,
    /// Their bytes.
    pub sent_bytes: u64,
}

/// Makes a backup of a store, open as it may be.
///
/// One file at a time is read, twice where it has to be sent: once to know its name.
pub fn backup(store: &Store, depot: &Depot, now: Instant) -> Result<Made, BackupError> {
    let frozen = store.freeze()?;
    let mut manifest = Manifest {
        store_id: store.store_id(),
        slots: store.slots(),
        made_at: now,
        files: Vec::new(),
    };
    let mut made = Made { name: String::new(), files: 0, bytes: 0, sent_files: 0, sent_bytes: 0 };
    for name in frozen.files()? {
        let path = frozen.path(&name);
        let (sha256, bytes) = depot::digest_of(&path)?;
        made.files += 1;
        made.bytes += bytes;
        if !depot.has(&sha256, bytes) {
            depot.put(&path, &sha256, bytes)?;
            made.sent_files += 1;
            made.sent_bytes += bytes;
        }
        manifest.files.push(Entry { name, bytes, sha256 });
    }
    made.name = depot.publish(&manifest)?;
    Ok(made)
}
