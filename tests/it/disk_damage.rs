//! Bytes on disk that are not those that were written: found, named, and never answered with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use odometer::log::embedded::EVENTS_TOPIC;
use odometer::store::keys::Family;
use rocksdb::{DB, Options};

use crate::backup::{plain, usage};
use crate::disk::{Alone, accept};
use crate::gaps::{call, calls, reach, ready, serve, write};
use crate::restart_steps::RecordSpec;
use crate::restart_world::{ORGANIZATIONS, Tuning, World};
use crate::rig::{Place, Service, brokers};
use crate::service::wait_until;

/// Checkpoints after which new ids are brought in, and some more.
const CHECKPOINTS: usize = 140;

/// The newest file of a store's folder whose name is like this.
fn newest(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> PathBuf {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    folder.join(names.filter(|name| is_wanted(name)).max().unwrap())
}

fn is_log(name: &str) -> bool {
    name.strip_suffix(".log").is_some_and(|number| number.parse::<u64>().is_ok())
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Flips a byte at this part of a file.
fn flip(path: &Path, part: f64) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    change(path, |bytes| {
        let at = ((bytes.len() as f64 * part) as usize).min(bytes.len() - 1);
        bytes[at] ^= 1;
    });
}

/// A service on Kafka whose checkpoints come quickly.
fn folding(place: &Place) -> Service {
    serve(place, brokers(), &["checkpoint.interval_ms=20"])
}

fn publish(place: &Place, transactions: std::ops::Range<u32>) {
    for transaction in transactions {
        write(brokers(), &place.events, 0, &call(&transaction.to_string()).to_string());
    }
}

/// Waits until something has been written since the start.
fn settle(service: &Service) {
    crate::rig::until("a checkpoint", || {
        (service.metric("odometer_checkpoint_seconds_count") > 0).then_some(())
    });
}

#[test]
fn a_store_whose_last_writes_are_damaged_goes_back_to_them_and_reads_them_again() {
    let place = Place::new("disk-wal", 1);
    let service = folding(&place);
    let mut sent = 0;
    let more = |sent: &mut u32, service: &Service| {
        publish(&place, *sent..*sent + 20);
        *sent += 20;
        reach(service, &format!("{sent}.0"));
        settle(service);
    };
    more(&mut sent, &service);
    service.kill();
    let data = place.path("data");

    // Cut: a write that was not finished, as after a loss of power.
    let log = newest(&data, is_log);
    change(&log, |bytes| bytes.truncate(bytes.len() - 5));
    let (service, told) = start_and_listen(&place, "the last write was cut off");
    assert!(told.contains("nobody was told"), "{told}");
    reach(&service, &format!("{sent}.0"));
    more(&mut sent, &service);
    service.kill();

    // A finished write is damaged: the last one, so that no sorted file can include it.
    let log = newest(&data, is_log);
    flip(&log, 1.0);
    let (service, told) = start_and_listen(&place, "the last writes are damaged");
    assert!(told.contains("went back") && told.contains("checksum"), "{told}");
    reach(&service, &format!("{sent}.0"));
    ready(&service);
    more(&mut sent, &service);
    service.kill();
    let service = folding(&place);
    ready(&service);
    assert_eq!(calls(&service), format!("{sent}.0"));
    assert!(service.terminate().0.success());
    let verified = place.program(&["verify", "--log"]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Starts the service and waits for a line of its log that begins like this.
fn start_and_listen(place: &Place, beginning: &str) -> (Service, String) {
    let service = folding(place);
    let told = service.seen_lines().into_iter().find(|line| line.contains(beginning));
    (service, told.unwrap_or_else(|| panic!("it does not say {beginning:?}")))
}

#[test]
fn what_no_broker_can_give_again_is_not_let_go_of_silently() {
    let alone = Alone::new();
    let service = alone.start();
    accept(&service, 0..10);
    service.kill();
    let intact = tempfile::tempdir().unwrap();
    let keep: Vec<PathBuf> = fs::read_dir(alone.data())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    for path in &keep {
        fs::copy(path, intact.path().join(path.file_name().unwrap())).unwrap();
    }
    let back = || {
        fs::remove_dir_all(alone.data()).unwrap();
        fs::create_dir(alone.data()).unwrap();
        for entry in fs::read_dir(intact.path()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, alone.data().join(path.file_name().unwrap())).unwrap();
        }
    };
    let is_manifest = |name: &str| name.starts_with("MANIFEST");
    for (what, part) in [("log", 0.3), ("log", 0.7), ("manifest", 0.5), ("current", 0.5)] {
        let path = match what {
            "log" => newest(&alone.data(), is_log),
            "manifest" => newest(&alone.data(), is_manifest),
            _ => alone.data().join("CURRENT"),
        };
        flip(&path, part);
        let told = alone.refused();
        assert!(told.contains("restore a backup"), "{what}: {told}");
        back();
    }
    let service = alone.start();
    reach(&service, "10.0");
}

/// The sorted files and their lengths, of one family.
fn files_of(store: &Path, family: Family) -> BTreeMap<PathBuf, u64> {
    let names = Family::ALL.map(Family::name).into_iter().chain(["default"]);
    let db = DB::open_cf_for_read_only(&Options::default(), store, names, false).unwrap();
    let files = db.live_files().unwrap().into_iter();
    let files = files.filter(|file| file.column_family_name == family.name());
    let paths = files.map(|file| store.join(file.name.trim_start_matches('/')));
    paths.map(|path| (path.clone(), fs::metadata(path).unwrap().len())).collect()
}

/// A world most of whose blocks are in the history, and their ids in the index.
fn merged() -> World {
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    // Ids come in after so many checkpoints; blocks are merged when ids and totals have them.
    for transaction in 0..CHECKPOINTS {
        world.records(&[usage(transaction)]);
        world.service.counters();
        world.service.running().service.checkpoint().unwrap();
    }
    let shared = Arc::clone(&world.service.running().service.shared);
    wait_until("blocks are merged", || {
        world.service.running().service.checkpoint().unwrap();
        let merged = (0..shared.store.slots()).map(|slot| shared.store.merge(slot, &|| false));
        merged.filter_map(Result::unwrap).any(|stats| stats.rows > 0)
    });
    world
}

/// Damages the beginning of the first block of data of a sorted file: what an open reads stands at
/// the end. Returns the bytes as they were.
fn damage(sorted: &Path) -> Vec<u8> {
    let intact = fs::read(sorted).unwrap();
    change(sorted, |bytes| bytes[8..40].iter_mut().for_each(|byte| *byte ^= 0x55));
    intact
}

#[test]
fn an_account_whose_events_are_damaged_is_refused_by_name_and_others_are_answered() {
    let mut world = merged();
    let scanned = [
        ("billable_metric_code".to_owned(), "amount".to_owned()),
        ("full_usage".to_owned(), "true".to_owned()),
    ];
    let kept = world.answers(&[]);
    let read = world.answers(&scanned);
    assert!(read.iter().any(|answer| answer.status == 200), "{read:?}");
    world.service.stop();

    let store = world.service.data().to_owned();
    let mut refusals = 0;
    let mut answers = 0;
    for path in files_of(&store, Family::History).into_keys() {
        let intact = damage(&path);
        world.service.replace(&store);
        assert_eq!(world.answers(&[]), kept, "totals do not need them");
        for (answer, right) in world.answers(&scanned).iter().zip(&read) {
            if answer.status == 503 {
                assert!(answer.body.contains("ledger_unreadable"), "{}", answer.body);
                refusals += 1;
            } else {
                assert_eq!(answer, right);
                answers += usize::from(answer.status == 200);
            }
        }
        world.service.stop();
        fs::write(&path, intact).unwrap();
    }
    assert!(refusals > 0 && answers > 0, "{refusals} refused, {answers} answered");
    world.service.replace(&store);
    assert_eq!(world.answers(&scanned), read, "once the bytes are back");
}

/// A guess would count one of them twice, or never.
#[test]
fn while_ids_cannot_be_read_nothing_more_is_folded_and_what_was_is_answered() {
    let mut world = merged();
    let kept = world.answers(&[]);
    world.service.stop();
    let store = world.service.data().to_owned();
    let files = files_of(&store, Family::Ids).into_keys();
    let files: Vec<_> = files.map(|path| (damage(&path), path)).collect();
    assert!(!files.is_empty());
    world.service.replace(&store);
    assert_eq!(world.answers(&[]), kept, "no id is new");

    let before = world.service.end();
    let copies: Vec<RecordSpec> = (0..CHECKPOINTS).chain([CHECKPOINTS]).map(usage).collect();
    world.records(&copies);
    let shared = Arc::clone(&world.service.running().service.shared);
    wait_until("the trouble is shown", || !shared.troubles.failing().is_empty());
    let told = shared.troubles.failing();
    assert!(told[0].0.contains("ids") && told[0].1.contains("restore a backup"), "{told:?}");
    let of = ("external_subscription_id".to_owned(), "sub-0".to_owned());
    let offsets = format!("{EVENTS_TOPIC}-0:{before}");
    let answer = world.service.usage_at(ORGANIZATIONS[0], "customer-0", &[of], &offsets);
    assert_eq!((answer.status, &answer.body), (200, &kept[0].body));

    for (intact, path) in files {
        fs::write(path, intact).unwrap();
    }
    world.verify("the bytes are back");
    wait_until("the trouble is over", || shared.troubles.failing().is_empty());
}
