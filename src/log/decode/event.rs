//! The members of one event object, and what they must be (specification 4.1 and 4.8).

use super::cursor::{Cursor, Stop, Token};
use super::span::Span;
use super::tree::{Output, Trouble};
use super::{Scratch, timestamp};
use crate::core::decimal::Decimal;
use crate::core::event::{Event, Rejection};
use crate::core::instant::Instant;
use crate::core::planted::{Stumble, stumble};

/// Longest identifier (tenant, subscription, transaction, code) in bytes. Generous: identifiers are
/// at most a few hundred bytes wherever they are typed, and each is kept with every event.
pub const IDENTIFIER_BYTES_MAX: usize = 8 * 1024;

/// Texts that are rewritten may outgrow the record this many times, and by so many bytes at least.
/// Separators alone add half at most; more comes from numbers such as `1e300` only.
const GROWTH_MAX: usize = 2;
const GROWTH_FREE_BYTES: usize = 64 * 1024;

/// Decimals that an amount keeps (specification 4.1).
const AMOUNT_DECIMALS: i32 = 15;

/// The producer that has applied the metric's expression already (specification 4.5).
const SOURCE_EVALUATED: &str = "http_ruby";

const AMOUNT: &str = "precise_total_amount_cents";

/// An identifier as it was given.
#[derive(Clone, Copy, Default)]
enum Identifier {
    /// Missing or null.
    #[default]
    Missing,
    /// A text, or a scalar as text.
    Text(Span),
    /// Holds NUL, or is a list or an object.
    Unreadable,
    /// A number with too many digits.
    TooLong,
}

/// The members of an event that matter, the last of each name.
#[derive(Default)]
pub(super) struct Fields {
    organization: Identifier,
    subscription: Identifier,
    transaction: Identifier,
    code: Identifier,
    timestamp: Option<Instant>,
    /// An error if the number has too many digits.
    amount: Option<Result<Decimal, ()>>,
    has_properties: bool,
    evaluated: bool,
}

impl Fields {
    /// Reads the object that is next.
    pub(super) fn read(cursor: &mut Cursor<'_>, scratch: &mut Scratch) -> Result<Self, Stop> {
        let mut fields = Self::default();
        cursor.open()?;
        let mut first = true;
        while cursor.more(b'}', first)? {
            first = false;
            let key = cursor.key(&mut scratch.arena)?;
            let key = key.resolve(cursor.text(), &scratch.arena);
            match Member::named(key) {
                Some(member) => fields.read_member(member, cursor, scratch)?,
                None => cursor.skip(&mut scratch.arena)?,
            }
        }
        Ok(fields)
    }

    #[inline]
    fn read_member(
        &mut self,
        member: Member,
        cursor: &mut Cursor<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Stop> {
        if member == Member::Properties && cursor.peek() == Some(b'{') {
            self.has_properties = true;
            let bytes_max = arena_bytes_max(cursor.text());
            return scratch.properties.read(cursor, &mut scratch.arena, bytes_max);
        }
        let arena = &mut scratch.arena;
        let token = cursor.value(arena)?;
        let payload = cursor.text();
        match member {
            Member::Organization => self.organization = identifier(token, payload, arena),
            Member::Subscription => self.subscription = identifier(token, payload, arena),
            Member::Transaction => self.transaction = identifier(token, payload, arena),
            Member::Code => self.code = identifier(token, payload, arena),
            Member::Timestamp => {
                self.timestamp = match token {
                    Token::Number(number) => {
                        timestamp::from_seconds_text(number.span.resolve(payload, arena))
                    }
                    Token::Text(span) => timestamp::from_text(span.resolve(payload, arena)),
                    Token::Null | Token::Bool(_) | Token::Tree => None,
                }
            }
            Member::Amount => self.amount = read_amount(token, payload, arena),
            Member::Properties => self.has_properties = false,
            Member::Source => {
                self.evaluated = match token {
                    Token::Text(span) => span.resolve(payload, arena) == SOURCE_EVALUATED,
                    _ => false,
                }
            }
        }
        Ok(())
    }

    /// The event, if every member is what it must be.
    #[inline]
    pub(super) fn event<'e>(
        self,
        payload: &'e str,
        scratch: &'e mut Scratch,
    ) -> Result<Event<'e>, Rejection> {
        let Scratch { arena, properties, packed } = scratch;
        if self.has_properties && properties.trouble().is_none() {
            properties.pack(payload, arena, packed);
        }
        let arena: &'e str = arena;
        let organization = self.organization.mandatory("organization_id", payload, arena)?;
        let transaction = self.transaction.mandatory("transaction_id", payload, arena)?;
        stumble(Stumble::Decode, transaction.as_bytes());
        let code = self.code.mandatory("code", payload, arena)?;
        let subscription =
            self.subscription.optional("external_subscription_id", payload, arena)?;
        let timestamp = self.timestamp.ok_or(Rejection::Invalid("timestamp"))?;
        let precise_cents = self.amount.transpose().map_err(|()| Rejection::OutOfRange(AMOUNT))?;
        match properties.trouble().filter(|_| self.has_properties) {
            Some(Trouble::Nul) => return Err(Rejection::Invalid("properties")),
            Some(Trouble::TooLong) => return Err(Rejection::OutOfRange("properties")),
            None => {}
        }
        Ok(Event {
            organization,
            subscription,
            transaction,
            code,
            timestamp,
            properties: packed.as_ref(),
            precise_cents,
            evaluated: self.evaluated,
        })
    }
}

