//! How often each kind of fault has come about.

use std::collections::BTreeMap;

/// Every kind that must come about, and the comparisons that tell what it has done. Crashes are
/// named by what they cut short.
pub const KINDS: [&str; 31] = [
    "a copy of a transaction",
    "a copy that comes first and is read later",
    "records of partitions out of order",
    "an event of a time long past",
    "an event of the future",
    "a record that is no event",
    "a record without a time",
    "a hole in the offsets",
    "a change of the catalogue",
    "an event before its organisation",
    "a clock that goes back",
    "a partition added",
    "a record delivered again",
    "a reader that asks before the slot is back",
    "a crash between two steps",
    "a crash during recovery",
    "a crash before a write",
    "a crash after a write",
    "a synced write that is lost before its sync",
    "a write that is torn",
    "an unsynced write that is lost",
    "a crash in the checkpoint commit",
    "a crash in bringing in ids",
    "a crash in saving totals",
    "a crash in merging the tail",
    "a crash in the catalogue commit",
    "a crash in registering topics",
    "a crash in acknowledging outbox entries",
    "a crash around a sorted file",
    "totals compared after a step",
    "a scan compared after a step",
];

/// Counts by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fired(pub BTreeMap<&'static str, u64>);

impl Fired {
    /// One more.
    pub fn note(&mut self, kind: &'static str) {
        self.many(kind, 1);
    }

    /// So many more.
    pub fn many(&mut self, kind: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        let kind = KINDS.iter().find(|known| **known == kind);
        *self.0.entry(kind.expect("a kind of the list")).or_default() += count;
    }

    /// All that others have counted.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(kind, count)| self.many(kind, *count));
    }
}

impl std::fmt::Display for Fired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for kind in KINDS {
            let count = self.0.get(kind).copied().unwrap_or(0);
            writeln!(f, "{count:10}  {kind}")?;
        }
        Ok(())
    }
}
