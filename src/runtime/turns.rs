//! Whose totals are saved next.
//!
//! Saving a slot writes its accounts that have changed, and an account is written as a whole: one
//! with a million groups is as long after one more event as it was before. So a slot waits until
//! its blocks since the last save are a fair part of what that save wrote. They are read again at
//! the next start, and so that a start stays short they have bounds of their own.

/// A slot is saved once its new blocks have one part in so many of the bytes that were written last
/// time: totals then take at most so many times the bytes of the blocks.
const SHARE: u64 = 4;
/// Bytes of new blocks at which a slot that is due by its share does not wait for its turn.
const SOON_BYTES: u64 = 4 << 20;
/// Bytes of new blocks at which a slot is saved whatever that writes: about 150 000 events, which
/// take a start half a second.
const REFOLD_BYTES_MAX: u64 = 16 << 20;
/// New blocks at which a slot is saved whatever that writes: each is at least one read at a start.
const REFOLD_BLOCKS_MAX: u64 = 1024;
/// A slot is saved in its turn at the latest when it was passed over so many times: accounts change
/// by rebuilds, too, which leave no block.
const PASSED_MAX: u32 = 20;

/// What of a slot is not in its saved totals.
#[derive(Clone, Copy, Debug, Default)]
struct Unsaved {
    blocks: u64,
    bytes: u64,
    /// Bytes that the last save wrote.
    written: u64,
    passed: u32,
}

impl Unsaved {
    fn is_worth_it(self) -> bool {
        self.blocks > 0 && self.bytes.saturating_mul(SHARE) >= self.written
    }

    fn is_urgent(self) -> bool {
        let soon = self.bytes >= SOON_BYTES && self.is_worth_it();
        soon || self.bytes >= REFOLD_BYTES_MAX || self.blocks >= REFOLD_BLOCKS_MAX
    }
}

/// The slots with what is not in their saved totals.
#[derive(Debug)]
pub struct Turns {
    slots: Vec<Unsaved>,
    next: usize,
}

impl Turns {
    /// Slots with so many blocks that their saved totals do not include.
    pub fn new(blocks: impl IntoIterator<Item = u64>) -> Self {
        let unsaved = |blocks| Unsaved { blocks, ..Unsaved::default() };
        Self { slots: blocks.into_iter().map(unsaved).collect(), next: 0 }
    }

    /// A block of so many bytes was committed.
    pub fn committed(&mut self, slot: u8, bytes: u64) {
        if let Some(unsaved) = self.slots.get_mut(usize::from(slot)) {
            unsaved.blocks += 1;
            unsaved.bytes += bytes;
        }
    }

    /// All that was committed is being saved, in so many bytes.
    pub fn saved(&mut self, slot: u8, written: u64) {
        if let Some(unsaved) = self.slots.get_mut(usize::from(slot)) {
            *unsaved = Unsaved { written, ..Unsaved::default() };
        }
    }

    /// The slot to be saved now, if there is one: the one in most need, else the next one in turn
    /// if it is worth it.
    pub fn next(&mut self) -> Option<u8> {
        let urgent = self.slots.iter().enumerate().filter(|(_, unsaved)| unsaved.is_urgent());
        let found = urgent.max_by_key(|(_, unsaved)| (unsaved.bytes, unsaved.blocks));
        let found = found.map(|(slot, _)| slot).or_else(|| self.in_turn());
        found.and_then(|slot| u8::try_from(slot).ok())
    }

    fn in_turn(&mut self) -> Option<usize> {
        let (slot, slots) = (self.next, self.slots.len());
        let unsaved = self.slots.get_mut(slot)?;
        self.next = (slot + 1) % slots;
        unsaved.passed += 1;
        (unsaved.is_worth_it() || unsaved.passed > PASSED_MAX).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_take_turns_and_those_without_blocks_are_passed_over() {
        let mut turns = Turns::new([1, 0, 2]);
        assert_eq!([turns.next(), turns.next(), turns.next()], [Some(0), None, Some(2)]);
        turns.saved(0, 100);
        turns.saved(2, 100);
        turns.committed(0, 24);
        assert_eq!(turns.next(), None, "24 bytes are not worth 100");
        turns.committed(0, 1);
        turns.committed(2, 25);
        assert_eq!([turns.next(), turns.next(), turns.next()], [None, Some(2), Some(0)]);
    }

    #[test]
    fn what_a_start_would_have_to_read_has_bounds() {
        let mut turns = Turns::new([0, 0, 0]);
        for slot in 0..3 {
            turns.saved(slot, 1 << 40);
        }
        turns.committed(1, REFOLD_BYTES_MAX - 1);
        assert_eq!(turns.next(), None);
        turns.committed(1, 1);
        turns.committed(2, REFOLD_BYTES_MAX + 1);
        assert_eq!(turns.next(), Some(2));
        turns.saved(2, 1);
        assert_eq!(turns.next(), Some(1));
        turns.saved(1, 1 << 40);
        for _ in 0..REFOLD_BLOCKS_MAX {
            turns.committed(0, 0);
        }
        assert_eq!(turns.next(), Some(0));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut turns = Turns::new([0]);
        let passed = (0..).take_while(|_| turns.next().is_none()).count();
        assert_eq!(passed, PASSED_MAX as usize);
        turns.saved(0, 0);
        assert_eq!(turns.next(), None);
    }
}
