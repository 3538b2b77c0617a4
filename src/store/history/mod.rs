//! The ledger by account: tails merged into chunks, and rows read back in the order of time.
//!
//! Blocks of the tail hold what a slot accepted, account after account and block after block as it
//! came. In the background a few megabytes of them at a time are merged into *chunks*: rows of one
//! account and one month of event time, sorted by (timestamp, position), at most
//! [`CHUNK_BYTES_MAX`] each. A chunk's key begins with slot, account and first timestamp, so the
//! chunks of an account are met in the order of time.
//!
//! Per slot one number, the sequence before which all blocks are merged, decides what counts:
//! blocks before it are gone, blocks from it on are read from the tail, and a chunk of a merge that
//! has not raised it is not seen. It is raised by one write that also drops the blocks and the
//! chunks that were merged again. So at any instant every row counts once.
//!
//! A chunk smaller than a quarter of the greatest is *partial*: it may be written again, together
//! with others of its month and what comes (see [`tiers`]). A month has about nine of them at most,
//! and a row is written again about three times until its chunk is full.
//!
//! Before its chunks an account has a *record*: its name, the partial chunks, and the positions of
//! rows that a later one retracted while they lay in a chunk that was not written again. A reader
//! in the order of time has to know those before it begins.

pub(crate) mod chunk;
mod hold;
mod inspect;
mod merge;
mod month;
pub(crate) mod record;
mod rows;
mod stream;
mod tiers;
mod view;

pub use chunk::{CHUNK_BYTES_MAX, ChunkId, FULL_BYTES_MIN};
pub use hold::{Hold, Holds};
pub use inspect::Flaw;
#[cfg(test)]
pub(super) use merge::Draft;
pub use merge::{MERGE_BYTES_MAX, MergeStats, Unmerged};
pub use record::KeptName;
pub use rows::RowSet;
pub use stream::EventStream;
pub use view::LedgerView;
