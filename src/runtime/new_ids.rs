//! When new ids are brought into the store's index.
//!
//! Until then they are held in memory, and their blocks are not merged into the history. Each time
//! makes a sorted file, which every look-up of an unknown id has to ask.

use super::merger::MERGE_DUE_BLOCKS;

/// New ids of all slots together at which they are brought in. Fewer would make more files.
const DUE: u64 = 1_000_000;
/// New ids at which the fold waits for those before them: they are held in memory.
pub const OVERDUE: u64 = 2 * DUE;
/// Checkpoints with blocks after which new ids are brought in however few they are: blocks are
/// merged into the history only when their ids are in the index.
const DUE_CHECKPOINTS: u64 = MERGE_DUE_BLOCKS / 2;

/// Ids since the last time.
#[derive(Debug, Default)]
pub struct NewIds {
    /// Events that were accepted when it began.
    accepted: u64,
    /// Checkpoints with blocks since then.
    checkpoints: u64,
}

impl NewIds {
    /// A checkpoint with blocks was written.
    pub fn committed(&mut self) {
        self.checkpoints += 1;
    }

    /// Whether they are to be brought in, when so many events were accepted.
    pub fn are_due(&self, accepted: u64) -> bool {
        self.since(accepted) >= DUE || self.checkpoints >= DUE_CHECKPOINTS
    }

    /// Whether they are so many that none may be added before others are brought in.
    pub fn are_overdue(&self, accepted: u64) -> bool {
        self.since(accepted) >= OVERDUE
    }

    /// They are being brought in.
    pub fn begin(&mut self, accepted: u64) {
        *self = Self { accepted, checkpoints: 0 };
    }

    const fn since(&self, accepted: u64) -> u64 {
        accepted.saturating_sub(self.accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_due_by_number_and_by_age_and_overdue_by_number() {
        let mut ids = NewIds::default();
        ids.begin(5);
        assert!(!ids.are_due(5 + DUE - 1) && ids.are_due(5 + DUE));
        assert!(!ids.are_overdue(5 + OVERDUE - 1) && ids.are_overdue(5 + OVERDUE));
        for _ in 0..DUE_CHECKPOINTS {
            assert!(!ids.are_due(6));
            ids.committed();
        }
        assert!(ids.are_due(6) && !ids.are_overdue(6));
        ids.begin(6);
        assert!(!ids.are_due(6));
    }
}
