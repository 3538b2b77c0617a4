//! What is on disk: RocksDB behind keys, codecs and one atomic commit.
//!
//! The rule everything follows: a slot's blocks and its head become durable together
//! ([`Store::commit`]), and the head is the truth at restart. All else (`ids`, `totals`) is derived
//! from committed blocks, is brought in later by sorted files and says how far it reaches.
//!
//! A block that is sealed and not committed is not here: who sealed it keeps it readable until the
//! commit has returned.

pub mod account;
mod catalog;
pub(crate) mod codec;
mod commit;
mod error;
mod frozen;
mod gaps;
pub(crate) mod history;
mod ids;
mod ingest;
pub mod keys;
mod log;
mod lost;
mod meta;
mod options;
mod outbox;
mod read_only;
mod rejected;
mod rocks;
mod tail;
mod topics;
mod totals;
mod wal;
mod watch;

pub use catalog::{CatalogEntry, CatalogProgress};
pub use codec::Damage;
pub use codec::block::{
    BLOCK_BYTES_MAX, BlockFull, BlockMark, BlockReader, BlockWriter, Rows, SourceSpan,
};
pub use codec::head::{SlotHead, SourceHead};
pub use commit::{Commit, CommitStats, SealedBlock};
pub use error::{OpenError, StoreError, TopicError};
pub use frozen::Frozen;
pub use gaps::Gap;
pub use history::{
    CHUNK_BYTES_MAX, ChunkId, EventStream, Flaw, Hold, KeptName, LedgerView, MERGE_BYTES_MAX,
    MergeStats, RowSet, Unmerged,
};
pub use keys::{Family, IdKey, LogName};
pub use log::{LogRecord, LogState};
pub use lost::Lost;
pub use meta::{Identity, STORE_FORMAT, SlotState};
pub use options::StoreOptions;
pub use outbox::{OutboxEntry, OutboxState};
pub use rejected::{Rejected, RejectedPage, RejectedState};
pub use rocks::{Store, StoreUsage};
pub use tail::TailBlocks;
pub use topics::{Topic, TopicSeen};
pub use totals::SavedTotals;
pub use watch::{DiskStep, Watch};

#[cfg(test)]
mod tests;
