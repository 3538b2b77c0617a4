//! Settings of a store, and how each family is tuned by them.

use rocksdb::{
    BlockBasedOptions, Cache, DBCompactionStyle, DBCompressionType, Options, SliceTransform,
    UniversalCompactOptions,
};

use super::error::OpenError;
use super::history::FULL_BYTES_MIN;
use super::keys::Family;
use super::meta::Identity;

/// Settings of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Number of slots; fixed when the store is created. At least 1.
    pub slots: u8,
    /// Memory for blocks, filters and indexes that were read. Filters want 2 bytes an id: where
    /// they do not fit, look-ups of ids go to the disk. At least 8 MiB.
    pub cache_bytes: usize,
    /// Memory for what was written and not flushed yet, all families together. At least 8 MiB.
    pub memtable_bytes: usize,
    /// Threads that flush and compact. At least 1.
    pub background_jobs: u8,
    /// Threads that open files at start; they live no longer. At least 1.
    pub opening_threads: u8,
    /// Size of the write-ahead files beyond which families that have long not been flushed are made
    /// to: it bounds the time a restart spends on replaying them. As much is set aside on disk.
    pub wal_bytes_max: u64,
    /// Files the engine keeps open. At least 64.
    pub open_files_max: u32,
    /// Bytes of refused records that are kept; the oldest leave first.
    pub rejected_bytes_max: u64,
    /// Name and secret of a new store. None, as in every service: a random name and
    /// a random secret.
    pub identity: Option<Identity>,
    /// Whether brokers give again what is read after the store's positions: only then a store whose
    /// last writes are damaged may go back to the moment before them.
    pub redelivered: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            slots: 64,
            cache_bytes: 256 << 20,
            memtable_bytes: 96 << 20,
            background_jobs: 2,
            opening_threads: 16,
            wal_bytes_max: 128 << 20,
            open_files_max: 1024,
            rejected_bytes_max: 64 << 20,
            identity: None,
            redelivered: false,
        }
    }
}

/// Least cache and memtable memory the engine works with.
const MEMORY_BYTES_MIN: u64 = 8 << 20;
/// Least number of open files: one or two a family and its log.
const OPEN_FILES_MIN: u64 = 64;
/// Bytes set aside on disk for the list of files, unless the write-ahead files are smaller.
const FILE_LIST_BYTES: u64 = 4 << 20;
/// Part of the memtable memory that the tail may fill before it is flushed: it takes nearly all
/// bytes, and one memtable is written while another is flushed.
const TAIL_MEMTABLE_PART: usize = 3;
/// Memtable of a family that is written in small pieces.
const SMALL_MEMTABLE_BYTES: usize = 4 << 20;
/// Blocks and records of at least this size are kept in blob files.
const BLOB_BYTES_MIN: u64 = 4 << 10;
/// Size of a blob file: small enough that a file of dropped blocks is soon free of live ones.
const BLOB_FILE_BYTES: u64 = 64 << 20;
/// Bits of filter an id: about one needless read in 2 000 look-ups.
const ID_FILTER_BITS: f64 = 16.0;
/// Bits of filter for other keys that are asked for and may be missing.
const FILTER_BITS: f64 = 10.0;
/// Part of a memtable's memory that its filter may take.
const MEMTABLE_FILTER_PART: f64 = 0.02;
/// Sorted runs of ids that may stand side by side before they are merged. Each costs a negative
/// look-up one filter probe, each merge costs writing every id of the runs once more.
const ID_RUNS_MAX: i32 = 8;
/// Bytes of overwritten ids, in percent of the live ones, before everything is merged.
const ID_SPARE_PERCENT_MAX: i32 = 100;
/// Size of one file of ids after a merge. Its filter is read and cached as one piece of 1.4 MB:
/// less would cost more look-ups in the cache, more would not fit a shard of a small cache.
const ID_FILE_BYTES: u64 = 32 << 20;
/// Sorted files side by side that are too few to be merged, however few slots there are.
const FEW_RUNS: i32 = 4;
/// Size of one file of a family whose files come slot by slot: what a merge copies that is not of
/// its slot is less than that at both ends.
const SLOT_FILE_BYTES: u64 = 8 << 20;
/// More files than there will ever be.
const RUNS_UNLIMITED: i32 = 1 << 20;
/// Bytes written to a file before the system is asked to begin writing them out, so that a sync
/// finds little left.
const SYNC_BYTES: u64 = 1 << 20;
/// The engine's own text log.
const ENGINE_LOG_BYTES: usize = 4 << 20;
const ENGINE_LOG_FILES: usize = 2;
/// Block size of families that are read by ranges.
const RANGE_BLOCK_BYTES: usize = 16 << 10;
/// Block size of families that are read by key.
const POINT_BLOCK_BYTES: usize = 4 << 10;
/// Newest table format of the engine that the sorted files are written in.
const TABLE_FORMAT: i32 = 5;

