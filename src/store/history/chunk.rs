//! A chunk on disk: rows of one account and month, in the order of time.
//!
//! Layout, format 1: version u8 | timestamp of the last row zigzag | a block with one group. The
//! block brings the number of rows, the checksum over them and the dictionary of codes. The first
//! timestamp is in the key.

use crate::core::instant::Instant;
use crate::engine::ledger::AccountKey;
use crate::store::codec::block::{BlockFull, BlockReader, BlockWriter};
use crate::store::codec::{Damage, Input, put_zigzag};

use super::rows::RowSet;

/// Length that a chunk of more than one row does not exceed: one read from disk, and little to
/// decode for who wants a few rows of it.
pub const CHUNK_BYTES_MAX: usize = 64 << 10;
/// Chunks of at least this length are left as they are; shorter ones are merged again, and copied
/// whenever the engine merges its files.
pub const FULL_BYTES_MIN: usize = CHUNK_BYTES_MAX / 4;
/// Room for the version and the last timestamp.
const HEADER_BYTES_MAX: usize = 11;

const FORMAT: u8 = 1;
const WHAT: &str = "history chunk";

/// Which chunk of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkId {
    /// Timestamp of its first row.
    pub first: Instant,
    /// The sequence before which all blocks were merged when it was made.
    pub generation: u64,
    /// Number among the chunks that its merge made for the account.
    pub number: u32,
}

/// A chunk that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Which one.
    pub id: ChunkId,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Cuts sorted rows, `from..to` of a set, into chunks. They are numbered from `number` on.
pub fn make(
    writer: &mut BlockWriter,
    set: &RowSet,
    (mut from, to): (usize, usize),
    (slot, generation): (u8, u64),
    mut number: u32,
) -> Result<Vec<Made>, BlockFull> {
    let mut made = Vec::new();
    while from < to {
        let Some((first, _)) = set.key(from) else { break };
        let mut last = first;
        while let Some(row) = set.row(from).filter(|_| from < to) {
            if !writer.is_empty() && !writer.fits(&row, CHUNK_BYTES_MAX - HEADER_BYTES_MAX) {
                break;
            }
            writer.append(&row)?;
            last = row.timestamp;
            from += 1;
        }
        let mut bytes = vec![FORMAT];
        put_zigzag(&mut bytes, last.0);
        bytes.extend(writer.seal(slot, generation));
        made.push(Made { id: ChunkId { first, generation, number }, bytes });
        number += 1;
    }
    Ok(made)
}

/// Timestamp of the last row, and the block.
pub fn open(bytes: &[u8]) -> Result<(Instant, &[u8]), Damage> {
    let mut input = Input(bytes);
    input.version(FORMAT, WHAT)?;
    let last = Instant(input.zigzag(WHAT)?);
    Ok((last, input.0))
}

/// Adds the rows of a chunk's block to a set.
pub fn read(block: &[u8], account: AccountKey, set: &mut RowSet) -> Result<(), Damage> {
    let reader = BlockReader::open(block)?;
    let mut rows = reader.all();
    while let Some(row) = rows.next_row()? {
        if row.account != account {
            return Err(Damage::Unreadable("history chunk account"));
        }
        set.push(&row);
    }
    Ok(())
}
