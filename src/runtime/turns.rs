//! Whose totals are saved next.
//!
//! What is not in saved totals is folded again at the next start, so it has bounds; and saving
//! costs, so it is not done at every checkpoint. An account is written as a whole, about a
//! microsecond for one with a few buckets on the owner's thread and another on the compactor's, and
//! one with a million groups is as long after one more event as it was before. Between two saves of
//! a slot its events share that cost: the more blocks a save covers, the fewer accounts are written
//! for each of their events, and hot accounts are written once for all of theirs.
//!
//! So a slot is saved for one of four reasons:
//!
//! - **Size.** All slots together have blocks of `MEAN_BYTES` for each that no saved totals
//!   include; while there are more, the slot with most is saved. At an even load the slots so come
//!   one after the other, each with about twice the mean, and nothing is saved while nothing comes.
//!   A slot that has more than `SOON_BYTES` is saved whatever the others have.
//! - **Age.** Each slot is looked at once in a while in turn, so that a quiet one is not forgotten.
//! - **Memory.** The owner presses for it: accounts leave memory only once they are saved.
//! - **The bounds** [`REFOLD_BYTES_MAX`] and [`REFOLD_BLOCKS_MAX`] hold whatever a save writes.
//!   Size and age wait until the new blocks are a fair part of what the last save wrote.
//!
//! The count begins again with what the store says at start, so that kills do not add up.

/// A slot is saved once its new blocks have one part in so many of the bytes that were written last
/// time: totals then take at most so many times the bytes of the blocks.
const SHARE: u64 = 4;
/// Bytes of new blocks that slots have on average before one of them is saved. A slot that is saved
/// has twice that, about 40 000 events: they share the writing of at most as many accounts, in
/// practice a third, and take a start a tenth of a second.
const MEAN_BYTES: u64 = 2 << 20;
/// Bytes of new blocks at which a slot is saved whatever the other slots have.
const SOON_BYTES: u64 = 4 * MEAN_BYTES;
/// Bytes of new blocks at which a slot is saved whatever that writes: about 150 000 events, which
/// take a start half a second. Where every save writes so much that few slots fit into one
/// checkpoint it may be twice that; then the fold waits for the compactor.
pub const REFOLD_BYTES_MAX: u64 = 16 << 20;
/// New blocks at which a slot is saved whatever that writes: each is at least one read at a start.
pub const REFOLD_BLOCKS_MAX: u64 = 1024;
/// Slots that are saved with one checkpoint: their owners fold nothing meanwhile, about ten
/// milliseconds a slot. Four million events between two checkpoints would need more.
const SAVES_MAX: usize = 16;
/// Bytes that the slots of one checkpoint wrote when they were last saved, beyond which no further
/// one is saved with them: their accounts are held in memory until they are on disk.
const SAVE_BYTES_MAX: u64 = 64 << 20;
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
    pressed: bool,
}

impl Unsaved {
    fn is_worth_it(self) -> bool {
        self.blocks > 0 && self.bytes.saturating_mul(SHARE) >= self.written
    }

    fn is_urgent(self) -> bool {
        let soon = self.bytes >= SOON_BYTES && self.is_worth_it();
        self.pressed || soon || self.bytes >= REFOLD_BYTES_MAX || self.blocks >= REFOLD_BLOCKS_MAX
    }
}

/// The slots with what is not in their saved totals.
#[derive(Debug)]
pub struct Turns {
    slots: Vec<Unsaved>,
    next: usize,
}

impl Turns {
    /// Slots with so many blocks of so many bytes that their saved totals do not include.
    pub fn new(unsaved: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let unsaved = unsaved.into_iter().map(|(blocks, bytes)| Unsaved {
            blocks,
            bytes,
            ..Unsaved::default()
        });
        Self { slots: unsaved.collect(), next: 0 }
    }

    /// A block of so many bytes was committed.
    pub fn committed(&mut self, slot: u8, bytes: u64) {
        if let Some(unsaved) = self.slots.get_mut(usize::from(slot)) {
            unsaved.blocks += 1;
            unsaved.bytes += bytes;
        }
    }

    /// The owner wants the slot saved soon.
    pub fn press(&mut self, slot: u8) {
        if let Some(unsaved) = self.slots.get_mut(usize::from(slot)) {
            unsaved.pressed = true;
        }
    }

    /// Whether an owner waits for a slot to be saved.
    pub fn is_pressed(&self) -> bool {
        self.slots.iter().any(|slot| slot.pressed)
    }

    /// All that was committed is being saved, in so many bytes.
    pub fn saved(&mut self, slot: u8, written: u64) {
        if let Some(unsaved) = self.slots.get_mut(usize::from(slot)) {
            *unsaved = Unsaved { written, ..Unsaved::default() };
        }
    }

    /// Whether a slot has so much more than its bound that the fold should wait.
    pub fn is_overdue(&self) -> bool {
        let overdue = |slot: &Unsaved| slot.bytes >= 2 * REFOLD_BYTES_MAX;
        self.slots.iter().any(overdue)
    }

    /// The slots to be saved now: those that are too large, then so many in turn as are worth it.
    pub fn due(&mut self, turns: usize) -> Vec<u8> {
        let mut due = Vec::new();
        for slot in self.by_size() {
            if self.has_room(&due) {
                due.push(slot);
            }
        }
        for _ in 0..turns.min(self.slots.len()) {
            if !self.has_room(&due) {
                break;
            }
            let found = self.in_turn().filter(|slot| !due.contains(slot));
            due.extend(found);
        }
        due.into_iter().filter_map(|slot| u8::try_from(slot).ok()).collect()
    }