/// The members that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Organization,
    Subscription,
    Transaction,
    Code,
    Timestamp,
    Amount,
    Properties,
    Source,
}

impl Member {
    #[inline]
    fn named(key: &str) -> Option<Self> {
        Some(match key {
            "organization_id" => Self::Organization,
            "external_subscription_id" => Self::Subscription,
            "transaction_id" => Self::Transaction,
            "code" => Self::Code,
            "timestamp" => Self::Timestamp,
            AMOUNT => Self::Amount,
            "properties" => Self::Properties,
            "source" => Self::Source,
            _ => return None,
        })
    }
}

#[inline]
const fn arena_bytes_max(payload: &str) -> usize {
    GROWTH_FREE_BYTES + GROWTH_MAX * payload.len()
}

/// Scalars become text (specification 4.1), numbers in canonical form.
#[inline]
fn identifier(token: Token, payload: &str, arena: &mut String) -> Identifier {
    match token {
        Token::Null => Identifier::Missing,
        Token::Text(span) if !span.is_arena() => Identifier::Text(span),
        Token::Text(span) if span.resolve(payload, arena).contains('\0') => Identifier::Unreadable,
        Token::Text(span) | Token::Bool(span) => Identifier::Text(span),
        Token::Tree => Identifier::Unreadable,
        Token::Number(number) => {
            let mut trouble = None;
            let bytes_max = arena_bytes_max(payload);
            let mut out = Output { text: arena, bytes_max, trouble: &mut trouble };
            let span = out.number(payload, number);
            trouble.map_or(Identifier::Text(span), |_| Identifier::TooLong)
        }
    }
}

impl Identifier {
    #[inline]
    fn optional<'e>(
        self,
        field: &'static str,
        payload: &'e str,
        arena: &'e str,
    ) -> Result<Option<&'e str>, Rejection> {
        match self {
            Self::Missing => Ok(None),
            Self::Text(span) if span.len() <= IDENTIFIER_BYTES_MAX => {
                Ok(Some(span.resolve(payload, arena)))
            }
            Self::Text(_) | Self::TooLong => Err(Rejection::OutOfRange(field)),
            Self::Unreadable => Err(Rejection::Invalid(field)),
        }
    }

    #[inline]
    fn mandatory<'e>(
        self,
        field: &'static str,
        payload: &'e str,
        arena: &'e str,
    ) -> Result<&'e str, Rejection> {
        // Blank is whatever consists of Unicode white space.
        self.optional(field, payload, arena)?
            .filter(|text| !text.trim_start().is_empty())
            .ok_or(Rejection::Mandatory(field))
    }
}

/// The price of an event (specification 4.1): none for null and empty text, zero for whatever does
/// not begin with a number, an error for a number with too many digits.
fn read_amount(token: Token, payload: &str, arena: &str) -> Option<Result<Decimal, ()>> {
    let text = match token {
        Token::Null => return None,
        Token::Bool(_) | Token::Tree => return Some(Ok(Decimal::ZERO)),
        Token::Number(number) => number.span.resolve(payload, arena),
        Token::Text(span) => span.resolve(payload, arena),
    };
    if text.is_empty() {
        return None;
    }
    if let Some(amount) = Decimal::parse_leading(text) {
        let fits = amount.scale() <= AMOUNT_DECIMALS.unsigned_abs();
        return Some(Ok(if fits { amount } else { amount.round(AMOUNT_DECIMALS) }));
    }
    // A number was there, then, and it was too long.
    let start = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let unsigned = start.strip_prefix(['-', '+']).unwrap_or(start);
    let digits = unsigned.strip_prefix('.').unwrap_or(unsigned);
    let number = digits.starts_with(|c: char| c.is_ascii_digit());
    Some(if number { Err(()) } else { Ok(Decimal::ZERO) })
}
