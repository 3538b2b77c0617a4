//! How far a slot has read: next offset and log time per partition.

use crate::core::instant::Instant;
use crate::core::position::{Position, Source};

/// How far one partition has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reached {
    /// The partition.
    pub source: Source,
    /// Everything below this offset is applied, nothing at or above it.
    pub next: i64,
    /// Log time of the last record below `next` (specification 10.4).
    pub log_time: Instant,
}

/// How far each partition has been read, in ascending order of partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Progress(Vec<Reached>);

impl Progress {
    /// Takes entries in any order.
    pub fn new(mut entries: Vec<Reached>) -> Self {
        entries.sort_unstable_by_key(|entry| entry.source);
        Self(entries)
    }

    /// What is known of a partition.
    pub fn get(&self, source: Source) -> Option<Reached> {
        self.0.binary_search_by_key(&source, |entry| entry.source).ok().map(|at| self.0[at])
    }

    /// Next offset of a partition; 0 before anything was read.
    pub fn next(&self, source: Source) -> i64 {
        self.get(source).map_or(0, |entry| entry.next)
    }

    /// Whether the record at a position has been read before.
    pub fn covers(&self, position: &Position) -> bool {
        position.offset < self.next(position.source)
    }

    /// Whether the record at a position lies behind what was read, also if the partition has begun
    /// anew since: log time has gone on then.
    pub fn passed(&self, position: &Position) -> bool {
        self.get(position.source).is_some_and(|reached| {
            position.offset < reached.next || position.log_time < reached.log_time
        })
    }

    /// Puts a partition at a place, be it before where it was. Whoever does so sees to it that
    /// positions still ascend.
    pub fn set(&mut self, to: Reached) {
        match self.0.binary_search_by_key(&to.source, |entry| entry.source) {
            Ok(at) => self.0[at] = to,
            Err(at) => self.0.insert(at, to),
        }
    }

    /// Raises a partition; an older figure changes nothing.
    pub fn advance(&mut self, to: Reached) {
        match self.0.binary_search_by_key(&to.source, |entry| entry.source) {
            Ok(at) if self.0[at].next < to.next => self.0[at] = to,
            Ok(_) => {}
            Err(at) => self.0.insert(at, to),
        }
    }

    /// All partitions in order.
    pub fn iter(&self) -> impl Iterator<Item = Reached> + '_ {
        self.0.iter().copied()
    }

    /// The lesser of both for every partition either knows: what all slots have applied.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut entries: Vec<Reached> = Vec::with_capacity(self.0.len());
        for mine in &self.0 {
            let least = other.get(mine.source).filter(|theirs| theirs.next < mine.next);
            entries.push(least.unwrap_or(*mine));
        }
        Self(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(source: u32, next: i64) -> Reached {
        Reached { source: Source(source), next, log_time: Instant(next * 10) }
    }

    #[test]
    fn progress_never_goes_back() {
        let mut progress = Progress::new(vec![reached(2, 5), reached(1, 7)]);
        progress.advance(reached(2, 4));
        progress.advance(reached(1, 9));
        progress.advance(reached(3, 1));
        assert_eq!(progress.iter().map(|r| r.next).collect::<Vec<_>>(), [9, 5, 1]);
    }

    #[test]
    fn the_meet_of_two_slots_is_where_both_have_been() {
        let a = Progress::new(vec![reached(1, 7), reached(2, 3)]);
        let b = Progress::new(vec![reached(1, 4), reached(2, 8)]);
        assert_eq!(a.meet(&b).iter().map(|r| r.next).collect::<Vec<_>>(), [4, 3]);
    }
}
