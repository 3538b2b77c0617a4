//! The embedded log: append-only, durable, offsets that are never given twice.
//!
//! One value holds the records that were appended in one go. Layout, format 1: version u8 |
//! timestamp zigzag | number of records varint | each: length varint, bytes.

use std::sync::Mutex;

use rocksdb::WriteBatch;

use crate::core::instant::Instant;

use super::codec::{Damage, Input, put_bytes, put_varint, put_zigzag};
use super::error::StoreError;
use super::keys::{Family, Key, LogName, MetaKey};
use super::rocks::{Store, locked};

const FORMAT: u8 = 1;
const WHAT: &str = "log group";
const READING: &str = "reading the embedded log";

/// Which offsets a log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// The first offset that can be read.
    pub start: u64,
    /// The offset the next record will have.
    pub end: u64,
}

/// One record of an embedded log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Its place, from 0.
    pub offset: u64,
    /// When it was appended, as the caller said.
    pub timestamp: Instant,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Records that were appended together, while they are read.
struct Group<'a> {
    timestamp: Instant,
    first: u64,
    count: u64,
    records: Input<'a>,
}

impl<'a> Group<'a> {
    fn read(key: &[u8], value: &'a [u8]) -> Result<Self, Damage> {
        let mut key = Input(key);
        key.byte(WHAT)?;
        let first = u64::from_be_bytes(key.array(WHAT)?);
        let mut records = Input(value);
        records.version(FORMAT, WHAT)?;
        let timestamp = Instant(records.zigzag(WHAT)?);
        let count = records.varint(WHAT)?;
        if first.checked_add(count).is_none() {
            return Err(Damage::Unreadable(WHAT));
        }
        Ok(Self { timestamp, first, count, records })
    }

    fn end(&self) -> u64 {
        self.first + self.count
    }
}

impl Store {
    /// Which offsets a log has.
    pub fn log_state(&self, log: LogName) -> LogState {
        *locked(&self.logs[log as usize])
    }

    /// Appends records and returns the offset of the first one, once they are on disk.
    ///
    /// After an error they may or may not be there; the offsets are given again to the next ones.
    pub fn log_append(
        &self,
        log: LogName,
        records: &[&[u8]],
        timestamp: Instant,
    ) -> Result<u64, StoreError> {
        let mut state = locked(&self.logs[log as usize]);
        let first = state.end;
        if records.is_empty() {
            return Ok(first);
        }
        let mut value = vec![FORMAT];
        put_zigzag(&mut value, timestamp.0);
        put_varint(&mut value, records.len() as u64);
        for record in records {
            put_bytes(&mut value, record);
        }
        let mut batch = WriteBatch::default();
        self.put(&mut batch, Key::Log { log, offset: first }, value)?;
        self.write_synced(batch, "appending to the embedded log")?;
        state.end += records.len() as u64;
        Ok(first)
    }

    /// Records from an offset on: at most so many and so many bytes, but one if there is one.
    /// None at the end; an offset that was trimmed is an error.
    pub fn log_read(
        &self,
        log: LogName,
        from: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<LogRecord>, StoreError> {
        let state = self.log_state(log);
        let mut records = Vec::new();
        if from >= state.end {
            return Ok(records);
        }
        let trimmed = StoreError::Trimmed { offset: from, start: state.start };
        if from < state.start {
            return Err(trimmed);
        }
        let mut walk = self.walk(Family::Log, &[log as u8])?;
        walk.seek_for_prev(Key::Log { log, offset: from }.to_bytes());
        let (mut next, mut bytes) = (from, 0);
        while let Some((key, value)) = walk.item() {
            let group = Group::read(key, value).map_err(self.damaged(READING))?;
            if group.first >= state.end {
                break;
            }
            if next < group.first || next >= group.end() {
                let hole = Damage::Unreadable("log offset");
                return Err(self.damaged(READING)(hole));
            }
            let mut input = group.records;
            for offset in group.first..group.end() {
                let record = input.bytes(WHAT).map_err(self.damaged(READING))?;
                if offset < next {
                    continue;
                }
                bytes += record.len();
                let full = records.len() >= records_max || bytes > bytes_max;
                if full && !records.is_empty() {
                    return Ok(records);
                }
                let timestamp = group.timestamp;
                records.push(LogRecord { offset, timestamp, bytes: record.to_vec() });
                next += 1;
            }
            walk.next();
        }
        walk.status().map_err(self.engine(READING))?;
        // The state was read first: a trim that came between has taken the group away.
        if records.is_empty() { Err(trimmed) } else { Ok(records) }
    }

    /// Drops the records before an offset. Within a checkpoint use [`super::Commit::trims`].
    pub fn log_trim(&self, log: LogName, upto: u64) -> Result<(), StoreError> {
        let _state = locked(&self.state);
        let mut batch = WriteBatch::default();
        let start = self.put_trim(&mut batch, log, upto)?;
        self.write_synced(batch, "trimming the embedded log")?;
        self.trimmed(log, start);
        Ok(())
    }

    /// Adds a trim to a batch and returns the new start. Groups leave when all their records do.
    /// The caller holds the state, so that trims are one after the other; appends go on.
    pub(super) fn put_trim(
        &self,
        batch: &mut WriteBatch,
        log: LogName,
        upto: u64,
    ) -> Result<u64, StoreError> {
        let state = self.log_state(log);
        let start = upto.clamp(state.start, state.end);
        let mut walk = self.walk(Family::Log, &[log as u8])?;
        walk.seek_for_prev(Key::Log { log, offset: state.start }.to_bytes());
        if !walk.valid() {
            walk.seek_to_first();
        }
        while let Some((key, value)) = walk.item() {
            let group = Group::read(key, value).map_err(self.damaged(READING))?;
            if group.end() > start {
                break;
            }
            self.delete(batch, Key::Log { log, offset: group.first })?;
            walk.next();
        }
        walk.status().map_err(self.engine(READING))?;
        self.put_cursor(batch, MetaKey::LogStart(log), start)?;
        Ok(start)
    }

    /// Makes a written trim visible.
    pub(super) fn trimmed(&self, log: LogName, start: u64) {
        let mut state = locked(&self.logs[log as usize]);
        state.start = state.start.max(start);
    }

    pub(super) fn load_logs(&self) -> Result<[Mutex<LogState>; 2], StoreError> {
        let [events, catalog] = LogName::ALL;
        Ok([Mutex::new(self.load_log(events)?), Mutex::new(self.load_log(catalog)?)])
    }

    fn load_log(&self, log: LogName) -> Result<LogState, StoreError> {
        let start = self.cursor(MetaKey::LogStart(log))?;
        let mut walk = self.walk(Family::Log, &[log as u8])?;
        walk.seek_to_last();
        let end = match walk.item() {
            Some((key, value)) => Group::read(key, value).map_err(self.damaged(READING))?.end(),
            None => start,
        };
        walk.status().map_err(self.engine(READING))?;
        Ok(LogState { start, end: end.max(start) })
    }
}
