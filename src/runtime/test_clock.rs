//! The test mode: a clock that is set from outside, and records put into both logs.
//!
//! It exists for tests of the whole service and runs on the embedded logs only. Seeded records take
//! the way of all others: they are appended to the logs and come back from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::clock::{Clock, Stopwatch};
use super::shared::Shared;
use super::supervisor::Service;
use crate::core::instant::Instant;
use crate::engine::keys::numbers;
use crate::log::catalog::decode_record;
use crate::log::embedded::{EVENTS_TOPIC, EmbeddedLog};
use crate::store::StoreError;

/// Longest wait for seeded records to be applied; a service that works needs milliseconds.
const APPLIED_WAIT: Duration = Duration::from_secs(10);
/// Pause before another look, for what happens without a word.
const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// Why nothing was seeded, or not all of it is in force.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A catalogue record cannot be read. Nothing is appended.
    #[error("catalog record {index}: {detail}")]
    Catalog {
        /// Place of the record in what was sent.
        index: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records are in the logs, but have not been applied in time.
    #[error("the seeded records are not applied")]
    NotApplied,
}

/// What seeded records have led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// Next offset of the catalogue log.
    pub catalog_version: u64,
    /// Next offset of the log of events.
    pub events_end: u64,
}

/// Sets the clock and seeds the logs of a running service.
pub struct TestClock {
    shared: Arc<Shared>,
    micros: Arc<AtomicI64>,
    events: EmbeddedLog,
    catalog: EmbeddedLog,
    /// The newest stamp that a seeded record bears. The clock may go back, log time may not (10.4).
    stamped: AtomicI64,
}

impl TestClock {
    /// The test mode of a service that reads embedded logs and this clock; none for another one.
    pub fn of(service: &Service) -> Option<Self> {
        let Clock::Manual(micros) = &service.shared.clock else { return None };
        Some(Self {
            shared: Arc::clone(&service.shared),
            micros: Arc::clone(micros),
            events: service.events_log.clone()?,
            catalog: service.catalog_log.clone()?,
            stamped: AtomicI64::new(i64::MIN),
        })
    }

    /// Sets what "now" is; it may go back.
    pub fn set(&self, now: Instant) {
        self.micros.store(now.micros(), Ordering::SeqCst);
    }

    /// Appends catalogue records, then records of events, each in one durable write, and returns
    /// once they are in force. Events that cannot be read are appended all the same: they are
    /// rejected as any producer's would be.
    pub async fn seed(&self, catalog: &[&[u8]], events: &[&[u8]]) -> Result<Seeded, SeedError> {
        for (index, record) in catalog.iter().enumerate() {
            decode_record(record)
                .map_err(|error| SeedError::Catalog { index, detail: error.to_string() })?;
        }
        let now = self.micros.load(Ordering::SeqCst);
        let stamp = Instant(self.stamped.fetch_max(now, Ordering::SeqCst).max(now));
        if !catalog.is_empty() {
            self.catalog.append(catalog, stamp)?;
            let version = self.catalog.end();
            self.wait(|| self.shared.catalogue.version() >= version).await?;
        }
        if !events.is_empty() {
            self.events.append(events, stamp)?;
        }
        let seeded = Seeded { catalog_version: self.catalog.end(), events_end: self.events.end() };
        self.wait(|| self.has_applied(seeded.events_end)).await?;
        Ok(seeded)
    }

    fn has_applied(&self, end: u64) -> bool {
        let Ok(end) = i64::try_from(end) else { return false };
        let Some(source) = self.shared.sources.find(EVENTS_TOPIC, 0) else { return end == 0 };
        let mut slots = numbers(self.shared.slots);
        slots.all(|slot| self.shared.board.slot(slot).progress.next(source) >= end)
    }

    async fn wait(&self, is_applied: impl Fn() -> bool) -> Result<(), SeedError> {
        let watch = Stopwatch::start();
        while !is_applied() {
            if watch.elapsed() > APPLIED_WAIT || self.shared.is_stopping() {
                return Err(SeedError::NotApplied);
            }
            let _ = tokio::time::timeout(LOOK_PAUSE, self.shared.moved.notified()).await;
        }
        Ok(())
    }
}
