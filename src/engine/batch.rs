//! Decoded records on their way from a log to the slots that own them.

use super::dedup::IdKey;
use super::keys::{KeyHasher, SlotNumber, names_hash, slot_of};
use super::ledger::AccountKey;
use super::progress::Reached;
use crate::core::decimal::Decimal;
use crate::core::event::{Event, Rejection};
use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::core::properties::{PRODUCER_MARK, Properties};

/// A stretch of one of a batch's arenas.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    length: u32,
}

/// One event, its texts and bytes in the arenas.
#[derive(Clone, Debug)]
struct Packed {
    slot: SlotNumber,
    account: AccountKey,
    names: u64,
    id: Option<IdKey>,
    position: Position,
    timestamp: Instant,
    organization: Span,
    subscription: Option<Span>,
    transaction: Span,
    code: Span,
    properties: Span,
    precise_cents: Option<Decimal>,
    evaluated: bool,
    record: Option<Span>,
}

/// One event with the keys that its names hash to.
#[derive(Clone, Debug)]
pub struct Incoming<'a> {
    /// The account.
    pub account: AccountKey,
    /// [`names_hash`] of the account's names.
    pub names: u64,
    /// The transaction id; none for events without a subscription id, which never deduplicate.
    pub id: Option<IdKey>,
    /// Where the event stands in the logs.
    pub position: Position,
    /// The event.
    pub event: Event<'a>,
    /// The record as it came, if the event may yet have to be refused.
    pub record: Option<&'a [u8]>,
}

/// A record, or one element of it, that was not accepted.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The slot that accounts for it: a fixed one per partition, so that it is counted once.
    pub slot: SlotNumber,
    /// Where the record stands.
    pub position: Position,
    /// Why.
    pub rejection: Rejection,
    /// The record as it came.
    pub bytes: Vec<u8>,
}

impl Refused {
    /// An event of a tenant that is not known, for which there was no room.
    pub fn unknown_tenant(incoming: &Incoming<'_>) -> Self {
        Self {
            slot: 0,
            position: incoming.position,
            rejection: Rejection::UnknownOrganization,
            bytes: incoming.record.unwrap_or_default().to_vec(),
        }
    }
}

/// A place in a batch that is being filled.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    texts: usize,
    arena: usize,
    events: usize,
    refused: usize,
}

/// A batch of decoded records: bounded by whoever fills it.
#[derive(Debug, Default)]
pub struct Batch {
    /// Kept as text, so that none is checked again when it is read.
    texts: String,
    /// Properties and whole records.
    arena: Vec<u8>,
    events: Vec<Packed>,
    refused: Vec<Refused>,
    reached: Vec<Reached>,
    /// `starts[slot]..starts[slot + 1]` are the events of a slot, once the batch is sealed.
    starts: Vec<u32>,
}

impl Batch {
    /// Adds a decoded event. `record` is the record as it came, for an event of an unknown tenant:
    /// it may have to be refused yet.
    pub fn push(
        &mut self,
        event: &Event<'_>,
        position: Position,
        record: Option<&[u8]>,
        hasher: &KeyHasher,
        slots: u16,
    ) {
        let account = hasher.account(event.organization, event.subscription);
        let id =
            event.subscription.map(|_| hasher.id(account, event.organization, event.transaction));
        let names = names_hash(event.organization, event.subscription);
        let packed = Packed {
            slot: slot_of(names, slots),
            account,
            names,
            id,
            position,
            timestamp: event.timestamp,
            organization: self.keep_text(event.organization),
            subscription: event.subscription.map(|text| self.keep_text(text)),
            transaction: self.keep_text(event.transaction),
            code: self.keep_text(event.code),
            properties: self.keep_properties(event),
            precise_cents: event.precise_cents.clone(),
            evaluated: event.evaluated,
            record: record.map(|record| self.keep(record)),
        };
        self.events.push(packed);
    }

