//! Which transaction ids have been seen, and which copy of each counts.
//!
//! The copy with the smallest position wins, whatever the order in which partitions are read
//! (specification 4.6, 10.4). Recent ids are held in memory as 128-bit keyed hashes together with
//! the partition of the copy that counts: a further copy from that partition lies behind it and
//! needs no look-up. Older ids are in the store; the caller looks up what [`Ids::doubtful`] asks
//! for and passes the answer in, so that nothing here does IO.

use hashbrown::HashTable;

use super::duplicates::Duplicates;
use crate::core::planted::{Fault, planted};
use crate::core::position::{Position, Source};

/// Keyed hashes that identify one transaction id of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey {
    /// Hash of (organisation, transaction id): finds an event by its id alone.
    pub transaction: u64,
    /// Hash of (organisation, external subscription id, transaction id): the identity.
    pub identity: u128,
}

/// An id that was accepted and is not in the store's index yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewId {
    /// The id.
    pub key: IdKey,
    /// Position of the copy that counts.
    pub position: Position,
}

/// What is to be done with an event, by its transaction id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// First copy: it counts.
    New,
    /// A copy with a smaller position counts.
    Duplicate,
    /// This copy counts from now on, in place of the one at the given position.
    Replaces(Position),
}

/// Bytes that one id takes in memory, table overhead included: the unit of the memory setting.
pub const BYTES_PER_ID: usize = 34;

/// 128 bits of identity and the partition of the copy that counts. Bytes, so that nothing is
/// padded.
#[derive(Clone, Copy)]
struct Known {
    identity: [u8; 16],
    source: [u8; 4],
}

impl Known {
    fn source(&self) -> Source {
        Source(u32::from_le_bytes(self.source))
    }
}

/// Answers of the store's index for ids that memory could not decide.
pub trait Lookup {
    /// Position of the copy that counts, if the id is in the index.
    fn position(&self, identity: u128) -> Option<Position>;
}

/// The ids of one slot.
pub struct Ids {
    recent: HashTable<Known>,
    previous: HashTable<Known>,
    pending: Vec<NewId>,
    merging: Vec<NewId>,
    recent_max: usize,
    /// Whether the store's index may hold ids that memory does not.
    beyond_memory: bool,
    /// Copies that lost lately.
    pub duplicates: Duplicates,
}

impl Ids {
    /// Nothing seen yet. `memory_bytes_max` bounds both generations together; `beyond_memory` tells
    /// whether the store's index already holds ids of this slot.
    pub fn new(memory_bytes_max: usize, beyond_memory: bool) -> Self {
        Self {
            recent: HashTable::new(),
            previous: HashTable::new(),
            pending: Vec::new(),
            merging: Vec::new(),
            recent_max: (memory_bytes_max / BYTES_PER_ID / 2).max(1),
            beyond_memory,
            duplicates: Duplicates::default(),
        }
    }

    /// Ids held in memory.
    pub fn len(&self) -> usize {
        self.recent.len() + self.previous.len()
    }

    /// Whether no id is held in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the store's index has to be asked before [`Ids::judge`] can decide on this id.
    pub fn doubtful(&self, key: IdKey, source: Source) -> bool {
        match self.known(key.identity) {
            Some(known) => known != source && self.unmerged(key.identity).is_none(),
            None => self.beyond_memory,
        }
    }

    /// Decides on one event and remembers it. `lookup` must answer for every doubtful id.
    pub fn judge(&mut self, key: IdKey, position: Position, lookup: &impl Lookup) -> Verdict {
        let verdict = self.decide(key, position, lookup);
        if verdict == Verdict::Duplicate {
            self.duplicates.note(key.identity, position);
        }
        verdict
    }

    fn decide(&mut self, key: IdKey, position: Position, lookup: &impl Lookup) -> Verdict {
        let winner = match self.known(key.identity) {
            // A later record of the partition of the copy that counts: its position is greater.
            Some(_) if planted(Fault::DuplicateCounts) => None,
            Some(source) if source == position.source => return Verdict::Duplicate,
            Some(_) => self.unmerged(key.identity).or_else(|| lookup.position(key.identity)),
            None if self.beyond_memory => lookup.position(key.identity),
            None => None,
        };
        match winner {
            Some(winner) if winner <= position || planted(Fault::ReplacementDropped) => {
                // Worth remembering, but a flood of old ids must not grow the table past its bound.
                if self.recent.len() < self.recent_max {
                    self.remember(key.identity, winner.source);
                }
                Verdict::Duplicate
            }
            Some(winner) => {
                self.accept(key, position);
                Verdict::Replaces(winner)
            }
            None => {
                self.accept(key, position);
                Verdict::New
            }
        }
    }

