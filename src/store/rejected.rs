//! Records that were refused, with their bytes: capped in bytes, oldest out, counted.
//!
//! Layout, format 2: version u8 | when it was replayed, 8 bytes big endian, 0 while it was not |
//! the rest as in format 1.
//!
//! Layout, format 1: version u8 | source text | offset zigzag | index varint | reason text |
//! detail text | log time zigzag | bytes; texts and bytes with their lengths.

use rocksdb::WriteBatch;

use crate::core::instant::Instant;

use super::codec::{Damage, Input, put_bytes, put_varint, put_zigzag};
use super::error::StoreError;
use super::keys::{Family, Key, MetaKey};
use super::rocks::{Store, locked};

const FORMAT: u8 = 2;
const CURSORS_FORMAT: u8 = 1;
/// Bytes of format 2 that format 1 lacks. They are no part of what the cap counts, so that a mark
/// changes no size.
const MARK_BYTES: u64 = 8;
const WHAT: &str = "rejected record";
const CURSORS: &str = "rejected cursors";
/// Bytes one page of the list holds at most; one record is always given.
const PAGE_BYTES_MAX: u64 = 4 << 20;

/// A record, or one event of a record, that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where it was read: topic and partition as text.
    pub source: String,
    /// Offset of the record.
    pub offset: i64,
    /// Place of the event in its record.
    pub index: u32,
    /// Stable name of the reason.
    pub reason: String,
    /// The reason in full.
    pub detail: String,
    /// Log time of the partition there.
    pub log_time: Instant,
    /// The bytes as they were read.
    pub bytes: Vec<u8>,
    /// When its events were taken in after all.
    pub replayed: Option<Instant>,
}

/// How much is kept and what was let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RejectedState {
    /// Number of the oldest one kept.
    pub first: u64,
    /// Number the next one will have: how many there ever were.
    pub next: u64,
    /// Bytes kept.
    pub bytes: u64,
    /// How many were let go to keep the cap.
    pub dropped: u64,
}

/// A page of the list, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RejectedPage {
    /// Number and content.
    pub entries: Vec<(u64, Rejected)>,
    /// Where the next page begins; none if this is the last.
    pub next: Option<u64>,
    /// How much was kept when the page was read.
    pub state: RejectedState,
}

impl Rejected {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend(self.replayed.map_or(0, |at| at.0).to_be_bytes());
        put_bytes(&mut out, self.source.as_bytes());
        put_zigzag(&mut out, self.offset);
        put_varint(&mut out, u64::from(self.index));
        put_bytes(&mut out, self.reason.as_bytes());
        put_bytes(&mut out, self.detail.as_bytes());
        put_zigzag(&mut out, self.log_time.0);
        put_bytes(&mut out, &self.bytes);
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input(bytes);
        let replayed = match input.version(FORMAT, WHAT)? {
            1 => 0,
            _ => i64::from_be_bytes(input.array(WHAT)?),
        };
        let rejected = Self {
            source: input.text(WHAT)?.to_owned(),
            offset: input.zigzag(WHAT)?,
            index: input.varint32(WHAT)?,
            reason: input.text(WHAT)?.to_owned(),
            detail: input.text(WHAT)?.to_owned(),
            log_time: Instant(input.zigzag(WHAT)?),
            bytes: input.bytes(WHAT)?.to_vec(),
            replayed: (replayed != 0).then_some(Instant(replayed)),
        };
        input.end(WHAT)?;
        Ok(rejected)
    }
}

impl RejectedState {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = vec![CURSORS_FORMAT];
        for value in [self.first, self.next, self.bytes, self.dropped] {
            put_varint(&mut out, value);
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input(bytes);
        input.version(CURSORS_FORMAT, CURSORS)?;
        let state = Self {
            first: input.varint(CURSORS)?,
            next: input.varint(CURSORS)?,
            bytes: input.varint(CURSORS)?,
            dropped: input.varint(CURSORS)?,
        };
        input.end(CURSORS)?;
        Ok(state)
    }
}

impl Store {
    /// How much is kept and what was let go.
    pub fn rejected_state(&self) -> RejectedState {
        locked(&self.state).rejected
    }

