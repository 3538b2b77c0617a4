//! The store against real folders. A crash is a copy of the folder taken while the store is open:
//! what a process killed at that moment would have left.

mod commit;
mod damage;
mod derived;
mod history;
mod logs;
mod open;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
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

/// Copies a folder as it was at one moment, as far as files go: the engine removes old files in the
/// background, and a copy across such a change is taken again. A file may grow meanwhile.
fn copy_folder(from: &Path, to: &Path) {
    for _ in 0..COPIES_MAX {
        let before = names(from);
        if before.iter().all(|name| copy_entry(&from.join(name), &to.join(name)))
            && names(from) == before
        {
            return;
        }
        fs::remove_dir_all(to).unwrap();
        fs::create_dir(to).unwrap();
    }
    panic!("{} never stood still", from.display());
}

/// Copies taken before a folder that keeps changing counts as a failure.
const COPIES_MAX: usize = 1000;

fn names(folder: &Path) -> BTreeSet<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// Whether the entry was still there. The only folder inside a store's is empty between operations.
fn copy_entry(from: &Path, to: &Path) -> bool {
    if from.is_dir() {
        fs::create_dir(to).unwrap();
        return true;
    }
    match fs::copy(from, to) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => panic!("copying {}: {error}", from.display()),
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