    /// Decides on an event that is taken in out of turn: unlike any that is read, it may stand
    /// before the copy that counts although both are of one partition. `lookup` must answer for
    /// every id.
    pub fn judge_late(&mut self, key: IdKey, position: Position, lookup: &impl Lookup) -> Verdict {
        match self.unmerged(key.identity).or_else(|| lookup.position(key.identity)) {
            Some(winner) if winner <= position => Verdict::Duplicate,
            Some(winner) => {
                self.accept(key, position);
                Verdict::Replaces(winner)
            }
            None => {
                self.accept(key, position);
                Verdict::New
            }
        }
    }

    /// Takes back the last verdict, for an event that could not be counted after all: its copy at
    /// `retracted` counts as before, or none does.
    pub fn take_back(&mut self, key: IdKey, retracted: Option<Position>) {
        self.pending.pop();
        if let Some(position) = retracted {
            return self.remember(key.identity, position.source);
        }
        let bytes = key.identity.to_le_bytes();
        let hash = table_hash(key.identity);
        if let Ok(known) = self.recent.find_entry(hash, |known| known.identity == bytes) {
            known.remove();
        }
    }

    /// Remembers an id from the ledger, on start. A later call for the same id must carry the copy
    /// that counts, as the ledger's order does.
    pub fn restore(&mut self, key: IdKey, position: Position) {
        self.accept(key, position);
    }

    /// Whether an id is taken; none if only the store's index can tell.
    pub fn knows(&self, identity: u128) -> Option<bool> {
        match self.known(identity) {
            Some(_) => Some(true),
            None => (!self.beyond_memory).then_some(false),
        }
    }

    /// Accepted ids with this transaction hash that the store's index may lack, in the order they
    /// were accepted: of one identity the last counts.
    pub fn unmerged_of(&self, transaction: u64) -> impl Iterator<Item = NewId> + '_ {
        let all = self.merging.iter().chain(&self.pending);
        all.filter(move |id| id.key.transaction == transaction).copied()
    }

    /// Ids that wait for the store's index.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Hands out what waits for the store's index, unless a merge is under way. The ids stay known
    /// here until [`Ids::merged`] says that the index has them.
    pub fn start_merge(&mut self) -> Vec<NewId> {
        if self.merging.is_empty() {
            self.merging = std::mem::take(&mut self.pending);
            return self.merging.clone();
        }
        Vec::new()
    }

    /// The store's index now has what [`Ids::start_merge`] handed out: the oldest generation may
    /// go.
    pub fn merged(&mut self) {
        self.merging = Vec::new();
        // What was accepted since the merge began is in `recent` and waits in `pending`. It moves
        // to
        // `previous` at most and is dropped only by a later merge, which covers it.
        if self.recent.len() > self.recent_max {
            if !self.previous.is_empty() {
                self.beyond_memory = true;
            }
            self.previous = std::mem::take(&mut self.recent);
        }
    }

    fn known(&self, identity: u128) -> Option<Source> {
        let bytes = identity.to_le_bytes();
        let hash = table_hash(identity);
        [&self.recent, &self.previous]
            .into_iter()
            .find_map(|table| table.find(hash, |known| known.identity == bytes))
            .map(Known::source)
    }

    /// Position of an accepted id that is not in the store's index yet: the latest entry counts.
    ///
    /// A scan, but only for a copy that lies on another partition than the first, and over what one
    /// slot accepted since the last merge.
    fn unmerged(&self, identity: u128) -> Option<Position> {
        let latest = |ids: &[NewId]| {
            ids.iter().rev().find(|id| id.key.identity == identity).map(|id| id.position)
        };
        latest(&self.pending).or_else(|| latest(&self.merging))
    }

    fn accept(&mut self, key: IdKey, position: Position) {
        self.remember(key.identity, position.source);
        self.pending.push(NewId { key, position });
    }

    fn remember(&mut self, identity: u128, source: Source) {
        let known = Known { identity: identity.to_le_bytes(), source: source.0.to_le_bytes() };
        let hash = table_hash(identity);
        // What changes moves to the younger generation: the older one may be dropped before the
        // change has reached the store's index.
        if let Ok(old) = self.previous.find_entry(hash, |old| old.identity == known.identity) {
            old.remove();
        }
        let entry = self.recent.entry(
            hash,
            |old| old.identity == known.identity,
            |old| table_hash(u128::from_le_bytes(old.identity)),
        );
        *entry.insert(known).get_mut() = known;
    }
}

