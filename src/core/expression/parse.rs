//! From text to steps (grammar of specification 5.11).
//!
//! Precedence: a unary minus, then `*` and `/`, then `+` and `-`; left to right. The space is the
//! only white space; it may stand between any two tokens and inside none.

use super::{DEPTH_MAX, EXPRESSION_BYTES_MAX, ParseError, Rounding, Step};
use crate::core::decimal::Decimal;

/// Reads a whole text.
pub(super) fn steps(text: &str) -> Result<Vec<Step>, ParseError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(ParseError::TooLong);
    }
    let mut parser = Parser { text, at: 0, depth: 0, steps: Vec::new() };
    parser.sum()?;
    if parser.peek().is_some() {
        return Err(parser.unexpected());
    }
    Ok(parser.steps)
}

struct Parser<'a> {
    text: &'a str,
    /// Bytes read; always at a character's start.
    at: usize,
    depth: usize,
    steps: Vec<Step>,
}

impl<'a> Parser<'a> {
    fn sum(&mut self) -> Result<(), ParseError> {
        self.product()?;
        loop {
            let step = match self.peek() {
                Some(b'+') => Step::Add,
                Some(b'-') => Step::Subtract,
                _ => return Ok(()),
            };
            self.at += 1;
            self.steps.push(Step::Expect);
            self.product()?;
            self.steps.push(step);
        }
    }

    fn product(&mut self) -> Result<(), ParseError> {
        self.operand()?;
        loop {
            let step = match self.peek() {
                Some(b'*') => Step::Multiply,
                Some(b'/') => Step::Divide,
                _ => return Ok(()),
            };
            self.at += 1;
            self.steps.push(Step::Expect);
            self.operand()?;
            self.steps.push(step);
        }
    }

    fn operand(&mut self) -> Result<(), ParseError> {
        if self.take(b'-') {
            self.primary()?;
            self.steps.push(Step::Negate);
            Ok(())
        } else {
            self.primary()
        }
    }

    fn primary(&mut self) -> Result<(), ParseError> {
        match self.peek() {
            Some(b'(') => {
                self.at += 1;
                self.nested(Self::sum)?;
                self.close()
            }
            Some(b'\'') => self.quoted(),
            Some(b'0'..=b'9') => self.number(),
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.word(),
            _ => Err(self.unexpected()),
        }
    }

    /// Runs a rule one level deeper.
    fn nested<T>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth == DEPTH_MAX {
            return Err(ParseError::TooDeep);
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    fn quoted(&mut self) -> Result<(), ParseError> {
        let rest = &self.text[self.at + 1..];
        let Some((text, _)) = rest.split_once('\'') else {
            return Err(self.unexpected());
        };
        self.at += text.len() + 2;
        self.steps.push(Step::Text(text.to_owned()));
        Ok(())
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        self.take_while(|byte| byte.is_ascii_digit());
        if self.rest().first() == Some(&b'.') {
            self.at += 1;
            if self.take_while(|byte| byte.is_ascii_digit()).is_empty() {
                return Err(self.unexpected());
            }
        }
        let number = Decimal::parse_numeric(&self.text[start..self.at])
            .ok_or(ParseError::TooManyDigits(start))?;
        self.steps.push(Step::Number(number));
        Ok(())
    }

    /// A variable or a call.
    fn word(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        match self.take_while(|byte| byte.is_ascii_alphabetic()) {
            "event" => self.variable(),
            name => {
                let call = Call::from_name(name).ok_or(ParseError::Unexpected(start))?;
                self.call(call)
            }
        }
    }

    fn variable(&mut self) -> Result<(), ParseError> {
        let step = match self.member()? {
            "code" => Step::Code,
            "timestamp" => Step::Timestamp,
            "properties" => Step::Property(self.member()?.to_owned()),
            _ => return Err(self.unexpected()),
        };
        self.steps.push(step);
        Ok(())
    }

    /// A point and a name, without a space between.
    fn member(&mut self) -> Result<&'a str, ParseError> {
        let [b'.', b'a'..=b'z' | b'A'..=b'Z', ..] = self.rest() else {
            return Err(self.unexpected());
        };
        self.at += 1;
        Ok(self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    }

    fn call(&mut self, call: Call) -> Result<(), ParseError> {
        if !self.take(b'(') {
            return Err(self.unexpected());
        }
        let count = self.nested(|parser| parser.arguments(call))?;
        self.close()?;
        self.steps.push(match call {
            Call::Concat => Step::Concat(count),
            Call::Least => Step::Least(count),
            Call::Greatest => Step::Greatest(count),
            Call::Rescale(_) if count > 2 => return Err(ParseError::Arguments(count)),
            Call::Rescale(rounding) => Step::Rescale(rounding, count == 2),
        });
        Ok(())
    }

    /// One argument or more, parted by commas.
    fn arguments(&mut self, call: Call) -> Result<usize, ParseError> {
        if let (Call::Rescale(_), Some(b')')) = (call, self.peek()) {
            return Err(ParseError::Arguments(0));
        }
        let mut count = 0;
        loop {
            self.sum()?;
            count += 1;
            if !matches!(call, Call::Concat) {
                self.steps.push(Step::Expect);
            }
            if !self.take(b',') {
                return Ok(count);
            }
        }
    }

    fn close(&mut self) -> Result<(), ParseError> {
        if self.take(b')') { Ok(()) } else { Err(self.unexpected()) }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        self.take_while(|byte| byte == b' ');
        self.rest().first().copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes ASCII bytes as long as they fit.
    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        self.at += self.rest().iter().take_while(|byte| fits(**byte)).count();
        &self.text[start..self.at]
    }

    fn unexpected(&self) -> ParseError {
        ParseError::Unexpected(self.at)
    }
}

#[derive(Clone, Copy)]
enum Call {
    Concat,
    Least,
    Greatest,
    Rescale(Rounding),
}

impl Call {
    /// Names are all lower, all upper or capitalised.
    fn from_name(name: &str) -> Option<Self> {
        let call = match name.to_ascii_lowercase().as_str() {
            "concat" => Self::Concat,
            "least" => Self::Least,
            "greatest" => Self::Greatest,
            "round" => Self::Rescale(Rounding::Round),
            "ceil" => Self::Rescale(Rounding::Ceil),
            "floor" => Self::Rescale(Rounding::Floor),
            _ => return None,
        };
        let tail = name.get(1..).unwrap_or_default().bytes();
        let lower = tail.clone().all(|byte| byte.is_ascii_lowercase());
        let upper = name.bytes().all(|byte| byte.is_ascii_uppercase());
        (lower || upper).then_some(call)
    }
}
