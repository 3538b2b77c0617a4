//! Copies that lost lately: what an operator asks about who misses an event.
//!
//! A copy that loses is dropped and counted; nothing durable is kept of it. The last few of each
//! slot are remembered for as long as the process runs.

use std::collections::VecDeque;

use crate::core::position::Position;

/// Copies remembered per slot: 3 MiB over 64 slots.
pub const DUPLICATES_MAX: usize = 1024;

/// The copies that lost lately in one slot.
#[derive(Debug, Default)]
pub struct Duplicates(VecDeque<(u128, Position)>);

impl Duplicates {
    /// Remembers a copy that lost, in place of the oldest one if there are too many.
    pub fn note(&mut self, identity: u128, position: Position) {
        if self.0.len() >= DUPLICATES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((identity, position));
    }

    /// The copies that are remembered, each with the identity of its transaction id.
    pub fn iter(&self) -> impl Iterator<Item = (u128, Position)> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered() {
        let mut duplicates = Duplicates::default();
        let at = |offset| Position { offset, ..Position::default() };
        for (identity, offset) in (0_u128..).zip(0..1030) {
            duplicates.note(identity, at(offset));
        }
        let kept: Vec<_> = duplicates.iter().collect();
        assert_eq!(kept.len(), DUPLICATES_MAX);
        assert_eq!((kept[0], kept[1023]), ((6, at(6)), (1029, at(1029))));
    }
}