    /// Whether one more slot may be saved with these.
    fn has_room(&self, due: &[usize]) -> bool {
        let written: u64 = due.iter().map(|slot| self.slots[*slot].written).sum();
        due.len() < SAVES_MAX && written <= SAVE_BYTES_MAX
    }

    /// The slots that are saved for their size, those with most first.
    fn by_size(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_by_key(|slot| {
            let Unsaved { bytes, blocks, .. } = self.slots[*slot];
            std::cmp::Reverse((bytes, blocks))
        });
        let mut together: u64 = self.slots.iter().map(|slot| slot.bytes).sum();
        let most = MEAN_BYTES * self.slots.len() as u64;
        let is_due = |slot: &usize| {
            let unsaved = self.slots[*slot];
            let due = unsaved.is_urgent() || together > most && unsaved.is_worth_it();
            if due {
                together -= unsaved.bytes;
            }
            due
        };
        order.into_iter().filter(is_due).collect()
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
    use proptest::prelude::*;

    use super::*;

    const NOBODY: [u8; 0] = [];

    #[test]
    fn slots_take_turns_and_those_without_blocks_are_passed_over() {
        let mut turns = Turns::new([(1, 1), (0, 0), (2, 2)]);
        assert_eq!([turns.due(1), turns.due(1), turns.due(1)], [vec![0], vec![], vec![2]]);
        turns.saved(0, 100);
        turns.saved(2, 100);
        turns.committed(0, 24);
        assert_eq!(turns.due(1), NOBODY, "24 bytes are not worth 100");
        turns.committed(0, 1);
        turns.committed(2, 25);
        assert_eq!(turns.due(2), [2]);
        assert_eq!(turns.due(3), [0, 2], "nobody has saved them");
        assert_eq!(turns.due(0), NOBODY);
    }

    #[test]
    fn the_largest_are_saved_until_the_others_are_small_enough_together() {
        let mut turns = Turns::new([(1, 2 * MEAN_BYTES), (1, MEAN_BYTES), (1, 0)]);
        assert_eq!(turns.due(0), NOBODY);
        turns.committed(1, 1);
        assert_eq!(turns.due(0), [0]);
        turns.committed(1, 3 * MEAN_BYTES);
        turns.committed(2, 3 * MEAN_BYTES);
        assert_eq!(turns.due(0), [1, 2]);
        turns.saved(1, u64::MAX);
        turns.saved(2, 0);
        turns.committed(1, 2 * MEAN_BYTES);
        assert_eq!(turns.due(0), [0], "what it wrote is too much for what it has now");
    }

    #[test]
    fn what_a_start_would_have_to_read_has_bounds() {
        let mut turns = Turns::new([(0, 0); 3]);
        for slot in 0..3 {
            turns.saved(slot, SHARE * REFOLD_BYTES_MAX);
        }
        turns.committed(1, REFOLD_BYTES_MAX - 1);
        assert_eq!(turns.due(0), NOBODY);
        turns.committed(1, 1);
        turns.committed(2, REFOLD_BYTES_MAX + 1);
        assert_eq!(turns.due(0), [2, 1]);
        turns.saved(1, SHARE * REFOLD_BYTES_MAX);
        turns.saved(2, 1);
        for _ in 0..REFOLD_BLOCKS_MAX {
            turns.committed(0, 0);
        }
        assert_eq!(turns.due(0), [0]);
        assert!(!turns.is_overdue());
        turns.committed(0, 2 * REFOLD_BYTES_MAX);
        assert!(turns.is_overdue());
    }

    #[test]
    fn a_slot_is_saved_when_its_owner_presses() {
        let mut turns = Turns::new([(1, 1), (1, 2)]);
        assert_eq!(turns.due(0), NOBODY);
        assert!(!turns.is_pressed());
        turns.press(0);
        assert_eq!([turns.due(0), turns.due(0)], [[0], [0]], "until it is saved");
        assert!(turns.is_pressed());
        turns.saved(0, 1);
        assert!(turns.due(0).is_empty() && !turns.is_pressed());
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut turns = Turns::new([(0, 0)]);
        let passed = (0..2 * PASSED_MAX).take_while(|_| turns.due(1).is_empty()).count();
        assert_eq!(passed, PASSED_MAX as usize);
        turns.saved(0, 0);
        assert_eq!(turns.due(1), NOBODY);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Whatever the load is like, no slot has more than its bound; twice as much if what is
        /// saved is so large that only few slots can be saved at once.
        #[test]
        fn every_slot_stays_below_its_bound(
            slots in 1_usize..65,
            skew in 1_u64..20,
            written in 0_u64..(64 << 20),
            checkpoints in prop::collection::vec(1_u64..(16 << 20), 50..200),
        ) {
            let mut turns = Turns::new(vec![(0, 0); slots]);
            let mut bytes = vec![0; slots];
            for (number, brought) in checkpoints.iter().enumerate() {
                // One slot in turn gets `skew` times what the others get.
                let share = brought / (slots as u64 + skew - 1);
                for (slot, bytes) in bytes.iter_mut().enumerate() {
                    let own = if slot == number / 20 % slots { share * skew } else { share };
                    *bytes += own;
                    turns.committed(u8::try_from(slot).unwrap(), own);
                }
                let due = turns.due(0);
                prop_assert!(due.len() <= SAVES_MAX);
                for slot in due {
                    bytes[usize::from(slot)] = 0;
                    turns.saved(slot, written);
                }
                let most = bytes.iter().max().copied().unwrap_or(0);
                let bound = if written > SAVE_BYTES_MAX / SAVES_MAX as u64 {
                    2 * REFOLD_BYTES_MAX
                } else {
                    REFOLD_BYTES_MAX
                };
                prop_assert!(most <= bound, "{most}");
            }
        }
    }
}