    /// Adds a record that was not accepted.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused.push(refused);
    }

    /// Where the next record begins.
    pub fn mark(&self) -> Mark {
        Mark {
            texts: self.texts.len(),
            arena: self.arena.len(),
            events: self.events.len(),
            refused: self.refused.len(),
        }
    }

    /// Takes back what was added since a place, however far that went.
    pub fn rewind(&mut self, to: Mark) {
        self.texts.truncate(to.texts);
        self.arena.truncate(to.arena);
        self.events.truncate(to.events);
        self.refused.truncate(to.refused);
    }

    /// Notes how far a partition has been read with this batch.
    pub fn reach(&mut self, reached: Reached) {
        match self.reached.iter_mut().find(|known| known.source == reached.source) {
            Some(known) => *known = reached,
            None => self.reached.push(reached),
        }
    }

    /// Number of events and refused records.
    pub fn len(&self) -> usize {
        self.events.len() + self.refused.len()
    }

    /// Whether the batch neither holds a record nor moves a partition.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.reached.is_empty()
    }

    /// Empties the batch; it keeps its memory for the next one.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.arena.clear();
        self.events.clear();
        self.refused.clear();
        self.reached.clear();
        self.starts.clear();
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.texts.len()
            + self.arena.len()
            + self.refused.iter().map(|refused| refused.bytes.len()).sum::<usize>()
    }

    /// Orders the events by slot and account; within an account they stay in the order they came.
    #[allow(clippy::cast_possible_truncation)] // as in `keep`
    pub fn seal(&mut self, slots: u16) {
        self.events.sort_by_key(|event| (event.slot, event.account));
        self.starts = (0..=slots)
            .map(|slot| self.events.partition_point(|event| u16::from(event.slot) < slot) as u32)
            .collect();
    }

    /// How far each partition has been read with this batch.
    pub fn reached(&self) -> &[Reached] {
        &self.reached
    }

    /// The events of one slot, account by account. Empty before the batch is sealed.
    pub fn events(&self, slot: SlotNumber) -> impl Iterator<Item = Incoming<'_>> + Clone {
        self.range(slot).iter().map(|packed| self.incoming(packed))
    }

    /// Ids of the events of one slot with their positions.
    pub fn ids(&self, slot: SlotNumber) -> impl Iterator<Item = (IdKey, Position)> + '_ {
        self.range(slot).iter().filter_map(|event| event.id.map(|id| (id, event.position)))
    }

    /// Number of events of one slot.
    pub fn events_len(&self, slot: SlotNumber) -> usize {
        self.range(slot).len()
    }

    /// The refused records that a slot accounts for.
    pub fn refused(&self, slot: SlotNumber) -> impl Iterator<Item = &Refused> {
        self.refused.iter().filter(move |refused| refused.slot == slot)
    }

    fn range(&self, slot: SlotNumber) -> &[Packed] {
        let slot = usize::from(slot);
        match (self.starts.get(slot), self.starts.get(slot + 1)) {
            (Some(&from), Some(&to)) => &self.events[from as usize..to as usize],
            _ => &[],
        }
    }

    fn incoming<'a>(&'a self, packed: &Packed) -> Incoming<'a> {
        Incoming {
            account: packed.account,
            names: packed.names,
            id: packed.id,
            position: packed.position,
            event: Event {
                organization: self.text(packed.organization),
                subscription: packed.subscription.map(|span| self.text(span)),
                transaction: self.text(packed.transaction),
                code: self.text(packed.code),
                timestamp: packed.timestamp,
                properties: Properties::from_bytes(self.bytes_of(packed.properties)),
                precise_cents: packed.precise_cents.clone(),
                evaluated: packed.evaluated,
            },
            record: packed.record.map(|span| self.bytes_of(span)),
        }
    }

    /// Callers bound a batch far below 4 GiB, so that offsets fit.
    #[allow(clippy::cast_possible_truncation)]
    fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(bytes);
        Span { start, length: bytes.len() as u32 }
    }

    /// The properties, marked if their producer has applied the metric's expression: the ledger
    /// keeps them so, and no expression is ever applied to them again (4.5).
    fn keep_properties(&mut self, event: &Event<'_>) -> Span {
        let mut span = self.keep(event.properties.as_bytes());
        if event.evaluated {
            span.length += self.keep(&PRODUCER_MARK).length;
        }
        span
    }

    /// As for [`Batch::keep`].
    #[allow(clippy::cast_possible_truncation)]
    fn keep_text(&mut self, text: &str) -> Span {
        let start = self.texts.len() as u32;
        self.texts.push_str(text);
        Span { start, length: text.len() as u32 }
    }

    fn bytes_of(&self, span: Span) -> &[u8] {
        &self.arena[span.start as usize..(span.start + span.length) as usize]
    }

    fn text(&self, span: Span) -> &str {
        &self.texts[span.start as usize..(span.start + span.length) as usize]
    }
}
