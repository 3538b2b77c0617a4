//! What became of every record: the figures that must add up.

/// Counts of one slot since the store was created.
///
/// `consumed = accepted + duplicate + replaced + rejected + set_aside`, at all times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events accepted as the first copy of their transaction id.
    pub accepted: u64,
    /// Copies that do not count.
    pub duplicate: u64,
    /// Copies with a smaller position that took the place of one accepted before.
    pub replaced: u64,
    /// Records, or elements of one, that were refused.
    pub rejected: u64,
    /// Events of an organisation that is not known yet.
    pub set_aside: u64,
}

impl Counters {
    /// All records read.
    pub const fn consumed(&self) -> u64 {
        self.accepted + self.duplicate + self.replaced + self.rejected + self.set_aside
    }

    /// Events that were set aside count from now on.
    pub const fn take_in(&mut self, events: u64) {
        let events = if events < self.set_aside { events } else { self.set_aside };
        self.set_aside -= events;
        self.accepted += events;
    }

    /// The counts in the order in which the store keeps them. New ones are added at the end.
    pub const fn to_list(self) -> [u64; 5] {
        [self.accepted, self.duplicate, self.replaced, self.rejected, self.set_aside]
    }

    /// The inverse of [`Counters::to_list`]; what an older store lacks is zero.
    pub fn from_list(list: &[u64]) -> Self {
        let at = |index: usize| list.get(index).copied().unwrap_or(0);
        Self {
            accepted: at(0),
            duplicate: at(1),
            replaced: at(2),
            rejected: at(3),
            set_aside: at(4),
        }
    }
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.replaced += other.replaced;
        self.rejected += other.rejected;
        self.set_aside += other.set_aside;
    }
}
