//! Inputs that are nearly right: pieces of known ones, put together, damaged, and mixed with words
//! of the language that is read.

/// Longest input: far beyond what a law needs to break, and short enough for many.
const LENGTH_MAX: usize = 4_096;
/// Most changes from an input of the corpus to a new one.
const CHANGES_MAX: u64 = 6;
/// Bytes that readers treat in their own ways.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\"\\{}[]:,0159eE+-._ \n\t%&=/";

/// Makes inputs from a seed.
pub struct Mutator<'a> {
    state: u64,
    corpus: &'a [Vec<u8>],
    words: &'a [&'a str],
}

impl<'a> Mutator<'a> {
    /// A mutator of a corpus that is not empty.
    pub fn new(seed: u64, corpus: &'a [Vec<u8>], words: &'a [&'a str]) -> Self {
        Self { state: seed, corpus, words }
    }

    /// The next input.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.known().to_vec();
        for _ in 0..=self.below(CHANGES_MAX) {
            self.change(&mut input);
        }
        input.truncate(LENGTH_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.stretch(input.len());
        match self.below(8) {
            0 => drop(input.drain(from..to)),
            1 => {
                let copied = input[from..to].to_vec();
                let _ = input.splice(from..from, copied);
            }
            2 => {
                let other = self.known();
                let (start, end) = self.stretch(other.len());
                let _ = input.splice(from..to, other[start..end].iter().copied());
            }
            3 | 4 => {
                let word = self.words[self.index(self.words.len())];
                let end = if self.below(2) == 0 { from } else { to };
                let _ = input.splice(from..end, word.bytes());
            }
            5 if from < input.len() => input[from] ^= 1 << self.below(8),
            6 if from < input.len() => input[from] = self.byte(),
            _ => {
                let byte = self.byte();
                input.insert(from, byte);
            }
        }
    }

    fn byte(&mut self) -> u8 {
        if self.below(4) == 0 {
            return u8::try_from(self.below(256)).unwrap_or_default();
        }
        BYTES[self.index(BYTES.len())]
    }

    fn known(&mut self) -> &'a [u8] {
        &self.corpus[self.index(self.corpus.len())]
    }

    /// A stretch of so many bytes, mostly a short one.
    fn stretch(&mut self, length: usize) -> (usize, usize) {
        let from = self.index(length + 1);
        let most = if self.below(4) == 0 { length - from } else { 8.min(length - from) };
        (from, from + self.index(most + 1))
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    /// A number below a bound, which is not 0 (SplitMix64).
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
