//! The disk: the folder of a store, and when its power is cut.
//!
//! The store tells of every step that changes what is on disk. At any of them the power may be cut:
//! before it, after it, or in the middle, and then the write-ahead log keeps all of what was
//! written since the last sync, nothing of it, or some of its bytes.

use std::fs::{self, OpenOptions};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use odometer::store::{DiskStep, Watch};

use crate::fired::{Fired, KINDS};

/// What unwinds when the power is cut.
pub struct PowerCut;

/// At which end of a step the power is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing of it has happened.
    Before,
    /// It was written and not synced: the disk has forgotten it, and what lay unsynced before it.
    Lost,
    /// The disk has some of its bytes.
    Torn,
    /// All of it is on disk, and nobody was told.
    After,
}

/// A file of the write-ahead log and a length of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    number: u64,
    bytes: u64,
}

#[derive(Default)]
struct State {
    /// After so many steps the power is cut, at this end, and a number that decides where a write
    /// is torn.
    armed: Option<(usize, End, u64)>,
    before: Mark,
    /// What a crash cannot take back.
    synced: Mark,
    /// What is left of the log's last file.
    left: Option<Mark>,
    fired: Fired,
}

/// One disk.
pub struct Disk {
    folder: PathBuf,
    state: Mutex<State>,
}

impl Disk {
    /// A disk with this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, state: Mutex::default() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store was opened: all that it found is on disk.
    pub fn opened(&self) {
        let mark = newest(&self.folder);
        let mut state = self.state();
        *state = State { synced: mark, fired: state.fired.clone(), ..State::default() };
    }

    /// Has the power cut at a step from now on.
    pub fn arm(&self, steps: usize, end: End, torn: u64) {
        self.state().armed = Some((steps, end, torn));
    }

    /// Whether a cut is waiting for its step.
    pub fn is_armed(&self) -> bool {
        self.state().armed.is_some()
    }

    /// Cuts the power between two steps. If it is the process alone that ends, the system still
    /// writes out what it was given.
    pub fn cut_now(&self, process_alone: bool) -> ! {
        let mut state = self.state();
        state.fired.note("a crash between two steps");
        let now = newest(&self.folder);
        let unsynced = now.number == state.synced.number && now.bytes > state.synced.bytes;
        if unsynced && !process_alone {
            state.left = Some(state.synced);
            state.fired.note("an unsynced write that is lost");
        }
        drop(state);
        resume_unwind(Box::new(PowerCut))
    }

    /// Makes the log what the cut has left of it. The store is closed.
    pub fn settle(&self) {
        if let Some(left) = self.state().left.take() {
            let path = self.folder.join(format!("{:06}.log", left.number));
            let file = OpenOptions::new().write(true).open(path).unwrap();
            assert!(file.metadata().unwrap().len() >= left.bytes, "the log has shrunk");
            file.set_len(left.bytes).unwrap();
        }
    }

    /// What has come about since the last time.
    pub fn take_fired(&self) -> Fired {
        std::mem::take(&mut self.state().fired)
    }
}

/// The last file of the write-ahead log.
fn newest(folder: &Path) -> Mark {
    let files = fs::read_dir(folder).unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let is_log = path.extension().is_some_and(|end| end == "log");
        let number = path.file_stem()?.to_str()?.parse().ok().filter(|_| is_log)?;
        Some(Mark { number, bytes: path.metadata().ok()?.len() })
    });
    files.max_by_key(|mark| mark.number).unwrap_or_default()
}

/// The kind of a crash in this operation.
fn named(operation: &str) -> Option<&'static str> {
    KINDS.into_iter().find(|kind| kind.strip_prefix("a crash in ") == Some(operation))
}

impl State {
    /// Whether the power is cut in the step that is being taken.
    fn is_due(&self) -> bool {
        matches!(self.armed, Some((0, ..)))
    }

    fn note(&mut self, step: DiskStep, kind: &'static str) {
        self.fired.note(kind);
        let (DiskStep::Write { operation, .. } | DiskStep::BringIn { operation }) = step;
        if let Some(own) = named(operation) {
            self.fired.note(own);
        }
        if matches!(step, DiskStep::BringIn { .. }) {
            self.fired.note("a crash around a sorted file");
        }
    }

    /// What the cut leaves of a write that has just been appended.
    fn tear(&mut self, step: DiskStep, now: Mark, end: End, torn: u64) {
        let Self { before, synced, .. } = *self;
        let DiskStep::Write { synced: is_synced, .. } = step else {
            return self.note(step, "a crash after a write");
        };
        let appended = now.number == before.number && now.bytes > before.bytes + 1;
        match end {
            End::Torn if appended => {
                let bytes = before.bytes + 1 + torn % (now.bytes - before.bytes - 1);
                self.left = Some(Mark { bytes, ..now });
                self.note(step, "a write that is torn");
            }
            End::Lost if appended => {
                let bytes = if synced.number == now.number { synced.bytes } else { 0 };
                self.left = Some(Mark { bytes, ..now });
                let lost = "a synced write that is lost before its sync";
                self.note(step, if is_synced { lost } else { "an unsynced write that is lost" });
            }
            _ => self.note(step, "a crash after a write"),
        }
    }
}

impl Watch for Disk {
    fn before(&self, step: DiskStep) {
        let mut state = self.state();
        state.before = newest(&self.folder);
        if let Some((0, End::Before, _)) = state.armed {
            state.note(step, "a crash before a write");
            drop(state);
            resume_unwind(Box::new(PowerCut));
        }
    }

    fn after(&self, step: DiskStep) {
        let mut state = self.state();
        let now = newest(&self.folder);
        if state.is_due()
            && let Some((_, end, torn)) = state.armed
        {
            state.tear(step, now, end, torn);
            drop(state);
            resume_unwind(Box::new(PowerCut));
        }
        if let DiskStep::Write { synced: true, .. } = step {
            state.synced = now;
        }
        if let Some((steps, ..)) = &mut state.armed {
            *steps -= 1;
        }
    }
}
