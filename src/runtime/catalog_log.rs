//! The catalogue log: applied record by record, read to its end before the first event.

use std::sync::Arc;
use std::time::Duration;

use super::ends::Stop;
use super::fatal::Fatal;
use super::shared::Shared;
use super::source::EventSource;
use super::worker::Command;
use crate::core::catalog::apply::{Applied, apply};
use crate::core::catalog::apply::{Touched, What};
use crate::core::catalog::book::Book;
use crate::core::catalog::directory::Directory;
use crate::core::instant::Instant;
use crate::log::catalog::decode_record;
use crate::store::CatalogProgress;
use crate::telemetry::events::{CatalogRecordIgnored, Emit, PartitionStopped};

/// Records taken at once.
const RECORDS_MAX: usize = 64;
/// Bytes taken at once.
const BYTES_MAX: usize = 16 << 20;
/// What is being done when a record cannot be applied.
const WRITING: &str = "writing the catalogue";
/// Pause before a failed write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Longest wait for a record; also how soon the reader notices that it has to stop.
const WAIT: Duration = Duration::from_millis(50);
/// What an operator does about a catalogue that stands still.
const STOPPED_HINT: &str = "use the brokers and the topic that this store was made with, and start \
                            again; the catalogue cannot be changed meanwhile";

/// The catalogue log cannot be read on: answers go on with the catalogue as it is.
pub fn stop_reading(shared: &Shared, topic: &str, stop: Stop) {
    PartitionStopped {
        topic,
        partition: 0,
        offset: stop.expected,
        available: stop.available,
        reason: stop.reason,
        detail: &stop.detail,
        hint: STOPPED_HINT,
    }
    .emit(&shared.metrics);
    shared.ends.stop_catalogue(stop);
}

/// Reads the catalogue log and keeps the catalogue up to it.
pub struct CatalogReader {
    shared: Arc<Shared>,
    topic: String,
    source: EventSource,
    progress: CatalogProgress,
}

impl CatalogReader {
    /// A reader that goes on where the store is; the source is positioned there.
    pub fn new(
        shared: Arc<Shared>,
        topic: String,
        source: EventSource,
        progress: CatalogProgress,
    ) -> Self {
        Self { shared, topic, source, progress }
    }

    /// Applies records until the next offset is at least `end`.
    pub fn read_to(&mut self, end: i64) -> Result<(), Fatal> {
        while self.progress.next_offset < end && self.goes_on() {
            self.step()?;
        }
        Ok(())
    }

    /// Applies records until the service stops.
    pub fn run(mut self) -> Result<(), Fatal> {
        while self.goes_on() {
            self.step()?;
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        !self.shared.is_stopping() && self.shared.ends.catalogue_stop().is_none()
    }

    /// Applies the records that are there, waiting a little if there are none.
    ///
    /// # Errors
    ///
    /// The log cannot be read on, or the store not written.
    pub fn step(&mut self) -> Result<(), Fatal> {
        let mut records = Vec::new();
        let drained = self.source.drain(RECORDS_MAX, BYTES_MAX, WAIT, &mut |message| {
            let payload = message.payload.map(<[u8]>::to_vec);
            records.push((message.offset, message.timestamp_ms, payload));
        });
        if let Some(gap) = drained.gap {
            return Err(Fatal::Log(gap));
        }
        if let Some(trouble) = drained.troubles.iter().find(|t| !t.kind.is_transient()) {
            let mut stop = Stop::unknown(self.progress.next_offset, trouble.to_string());
            stop.reason = trouble.kind.name();
            stop_reading(&self.shared, &self.topic, stop);
        }
        for (offset, timestamp, payload) in records {
            if let Some(millis) = timestamp {
                let at = Instant::from_millis(millis);
                self.progress.log_time = self.progress.log_time.max(at);
            }
            self.take(offset, payload.as_deref())?;
        }
        for (_, _, next) in drained.ends {
            self.progress.next_offset = self.progress.next_offset.max(next);
        }
        Ok(())
    }

    fn take(&mut self, offset: i64, payload: Option<&[u8]>) -> Result<(), Fatal> {
        let ignored = |reason, detail: &str| {
            CatalogRecordIgnored { offset, reason, detail }.emit(&self.shared.metrics);
            self.shared.ignored.note(offset);
        };
        self.progress.next_offset = offset + 1;
        let record = match payload.map(decode_record) {
            Some(Ok(record)) => record,
            Some(Err(error)) => {
                ignored("unreadable", &error.to_string());
                return Ok(());
            }
            None => {
                ignored("tombstone", "the record has no value");
                return Ok(());
            }
        };
        let catalogue = &self.shared.catalogue;
        let before = catalogue.book();
        let outcome = apply(&before, &catalogue.rows, record, offset, self.progress.log_time);
        let applied = outcome.result.unwrap_or_else(|stale| {
            ignored("stale", &stale.to_string());
            Applied::default()
        });
        self.progress.version = outcome.book.version();
        let (version, log_time) = (outcome.book.version(), self.progress.log_time);
        while let Err(error) = catalogue.rows.commit(&applied, version, log_time, self.progress) {
            // The record is read again after the next start.
            let Shared { troubles, store, .. } = &*self.shared;
            if self.shared.is_stopping() || !troubles.passes(&error, store) {
                return Err(Fatal::store(WRITING)(error));
            }
            self.shared.troubles.failed(WRITING, &error);
            std::thread::sleep(RETRY_PAUSE);
        }
        self.shared.troubles.works(WRITING);
        self.shared.metrics.catalog_version.set(outcome.book.version());
        self.show(&before, outcome.book, &applied.touched);
        Ok(())
    }

    /// Shows the new book and tells the owners of the accounts that it concerns. The rows are in
    /// the store by now, so whoever looks finds them.
    fn show(&self, before: &Book, after: Book, touched: &[Touched]) {
        let widely = touched.iter().any(|touched| match &touched.what {
            What::Organization => before.tenant(&touched.organization).is_some(),
            What::Metric { .. } | What::Plan(_) => true,
            What::Tax(_) | What::Customer(_) | What::Subscription(_) => false,
        });
        self.shared.catalogue.show(after, widely);
        for touched in touched {
            match &touched.what {
                What::Subscription(id) => self.refresh(&touched.organization, id),
                What::Customer(customer) => {
                    let rows = &self.shared.catalogue.rows;
                    for id in rows.subscriptions_of(&touched.organization, customer) {
                        self.refresh(&touched.organization, &id);
                    }
                }
                What::Organization if before.tenant(&touched.organization).is_none() => {
                    for worker in &self.shared.commands {
                        let tenant = touched.organization.clone();
                        // A worker that is gone is noticed by the checkpoint.
                        let _ = worker.send(Command::TenantAppeared(tenant));
                    }
                }
                What::Organization | What::Metric { .. } | What::Plan(_) | What::Tax(_) => {}
            }
        }
        self.shared.wake();
    }

    fn refresh(&self, organization: &str, subscription: &str) {
        let (slot, account) = self.shared.account(organization, Some(subscription));
        let _ = self.shared.owner(slot).send(Command::Refresh(account));
    }
}
