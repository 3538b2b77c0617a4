//! Threads that report why they ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::fatal::Fatal;
use super::shared::Shared;

/// Starts threads, and reports the first that fails.
#[derive(Clone)]
pub struct Crew {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Set to the reason of the first that fails.
    pub fatal: watch::Sender<Option<String>>,
}

impl Crew {
    /// Starts a thread that runs `body`.
    pub fn start(
        &self,
        name: String,
        body: impl FnOnce() -> Result<(), Fatal> + Send + 'static,
    ) -> Result<JoinHandle<()>, Fatal> {
        let crew = self.clone();
        let thread = name.clone();
        let run = move || {
            let reason = match catch_unwind(AssertUnwindSafe(body)) {
                Ok(Ok(())) => return,
                Ok(Err(fatal)) => fatal.to_string(),
                Err(_) => Fatal::Thread(thread).to_string(),
            };
            crew.shared.stopping.store(true, Ordering::Release);
            crew.fatal.send_if_modified(|known| {
                let first = known.is_none();
                known.get_or_insert(reason);
                first
            });
            crew.shared.wake();
        };
        let started = std::thread::Builder::new().name(name.clone()).spawn(run);
        started.map_err(|_| Fatal::Thread(name))
    }
}
