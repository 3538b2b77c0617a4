//! Rebuilds that wait for a scanner: those that a reader waits for come first.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select_biased};

use super::scan::{Cut, Rebuild};

/// Rebuilds that may wait for a reader. More would only make each older; readers ask again.
const ASKED_MAX: usize = 64;
/// Rebuilds that may wait without a reader: enough to keep a scanner busy.
const SWEPT_MAX: usize = 2;

/// Accounts of one slot to rebuild, and the ledger to do it from.
pub type Job = (Cut, Vec<Rebuild>);

/// Where rebuilds are handed in.
#[derive(Clone)]
pub struct Rebuilds {
    asked: Sender<Job>,
    swept: Sender<Job>,
}

/// Where scanners take them from.
#[derive(Clone)]
pub struct RebuildJobs {
    asked: Receiver<Job>,
    swept: Receiver<Job>,
}

/// The two ends.
pub fn queues() -> (Rebuilds, RebuildJobs) {
    let (asked, asked_jobs) = bounded(ASKED_MAX);
    let (swept, swept_jobs) = bounded(SWEPT_MAX);
    (Rebuilds { asked, swept }, RebuildJobs { asked: asked_jobs, swept: swept_jobs })
}

impl Rebuilds {
    /// Hands in what a reader waits for. Gives it back if too much waits already.
    pub fn ask(&self, job: Job) -> Result<(), Job> {
        self.asked.try_send(job).map_err(TrySendError::into_inner)
    }

    /// Hands in what nobody waits for yet. Gives it back if too much waits already.
    pub fn sweep(&self, job: Job) -> Result<(), Job> {
        self.swept.try_send(job).map_err(TrySendError::into_inner)
    }
}

impl RebuildJobs {
    /// The next job; none once nobody hands in any more.
    pub fn next(&self) -> Option<Job> {
        select_biased! {
            recv(self.asked) -> job => job.ok(),
            recv(self.swept) -> job => job.ok(),
        }
    }

    /// The next job, if one waits.
    pub fn waiting(&self) -> Option<Job> {
        self.asked.try_recv().or_else(|_| self.swept.try_recv()).ok()
    }
}
