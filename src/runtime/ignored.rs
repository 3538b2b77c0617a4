//! Catalogue records that the fold ignored lately: how a writer learns that it came second.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Offsets that are remembered. Writers ask within a moment of the fold, and only records that came
/// second are noted, so this many span far more than any writer waits.
const OFFSETS_MAX: usize = 4_096;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what it says.
    Applied,
    /// It did nothing.
    Ignored,
    /// Too many records have been ignored since to tell.
    Forgotten,
}

#[derive(Debug, Default)]
struct State {
    offsets: VecDeque<i64>,
    /// The greatest offset that is not remembered any more.
    forgotten: Option<i64>,
}

/// Offsets of ignored records, the latest ones.
#[derive(Debug, Default)]
pub struct Ignored(Mutex<State>);

impl Ignored {
    /// The record at this offset does nothing. Offsets ascend.
    pub fn note(&self, offset: i64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.offsets.len() == OFFSETS_MAX {
            state.forgotten = state.offsets.pop_front();
        }
        state.offsets.push_back(offset);
    }

    /// What became of a record that the fold has passed.
    pub fn verdict(&self, offset: i64) -> Verdict {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.forgotten.is_some_and(|forgotten| offset <= forgotten) {
            return Verdict::Forgotten;
        }
        if state.offsets.contains(&offset) { Verdict::Ignored } else { Verdict::Applied }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_longer_known_is_not_taken_for_applied() {
        let ignored = Ignored::default();
        let last = i64::try_from(OFFSETS_MAX).unwrap() * 2;
        for offset in (0..=last).step_by(2) {
            ignored.note(offset);
        }
        assert_eq!(ignored.verdict(0), Verdict::Forgotten);
        assert_eq!(ignored.verdict(2), Verdict::Ignored);
        assert_eq!(ignored.verdict(3), Verdict::Applied);
        assert_eq!(ignored.verdict(last), Verdict::Ignored);
        assert_eq!(ignored.verdict(last + 1), Verdict::Applied);
    }
}
