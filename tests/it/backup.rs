//! Backups: made while events flow, restored elsewhere, and refused when anything of them is not
//! what was written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use odometer::cli::settings_of;
use odometer::config::Backup;
use odometer::runtime::backup::{Depot, Made, backup, restore};
use odometer::runtime::shared::Shared;
use odometer::runtime::verify::Subject;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::restart_steps::{ChargeSpec, EventSpec, RecordSpec, charge_spec, step};
use crate::restart_world::{Tuning, World};

/// Settings of backups.
pub fn settings(pairs: &[(&str, &str)]) -> Backup {
    settings_of(pairs).unwrap().backup
}

fn depot(place: &TempDir) -> Depot {
    let folder = format!("file://{}", place.path().join("depot").display());
    Depot::at(&folder, &settings(&[])).unwrap()
}

/// Backs up the running service.
pub fn back_up(world: &World, depot: &Depot) -> Made {
    back_up_store(&world.service.running().service.shared, depot)
}

fn back_up_store(shared: &Shared, depot: &Depot) -> Made {
    backup(&shared.store, depot, shared.clock.now(), &|| false).unwrap()
}

/// A charge that nothing is special about.
pub fn plain() -> ChargeSpec {
    ChargeSpec {
        metric: 1,
        model: 6,
        filters: 0,
        groups: 0,
        shown: false,
        prorated: false,
        in_advance: false,
    }
}

/// A record with one event, of one of two subscriptions.
pub fn usage(transaction: usize) -> RecordSpec {
    RecordSpec::One(EventSpec {
        organization: 0,
        subscription: transaction % 2,
        transaction,
        metric: 1,
        seconds: -60,
        micros: 0,
        value: 12,
        region: 0,
        team: 0,
        user: 1,
    })
}

/// Compares the totals of a store with its ledger.
pub fn assert_sound(folder: &Path) {
    let settings = settings_of(&[("store.path", folder.to_str().unwrap())]).unwrap();
    assert_eq!(Subject::open(&settings).unwrap().verify(2).differences, []);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// What was committed before the backup is there after it, and what was not is read again from
    /// the log, which is in the store here: every answer is as before.
    #[test]
    fn a_service_goes_on_from_a_backup(
        charges in prop::collection::vec(charge_spec(), 12),
        steps in prop::collection::vec(step(), 8..20),
    ) {
        let place = tempfile::tempdir().unwrap();
        let (depot, folder) = (depot(&place), place.path().join("restored"));
        let mut world = World::new(&Tuning { checkpoint_ms: 50, ..Tuning::default() }, &charges);
        for step in &steps {
            world.happen(step);
        }
        back_up(&world, &depot);
        restore(&depot, None, &folder).unwrap();
        assert_sound(&folder);
        world.service.replace(&folder);
        world.verify("the restore");
        for step in &steps {
            world.happen(step);
        }
        world.verify("the same steps once more");
    }
}

#[test]
fn a_backup_that_is_made_while_events_flow_is_consistent() {
    let place = tempfile::tempdir().unwrap();
    let depot = depot(&place);
    let mut world =
        World::new(&Tuning { checkpoint_ms: 10, ..Tuning::default() }, &vec![plain(); 12]);
    let shared = std::sync::Arc::clone(&world.service.running().service.shared);
    let done = AtomicBool::new(false);
    let backups = std::thread::scope(|scope| {
        let backups = scope.spawn(|| {
            let mut made = Vec::new();
            while !done.load(Ordering::SeqCst) || made.len() < 3 {
                made.push(back_up_store(&shared, &depot).name);
            }
            made
        });
        for transaction in 0..400 {
            world.records(&[usage(transaction)]);
        }
        world.service.counters();
        done.store(true, Ordering::SeqCst);
        backups.join().unwrap()
    });
    drop(shared);
    for (number, name) in backups.iter().enumerate() {
        let folder = place.path().join(format!("restored-{number}"));
        restore(&depot, Some(name), &folder).unwrap();
        assert_sound(&folder);
    }
}

