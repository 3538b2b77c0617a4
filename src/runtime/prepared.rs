//! What is made before the first thread is started: around an open store, all that is shared.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::{Receiver, bounded};
use tokio::sync::Notify;

use super::catalogue::Catalogue;
use super::checkpoint::Request;
use super::clock::Clock;
use super::compactor::Compacting;
use super::ends::Ends;
use super::fatal::Fatal;
use super::fault::Fault;
use super::ignored::Ignored;
use super::poison::Unfit;
use super::rows::Rows;
use super::shared::Shared;
use super::source::SourceNames;
use super::supervisor::worker_threads;
use super::trouble::Troubles;
use super::worker::{COMMANDS_WAITING_MAX, Command};
use crate::config::Settings;
use crate::core::aggregate::kept::Caps;
use crate::core::usage::ScanLimits;
use crate::engine::keys::KeyHasher;
use crate::serving::board::Board;
use crate::store::{CatalogProgress, Store};
use crate::telemetry::metrics::Metrics;

/// What is made before the first thread is started.
pub struct Prepared {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Commands to the workers, by worker.
    pub commands: Vec<Receiver<Command>>,
    /// Checkpoints that are asked for.
    pub requests: Receiver<Request>,
    /// Where the catalogue log is read on.
    pub catalog_progress: CatalogProgress,
}

impl Prepared {
    /// Around an open store.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn around(
        store: &Arc<Store>,
        settings: &Settings,
        clock: Clock,
        metrics: Arc<Metrics>,
        fault: Fault,
    ) -> Result<Self, Fatal> {
        let rows = Rows::new(Arc::clone(store));
        let (book, catalog_progress) = rows.load_book().map_err(Fatal::Catalogue)?;
        let aside = settings.events.unknown_organization_bytes_max;
        let catalogue = Arc::new(Catalogue::new(book, rows, aside));
        let workers = worker_threads(settings);
        let (senders, commands): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| bounded(COMMANDS_WAITING_MAX)).unzip();
        let slots = u16::from(store.slots());
        let (checkpoints, requests) = bounded(1);
        let shared = Arc::new(Shared {
            store: Arc::clone(store),
            catalogue,
            board: Board::new(slots),
            clock,
            metrics,
            hasher: KeyHasher::new(store.hash_secret()),
            slots,
            caps: Caps {
                groups_max: settings.limits.groups_soft_max,
                values_max: settings.limits.unique_values_soft_max,
            },
            scan_limits: ScanLimits {
                groups_max: settings.limits.groups_hard_max,
                unique_values_max: settings.limits.unique_values_hard_max,
            },
            checkpoints,
            rows_per_checkpoint: settings.checkpoint.events_max / workers as u64 + 1,
            ends: Ends::default(),
            unfit: Unfit::default(),
            sources: SourceNames::default(),
            commands: senders,
            ignored: Ignored::default(),
            compacting: Compacting::default(),
            asked: (0..slots).map(|_| AtomicBool::new(false)).collect(),
            pressed: (0..slots).map(|_| AtomicBool::new(false)).collect(),
            accounts_bytes_max: settings.memory.accounts_bytes_max,
            moved: Notify::new(),
            fault,
            troubles: Troubles::default(),
            stopping: AtomicBool::new(false),
        });
        shared.show_kept().map_err(Fatal::store("reading what was kept"))?;
        Ok(Self { shared, commands, requests, catalog_progress })
    }
}
