//! Sorted files: written beside the database and brought in whole.

use std::fs;
use std::path::PathBuf;
use std::sync::MutexGuard;

use rocksdb::{IngestExternalFileOptions, Options, SstFileWriter};

use super::error::StoreError;
use super::keys::Family;
use super::rocks::{Store, locked};
use super::watch::DiskStep;

/// A sorted file that is being written. It is removed if it is not brought in.
pub(super) struct SortedFile<'a> {
    store: &'a Store,
    family: Family,
    operation: &'static str,
    path: PathBuf,
    writer: SstFileWriter<'a>,
    last: Vec<u8>,
    entries: u64,
    /// Held until the file is brought in: later files win, so they come in as they began.
    _turn: MutexGuard<'a, u64>,
}

impl<'a> SortedFile<'a> {
    pub fn begin(
        store: &'a Store,
        family: Family,
        options: &'a Options,
        operation: &'static str,
    ) -> Self {
        let mut turn = locked(&store.ingested[family as usize]);
        *turn += 1;
        let path = store.ingest_folder().join(format!("{}-{}.sst", family.name(), *turn));
        let writer = SstFileWriter::create(options);
        Self { store, family, operation, path, writer, last: Vec::new(), entries: 0, _turn: turn }
    }

    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.advance(key)?;
        self.writer.put(key, value).map_err(self.store.engine(self.operation))
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.advance(key)?;
        self.writer.delete(key).map_err(self.store.engine(self.operation))
    }

    /// Syncs the file and makes its entries visible. Returns how many there are.
    pub fn bring_in(mut self) -> Result<u64, StoreError> {
        if self.entries == 0 {
            return Ok(0);
        }
        let error = self.store.engine(self.operation);
        self.writer.finish().map_err(&error)?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let family = self.store.family(self.family)?;
        let paths = vec![&self.path];
        let step = DiskStep::BringIn { operation: self.operation };
        let db = &self.store.db;
        self.store
            .step(step, || db.ingest_external_file_cf_opts(family, &options, paths))
            .map_err(&error)?;
        Ok(self.entries)
    }

    fn advance(&mut self, key: &[u8]) -> Result<(), StoreError> {
        if self.entries == 0 {
            self.writer.open(&self.path).map_err(self.store.engine(self.operation))?;
        } else if key <= self.last.as_slice() {
            return Err(StoreError::Unsorted { operation: self.operation });
        }
        self.entries += 1;
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(())
    }
}

impl Drop for SortedFile<'_> {
    fn drop(&mut self) {
        // Bringing a file in moves it, so what is still there is unfinished. If it cannot be
        // removed now, the next start does it.
        let _ = fs::remove_file(&self.path);
    }
}
