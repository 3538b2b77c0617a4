//! The properties of an event, turned into their canonical texts (specification 4.2).

use super::cursor::{Cursor, Stop, Token};
use super::span::Span;
use super::tree::{Output, TreePrinter, Trouble};
use crate::core::properties::{Kind, PropertiesBuf};

/// Up to this many keys are compared with each other one by one, which beats sorting.
const PAIRWISE_MAX: usize = 16;

/// One member as it was read.
#[derive(Clone, Copy)]
struct Entry {
    key: Span,
    kind: Kind,
    text: Span,
    /// A later member has the same key.
    replaced: bool,
}

/// Reads the members of one object, with memory that is kept between events.
#[derive(Default)]
pub(super) struct PropertiesReader {
    entries: Vec<Entry>,
    order: Vec<usize>,
    tree: TreePrinter,
    trouble: Option<Trouble>,
}

impl PropertiesReader {
    /// Forgets everything.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.tree.clear();
        self.trouble = None;
    }

    /// What the object holds that cannot be kept.
    #[inline]
    pub(super) const fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Reads the object that is next, in place of one that was read before.
    pub(super) fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        arena: &mut String,
        arena_bytes_max: usize,
    ) -> Result<(), Stop> {
        self.clear();
        cursor.open()?;
        let mut first = true;
        while cursor.more(b'}', first)? {
            first = false;
            let key = cursor.key(arena)?;
            self.check(key, arena);
            let (kind, text) = self.read_value(cursor, arena, arena_bytes_max)?;
            self.entries.push(Entry { key, kind, text, replaced: false });
        }
        Ok(())
    }

    /// Only texts that had escapes can hold a NUL.
    #[inline]
    fn check(&mut self, text: Span, arena: &str) {
        if text.is_arena() && text.resolve("", arena).contains('\0') {
            self.trouble.get_or_insert(Trouble::Nul);
        }
    }

    #[inline]
    fn read_value(
        &mut self,
        cursor: &mut Cursor<'_>,
        arena: &mut String,
        bytes_max: usize,
    ) -> Result<(Kind, Span), Stop> {
        let start = arena.len();
        if matches!(cursor.peek(), Some(b'{' | b'[')) {
            let mut out = Output { text: arena, bytes_max, trouble: &mut self.trouble };
            self.tree.print(cursor, &mut out)?;
            return Ok((Kind::Tree, Span::arena_since(start, arena)));
        }
        Ok(match cursor.value(arena)? {
            Token::Null | Token::Tree => (Kind::Null, Span::EMPTY),
            Token::Bool(span) => (Kind::Bool, span),
            Token::Text(span) => {
                self.check(span, arena);
                (Kind::Text, span)
            }
            Token::Number(number) => {
                let mut out = Output { text: arena, bytes_max, trouble: &mut self.trouble };
                (Kind::Number, out.number(cursor.text(), number))
            }
        })
    }

    /// Writes the members in the order they were read; of equal keys the last one.
    #[inline]
    pub(super) fn pack(&mut self, payload: &str, arena: &str, packed: &mut PropertiesBuf) {
        if self.entries.len() <= PAIRWISE_MAX {
            self.mark_replaced_pairwise(payload, arena);
        } else {
            self.mark_replaced_sorted(payload, arena);
        }
        for entry in self.entries.iter().filter(|entry| !entry.replaced) {
            let (key, text) = (entry.key.resolve(payload, arena), entry.text);
            packed.push(key, entry.kind, text.resolve(payload, arena));
        }
    }

    #[inline]
    fn mark_replaced_pairwise(&mut self, payload: &str, arena: &str) {
        for at in 1..self.entries.len() {
            let (before, after) = self.entries.split_at_mut(at);
            let Some(newest) = after.first() else { return };
            let key = newest.key.resolve(payload, arena);
            for entry in before {
                entry.replaced |= entry.key.resolve(payload, arena) == key;
            }
        }
    }

    fn mark_replaced_sorted(&mut self, payload: &str, arena: &str) {
        let Self { entries, order, .. } = self;
        let key = |entries: &[Entry], at: usize| entries.get(at).map(|entry| entry.key);
        order.clear();
        order.extend(0..entries.len());
        order.sort_by(|a, b| {
            let text = |at| key(entries, at).map(|span| span.resolve(payload, arena));
            text(*a).cmp(&text(*b))
        });
        for pair in order.windows(2) {
            let &[one, next] = pair else { continue };
            let text = |at| key(entries, at).map(|span| span.resolve(payload, arena));
            let same = text(one) == text(next);
            if let Some(entry) = entries.get_mut(one) {
                entry.replaced |= same;
            }
        }
    }
}