impl StoreOptions {
    /// Refuses settings that the engine cannot work with.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        for (name, value, least) in [
            ("slots", u64::from(self.slots), 1),
            ("cache_bytes", self.cache_bytes as u64, MEMORY_BYTES_MIN),
            ("memtable_bytes", self.memtable_bytes as u64, MEMORY_BYTES_MIN),
            ("background_jobs", u64::from(self.background_jobs), 1),
            ("opening_threads", u64::from(self.opening_threads), 1),
            ("open_files_max", u64::from(self.open_files_max), OPEN_FILES_MIN),
        ] {
            if value < least {
                return Err(OpenError::Setting { name, value, least });
            }
        }
        Ok(())
    }

    /// Options of the database as a whole.
    pub(super) fn database(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_background_jobs(i32::from(self.background_jobs));
        options.set_max_open_files(i32::try_from(self.open_files_max).unwrap_or(i32::MAX));
        options.set_db_write_buffer_size(self.memtable_bytes);
        options.set_max_file_opening_threads(i32::from(self.opening_threads));
        options.set_max_total_wal_size(self.wal_bytes_max);
        let file_list = self.wal_bytes_max.min(FILE_LIST_BYTES);
        options.set_manifest_preallocation_size(usize::try_from(file_list).unwrap_or(usize::MAX));
        options.set_bytes_per_sync(SYNC_BYTES);
        options.set_wal_bytes_per_sync(SYNC_BYTES);
        options.set_max_log_file_size(ENGINE_LOG_BYTES);
        options.set_keep_log_file_num(ENGINE_LOG_FILES);
        options
    }

    /// Options of one family.
    pub(super) fn family(&self, family: Family, cache: &Cache) -> Options {
        let mut options = Options::default();
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_format_version(TABLE_FORMAT);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_block_size(RANGE_BLOCK_BYTES);
        options.set_write_buffer_size(SMALL_MEMTABLE_BYTES);
        options.set_compression_type(DBCompressionType::Lz4);
        match family {
            Family::Tail | Family::Log => {
                options.set_write_buffer_size(self.memtable_bytes / TAIL_MEMTABLE_PART);
                keep_apart(&mut options, BLOB_BYTES_MIN);
                options.set_enable_blob_gc(true);
            }
            Family::History => {
                // Full chunks stay for ever. If files that hold some were cleaned of what is gone,
                // the oldest part of the whole history would be copied again and again.
                options.set_write_buffer_size(self.memtable_bytes / TAIL_MEMTABLE_PART);
                keep_apart(&mut options, FULL_BYTES_MIN as u64);
                table.set_bloom_filter(FILTER_BITS, false);
                self.come_by_slots(&mut options);
            }
            Family::Ids => tune_ids(&mut options, &mut table),
            Family::Totals => {
                table.set_block_size(POINT_BLOCK_BYTES);
                table.set_bloom_filter(FILTER_BITS, false);
                self.come_by_slots(&mut options);
            }
            Family::Catalog => {
                table.set_block_size(POINT_BLOCK_BYTES);
                table.set_bloom_filter(FILTER_BITS, false);
                let entity = SliceTransform::create("odometer.entity", entity_of, None);
                options.set_prefix_extractor(entity);
                options.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_PART);
            }
            Family::Meta => {
                table.set_block_size(POINT_BLOCK_BYTES);
                table.set_bloom_filter(FILTER_BITS, false);
            }
            Family::Rejected | Family::Outbox => {}
        }
        options.set_block_based_table_factory(&table);
        options
    }

    /// For sorted files of one slot each, which do not overlap those of other slots. They are
    /// merged once there are as many as slots: fewer would copy all that is below them as often as
    /// they come, more would each cost a walk over an account a look.
    fn come_by_slots(&self, options: &mut Options) {
        options.set_level_zero_file_num_compaction_trigger(i32::from(self.slots).max(FEW_RUNS));
        options.set_target_file_size_base(SLOT_FILE_BYTES);
        never_stall(options);
    }
}

/// Keeps values of at least this size in files of their own, so that compaction does not copy them.
fn keep_apart(options: &mut Options, bytes_min: u64) {
    options.set_enable_blob_files(true);
    options.set_min_blob_size(bytes_min);
    options.set_blob_file_size(BLOB_FILE_BYTES);
    options.set_blob_compression_type(DBCompressionType::Lz4);
}

/// The part of a catalogue key that all versions of an entity share: all but the version.
fn entity_of(key: &[u8]) -> &[u8] {
    &key[..key.len().saturating_sub(size_of::<u64>())]
}

/// Ids: hashes that do not compress, asked for in sorted batches, nearly always absent.
///
/// Measured with 20 million ids in nine runs: a negative look-up costs 0.5 µs with whole filters,
/// 2 µs with partitioned ones, whose every part is a look-up in the cache of its own.
fn tune_ids(options: &mut Options, table: &mut BlockBasedOptions) {
    table.set_block_size(POINT_BLOCK_BYTES);
    table.set_bloom_filter(ID_FILTER_BITS, false);
    table.set_whole_key_filtering(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    options.set_compression_type(DBCompressionType::None);
    options.set_compaction_style(DBCompactionStyle::Universal);
    let mut universal = UniversalCompactOptions::default();
    universal.set_max_size_amplification_percent(ID_SPARE_PERCENT_MAX);
    options.set_universal_compaction_options(&universal);
    options.set_level_zero_file_num_compaction_trigger(ID_RUNS_MAX);
    options.set_target_file_size_base(ID_FILE_BYTES);
    never_stall(options);
}

/// Lets sorted files pile up without holding back commits: the engine would otherwise slow every
/// write of every family. Whoever brings files in looks at the number of runs instead.
fn never_stall(options: &mut Options) {
    options.set_level_zero_slowdown_writes_trigger(RUNS_UNLIMITED);
    options.set_level_zero_stop_writes_trigger(RUNS_UNLIMITED);
    options.set_soft_pending_compaction_bytes_limit(0);
    options.set_hard_pending_compaction_bytes_limit(0);
}
