//! Bytes of the write-ahead log that are not those that were written.

use super::*;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};
use crate::engine::ledger::AccountKey;

/// A block whose place in the log is known: no other has its bytes.
fn block(sequence: u64) -> Vec<u8> {
    (0..1000).flat_map(|at: u64| (at * 7919 + sequence * 104_729).to_be_bytes()).collect()
}

/// A folder with a store of so many commits on slot 0, left as by a kill. `between` is called after
/// each commit.
fn left(commits: u64, between: impl Fn(&Store, u64)) -> TempDir {
    let one = Fixture::new();
    for sequence in 0..commits {
        let mut commit = step(0, sequence, &block(sequence));
        commit.heads[0].1.sources = vec![SourceHead {
            source: source(),
            next_offset: i64::try_from(sequence).unwrap() + 1,
            log_time: Instant(0),
        }];
        one.store.commit(&commit).unwrap();
        between(&one.store, sequence);
    }
    let folder = tempfile::tempdir().unwrap();
    copy_folder(one.folder.path(), folder.path());
    folder
}

fn source() -> Source {
    Source::new(0x8000, 1)
}

fn log_of(folder: &Path) -> std::path::PathBuf {
    let logs = names(folder).into_iter().filter(|name| name.to_string_lossy().ends_with(".log"));
    folder.join(logs.max().unwrap())
}

/// Changes a byte of the block of a commit, in the log.
fn damage(folder: &Path, sequence: u64) {
    let path = log_of(folder);
    let mut log = fs::read(&path).unwrap();
    let block = block(sequence);
    let middle = &block[400..440];
    let at = log.windows(middle.len()).position(|bytes| bytes == middle).unwrap();
    log[at] ^= 1;
    fs::write(path, log).unwrap();
}

fn going_back(folder: &Path) -> Result<Store, OpenError> {
    Store::open(folder, &StoreOptions { redelivered: true, ..options() })
}

#[test]
fn damage_among_finished_writes_is_refused_unless_they_are_given_again() {
    for damaged in [0, 3, 9] {
        let folder = left(10, |_, _| ());
        damage(folder.path(), damaged);
        let refused = Store::open(folder.path(), &options()).unwrap_err();
        let told = refused.to_string();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{told}");
        assert!(told.contains("hint: restore a backup"), "{told}");
        let store = going_back(folder.path()).unwrap();
        assert!(matches!(store.lost(), Some(Lost::Damaged(_))), "{:?}", store.lost());
        let head = store.slot(0).unwrap().head;
        assert_eq!(head.next_sequence, damaged, "the moment before the damage");
        assert!(store.tail_block(0, damaged).unwrap().is_none());
        drop(store);
        let again = Store::open(folder.path(), &options()).unwrap();
        assert_eq!(again.lost(), None, "it is whole from then on");
    }
}

#[test]
fn a_store_does_not_go_back_behind_what_its_sorted_files_include() {
    let position = Position { log_time: Instant(0), source: source(), offset: 6, index: 0 };
    let key = IdKey { slot: 0, transaction: 1, id: 1 };
    let bring_in_ids = |store: &Store, sequence: u64| {
        if sequence == 7 {
            store.ingest_ids([(key, position)], &[(0, 8)]).unwrap();
        }
    };
    let save_totals = |store: &Store, sequence: u64| {
        if sequence == 7 {
            let entry = (AccountKey(1), Some(b"totals".as_slice()));
            store.save_totals(0, 7, [entry]).unwrap();
        }
    };
    for (what, between) in [
        ("the index of ids", &bring_in_ids as &dyn Fn(&Store, u64)),
        ("saved totals", &save_totals),
    ] {
        for (damaged, goes_back) in [(3, false), (9, true)] {
            let folder = left(10, between);
            damage(folder.path(), damaged);
            let opened = going_back(folder.path());
            if goes_back {
                assert_eq!(opened.unwrap().slot(0).unwrap().head.next_sequence, damaged, "{what}");
            } else {
                let told = opened.unwrap_err().to_string();
                assert!(told.contains(what) && told.contains("hint: restore"), "{told}");
            }
        }
    }
}

#[test]
fn a_write_that_was_cut_off_is_dropped_and_told() {
    let folder = left(10, |_, _| ());
    let path = log_of(folder.path());
    let log = fs::read(&path).unwrap();
    fs::write(&path, &log[..log.len() - 3]).unwrap();
    let store = Store::open(folder.path(), &options()).unwrap();
    assert_eq!(store.lost(), Some(&Lost::CutOff));
    assert_eq!(store.slot(0).unwrap().head.next_sequence, 9);
    drop(store);
    assert_eq!(Store::open(folder.path(), &options()).unwrap().lost(), None);
}

#[test]
fn a_damaged_list_of_files_is_named() {
    for (name, at) in [("CURRENT", 3), ("MANIFEST", 40)] {
        let folder = left(3, |_, _| ());
        let mut files = names(folder.path()).into_iter();
        let file = files.find(|file| file.to_string_lossy().starts_with(name)).unwrap();
        let path = folder.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let told = Store::open(folder.path(), &options()).unwrap_err().to_string();
        assert!(told.contains("hint: restore a backup"), "{name}: {told}");
    }
}
