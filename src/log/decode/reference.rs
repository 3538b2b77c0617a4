//! A strict, slow decoder over serde_json: the judge of the fast one. It shares no parsing with it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use num_bigint::BigInt;
use num_integer::Integer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Decoder, IDENTIFIER_BYTES_MAX, Limits};
use crate::core::decimal::Decimal;
use crate::core::event::{Event, Rejection};
use crate::core::properties::Kind;

/// An event as the judge sees it.
#[derive(Debug, PartialEq)]
pub(crate) struct Judged {
    pub organization: String,
    pub subscription: Option<String>,
    pub transaction: String,
    pub code: String,
    pub timestamp: i64,
    pub properties: BTreeMap<String, (Kind, String)>,
    pub precise_cents: Option<Decimal>,
    pub evaluated: bool,
}

#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Judges a record.
pub(crate) fn judge(payload: &[u8], limits: &Limits) -> Vec<Result<Judged, Rejection>> {
    if payload.len() > limits.record_bytes_max {
        let (bytes, limit) = (payload.len(), limits.record_bytes_max);
        return vec![Err(Rejection::TooLarge { bytes, limit })];
    }
    let Ok(text) = std::str::from_utf8(payload) else { return vec![Err(Rejection::NotUtf8)] };
    let trouble = Cell::new(None);
    let seed = Seed { depth: 0, limits, trouble: &trouble };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read =
        seed.deserialize(&mut deserializer).and_then(|json| deserializer.end().map(|()| json));
    match read {
        Err(error) => {
            vec![Err(trouble.take().unwrap_or_else(|| Rejection::NotJson(error.to_string())))]
        }
        Ok(Json::List(items)) => items.into_iter().map(event).collect(),
        Ok(json) => vec![event(json)],
    }
}

#[derive(Clone, Copy)]
struct Seed<'s> {
    depth: usize,
    limits: &'s Limits,
    trouble: &'s Cell<Option<Rejection>>,
}

impl Seed<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= self.limits.depth_max {
            self.trouble.set(Some(Rejection::TooDeep(self.limits.depth_max)));
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
            if self.depth == 0 && items.len() > self.limits.events_per_record_max {
                let limit = self.limits.events_per_record_max;
                self.trouble.set(Some(Rejection::TooManyEvents(limit)));
                return Err(A::Error::custom("too many events"));
            }
        }
        Ok(Json::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let first = access.next_key::<String>();
        // Numbers of arbitrary precision are handed over as a map with this one key.
        if matches!(&first, Ok(Some(key)) if key == "$serde_json::private::Number") {
            return Ok(Json::Number(access.next_value()?));
        }
        let inner = self.inner()?;
        let mut members = Vec::new();
        let mut key = first?;
        while let Some(name) = key {
            members.push((name, access.next_value_seed(inner)?));
            key = access.next_key()?;
        }
        Ok(Json::Object(members))
    }
}

fn event(json: Json) -> Result<Judged, Rejection> {
    let Json::Object(members) = json else { return Err(Rejection::NotAnObject) };
    let members: BTreeMap<String, Json> = members.into_iter().collect();
    let get = |name: &str| members.get(name).unwrap_or(&Json::Null);
    let mandatory = |name| {
        identifier(name, get(name))?
            .filter(|text| text.chars().any(|c| !c.is_whitespace()))
            .ok_or(Rejection::Mandatory(name))
    };
    Ok(Judged {
        organization: mandatory("organization_id")?,
        transaction: mandatory("transaction_id")?,
        code: mandatory("code")?,
        subscription: identifier("external_subscription_id", get("external_subscription_id"))?,
        timestamp: match get("timestamp") {
            Json::Number(text) => seconds(text),
            Json::Text(text) => seconds(text).or_else(|| date(text)),
            _ => None,
        }
        .ok_or(Rejection::Invalid("timestamp"))?,
        precise_cents: match get("precise_total_amount_cents") {
            Json::Null => None,
            Json::Number(text) | Json::Text(text) => amount(text)?,
            _ => Some(Decimal::ZERO),
        },
        properties: match get("properties") {
            Json::Object(members) => properties(members)?,
            _ => BTreeMap::new(),
        },
        evaluated: matches!(get("source"), Json::Text(text) if text == "http_ruby"),
    })
}

