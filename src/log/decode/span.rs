//! Where a piece of text lies, in one word.

use std::num::NonZeroU64;

use super::number::SIDE_DIGITS_MAX;

/// A piece of text of the record, or of the decoder's own memory ("arena") if the text differs from
/// the bytes of the record. Named by its place, so that it can be kept while memory grows.
///
/// One word, so that it travels in a register: start (31 bits), length (31 bits), whether it lies
/// in the arena, and a bit that is always set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(NonZeroU64);

const ARENA: u64 = 2;
const LENGTH_SHIFT: u32 = 2;
const START_SHIFT: u32 = 33;
/// Places and lengths are below this; [`super::RECORD_BYTES_CEILING`] sees to it.
const PLACE_MASK: u64 = (1 << 31) - 1;

impl Span {
    /// The empty text.
    pub(super) const EMPTY: Self = Self(NonZeroU64::MIN);

    /// A piece of the record.
    #[inline]
    pub(super) fn payload(start: usize, end: usize) -> Self {
        let (start, length) = (start as u64, (end - start) as u64);
        Self(NonZeroU64::MIN | (start << START_SHIFT) | (length << LENGTH_SHIFT))
    }

    /// What was added to the arena since it had the length `start`.
    pub(super) fn arena_since(start: usize, arena: &str) -> Self {
        Self(Self::payload(start, arena.len()).0 | ARENA)
    }

    /// Whether the text was rewritten.
    #[inline]
    pub(super) const fn is_arena(self) -> bool {
        self.0.get() & ARENA != 0
    }

    /// Bytes.
    #[inline]
    pub(super) const fn len(self) -> usize {
        ((self.0.get() >> LENGTH_SHIFT) & PLACE_MASK) as usize
    }

    /// The text itself.
    #[inline]
    pub(super) fn resolve<'t>(self, payload: &'t str, arena: &'t str) -> &'t str {
        let text = if self.is_arena() { arena } else { payload };
        let start = (self.0.get() >> START_SHIFT) as usize;
        text.get(start..start + self.len()).unwrap_or_default()
    }
}

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// Where it stands in the record.
    pub span: Span,
    /// Whether it must be rewritten to become canonical: it has an exponent, or a minus sign that
    /// may stand before a zero.
    pub rewrite: bool,
}

impl Literal {
    /// Whether the number is certain to be canonical and within bounds as it is written.
    #[inline]
    pub(super) const fn is_canonical(self) -> bool {
        !self.rewrite && self.span.len() <= SIDE_DIGITS_MAX
    }
}
