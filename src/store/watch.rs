//! Who looks on while the store writes: a test that cuts the power between two steps.

use std::sync::Arc;

use super::rocks::Store;

/// A step that changes what is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskStep {
    /// A batch is appended to the write-ahead log.
    Write {
        /// What is written.
        operation: &'static str,
        /// Whether it is on disk when the step is over. If not, a crash may take it back.
        synced: bool,
    },
    /// A sorted file, which is complete and on disk, is brought in.
    BringIn {
        /// What is brought in.
        operation: &'static str,
    },
}

/// Looks on, on the thread that writes. It may end that thread, as a crash would.
pub trait Watch: Send + Sync {
    /// The step is about to be taken.
    fn before(&self, step: DiskStep);
    /// The step is done, and nobody has been told.
    fn after(&self, step: DiskStep);
}

impl Store {
    /// The store with somebody who looks on. Nobody does in a service.
    #[must_use]
    pub fn watched_by(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Takes a step under the eyes of whoever looks on.
    pub(super) fn step<R>(&self, step: DiskStep, take: impl FnOnce() -> R) -> R {
        let Some(watch) = &self.watch else { return take() };
        watch.before(step);
        let taken = take();
        watch.after(step);
        taken
    }
}
