//! Lists and objects as PostgreSQL's `jsonb` prints them (specification 4.2): `", "` and `": "`
//! between items, keys by length and then by bytes, the last of equal keys, numbers in canonical
//! form.

use std::cmp::Ordering;

use super::cursor::{Cursor, Stop, Token};
use super::number::write_canonical;
use super::span::{Literal, Span};

/// What a value holds that is JSON but cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The character NUL, which PostgreSQL's texts cannot hold either.
    Nul,
    /// A number or the canonical form of the whole is too long.
    TooLong,
}

/// A member of an object that is being printed.
struct Member {
    key: Span,
    /// Where its canonical text, key included, stands in the output.
    start: usize,
    end: usize,
}

/// Memory that printing needs, kept between events.
#[derive(Default)]
pub(super) struct TreePrinter {
    members: Vec<Member>,
    /// Unescaped texts of keys and values that had escapes.
    texts: String,
}

impl TreePrinter {
    /// Appends the canonical form of the list or object that is next. What cannot be kept is
    /// noted as trouble, and the rest is still checked.
    ///
    /// Recursion is bounded by the cursor's depth limit.
    pub(super) fn print(
        &mut self,
        cursor: &mut Cursor<'_>,
        out: &mut Output<'_>,
    ) -> Result<(), Stop> {
        let object = cursor.peek() == Some(b'{');
        cursor.open()?;
        if object { self.print_object(cursor, out) } else { self.print_list(cursor, out) }
    }

    fn print_list(&mut self, cursor: &mut Cursor<'_>, out: &mut Output<'_>) -> Result<(), Stop> {
        out.push("[");
        let mut first = true;
        while cursor.more(b']', first)? {
            if !first {
                out.push(", ");
            }
            first = false;
            self.print_value(cursor, out)?;
        }
        out.push("]");
        Ok(())
    }

    fn print_object(&mut self, cursor: &mut Cursor<'_>, out: &mut Output<'_>) -> Result<(), Stop> {
        let (base, texts) = (self.members.len(), self.texts.len());
        let mut sorted = true;
        let mut first = true;
        out.push("{");
        while cursor.more(b'}', first)? {
            if !first {
                out.push(", ");
            }
            first = false;
            let key = cursor.key(&mut self.texts)?;
            let start = out.text.len();
            out.push_quoted(key.resolve(cursor.text(), &self.texts));
            out.push(": ");
            self.print_value(cursor, out)?;
            sorted &= self.members.get(base..).and_then(<[Member]>::last).is_none_or(|before| {
                self.compare(cursor.text(), before.key, key) == Ordering::Less
            });
            self.members.push(Member { key, start, end: out.text.len() });
        }
        out.push("}");
        if !sorted {
            self.sort_members(cursor.text(), base, out);
        }
        self.members.truncate(base);
        self.texts.truncate(texts);
        Ok(())
    }

    fn compare(&self, payload: &str, a: Span, b: Span) -> Ordering {
        let (a, b) = (a.resolve(payload, &self.texts), b.resolve(payload, &self.texts));
        a.len().cmp(&b.len()).then_with(|| a.cmp(b))
    }

    /// Prints the members since `base` once more, in order, in the place of the first print.
    fn sort_members(&mut self, payload: &str, base: usize, out: &mut Output<'_>) {
        let mut members = self.members.split_off(base);
        members.sort_by(|a, b| self.compare(payload, a.key, b.key));
        let Some(begin) = members.iter().map(|member| member.start).min() else { return };
        let middle = out.text.len();
        for (at, member) in members.iter().enumerate() {
            // Equal keys stand together in the order they were written.
            let last = members
                .get(at + 1)
                .is_none_or(|next| self.compare(payload, member.key, next.key) != Ordering::Equal);
            if last {
                if out.text.len() > middle {
                    out.text.push_str(", ");
                }
                out.text.extend_from_within(member.start..member.end);
            }
        }
        out.text.push('}');
        out.text.drain(begin..middle);
    }

    fn print_value(&mut self, cursor: &mut Cursor<'_>, out: &mut Output<'_>) -> Result<(), Stop> {
        if matches!(cursor.peek(), Some(b'{' | b'[')) {
            return self.print(cursor, out);
        }
        let texts = self.texts.len();
        match cursor.value(&mut self.texts)? {
            Token::Null | Token::Tree => out.push("null"),
            Token::Bool(span) => out.push(span.resolve(cursor.text(), "")),
            Token::Number(number) => out.push_number(cursor.text(), number),
            Token::Text(span) => {
                out.push_quoted(span.resolve(cursor.text(), &self.texts));
                self.texts.truncate(texts);
            }
        }
        Ok(())
    }

    /// Forgets what an unfinished print left behind.
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.texts.clear();
    }
}

/// Where canonical text goes, with its bound.
pub(super) struct Output<'o> {
    /// The text so far, what was there before included.
    pub text: &'o mut String,
    /// Greatest length of `text`; numbers beyond it are not written.
    pub bytes_max: usize,
    /// The first thing that cannot be kept.
    pub trouble: &'o mut Option<Trouble>,
}

impl Output<'_> {
    /// Notes what cannot be kept; the first note stays.
    pub(super) fn note(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert(trouble);
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a number in canonical form. Only numbers can grow in print (`1e300`), so only they
    /// are checked against the bound.
    fn push_number(&mut self, payload: &str, number: Literal) {
        let literal = number.span.resolve(payload, "");
        if number.is_canonical() {
            self.push(literal);
        } else if self.text.len() > self.bytes_max || write_canonical(literal, self.text).is_err() {
            self.note(Trouble::TooLong);
        }
    }

    /// The canonical form of a number: as it stands in the record if that will do.
    #[inline]
    pub(super) fn number(&mut self, payload: &str, number: Literal) -> Span {
        if number.is_canonical() {
            return number.span;
        }
        let start = self.text.len();
        self.push_number(payload, number);
        Span::arena_since(start, self.text)
    }

    fn push_quoted(&mut self, text: &str) {
        self.text.push('"');
        let mut run = 0;
        for (at, byte) in text.bytes().enumerate() {
            if !matches!(byte, b'"' | b'\\' | 0..=0x1f) {
                continue;
            }
            self.text.push_str(text.get(run..at).unwrap_or_default());
            run = at + 1;
            match byte {
                0 => self.note(Trouble::Nul),
                8 => self.push("\\b"),
                b'\t' => self.push("\\t"),
                b'\n' => self.push("\\n"),
                0xc => self.push("\\f"),
                b'\r' => self.push("\\r"),
                b'"' => self.push("\\\""),
                b'\\' => self.push("\\\\"),
                control => {
                    self.push("\\u00");
                    for digit in [control >> 4, control & 15] {
                        self.text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
                    }
                }
            }
        }
        self.text.push_str(text.get(run..).unwrap_or_default());
        self.text.push('"');
    }
}