fn identifier(field: &'static str, json: &Json) -> Result<Option<String>, Rejection> {
    let text = match json {
        Json::Null => return Ok(None),
        Json::List(_) | Json::Object(_) => return Err(Rejection::Invalid(field)),
        Json::Bool(value) => value.to_string(),
        Json::Number(text) => canonical(text).ok_or(Rejection::OutOfRange(field))?,
        Json::Text(text) if text.contains('\0') => return Err(Rejection::Invalid(field)),
        Json::Text(text) => text.clone(),
    };
    if text.len() > IDENTIFIER_BYTES_MAX {
        return Err(Rejection::OutOfRange(field));
    }
    Ok(Some(text))
}

fn amount(text: &str) -> Result<Option<Decimal>, Rejection> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(amount) = Decimal::parse_leading(text) {
        return Ok(Some(amount.round(15)));
    }
    // What begins like a number and is none has too many digits.
    let mut characters =
        text.chars().skip_while(|c| c.is_ascii_whitespace() || *c == '\u{b}').peekable();
    characters.next_if(|c| matches!(c, '+' | '-'));
    characters.next_if(|c| *c == '.');
    if characters.next().is_some_and(|c| c.is_ascii_digit()) {
        return Err(Rejection::OutOfRange("precise_total_amount_cents"));
    }
    Ok(Some(Decimal::ZERO))
}

fn properties(members: &[(String, Json)]) -> Result<BTreeMap<String, (Kind, String)>, Rejection> {
    let mut properties = BTreeMap::new();
    for (name, json) in members {
        let (kind, text) = match json {
            Json::Null => (Kind::Null, String::new()),
            Json::Bool(value) => (Kind::Bool, value.to_string()),
            Json::Number(_) => (Kind::Number, tree(json)?),
            Json::Text(text) if text.contains('\0') => {
                return Err(Rejection::Invalid("properties"));
            }
            Json::Text(text) => (Kind::Text, text.clone()),
            Json::List(_) | Json::Object(_) => (Kind::Tree, tree(json)?),
        };
        if name.contains('\0') {
            return Err(Rejection::Invalid("properties"));
        }
        properties.insert(name.clone(), (kind, text));
    }
    Ok(properties)
}

fn quoted(text: &str) -> Result<String, Rejection> {
    if text.contains('\0') {
        return Err(Rejection::Invalid("properties"));
    }
    // serde_json escapes what PostgreSQL escapes, in the same way.
    serde_json::to_string(text).map_err(|error| Rejection::Internal(error.to_string()))
}

fn tree(json: &Json) -> Result<String, Rejection> {
    Ok(match json {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(text) => canonical(text).ok_or(Rejection::OutOfRange("properties"))?,
        Json::Text(text) => quoted(text)?,
        Json::List(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(tree).collect();
            format!("[{}]", items?.join(", "))
        }
        Json::Object(members) => {
            let mut sorted = BTreeMap::new();
            for (name, json) in members {
                let member = format!("{}: {}", quoted(name)?, tree(json)?);
                sorted.insert((name.len(), name.as_bytes()), member);
            }
            format!("{{{}}}", sorted.into_values().collect::<Vec<_>>().join(", "))
        }
    })
}