    /// Refused records from a number on, at most so many.
    pub fn rejected(&self, from: u64, limit: usize) -> Result<RejectedPage, StoreError> {
        const OPERATION: &str = "listing refused records";
        let state = self.rejected_state();
        let mut page = RejectedPage { state, ..RejectedPage::default() };
        let mut bytes = 0;
        let mut walk = self.walk(Family::Rejected, &[])?;
        walk.seek(Key::Rejected { sequence: from.max(state.first) }.to_bytes());
        while let Some((key, value)) = walk.item() {
            let sequence = sequence(key).map_err(self.damaged(OPERATION))?;
            if sequence >= state.next {
                break;
            }
            bytes += value.len() as u64;
            let full = page.entries.len() >= limit || bytes > PAGE_BYTES_MAX;
            if full && !page.entries.is_empty() {
                page.next = Some(sequence);
                return Ok(page);
            }
            let entry = Rejected::from_bytes(value).map_err(self.damaged(OPERATION))?;
            page.entries.push((sequence, entry));
            walk.next();
        }
        walk.status().map_err(self.engine(OPERATION))?;
        Ok(page)
    }

    /// One refused record; none if it was let go, or never was.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn rejected_at(&self, sequence: u64) -> Result<Option<Rejected>, StoreError> {
        const OPERATION: &str = "reading a refused record";
        let Some(bytes) = self.get(Key::Rejected { sequence }, OPERATION)? else { return Ok(None) };
        Rejected::from_bytes(&bytes).map(Some).map_err(self.damaged(OPERATION))
    }

    /// Marks a record as replayed; one that was let go meanwhile stays gone.
    pub(super) fn put_replayed(
        &self,
        batch: &mut WriteBatch,
        sequence: u64,
        at: Instant,
    ) -> Result<(), StoreError> {
        let Some(mut entry) = self.rejected_at(sequence)? else { return Ok(()) };
        entry.replayed = Some(at);
        self.put(batch, Key::Rejected { sequence }, entry.to_bytes())
    }

    pub(super) fn load_rejected(&self) -> Result<RejectedState, StoreError> {
        const OPERATION: &str = "reading the rejected cursors";
        let Some(bytes) = self.get(Key::Meta(MetaKey::Rejected), OPERATION)? else {
            return Ok(RejectedState::default());
        };
        RejectedState::from_bytes(&bytes).map_err(self.damaged(OPERATION))
    }

    /// Adds records to a batch, and the removal of as many old ones as the cap wants.
    pub(super) fn put_rejected(
        &self,
        batch: &mut WriteBatch,
        before: RejectedState,
        entries: &[Rejected],
    ) -> Result<RejectedState, StoreError> {
        let mut state = before;
        let mut added = Vec::new();
        for entry in entries {
            let value = entry.to_bytes();
            self.put(batch, Key::Rejected { sequence: state.next }, &value)?;
            state.next += 1;
            state.bytes += weight(&value);
            added.push(weight(&value));
        }
        if state.bytes > self.rejected_bytes_max {
            self.drop_oldest(batch, before.next, &added, &mut state)?;
        }
        if state != before {
            self.put(batch, Key::Meta(MetaKey::Rejected), state.to_bytes())?;
        }
        Ok(state)
    }

    fn drop_oldest(
        &self,
        batch: &mut WriteBatch,
        stored_end: u64,
        added: &[u64],
        state: &mut RejectedState,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "dropping refused records";
        let mut walk = self.walk(Family::Rejected, &[])?;
        walk.seek(Key::Rejected { sequence: state.first }.to_bytes());
        let mut added = added.iter();
        while state.bytes > self.rejected_bytes_max && state.first < state.next {
            let sequence = state.first;
            let bytes = if sequence < stored_end {
                let bytes = walk.value().map(weight);
                walk.next();
                bytes
            } else {
                added.next().copied()
            };
            let missing = Damage::Unreadable(WHAT);
            let bytes = bytes.ok_or_else(|| self.damaged(OPERATION)(missing))?;
            self.delete(batch, Key::Rejected { sequence })?;
            state.first += 1;
            state.bytes = state.bytes.saturating_sub(bytes);
            state.dropped += 1;
        }
        Ok(())
    }
}

/// What a stored record counts against the cap.
fn weight(value: &[u8]) -> u64 {
    let mark = if value.first() == Some(&1) { 0 } else { MARK_BYTES };
    (value.len() as u64).saturating_sub(mark)
}

/// The number in a key that is nothing else.
pub(super) fn sequence(key: &[u8]) -> Result<u64, Damage> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| Damage::Unreadable("sequence key"))
}
