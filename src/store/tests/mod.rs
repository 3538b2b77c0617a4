//! The store against real folders. A crash is a copy of the folder taken while the store is open:
//! what a process killed at that moment would have left.

mod commit;
mod derived;
mod logs;
mod open;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// A store in a folder of its own.
struct Fixture {
    store: Store,
    folder: TempDir,
}

fn options() -> StoreOptions {
    StoreOptions { slots: 4, rejected_bytes_max: 1000, ..StoreOptions::default() }
}

fn open_at(path: &Path) -> Store {
    Store::open(path, &options()).unwrap()
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: open_at(folder.path()), folder }
    }

    /// The store as a process that was killed now would find it again.
    fn crashed(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(self.folder.path(), folder.path());
        Self { store: open_at(folder.path()), folder }
    }

    /// Closes the store and opens it again.
    fn reopened(self) -> Self {
        let Self { store, folder } = self;
        drop(store);
        Self { store: open_at(folder.path()), folder }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A commit of one block for one slot, that says nothing else.
fn step(slot: u8, sequence: u64, bytes: &[u8]) -> Commit {
    Commit {
        blocks: vec![SealedBlock { slot, sequence, bytes: bytes.to_vec() }],
        heads: vec![(slot, SlotHead { next_sequence: sequence + 1, ..SlotHead::default() })],
        ..Commit::default()
    }
}
