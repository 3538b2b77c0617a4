//! The end of the engine's write-ahead log: whether its last write was cut off.
//!
//! The engine tolerates that without a word, since nobody was told that such a write is durable.
//! Only the frames are looked at here; whether their bytes are those that were written the engine
//! checks itself. Layout: blocks of 32 KiB; in them frames of checksum u32, length u16, type u8, a
//! log number u32 where the type is of a log that is used again, and the bytes; a rest of a block
//! that is too short for a frame is filled up with zeros.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

/// Length of a block.
const BLOCK_BYTES: usize = 32 << 10;
/// Checksum, length and type.
const FRAME_BYTES: usize = 7;
/// With the number of the log.
const RECYCLED_FRAME_BYTES: usize = 11;
/// Types of frames that begin a write or go on with it: it ends in another one.
const UNFINISHED: [u8; 4] = [2, 3, 6, 7];
/// Types of frames with the number of the log.
const RECYCLED: [u8; 6] = [5, 6, 7, 8, 11, 131];
/// Type of a frame in room that was set aside and not written.
const ZERO: u8 = 0;

/// Whether the newest log of a store ends within a write.
pub(super) fn is_cut_off(store: &Path) -> io::Result<bool> {
    let mut newest = None;
    for entry in fs::read_dir(store)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("log")) {
            newest = newest.max(Some(path));
        }
    }
    match newest {
        Some(path) => Ok(ends_within_a_write(&fs::read(path)?)),
        None => Ok(false),
    }
}

fn ends_within_a_write(log: &[u8]) -> bool {
    let mut unfinished = false;
    for block in log.chunks(BLOCK_BYTES) {
        let mut rest = block;
        while rest.len() >= FRAME_BYTES {
            let (length, kind) = (usize::from(u16::from_le_bytes([rest[4], rest[5]])), rest[6]);
            if kind == ZERO && length == 0 {
                // Room that was set aside: nothing follows.
                return unfinished;
            }
            let head = if RECYCLED.contains(&kind) { RECYCLED_FRAME_BYTES } else { FRAME_BYTES };
            let Some(next) = rest.get(head + length..) else { return true };
            unfinished = UNFINISHED.contains(&kind);
            rest = next;
        }
        if block.len() < BLOCK_BYTES && !rest.is_empty() {
            return true;
        }
    }
    unfinished
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![1; 4];
        frame.extend(u16::try_from(length).unwrap().to_le_bytes());
        frame.push(kind);
        frame.resize(frame.len() + length, 7);
        frame
    }

    #[test]
    fn a_log_is_whole_or_cut_off_at_every_byte() {
        // One write in one frame, and one in two blocks.
        let mut log = frame(1, 100);
        log.extend(frame(2, BLOCK_BYTES - log.len() - FRAME_BYTES));
        log.extend(frame(4, 50));
        let whole = [0, 100 + FRAME_BYTES, log.len()];
        for end in (0..300).chain(BLOCK_BYTES - 20..=log.len()) {
            assert_eq!(ends_within_a_write(&log[..end]), !whole.contains(&end), "{end}");
        }
    }

    #[test]
    fn room_that_was_set_aside_is_no_write() {
        let mut log = frame(1, 100);
        log.resize(4 * BLOCK_BYTES, 0);
        assert!(!ends_within_a_write(&log));
        // The rest of a block that takes no further frame.
        let mut log = frame(1, BLOCK_BYTES - FRAME_BYTES - 3);
        log.extend([0; 3]);
        log.extend(frame(1, 10));
        assert!(!ends_within_a_write(&log));
    }
}
