//! Random choices that a seed decides.

/// Odd constants of the splitmix sequence.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// A sequence of random numbers.
pub struct Dice(u64);

impl Dice {
    /// The sequence of a seed and of a number under it.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed ^ number.wrapping_mul(STEP));
        dice.next();
        Self(dice.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(MIX[0]);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(MIX[1]);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64)).unwrap()
    }

    /// A number from `from` up to but not including `to`.
    pub fn within(&mut self, from: i64, to: i64) -> i64 {
        let width = u64::try_from(to - from).unwrap();
        from + i64::try_from(self.next() % width).unwrap()
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of a list.
    pub fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }

    /// Up to `most` different ones of a list, in the list's order or turned round.
    pub fn some<T: Clone>(&mut self, list: &[T], most: usize) -> Vec<T> {
        let wanted = self.below(most + 1);
        let mut left: Vec<T> = list.to_vec();
        while left.len() > wanted {
            left.remove(self.below(left.len()));
        }
        if self.percent(30) {
            left.reverse();
        }
        left
    }
}
