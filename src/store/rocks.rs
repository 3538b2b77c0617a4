//! The store itself: opening, the one atomic commit, and the small helpers all families share.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocksdb::{
    Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBPinnableSlice, DBRawIterator,
    DBRecoveryMode, Error, Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::codec::Damage;
use super::error::{OpenError, StoreError, is_corruption};
use super::history::Holds;
use super::keys::{Family, Key, after_prefix};
use super::log::LogState;
use super::lost::Lost;
use super::meta::Identity;
use super::options::StoreOptions;
use super::outbox::OutboxState;
use super::rejected::RejectedState;
use super::wal;
use super::watch::{DiskStep, Watch};

/// Folder for sorted files until they are brought in. Emptied at every start.
const INGEST_FOLDER: &str = "ingest";

/// File that is written to see whether there is room, and its length.
const PROBE_FILE: &str = "room";
const PROBE_BYTES: usize = 64 << 10;

/// Size of a cached block, for the cache's table: 0 lets the table grow as it is needed.
const CACHE_ENTRY_BYTES: usize = 0;

/// An open store. Every method takes `&self`; threads share it freely.
pub struct Store {
    pub(super) db: DB,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) rejected_bytes_max: u64,
    /// Memory shared by all that is read.
    pub(super) cache: Cache,
    /// How sorted files of these families are written.
    pub(super) ids_options: Options,
    pub(super) totals_options: Options,
    pub(super) history_options: Options,
    /// Held while a commit is built and written: commits are one after the other.
    pub(super) state: Mutex<State>,
    /// One lock an embedded log. Taken after `state` where both are needed.
    pub(super) logs: [Mutex<LogState>; 2],
    /// Held while topics are numbered.
    pub(super) topics: Mutex<()>,
    /// By family, held while a sorted file is written and brought in; counts them.
    pub(super) ingested: [Mutex<u64>; Family::ALL.len()],
    /// Held while tails are merged: one merge at a time.
    pub(super) merging: Mutex<()>,
    /// Who wants which blocks to stay apart from the history.
    pub(super) holds: Holds,
    /// Keeps writers away from a store that is opened to be read only.
    pub(super) reading: Option<File>,
    /// Looks on at every write.
    pub(super) watch: Option<Arc<dyn Watch>>,
    pub(super) lost: Option<Lost>,
}

/// What the store remembers of its own cursors.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Number of the next block, by slot.
    pub(super) next_sequences: Vec<u64>,
    /// Bytes of blocks that were committed and not merged, by slot, since the store was opened.
    pub(super) tail_bytes: Vec<u64>,
    pub(super) rejected: RejectedState,
    pub(super) outbox: OutboxState,
}

