//! What must leave the process: written with the commit that caused it, read by a sender, removed
//! when it is acknowledged. At least once.
//!
//! Layout, format 1: version u8 | kind u8 | topic text | key: 0, or 1 and bytes | payload bytes |
//! number of headers varint, each: name text, bytes; texts and bytes with their lengths.

use rocksdb::WriteBatch;

use super::codec::{Damage, Input, put_bytes, put_varint};
use super::error::StoreError;
use super::keys::{Family, Key, MetaKey};
use super::rejected::sequence;
use super::rocks::{Store, locked};

const FORMAT: u8 = 1;
const WHAT: &str = "outbox entry";
const CURSORS: &str = "outbox cursors";

/// One message to the outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxEntry {
    /// What it is for; its numbers belong to the sender.
    pub kind: u8,
    /// Topic or address.
    pub topic: String,
    /// Key of the record.
    pub key: Option<Vec<u8>>,
    /// Content.
    pub payload: Vec<u8>,
    /// Headers by name.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Which entries wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxState {
    /// Number of the oldest that is not acknowledged.
    pub first: u64,
    /// Number the next one will have.
    pub next: u64,
}

impl OutboxEntry {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT, self.kind];
        put_bytes(&mut out, self.topic.as_bytes());
        out.push(u8::from(self.key.is_some()));
        if let Some(key) = &self.key {
            put_bytes(&mut out, key);
        }
        put_bytes(&mut out, &self.payload);
        put_varint(&mut out, self.headers.len() as u64);
        for (name, value) in &self.headers {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, value);
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input(bytes);
        input.version(FORMAT, WHAT)?;
        let kind = input.byte(WHAT)?;
        let topic = input.text(WHAT)?.to_owned();
        let key = match input.byte(WHAT)? {
            0 => None,
            1 => Some(input.bytes(WHAT)?.to_vec()),
            _ => return Err(Damage::Unreadable(WHAT)),
        };
        let payload = input.bytes(WHAT)?.to_vec();
        let mut headers = Vec::new();
        for _ in 0..input.count(WHAT)? {
            headers.push((input.text(WHAT)?.to_owned(), input.bytes(WHAT)?.to_vec()));
        }
        input.end(WHAT)?;
        Ok(Self { kind, topic, key, payload, headers })
    }
}

impl Store {
    /// Which entries wait.
    pub fn outbox_state(&self) -> OutboxState {
        locked(&self.state).outbox
    }

    /// Waiting entries from a number on, with their numbers: at most so many and so many bytes, but
    /// one if there is one.
    pub fn outbox(
        &self,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<(u64, OutboxEntry)>, StoreError> {
        const OPERATION: &str = "reading the outbox";
        let state = self.outbox_state();
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut walk = self.walk(Family::Outbox, &[])?;
        walk.seek(Key::Outbox { sequence: from.max(state.first) }.to_bytes());
        while let Some((key, value)) = walk.item() {
            let sequence = sequence(key).map_err(self.damaged(OPERATION))?;
            bytes += value.len();
            let full = entries.len() >= limit || bytes > bytes_max;
            if sequence >= state.next || (full && !entries.is_empty()) {
                return Ok(entries);
            }
            let entry = OutboxEntry::from_bytes(value).map_err(self.damaged(OPERATION))?;
            entries.push((sequence, entry));
            walk.next();
        }
        walk.status().map_err(self.engine(OPERATION))?;
        Ok(entries)
    }

    /// Removes the entries before a number.
    ///
    /// Not synced: what a crash takes back is sent once more.
    pub fn acknowledge(&self, upto: u64) -> Result<(), StoreError> {
        let mut state = locked(&self.state);
        let outbox = OutboxState {
            first: upto.clamp(state.outbox.first, state.outbox.next),
            ..state.outbox
        };
        let mut batch = WriteBatch::default();
        for sequence in state.outbox.first..outbox.first {
            self.delete(&mut batch, Key::Outbox { sequence })?;
        }
        self.put_outbox_state(&mut batch, outbox)?;
        self.write(batch, "acknowledging outbox entries", false)?;
        state.outbox = outbox;
        Ok(())
    }

    pub(super) fn load_outbox(&self) -> Result<OutboxState, StoreError> {
        const OPERATION: &str = "reading the outbox cursors";
        let Some(bytes) = self.get(Key::Meta(MetaKey::Outbox), OPERATION)? else {
            return Ok(OutboxState::default());
        };
        let read = || {
            let mut input = Input(&bytes);
            input.version(FORMAT, CURSORS)?;
            let (first, next) = (input.varint(CURSORS)?, input.varint(CURSORS)?);
            input.end(CURSORS)?;
            if first > next {
                return Err(Damage::Unreadable(CURSORS));
            }
            Ok(OutboxState { first, next })
        };
        read().map_err(self.damaged(OPERATION))
    }

    /// Adds entries to a batch.
    pub(super) fn put_outbox(
        &self,
        batch: &mut WriteBatch,
        before: OutboxState,
        entries: &[OutboxEntry],
    ) -> Result<OutboxState, StoreError> {
        let mut state = before;
        for entry in entries {
            self.put(batch, Key::Outbox { sequence: state.next }, entry.to_bytes())?;
            state.next += 1;
        }
        if state != before {
            self.put_outbox_state(batch, state)?;
        }
        Ok(state)
    }

    fn put_outbox_state(
        &self,
        batch: &mut WriteBatch,
        state: OutboxState,
    ) -> Result<(), StoreError> {
        let mut value = vec![FORMAT];
        put_varint(&mut value, state.first);
        put_varint(&mut value, state.next);
        self.put(batch, Key::Meta(MetaKey::Outbox), value)
    }
}
