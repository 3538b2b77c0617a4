//! Which partial chunks a merge writes again.
//!
//! Partial chunks of an account and month lie in tiers by their length, each tier [`FAN_IN`] times
//! as long as the one below. A tier holds fewer than [`FAN_IN`] of them: rows that would be one
//! more take the others along, into the next tier. So few chunks stand side by side, and a row is
//! written again about once in each tier, whatever its account writes at a time.

use super::chunk::FULL_BYTES_MIN;
use super::month;
use super::record::{Partial, Record};
use crate::core::instant::Instant;

/// Chunks that become one. More would be written less often, and a reader would have to open more.
const FAN_IN: u64 = 4;
/// Chunks up to [`FAN_IN`] times this length are of the lowest tier: a few rows.
const LOWEST_BYTES: u64 = 256;

/// The tier of a chunk of so many bytes.
fn tier(bytes: u64) -> u32 {
    (bytes / LOWEST_BYTES).max(1).ilog(FAN_IN)
}

/// Takes off a record the partial chunks that are to be merged with so many bytes of the month that
/// holds an instant.
pub fn take(record: &mut Record, mut bytes: u64, at: Instant) -> Vec<Partial> {
    let month = month::start(at);
    let mut taken = Vec::new();
    while bytes < FULL_BYTES_MIN as u64 {
        let tier_max = tier(bytes);
        let joins = |partial: &Partial| {
            month::start(partial.id.first) == month && tier(partial.bytes) <= tier_max
        };
        if record.partial.iter().filter(|partial| joins(partial)).count() as u64 + 1 < FAN_IN {
            break;
        }
        let (joining, staying) = std::mem::take(&mut record.partial).into_iter().partition(joins);
        record.partial = staying;
        let joining: Vec<Partial> = joining;
        bytes += joining.iter().map(|partial| partial.bytes).sum::<u64>();
        taken.extend(joining);
    }
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::history::chunk::ChunkId;

    /// More tiers than there are below a full chunk.
    const TIERS_MAX: u64 = 4;

    fn partial(generation: u64, first: i64, bytes: u64) -> Partial {
        Partial { id: ChunkId { first: Instant(first), generation, number: 0 }, bytes }
    }

    /// A record after these lengths were written, one after the other, and the bytes that were
    /// written for them.
    fn filled(lengths: &[u64]) -> (Record, u64) {
        let (mut record, mut written) = (Record::default(), 0);
        for (length, generation) in lengths.iter().zip(0..) {
            let taken = take(&mut record, *length, Instant(0));
            let bytes = length + taken.iter().map(|partial| partial.bytes).sum::<u64>();
            written += bytes;
            if bytes < FULL_BYTES_MIN as u64 {
                record.partial.push(partial(generation, 0, bytes));
            }
        }
        (record, written)
    }

    #[test]
    fn four_of_a_tier_become_one_of_the_next() {
        let (mut record, written) = filled(&[300; 3]);
        assert_eq!((record.partial.len(), written), (3, 900));
        let later = month::end(Instant(0));
        assert!(take(&mut record, 300, later).is_empty(), "another month has its own");
        assert_eq!(take(&mut record, 300, Instant(0)).len(), 3);
        assert!(record.partial.is_empty());
    }

    #[test]
    fn rows_that_fill_a_chunk_take_none_along() {
        let mut record = filled(&[300; 3]).0;
        assert!(take(&mut record, FULL_BYTES_MIN as u64, Instant(0)).is_empty());
    }

    #[test]
    fn a_row_is_written_about_once_in_each_tier() {
        for length in [300, 1_100, 4_200] {
            let lengths = vec![length; 10_000];
            let (_, written) = filled(&lengths);
            assert!(written <= length * 10_000 * TIERS_MAX, "{length}: {written}");
        }
    }

    proptest! {
        #[test]
        fn few_stand_side_by_side(lengths in prop::collection::vec(1..20_000_u64, 0..400)) {
            let (record, written) = filled(&lengths);
            prop_assert!(record.partial.len() as u64 <= (FAN_IN - 1) * TIERS_MAX);
            let all: u64 = lengths.iter().sum();
            prop_assert!(written <= all * FAN_IN * TIERS_MAX + lengths.len() as u64 * 4_096);
        }
    }
}