#[test]
fn a_second_backup_sends_only_what_is_new() {
    let place = tempfile::tempdir().unwrap();
    let depot = depot(&place);
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    let commit = |world: &mut World, transaction| {
        world.records(&[usage(transaction)]);
        world.service.counters();
        world.service.running().service.checkpoint().unwrap();
    };
    commit(&mut world, 1);
    let first = back_up(&world, &depot);
    assert_eq!((first.sent_files, first.sent_bytes), (first.files, first.bytes));
    let tables = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        files.filter(|name| name.to_string_lossy().ends_with(".sst")).count() as u64
    };
    let before = tables(world.service.data());
    commit(&mut world, 2);
    let second = back_up(&world, &depot);
    assert!(before > 0 && second.sent_files + before <= second.files, "{before} {second:?}");
    assert!(second.sent_files > 0, "{second:?}");
    assert_eq!(depot.backups().unwrap().len(), 2);
}

/// A depot with one backup, which a change has been made to. Returns what the restore says, after
/// it was seen that nothing came into place.
fn refused(change: impl FnOnce(&Path, &Path)) -> String {
    let place = tempfile::tempdir().unwrap();
    let depot = depot(&place);
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    world.records(&[usage(1)]);
    world.service.counters();
    world.service.running().service.checkpoint().unwrap();
    let made = back_up(&world, &depot);
    let root = place.path().join("depot");
    change(&root.join("files"), &root.join("backups").join(made.name));
    let to = place.path().join("restored");
    let error = restore(&depot, None, &to).unwrap_err().to_string();
    let left: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["depot"], "nothing is in place");
    error
}

fn largest(files: &Path) -> PathBuf {
    let all = fs::read_dir(files).unwrap().map(|entry| entry.unwrap().path());
    all.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn a_backup_that_is_not_what_was_written_is_refused() {
    let altered = refused(|files, _| {
        let path = largest(files);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    });
    assert!(altered.contains("does not match its digest"), "{altered}");
    let short = refused(|files, _| {
        let path = largest(files);
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[1..]).unwrap();
    });
    assert!(short.contains("bytes instead of"), "{short}");
    let missing = refused(|files, _| fs::remove_file(largest(files)).unwrap());
    assert!(missing.contains("is missing"), "{missing}");
    let truncated = refused(|_, manifest| {
        let bytes = fs::read(manifest).unwrap();
        fs::write(manifest, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert!(truncated.contains("is damaged"), "{truncated}");
    let changed = refused(|_, manifest| {
        let text = fs::read_to_string(manifest).unwrap();
        fs::write(manifest, text.replacen("\"slots\":3", "\"slots\":4", 1)).unwrap();
    });
    assert!(changed.contains("does not match the digest in its name"), "{changed}");
    let none = refused(|_, manifest| fs::remove_file(manifest).unwrap());
    assert!(none.contains("there is no backup"), "{none}");
}

#[test]
fn a_backup_that_is_given_up_is_none_and_spares_the_next_one() {
    let place = tempfile::tempdir().unwrap();
    let depot = depot(&place);
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    world.records(&[usage(1)]);
    world.service.counters();
    world.service.running().service.checkpoint().unwrap();
    let shared = std::sync::Arc::clone(&world.service.running().service.shared);
    let asked = std::cell::Cell::new(0);
    let soon = || asked.replace(asked.get() + 1) == 3;
    let given_up = backup(&shared.store, &depot, shared.clock.now(), &soon).unwrap_err();
    assert!(given_up.to_string().contains("given up"), "{given_up}");
    assert_eq!(depot.backups().unwrap(), Vec::<String>::new());
    assert!(!shared.store.path().join("frozen").exists());
    let made = back_up(&world, &depot);
    assert_eq!(made.sent_files + 3, made.files);
}

#[test]
fn the_commands_back_up_a_stopped_store_and_restore_it() {
    let place = tempfile::tempdir().unwrap();
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    world.records(&[usage(1), usage(2), usage(1)]);
    world.service.counters();
    world.service.stop();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odometer"));
        let output = command.current_dir(&place).args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let data = world.service.data().to_str().unwrap();
    assert_eq!(run(&["backup", "--data", data, "--to", "depot"]), (true, String::new()));
    assert_eq!(run(&["restore", "--from", "depot", "--to", "new"]), (true, String::new()));
    let (restored, error) = run(&["restore", "--from", "depot", "--to", "new"]);
    assert!(!restored && error.contains("is not empty"), "{error}");
    let (made, error) = run(&["backup", "--data", data, "--to", "ftp://host/depot"]);
    assert!(!made && error.contains("no place for backups"), "{error}");
    world.service.replace(&place.path().join("new"));
    world.verify("the restore");
}
