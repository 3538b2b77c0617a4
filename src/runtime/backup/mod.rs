//! Backups: the files of a store at one moment, kept by what is in them.
//!
//! A file is kept under the SHA-256 of its bytes, so a file that an earlier backup has is not sent
//! again; of a store that grows, that is nearly everything. The manifest that lists them comes
//! last, and its own name has its digest: until it is there, there is no backup, and one that was
//! cut short or altered is none either.

mod bucket;
mod depot;
mod folder;
mod manifest;
mod restore;
mod signing;

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
    #[error(
        "{0} is no place for backups\n  \
         hint: give a folder, file:// and its path, or s3://BUCKET/PREFIX"
    )]
    Place(String),
    /// Object storage that cannot be reached like this.
    #[error("{place} cannot be used\n  {detail}\n  hint: see the settings in [backup]")]
    Bucket {
        /// The place.
        place: String,
        /// What is wrong.
        detail: String,
    },
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
    /// There is no backup of this name.
    #[error("there is no backup {backup} in {place}\n  hint: leave the name out for the newest")]
    Unknown {
        /// The name.
        backup: String,
        /// Where it was looked for.
        place: String,
    },
    /// The service ends.
    #[error("the backup was given up, since the service stops\n  hint: what was sent is kept")]
    Stopped,
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

/// Makes a backup of a store, open as it may be and written to meanwhile. It is given up between
/// two files when `stopped` says so; then there is no backup, and what was sent need not be again.
///
/// One file at a time is read, twice where it has to be sent: once to know its name.
///
/// # Errors
///
/// See [`BackupError`].
pub fn backup(
    store: &Store,
    depot: &Depot,
    now: Instant,
    stopped: &dyn Fn() -> bool,
) -> Result<Made, BackupError> {
    let frozen = store.freeze()?;
    let mut kept = depot.files()?;
    let mut manifest = Manifest {
        store_id: store.store_id(),
        slots: store.slots(),
        made_at: now,
        files: Vec::new(),
    };
    let mut made = Made { name: String::new(), files: 0, bytes: 0, sent_files: 0, sent_bytes: 0 };
    for name in frozen.files()? {
        if stopped() {
            return Err(BackupError::Stopped);
        }
        let path = frozen.path(&name);
        let content = depot::content_of(&path)?;
        let bytes = content.1;
        made.files += 1;
        made.bytes += bytes;
        if kept.get(&content.0) != Some(&bytes) {
            depot.put(&path, &content)?;
            made.sent_files += 1;
            made.sent_bytes += bytes;
        }
        kept.insert(content.0.clone(), bytes);
        manifest.files.push(Entry { name, bytes, sha256: content.0 });
    }
    made.name = depot.publish(&manifest)?;
    Ok(made)
}