/// How much memory and disk a store uses, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreUsage {
    /// Bytes in the cache of blocks, filters and indexes.
    pub cache_bytes: u64,
    /// Bytes of memtables, flushed ones that are still read included.
    pub memtable_bytes: u64,
    /// Bytes of sorted files and blob files.
    pub disk_bytes: u64,
    /// Merges of sorted files that are waiting, in bytes.
    pub pending_compaction_bytes: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in this folder, or creates it.
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        options.check()?;
        let file = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { operation, path, source }
        };
        fs::create_dir_all(path).map_err(file("creating the folder", path))?;
        refuse_foreign(path)?;
        // The clock cache takes no lock on a hit, and its shards are large enough for filters.
        let cache = Cache::new_hyper_clock_cache(options.cache_bytes, CACHE_ENTRY_BYTES);
        let cut_off = wal::is_cut_off(path).map_err(file("reading the last writes", path))?;
        let open = |mode| {
            let mut database = options.database();
            database.set_wal_recovery_mode(mode);
            let families = Family::ALL.map(|family| {
                ColumnFamilyDescriptor::new(family.name(), options.family(family, &cache))
            });
            DB::open_cf_descriptors(&database, path, families)
                .map_err(|error| open_error(path, &error))
        };
        let (db, lost) = match open(DBRecoveryMode::TolerateCorruptedTailRecords) {
            // The engine refuses this too if families would not be of one moment then.
            Err(OpenError::Damaged { detail, .. }) if options.redelivered => {
                (open(DBRecoveryMode::PointInTime)?, Some(Lost::Damaged(detail)))
            }
            opened => (opened?, cut_off.then_some(Lost::CutOff)),
        };
        let ingest = path.join(INGEST_FOLDER);
        if ingest.exists() {
            fs::remove_dir_all(&ingest).map_err(file("clearing unfinished files", &ingest))?;
        }
        fs::create_dir(&ingest).map_err(file("creating the folder", &ingest))?;
        let mut store = Self::around(db, path, options, cache);
        store.lost = lost;
        store.identity = store.load_identity(options)?;
        store.state = Mutex::new(store.load_state()?);
        store.logs = store.load_logs()?;
        if matches!(store.lost, Some(Lost::Damaged(_))) {
            store.refuse_ahead()?;
        }
        Ok(store)
    }

    /// A store around an open database, before anything of it has been read.
    pub(super) fn around(db: DB, path: &Path, options: &StoreOptions, cache: Cache) -> Self {
        Self {
            db,
            path: path.to_owned(),
            identity: Identity::default(),
            rejected_bytes_max: options.rejected_bytes_max,
            ids_options: options.family(Family::Ids, &cache),
            totals_options: options.family(Family::Totals, &cache),
            history_options: options.family(Family::History, &cache),
            cache,
            state: Mutex::default(),
            logs: Default::default(),
            topics: Mutex::default(),
            ingested: Default::default(),
            merging: Mutex::default(),
            holds: Holds::default(),
            reading: None,
            watch: None,
            lost: None,
        }
    }

    pub(super) fn load_state(&self) -> Result<State, StoreError> {
        let next_sequences = (0..self.slots())
            .map(|slot| Ok(self.head(slot)?.map_or(0, |head| head.next_sequence)))
            .collect::<Result<_, StoreError>>()?;
        let tail_bytes = self.load_tail_bytes()?;
        let rejected = self.load_rejected()?;
        let outbox = self.load_outbox()?;
        Ok(State { next_sequences, tail_bytes, rejected, outbox })
    }

    /// The folder of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the store uses of memory and disk.
    pub fn usage(&self) -> Result<StoreUsage, StoreError> {
        let mut usage =
            StoreUsage { cache_bytes: self.cache.get_usage() as u64, ..StoreUsage::default() };
        for family in Family::ALL {
            let cf = self.family(family)?;
            let read = |name: &str| {
                let value = self.db.property_int_value_cf(cf, name);
                Ok(value.map_err(self.engine("reading a property"))?.unwrap_or(0))
            };
            usage.memtable_bytes += read("rocksdb.cur-size-all-mem-tables")?;
            usage.disk_bytes += read("rocksdb.total-sst-files-size")?;
            usage.disk_bytes += read("rocksdb.total-blob-file-size")?;
            usage.pending_compaction_bytes += read("rocksdb.estimate-pending-compaction-bytes")?;
        }
        Ok(usage)
    }

    pub(super) fn family(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        self.db.cf_handle(family.name()).ok_or_else(|| StoreError::Engine {
            operation: "finding a family",
            path: self.path.clone(),
            detail: format!("there is no family {}", family.name()),
        })
    }

    pub(super) fn get(
        &self,
        key: Key<'_>,
        operation: &'static str,
    ) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        let cf = self.family(key.family())?;
        self.db.get_pinned_cf(cf, key.to_bytes()).map_err(self.engine(operation))
    }

    pub(super) fn put(
        &self,
        batch: &mut WriteBatch,
        key: Key<'_>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), StoreError> {
        batch.put_cf(self.family(key.family())?, key.to_bytes(), value);
        Ok(())
    }

    pub(super) fn delete(&self, batch: &mut WriteBatch, key: Key<'_>) -> Result<(), StoreError> {
        batch.delete_cf(self.family(key.family())?, key.to_bytes());
        Ok(())
    }

    /// Writes a batch and returns once it is on disk.
    pub(super) fn write_synced(
        &self,
        batch: WriteBatch,
        operation: &'static str,
    ) -> Result<(), StoreError> {
        self.write(batch, operation, true)
    }

    /// Writes a batch. What is not synced may be taken back by a crash, and all that was written
    /// after it with it.
    pub(super) fn write(
        &self,
        batch: WriteBatch,
        operation: &'static str,
        synced: bool,
    ) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(synced);
        let write = || self.db.write_opt(batch, &options).map_err(self.engine(operation));
        self.step(DiskStep::Write { operation, synced }, write)
    }

    /// A walk over all keys of a family that begin with a prefix. It is not placed yet.
    pub(super) fn walk(
        &self,
        family: Family,
        prefix: &[u8],
    ) -> Result<DBRawIterator<'_>, StoreError> {
        let mut options = ReadOptions::default();
        // The walk may begin with less than what the family's filters know.
        options.set_total_order_seek(true);
        options.set_iterate_lower_bound(prefix);
        if let Some(end) = after_prefix(prefix) {
            options.set_iterate_upper_bound(end);
        }
        Ok(self.db.raw_iterator_cf_opt(self.family(family)?, options))
    }

    /// Whether the disk takes a small file: if it does, and the engine still calls it full, the
    /// engine does not go on by itself.
    pub fn has_room(&self) -> bool {
        let path = self.path.join(PROBE_FILE);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; PROBE_BYTES])?;
            file.sync_all()
        });
        // What cannot be removed is written over the next time.
        let _ = fs::remove_file(&path);
        written.is_ok()
    }

    pub(super) fn ingest_folder(&self) -> PathBuf {
        self.path.join(INGEST_FOLDER)
    }

    pub(super) fn check_slot(&self, slot: u8) -> Result<(), StoreError> {
        let slots = self.slots();
        if slot < slots { Ok(()) } else { Err(StoreError::NoSlot { slot, slots }) }
    }

    pub(super) fn engine(&self, operation: &'static str) -> impl Fn(Error) -> StoreError + '_ {
        move |error| StoreError::Engine {
            operation,
            path: self.path.clone(),
            detail: error.into_string(),
        }
    }

    pub(super) fn damaged(&self, operation: &'static str) -> impl Fn(Damage) -> StoreError + '_ {
        move |damage| StoreError::Damaged { operation, path: self.path.clone(), damage }
    }
}

/// The state behind a lock. A thread that panicked while it held one has at worst left a cursor
/// that is behind what is stored, which the next write repeats.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses a database that has families we do not know, before anything is written to it.
pub(super) fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    if !path.join("CURRENT").exists() {
        return Ok(());
    }
    let names = DB::list_cf(&Options::default(), path).map_err(|error| open_error(path, &error))?;
    let is_known = |name: &str| Family::ALL.iter().any(|family| family.name() == name);
    let unknown = names.iter().find(|name| *name != "default" && !is_known(name));
    let Some(unknown) = unknown else { return Ok(()) };
    let path = path.to_owned();
    let detail = format!("it has a family {unknown}");
    // A store of ours has had this family from the first release on.
    if names.iter().any(|name| name == Family::Meta.name()) {
        Err(OpenError::Newer { path, detail })
    } else {
        Err(OpenError::Foreign { path, detail })
    }
}

pub(super) fn open_error(path: &Path, error: &Error) -> OpenError {
    let detail = error.as_ref().to_owned();
    let path = path.to_owned();
    if is_corruption(&detail) {
        return OpenError::Damaged { path, detail };
    }
    if detail.contains("lock hold by") || detail.contains("While lock file") {
        return OpenError::Locked { path, detail };
    }
    OpenError::Store(StoreError::Engine { operation: "opening", path, detail })
}
