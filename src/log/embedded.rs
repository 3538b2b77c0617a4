//! The embedded log: a durable append-only log inside the store, for running without a broker.
//!
//! One partition, offsets from 0, the same meaning of offsets and times as Kafka's. It makes one
//! binary enough to try and to test; it is not a broker.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::core::instant::Instant;
use crate::store::{LogName, LogRecord, Store, StoreError};

/// Name under which the embedded log of events stands where a topic's name is asked for.
pub const EVENTS_TOPIC: &str = "odometer_events";
/// Name under which the embedded catalogue log stands.
pub const CATALOG_TOPIC: &str = "odometer_catalog";

/// A reader is behind what the log still has.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The wanted record was trimmed.
    #[error("the embedded log begins at offset {start}, but {wanted} is to be read")]
    Trimmed {
        /// The wanted offset.
        wanted: u64,
        /// What there is.
        start: u64,
    },
}

/// One of the store's logs. Clones share the wake-up of readers.
#[derive(Clone)]
pub struct EmbeddedLog {
    store: Arc<Store>,
    name: LogName,
    appended: Arc<(Mutex<u64>, Condvar)>,
}

impl EmbeddedLog {
    /// The log with this name.
    pub fn new(store: Arc<Store>, name: LogName) -> Self {
        let end = store.log_state(name).end;
        Self { store, name, appended: Arc::new((Mutex::new(end), Condvar::new())) }
    }

    /// Appends records in one durable write and returns the offset of the first.
    pub fn append(&self, records: &[&[u8]], timestamp: Instant) -> Result<u64, StoreError> {
        let first = self.store.log_append(self.name, records, timestamp)?;
        let (end, changed) = &*self.appended;
        let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
        *end = (*end).max(first + records.len() as u64);
        changed.notify_all();
        Ok(first)
    }

    /// The offset that the next record will have.
    pub fn end(&self) -> u64 {
        self.store.log_state(self.name).end
    }

    /// Records from an offset on; waits up to `timeout` for the first one.
    pub fn read(
        &self,
        from: u64,
        records_max: usize,
        bytes_max: usize,
        timeout: Duration,
    ) -> Result<Vec<LogRecord>, ReadError> {
        let state = self.store.log_state(self.name);
        if from < state.start {
            return Err(ReadError::Trimmed { wanted: from, start: state.start });
        }
        let (end, changed) = &*self.appended;
        let end = end.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(end, timeout, |end| *end <= from);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Ok(self.store.log_read(self.name, from, records_max, bytes_max)?)
    }
}
