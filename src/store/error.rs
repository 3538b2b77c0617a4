//! What can go wrong: errors of opening, and errors of single operations.

use std::io;
use std::path::PathBuf;

use super::codec::Damage;

/// One operation on an open store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The storage engine reported an error: usually the disk is full or failing.
    #[error("{operation} failed in the store at {}: {detail}", path.display())]
    Engine {
        /// What was being done.
        operation: &'static str,
        /// The store's folder.
        path: PathBuf,
        /// The engine's own words.
        detail: String,
    },
    /// A file operation failed.
    #[error("{operation} failed in the store at {}: {source}", path.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Stored bytes are not what was written.
    #[error("{operation} read damaged data in the store at {}: {damage}", path.display())]
    Damaged {
        /// What was being done.
        operation: &'static str,
        /// The store's folder.
        path: PathBuf,
        /// What could not be read.
        damage: Damage,
    },
    /// Blocks and head of a slot do not continue what is committed.
    #[error("slot {slot} is committed up to block {committed}, the commit continues at {found}")]
    OutOfStep {
        /// The slot.
        slot: u8,
        /// Number of the next block by the committed head.
        committed: u64,
        /// Number the commit has in its place.
        found: u64,
    },
    /// Ids or totals would include blocks that are not committed.
    #[error("{operation} of slot {slot} is ahead of its tail: {found} of {committed} blocks")]
    Ahead {
        /// What was being done.
        operation: &'static str,
        /// The slot.
        slot: u8,
        /// Number of the next block by the committed head.
        committed: u64,
        /// How many blocks the data claims to include.
        found: u64,
    },
    /// There is no such slot.
    #[error("there is no slot {slot} in a store with {slots}")]
    NoSlot {
        /// The slot that was asked for.
        slot: u8,
        /// How many there are.
        slots: u8,
    },
    /// Entries for a sorted file do not come in strictly ascending order.
    #[error("{operation}: entries are not in ascending order")]
    Unsorted {
        /// What was being done.
        operation: &'static str,
    },
    /// The embedded log no longer has this offset.
    #[error("offset {offset} of the embedded log was trimmed, it begins at {start}")]
    Trimmed {
        /// The offset that was asked for.
        offset: u64,
        /// The first one there is.
        start: u64,
    },
}

/// What the system says when there is no room. After an exceeded quota the engine does not go on by
/// itself.
const FULL: &str = "No space left on device";
/// What the engine's words for bytes that are not those that were written begin with.
const CORRUPTION: &str = "Corruption:";

impl StoreError {
    /// Whether the disk has no room: that passes, and nothing is wrong with what it holds.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Engine { detail, .. } => detail.contains(FULL),
            Self::File { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Whether stored bytes are not those that were written: trying again does not help.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Engine { detail, .. } => is_corruption(detail),
            Self::Damaged { .. } => true,
            _ => false,
        }
    }
}

/// Whether the engine says that stored bytes are not those that were written.
pub(super) fn is_corruption(detail: &str) -> bool {
    detail.starts_with(CORRUPTION)
}

/// The store cannot be opened. Messages give the fact, the detail and a hint.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the store at {} is in use: {detail}\nhint: another process serves this folder; stop it \
         or give this one a folder of its own", path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The engine's own words.
        detail: String,
    },
    /// A newer release wrote it.
    #[error(
        "the store at {} was written by a newer release: {detail}\nhint: run that release, or \
         restore a backup made before the upgrade", path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// What is newer.
        detail: String,
    },
    /// The settings ask for another number of slots than the store was made with.
    #[error(
        "the store at {} has {stored} slots, the settings ask for {wanted}\nhint: the number of \
         slots is fixed when a store is created; set it back to {stored} or begin a new store",
        path.display()
    )]
    Slots {
        /// The folder.
        path: PathBuf,
        /// What the store has.
        stored: u8,
        /// What was asked for.
        wanted: u8,
    },
    /// The folder holds something else.
    #[error(
        "the folder {} holds no store of ours: {detail}\nhint: give an empty folder or one that \
         does not exist", path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// What was synced to the disk is not what was written.
    #[error(
        "the store at {} is damaged: {detail}\nhint: restore a backup into another folder; what \
         the logs still have is folded again after it", path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// The engine's own words.
        detail: String,
    },
    /// There is nothing to read.
    #[error(
        "there is no store in {}\nhint: give the folder that the service was run with",
        path.display()
    )]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// A setting is outside its range.
    #[error("the store setting {name} is {value}, it must be at least {least}\nhint: raise it")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The smallest that works.
        least: u64,
    },
    /// Reading or writing failed.
    #[error("{0}\nhint: check the disk, its free space and the owner of the folder")]
    Store(#[from] StoreError),
}

/// A topic cannot be numbered, or is not the one that was read before.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The broker has another topic under the known name.
    #[error(
        "topic {topic} is not the one this store has read: {what} was {stored}, now it is {found}\n\
         hint: the topic was created again or the brokers are others; begin a new store, or point \
         the settings back at the old brokers"
    )]
    Changed {
        /// Its name.
        topic: String,
        /// What differs.
        what: &'static str,
        /// What the store knows.
        stored: String,
        /// What the broker says.
        found: String,
    },
    /// Between its neighbours by name there is no number left.
    #[error(
        "topic {topic} cannot be numbered between its neighbours by name\nhint: use a name that \
         sorts elsewhere, or begin a new store with all topics at once"
    )]
    NoLabel {
        /// Its name.
        topic: String,
    },
    /// More partitions than can be numbered.
    #[error("topic {topic} has {partitions} partitions, at most {} are read", u16::MAX)]
    Partitions {
        /// Its name.
        topic: String,
        /// How many it has.
        partitions: u32,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