/// Moves the point one digit at a time.
fn canonical(literal: &str) -> Option<String> {
    if literal.len() > super::number::LITERAL_BYTES_MAX {
        return None;
    }
    let literal = literal.to_lowercase();
    let (mantissa, exponent) = literal.split_once('e').unwrap_or((&literal, "0"));
    let exponent: i64 =
        exponent.parse().unwrap_or(if exponent.starts_with('-') { -1_000_000 } else { 1_000_000 });
    let unsigned = mantissa.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
    for _ in 0..exponent.unsigned_abs().min(2_000) {
        if exponent > 0 {
            whole.push(if fraction.is_empty() { '0' } else { fraction.remove(0) });
        } else {
            fraction.insert(0, whole.pop().unwrap_or('0'));
        }
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > 340 || fraction.len() > 340 {
        return None;
    }
    let zero = whole.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    let sign = if mantissa.starts_with('-') && !zero { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

fn seconds(text: &str) -> Option<i64> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace()).to_lowercase();
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let digit =
            |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        if *byte == b'_' && !(digit(at.checked_sub(1)) && digit(Some(at + 1))) {
            return None;
        }
    }
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.contains('_') => {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let far = if exponent.starts_with('-') { -5_000 } else { 5_000 };
            (mantissa, exponent.parse::<i32>().unwrap_or(far).clamp(-5_000, 5_000))
        }
        Some(_) => return None,
        None => (text.as_str(), 0),
    };
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let plain = unsigned.replace('_', "");
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let number: BigInt = format!("{sign}{digits}").parse().ok()?;
    let power = i64::from(exponent) + 6 - i64::try_from(fraction.len()).ok()?;
    let scale = BigInt::from(10).pow(u32::try_from(power.unsigned_abs()).ok()?);
    let micros = if power >= 0 { number * scale } else { number.div_floor(&scale) };
    i64::try_from(micros).ok()
}

fn date(text: &str) -> Option<i64> {
    let (head, tail) = text.split_at_checked(19)?;
    let shape: String = head
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c.to_ascii_uppercase() })
        .collect();
    if shape != "0000-00-00T00:00:00" || head.ends_with("60") {
        return None;
    }
    let digits = tail
        .strip_prefix('.')
        .map_or(0, |fraction| fraction.chars().take_while(char::is_ascii_digit).count());
    if tail.starts_with('.') && digits == 0 {
        return None;
    }
    let (fraction, zone) = tail.split_at(if digits > 0 { digits + 1 } else { 0 });
    let zone_shape: String =
        zone.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if !matches!(zone_shape.as_str(), "Z" | "z" | "+00:00" | "-00:00") {
        return None;
    }
    let out_of_day = zone.len() > 1 && (&zone[1..3] > "23" || &zone[4..6] > "59");
    if out_of_day || &head[11..13] > "23" {
        return None;
    }
    let fraction: String = fraction.chars().take(7).collect();
    let stamp: jiff::Timestamp = format!("{head}{fraction}{zone}").parse().ok()?;
    Some(stamp.as_microsecond())
}

/// What the fast decoder makes of a record, in the judge's form.
pub(crate) fn decoded(payload: Option<&[u8]>, limits: &Limits) -> Vec<Result<Judged, Rejection>> {
    let mut outcomes = Vec::new();
    Decoder::new().decode(payload, limits, &mut |index, outcome| {
        assert_eq!(index as usize, outcomes.len(), "indexes count from zero");
        outcomes.push(outcome.map(|event| owned(&event)));
    });
    outcomes
}

/// An outcome without the message of a rejection: messages differ between decoders, all else must
/// not.
pub(crate) fn without_message(outcome: Result<Judged, Rejection>) -> Result<Judged, Rejection> {
    outcome.map_err(|rejection| match rejection {
        Rejection::NotJson(_) => Rejection::NotJson(String::new()),
        other => other,
    })
}

fn owned(event: &Event<'_>) -> Judged {
    Judged {
        organization: event.organization.to_owned(),
        subscription: event.subscription.map(ToOwned::to_owned),
        transaction: event.transaction.to_owned(),
        code: event.code.to_owned(),
        timestamp: event.timestamp.micros(),
        properties: properties_of(event),
        precise_cents: event.precise_cents.clone(),
        evaluated: event.evaluated,
    }
}

fn properties_of(event: &Event<'_>) -> BTreeMap<String, (Kind, String)> {
    let read: Vec<_> = event.properties.iter().collect();
    let properties: BTreeMap<_, _> = read
        .iter()
        .map(|(key, property)| ((*key).to_owned(), (property.kind, property.text.to_owned())))
        .collect();
    assert_eq!(properties.len(), read.len(), "keys are unique");
    properties
}