/// The identity is a keyed hash already; its upper half spreads the table.
fn table_hash(identity: u128) -> u64 {
    (identity >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::core::instant::Instant;

    struct Index(HashMap<u128, Position>);

    impl Lookup for Index {
        fn position(&self, identity: u128) -> Option<Position> {
            self.0.get(&identity).copied()
        }
    }

    fn at(log_time: i64, partition: u16, offset: i64) -> Position {
        Position {
            log_time: Instant(log_time),
            source: Source::new(0, partition),
            offset,
            index: 0,
        }
    }

    fn key(n: u64) -> IdKey {
        IdKey { transaction: n, identity: u128::from(n) << 64 | u128::from(n) }
    }

    fn empty() -> Index {
        Index(HashMap::new())
    }

    #[test]
    fn the_smallest_position_wins_in_either_order() {
        let (early, late) = (at(95, 1, 3), at(100, 0, 7));
        let mut ids = Ids::new(1 << 20, false);
        assert_eq!(ids.judge(key(1), early, &empty()), Verdict::New);
        assert_eq!(ids.judge(key(1), late, &empty()), Verdict::Duplicate);

        let mut ids = Ids::new(1 << 20, false);
        assert_eq!(ids.judge(key(1), late, &empty()), Verdict::New);
        assert_eq!(ids.judge(key(1), early, &empty()), Verdict::Replaces(late));
        assert_eq!(ids.judge(key(1), at(100, 0, 8), &empty()), Verdict::Duplicate);
    }

    #[test]
    fn an_id_that_left_memory_is_asked_of_the_store() {
        let mut ids = Ids::new(8 * BYTES_PER_ID, false);
        let mut index = empty();
        for (n, time) in (0..7).zip(0..) {
            assert_eq!(ids.judge(key(n), at(time, 0, time), &index), Verdict::New);
            assert_eq!(ids.judge(key(n + 100), at(time, 0, 50), &index), Verdict::New);
            for id in ids.start_merge() {
                index.0.insert(id.key.identity, id.position);
            }
            ids.merged();
        }
        assert!(ids.doubtful(key(0), Source::new(0, 0)));
        assert_eq!(ids.judge(key(0), at(9, 0, 90), &index), Verdict::Duplicate);
        assert!(!ids.doubtful(key(0), Source::new(0, 0)), "an answer is remembered");
        assert_eq!(ids.judge(key(1), at(0, 1, 0), &index), Verdict::Replaces(at(1, 0, 1)));
    }

    #[test]
    fn a_copy_that_wins_during_a_merge_outlives_the_older_generation() {
        let mut ids = Ids::new(0, false);
        let mut index = empty();
        let mut merge = |ids: &mut Ids, meanwhile: &mut dyn FnMut(&mut Ids, &Index)| {
            for id in ids.start_merge() {
                index.0.insert(id.key.identity, id.position);
            }
            meanwhile(ids, &index);
            ids.merged();
        };
        for n in [1, 2] {
            assert_eq!(ids.judge(key(n), at(100, 0, 7), &empty()), Verdict::New);
        }
        merge(&mut ids, &mut |_, _| ());
        for n in [3, 4] {
            assert_eq!(ids.judge(key(n), at(100, 0, 9), &empty()), Verdict::New);
        }
        merge(&mut ids, &mut |ids, index| {
            let verdict = ids.judge(key(1), at(95, 1, 0), index);
            assert_eq!(verdict, Verdict::Replaces(at(100, 0, 7)));
        });
        // The index still has the copy that lost; the one that won is not in it yet.
        assert_eq!(ids.judge(key(1), at(97, 2, 0), &index), Verdict::Duplicate);
    }

    #[test]
    fn looking_changes_nothing_and_finds_what_the_index_lacks() {
        let mut ids = Ids::new(0, false);
        assert_eq!(ids.knows(key(1).identity), Some(false));
        assert_eq!(ids.judge(key(1), at(5, 0, 5), &empty()), Verdict::New);
        assert_eq!(ids.knows(key(1).identity), Some(true));
        let found = |ids: &Ids, of: u64| -> Vec<Position> {
            ids.unmerged_of(key(of).transaction).map(|id| id.position).collect()
        };
        assert_eq!(found(&ids, 1), [at(5, 0, 5)]);
        ids.start_merge();
        assert_eq!(ids.judge(key(1), at(4, 1, 0), &empty()), Verdict::Replaces(at(5, 0, 5)));
        assert_eq!(found(&ids, 1), [at(5, 0, 5), at(4, 1, 0)], "the last one counts");
        assert_eq!(found(&ids, 2), []);
        let beyond = Ids::new(0, true);
        assert_eq!(beyond.knows(key(1).identity), None, "only the index can tell");
    }

    #[test]
    fn ids_of_a_running_merge_stay_known() {
        let mut ids = Ids::new(0, true);
        assert_eq!(ids.judge(key(1), at(5, 0, 5), &empty()), Verdict::New);
        assert_eq!(ids.start_merge().len(), 1);
        assert!(!ids.doubtful(key(1), Source::new(0, 1)));
        assert_eq!(ids.judge(key(1), at(4, 1, 0), &empty()), Verdict::Replaces(at(5, 0, 5)));
        assert_eq!(ids.start_merge(), [], "one merge at a time");
        ids.merged();
        assert_eq!(ids.start_merge().len(), 1, "what came meanwhile is merged next");
    }
}
