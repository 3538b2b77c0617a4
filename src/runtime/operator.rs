//! What operators ask of a running service: gaps and refused records.

use std::sync::{Arc, Mutex, TryLockError};

use super::backup::{self, BackupError, Depot, Made};
use super::clock::Stopwatch;
use super::ends::Stop;
use super::gaps::{self, Accept, Refusal};
use super::replay::{self, ReplayError, Replayed, Selection};
use super::shared::Shared;
use super::supervisor::Service;
use crate::config::{Backup, Settings};
use crate::log::decode::Limits;
pub use crate::store::{Gap, Rejected, RejectedPage, StoreError};

/// The operator's hand on a running service. Everything blocks.
pub struct Operator {
    shared: Arc<Shared>,
    properties: Vec<(String, String)>,
    limits: Limits,
    backup: Backup,
    /// Held while a backup is made: the store is frozen for one at a time.
    backing_up: Mutex<()>,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum NoBackup {
    /// The settings name no place for it.
    #[error("there is no place for backups\n  hint: set backup.to")]
    Nowhere,
    /// Another one is being made.
    #[error("a backup is being made\n  hint: wait for it; the next one sends what is new since")]
    UnderWay,
    /// It has failed.
    #[error(transparent)]
    Failed(#[from] BackupError),
}

/// A partition that stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// `topic-partition`.
    pub partition: String,
    /// Why.
    pub stop: Stop,
}

/// Gaps that are there, and those that were accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Partitions that stand still.
    pub stopped: Vec<Stopped>,
    /// Accepted gaps, oldest first.
    pub accepted: Vec<Gap>,
}

impl Operator {
    /// Over a running service with these settings.
    pub fn of(service: &Service, settings: &Settings) -> Self {
        Self {
            shared: Arc::clone(&service.shared),
            properties: settings.kafka_properties(),
            limits: limits(settings),
            backup: settings.backup.clone(),
            backing_up: Mutex::new(()),
        }
    }

    /// Makes a backup where the settings say, while everything goes on: it has all that was durable
    /// at one moment after this was asked for.
    ///
    /// # Errors
    ///
    /// See [`NoBackup`].
    pub fn back_up(&self) -> Result<Made, NoBackup> {
        let place = self.backup.to.as_deref().ok_or(NoBackup::Nowhere)?;
        let _turn = match self.backing_up.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(NoBackup::UnderWay),
            // Whoever panicked has left a frozen copy behind, which the next one clears.
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Ok(turn) => turn,
        };
        let watch = Stopwatch::start();
        let depot = Depot::at(place, &self.backup)?;
        let Shared { store, clock, .. } = &*self.shared;
        let made = backup::backup(store, &depot, clock.now(), &|| self.shared.is_stopping())?;
        let Made { name, files, bytes, sent_files, sent_bytes } = &made;
        let took = watch.elapsed();
        tracing::info!(place, name, files, bytes, sent_files, sent_bytes, ?took, "backup made");
        Ok(made)
    }

    /// Whether all slots are back from the store, or never will be: the service ends.
    pub fn is_recovered(&self) -> bool {
        self.shared.is_stopping() || self.shared.all_back()
    }

    /// Partitions that stand still, and gaps that were accepted.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn gaps(&self) -> Result<Gaps, StoreError> {
        let stopped = self.shared.ends.stopped().into_iter().map(|(source, stop)| {
            let partition = self.shared.sources.name(source);
            Stopped { partition, stop }
        });
        Ok(Gaps { stopped: stopped.collect(), accepted: self.shared.store.gaps()? })
    }

    /// Accepts a gap.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub fn accept(&self, asked: &Accept) -> Result<Gap, Refusal> {
        gaps::accept(&self.shared, &self.properties, asked)
    }

    /// Refused records from a number on.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn rejected(&self, from: u64, limit: usize) -> Result<RejectedPage, StoreError> {
        self.shared.store.rejected(from, limit)
    }

    /// One refused record.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn rejected_at(&self, number: u64) -> Result<Option<Rejected>, StoreError> {
        self.shared.store.rejected_at(number)
    }

    /// Takes refused records in after all.
    ///
    /// # Errors
    ///
    /// See [`ReplayError`].
    pub fn replay(&self, selection: &Selection) -> Result<Replayed, ReplayError> {
        replay::replay(&self.shared, self.limits, selection)
    }
}

/// What a record may be, by the settings.
pub fn limits(settings: &Settings) -> Limits {
    let events = &settings.events;
    Limits {
        record_bytes_max: events.record_bytes_max,
        depth_max: events.depth_max,
        events_per_record_max: events.events_per_record_max,
    }
}
