//! A store as it was at one moment, as files: what a backup is made from.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::checkpoint::Checkpoint;

use super::error::StoreError;
use super::rocks::Store;

/// Folder inside of the store's that holds the files while a backup is made.
const FOLDER: &str = "frozen";
/// Files of the engine that belong to a process or to nobody: its lock and its text log.
const OWN_FILES: [&str; 2] = ["LOCK", "LOG"];

/// The files of a store at one moment. They go away with this.
#[derive(Debug)]
pub struct Frozen {
    folder: PathBuf,
    /// Whether the folder is a copy, to be removed.
    copied: bool,
}

impl Frozen {
    /// Names of the files, sorted.
    pub fn files(&self) -> Result<Vec<String>, StoreError> {
        let failed = |source| StoreError::File {
            operation: "listing the files",
            path: self.folder.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_file = entry.file_type().map_err(failed)?.is_file();
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_file && !OWN_FILES.iter().any(|own| name.starts_with(own)) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Where a file lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if self.copied {
            // What cannot be removed now goes away before the next one is made.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Store {
    /// Freezes the store as it is now: everything that is committed, at one moment. Files that
    /// never change are linked, so that this costs little time and, until they are compacted away,
    /// no room. A store that is open to be read only does not change, and its own files are taken.
    ///
    /// One frozen copy at a time: a second one takes the place of the first.
    pub fn freeze(&self) -> Result<Frozen, StoreError> {
        const OPERATION: &str = "freezing the store";
        if self.reading.is_some() {
            return Ok(Frozen { folder: self.path.clone(), copied: false });
        }
        let folder = self.path.join(FOLDER);
        clear(&folder)?;
        let checkpoint = Checkpoint::new(&self.db).map_err(self.engine(OPERATION))?;
        checkpoint.create_checkpoint(&folder).map_err(self.engine(OPERATION))?;
        Ok(Frozen { folder, copied: true })
    }
}

fn clear(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StoreError::File {
            operation: "clearing the files of an earlier backup",
            path: folder.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
