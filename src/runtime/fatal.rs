//! Conditions under which the service must stop rather than go on with a figure that may be wrong.

use crate::store::{BlockFull, OpenError, StoreError, TopicError};

/// Why the service stops. The text is fact, detail, hint.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed where going on would lose or double an event.
    #[error(
        "the store failed while {doing}\n  {error}\n  \
         hint: check the disk; all that was acknowledged is kept"
    )]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What the store says.
        error: StoreError,
    },
    /// A topic is not the one that was read before.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The log cannot be read on.
    #[error("{0}")]
    Log(String),
    /// A block took no more rows, although it is sealed long before it is full.
    #[error("an open block is full\n  {0}\n  hint: lower fold.batch_bytes_max")]
    BlockFull(BlockFull),
    /// A block of the ledger cannot be read.
    #[error(
        "the ledger of slot {slot} is damaged\n  block {sequence}: {detail}\n  \
         hint: restore a backup"
    )]
    Damaged {
        /// The slot.
        slot: u8,
        /// The block.
        sequence: u64,
        /// What is wrong.
        detail: String,
    },
    /// The catalogue cannot be read.
    #[error(
        "the catalogue cannot be read\n  {0}\n  \
         hint: it is kept in the catalogue log and in the store"
    )]
    Catalogue(String),
    /// A thread cannot be started or has ended unexpectedly.
    #[error("the thread {0} has failed")]
    Thread(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}\n  {error}\n  hint: choose another http.listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

impl Fatal {
    /// The store failed while doing this.
    pub fn store(doing: &'static str) -> impl Fn(StoreError) -> Self {
        move |error| Self::Store { doing, error }
    }
}
