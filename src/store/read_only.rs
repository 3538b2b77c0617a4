//! Opening a store to read it: nothing is written, and nobody else may write meanwhile.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Mutex;

use rocksdb::{Cache, ColumnFamilyDescriptor, DB};
use rustix::fs::{FlockOperation, fcntl_lock};

use super::error::{OpenError, StoreError};
use super::keys::Family;
use super::options::StoreOptions;
use super::rocks::{Store, open_error, refuse_foreign};

/// The engine's own lock file: whoever writes holds it.
const LOCK_FILE: &str = "LOCK";
/// The file that names the engine's newest list of files: there is one in every store.
const CURRENT_FILE: &str = "CURRENT";
/// As for a store that is written to: the cache's table grows as it is needed.
const CACHE_ENTRY_BYTES: usize = 0;

impl Store {
    /// Opens a store that nobody has open, to be read only. Whatever number of slots it was made
    /// with is taken. Every write fails.
    ///
    /// What the engine's write-ahead log holds is read into memory, at most as much as a start of
    /// the service would replay.
    pub fn open_read_only(path: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        options.check()?;
        if !path.join(CURRENT_FILE).exists() {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        let reading = lock(path)?;
        refuse_foreign(path)?;
        let cache = Cache::new_hyper_clock_cache(options.cache_bytes, CACHE_ENTRY_BYTES);
        let families = Family::ALL.map(|family| {
            ColumnFamilyDescriptor::new(family.name(), options.family(family, &cache))
        });
        let mut database = options.database();
        database.create_if_missing(false);
        database.create_missing_column_families(false);
        let db = DB::open_cf_descriptors_read_only(&database, path, families, false)
            .map_err(|error| open_error(path, &error))?;
        let mut store = Self::around(db, path, options, cache);
        store.reading = Some(reading);
        store.identity = store.stored_identity()?;
        store.state = Mutex::new(store.load_state()?);
        store.logs = store.load_logs()?;
        Ok(store)
    }
}

/// A shared lock on the file that writers lock for themselves. A store that was restored and never
/// opened has none, and nobody whom it could keep away.
fn lock(path: &Path) -> Result<File, OpenError> {
    let file = path.join(LOCK_FILE);
    let opened = match File::open(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => File::open(path.join(CURRENT_FILE)),
        opened => opened,
    };
    let opened = opened.map_err(|source| StoreError::File {
        operation: "opening the lock",
        path: file,
        source,
    })?;
    let held = |error: rustix::io::Errno| OpenError::Locked {
        path: path.to_owned(),
        detail: error.to_string(),
    };
    fcntl_lock(&opened, FlockOperation::NonBlockingLockShared).map_err(held)?;
    Ok(opened)
}
