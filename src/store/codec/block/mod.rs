//! The tail block: all rows a slot accepted between two checkpoints, packed.
//!
//! Layout, format 1:
//!
//! ```text
//! version u8 | checksum u64 little endian, over all that follows
//! slot u8 | sequence varint | rows varint | base log time zigzag
//! number of sources varint, each: source u32 big endian, base offset zigzag,
//!     smallest and greatest offset as zigzag distances from the base
//! number of texts varint, each: length varint, bytes
//! number of groups varint, each: place in the body u32 little endian; ordered by account, then
//!     place
//! body
//! ```
//!
//! The body is a sequence of groups, each the rows of one account that were appended together:
//!
//! ```text
//! group: 0x80 (with name 0x81, with name and subscription 0x83) | account u128 little endian
//!     | name: organisation text varint, subscription length varint and bytes
//! row:   flags u8 | code text varint | source varint | offset zigzag from the source's base
//!     | log time zigzag from the base | timestamp zigzag from the log time | index varint if
//!     flagged
//!     | transaction: 16 bytes for a canonical UUID, else length varint and bytes
//!     | cents if flagged | properties length varint and bytes if flagged
//!     | position that was retracted, for a replacement
//! ```
//!
//! Every distance is taken from a base of the block and none from the row before, so that a reader
//! can start at any group. Texts (codes, organisations) stand once a block. Repetition inside
//! properties is left to the compression of the store.

mod reader;
mod uuid;
mod writer;

pub use reader::{BlockReader, Rows};
pub use writer::{BLOCK_BYTES_MAX, BlockFull, BlockMark, BlockWriter};

use crate::core::position::Source;

/// Version of the layout.
const FORMAT: u8 = 1;
/// Bytes before what the checksum covers: the version and the checksum.
const CHECKSUM_END: usize = 9;

/// A byte with this bit begins a group; rows never have it.
const GROUP: u8 = 0x80;
/// The group carries the account's name.
const GROUP_NAMED: u8 = 0x01;
/// The name has a subscription.
const GROUP_SUBSCRIPTION: u8 = 0x02;

/// The bits of a row's flags that hold its kind. Kinds 2 (void), 3 (erasure) and 4 (imported
/// history) are reserved.
const ROW_KIND: u8 = 0x07;
const KIND_ACCEPTED: u8 = 0;
const KIND_REPLACEMENT: u8 = 1;
/// The transaction id is a canonical lower-case UUID, kept as 16 bytes.
const ROW_UUID: u8 = 0x08;
/// The row has a price in cents.
const ROW_CENTS: u8 = 0x10;
/// The event is not the first of its record.
const ROW_INDEX: u8 = 0x20;
/// The row has properties.
const ROW_PROPERTIES: u8 = 0x40;

/// Offsets of one partition that a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSpan {
    /// The partition.
    pub source: Source,
    /// What the offsets of its rows are relative to.
    base: i64,
    /// Smallest offset of a row.
    pub first: i64,
    /// Greatest offset of a row.
    pub last: i64,
}

#[cfg(test)]
mod tests;
