//! A cursor over one JSON text: tokens come out as spans, nothing is allocated.
//!
//! The text is known to be UTF-8. Every method either moves past a whole token or reports a fault;
//! after a fault the cursor is of no further use.

use super::span::{Literal, Span};

/// Why a text is not taken as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// What is wrong, and at which byte.
    Syntax(&'static str, usize),
    /// Lists and objects are nested deeper than the limit.
    TooDeep,
}

/// Reading has stopped; [`Cursor::fault`] says why. Carried apart from the reason so that results
/// fit into registers: tokens are read a few dozen times per event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop;

/// One member value that is read without looking inside lists and objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// `null`.
    Null,
    /// `true` or `false`, with its place in the record.
    Bool(Span),
    /// A number.
    Number(Literal),
    /// A text, unescaped.
    Text(Span),
    /// A list or an object, checked and skipped.
    Tree,
}

/// The cursor.
pub(super) struct Cursor<'p> {
    text: &'p str,
    bytes: &'p [u8],
    at: usize,
    depth: usize,
    depth_max: usize,
    fault: Fault,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the high bit of bytes that end a plain run inside a text: quotes, backslashes, controls.
/// Marks above the lowest one may be false, so only the lowest is used.
const fn run_ends(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGHS
}

impl<'p> Cursor<'p> {
    /// Stands before the first byte.
    pub(super) fn new(text: &'p str, depth_max: usize) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth: 0, depth_max, fault: Fault::TooDeep }
    }

    /// The whole record.
    pub(super) const fn text(&self) -> &'p str {
        self.text
    }

    /// Why reading stopped.
    pub(super) const fn fault(&self) -> Fault {
        self.fault
    }

    #[cold]
    fn stop<T>(&mut self, what: &'static str) -> Result<T, Stop> {
        self.fault = Fault::Syntax(what, self.at);
        Err(Stop)
    }

    /// The next byte that is no white space; it is not consumed.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                next => return next.copied(),
            }
        }
    }

    /// Checks that nothing but white space is left.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        if self.peek().is_some() { self.stop("more than one value") } else { Ok(()) }
    }

    /// Steps into the list or object whose opening bracket is next.
    #[inline]
    pub(super) fn open(&mut self) -> Result<(), Stop> {
        if self.depth >= self.depth_max {
            self.fault = Fault::TooDeep;
            return Err(Stop);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Whether another item follows before `close`; consumes the separator or the closing bracket.
    #[inline]
    pub(super) fn more(&mut self, close: u8, first: bool) -> Result<bool, Stop> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => self.stop("expected a comma or a closing bracket"),
        }
    }

    /// A member's key and the colon after it.
    #[inline]
    pub(super) fn key(&mut self, arena: &mut String) -> Result<Span, Stop> {
        if self.peek() != Some(b'"') {
            return self.stop("expected a key");
        }
        let key = self.string(arena)?;
        if self.peek() != Some(b':') {
            return self.stop("expected a colon");
        }
        self.at += 1;
        Ok(key)
    }

    /// The next value; lists and objects are checked and skipped.
    #[inline]
    pub(super) fn value(&mut self, arena: &mut String) -> Result<Token, Stop> {
        match self.peek() {
            Some(b'"') => self.string(arena).map(Token::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(b'n') => self.word("null").map(|_| Token::Null),
            Some(b't') => self.word("true").map(Token::Bool),
            Some(b'f') => self.word("false").map(Token::Bool),
            Some(b'{' | b'[') => self.skip_tree(arena).map(|()| Token::Tree),
            _ => self.stop("expected a value"),
        }
    }

    /// Checks the next value and forgets it.
    #[inline]
    pub(super) fn skip(&mut self, arena: &mut String) -> Result<(), Stop> {
        let length = arena.len();
        self.value(arena)?;
        arena.truncate(length);
        Ok(())
    }

    /// Recursion is bounded by the depth limit.
    fn skip_tree(&mut self, arena: &mut String) -> Result<(), Stop> {
        let object = self.peek() == Some(b'{');
        let close = if object { b'}' } else { b']' };
        self.open()?;
        let mut first = true;
        while self.more(close, first)? {
            first = false;
            if object {
                let length = arena.len();
                self.key(arena)?;
                arena.truncate(length);
            }
            self.skip(arena)?;
        }
        Ok(())
    }

    #[inline]
    fn word(&mut self, word: &'static str) -> Result<Span, Stop> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return self.stop("expected a value");
        }
        let span = Span::payload(self.at, end);
        self.at = end;
        Ok(span)
    }

    /// Moves over a run of digits; false if there is none.
    #[inline]
    fn digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > start
    }

    /// The number that starts here.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Literal, Stop> {
        let start = self.at;
        let mut rewrite = false;
        if self.bytes.get(self.at) == Some(&b'-') {
            rewrite = true;
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else if !self.digits() {
            return self.stop("expected a digit");
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !self.digits() {
                return self.stop("expected a digit");
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            rewrite = true;
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.digits() {
                return self.stop("expected a digit");
            }
        }
        Ok(Literal { span: Span::payload(start, self.at), rewrite })
    }

    /// End of the plain run that starts at `at`.
    #[inline]
    fn run_end(&self, mut at: usize) -> usize {
        while let Some(chunk) = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let ends = run_ends(u64::from_le_bytes(*chunk));
            if ends != 0 {
                return at + (ends.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        while self.bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            at += 1;
        }
        at
    }

    /// The text whose opening quote is next, unescaped: a span of the record if it has no escape,
    /// else of the arena.
    #[inline]
    pub(super) fn string(&mut self, arena: &mut String) -> Result<Span, Stop> {
        let start = self.at + 1;
        let end = self.run_end(start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Span::payload(start, end));
        }
        self.escaped_string(start, end, arena)
    }

    #[cold]
    fn escaped_string(
        &mut self,
        mut run: usize,
        mut end: usize,
        arena: &mut String,
    ) -> Result<Span, Stop> {
        let start = arena.len();
        loop {
            arena.push_str(self.text.get(run..end).unwrap_or_default());
            self.at = end;
            match self.bytes.get(end) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Span::arena_since(start, arena));
                }
                Some(b'\\') => arena.push(self.escape()?),
                Some(_) => return self.stop("control character in a text"),
                None => return self.stop("unfinished text"),
            }
            run = self.at;
            end = self.run_end(run);
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let byte = self.bytes.get(self.at + 1).copied();
        self.at += 2;
        Ok(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.stop("unknown escape"),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, Stop> {
        let mut code = self.hex4()?;
        if (0xd800..0xdc00).contains(&code) && self.bytes.get(self.at..self.at + 2) == Some(b"\\u")
        {
            self.at += 2;
            let low = self.hex4()?;
            if !(0xdc00..0xe000).contains(&low) {
                return self.stop("half of a surrogate pair");
            }
            code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        match char::from_u32(code) {
            Some(char) => Ok(char),
            None => self.stop("half of a surrogate pair"),
        }
    }

    fn hex4(&mut self) -> Result<u32, Stop> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.bytes.get(self.at).and_then(|byte| char::from(*byte).to_digit(16));
            match digit {
                Some(digit) => code = code * 16 + digit,
                None => return self.stop("expected four hexadecimal digits"),
            }
            self.at += 1;
        }
        Ok(code)
    }
}
