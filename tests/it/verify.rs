//! `odometer verify`: stores that a service wrote are sound, whatever happened to it, and every
//! kind of damage is found where it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use odometer::cli::settings_of;
use odometer::core::instant::Instant;
use odometer::runtime::verify::{Difference, Findings, Subject};
use odometer::store::SlotHead;
use odometer::store::account::{decode_account, encode_account};
use odometer::store::keys::{Family, Key, MetaKey};
use proptest::prelude::*;
use rocksdb::{DB, Options, WriteOptions};
use serde_json::json;
use tempfile::TempDir;

use crate::backup::plain;
use crate::restart_steps::{EventSpec, RecordSpec, charge_spec, step};
use crate::restart_world::{Tuning, World};
use crate::service::TestService;

/// Checkpoints within which blocks have to be merged: they are due after 256.
const CHECKPOINTS_MAX: i64 = 1_000;
/// Blocks that are committed after the merge, so that there is a tail.
const LATER: i64 = 3;
/// Length of the key of an account's record; chunks' keys are longer.
const RECORD_KEY_BYTES: usize = 17;

fn verify(folder: &Path) -> Findings {
    let settings = settings_of(&[("store.path", folder.to_str().unwrap())]).unwrap();
    Subject::open(&settings).unwrap().verify(2)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_a_service_leaves_behind_is_sound(
        checkpoint_ms in prop_oneof![Just(10_u64), Just(3_600_000)],
        charges in prop::collection::vec(charge_spec(), 12),
        steps in prop::collection::vec(step(), 8..26),
    ) {
        let mut world = World::new(&Tuning { checkpoint_ms, ..Tuning::default() }, &charges);
        for step in &steps {
            world.happen(step);
        }
        world.verify("all steps");
        world.service.stop();
        let found = verify(world.service.data());
        prop_assert_eq!(&found.differences, &Vec::<Difference>::new());
        let counters = world.oracle.counters();
        prop_assert_eq!(found.tally.events, counters.accepted + counters.set_aside);
    }
}

/// A store with merged chunks, a tail, saved totals and ids: one subscription has more usage than
/// the other.
fn sound_store() -> &'static Path {
    static STORE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let made = STORE.get_or_init(|| {
        let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
        world.subscribe(0, 2, 24 * 5);
        let mut written = 0;
        let merged = |world: &World| world.service.running().metrics.merged_events.get() > 0;
        while !merged(&world) {
            assert!(written < CHECKPOINTS_MAX, "nothing was merged");
            commit(&mut world, &mut written);
        }
        for _ in 0..LATER {
            commit(&mut world, &mut written);
        }
        world.service.stop();
        let kept = tempfile::tempdir().unwrap();
        let folder = kept.path().join("store");
        copy(world.service.data(), &folder);
        (kept, folder)
    });
    &made.1
}

/// Two events of one subscription and one of another, in a block of their own.
fn commit(world: &mut World, written: &mut i64) {
    let event = |subscription, part: usize| {
        RecordSpec::One(EventSpec {
            organization: 0,
            subscription,
            transaction: usize::try_from(*written).unwrap() * 3 + part,
            metric: 1,
            seconds: -60,
            micros: 0,
            value: 12,
            region: 0,
            team: 0,
            user: 1,
        })
    };
    world.records(&[event(0, 0), event(0, 1), event(2, 2)]);
    *written += 1;
    world.service.counters();
    world.service.running().service.checkpoint().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Verifies a copy of the sound store after some of its entries were changed.
fn damaged(change: impl FnOnce(&Entries)) -> Vec<Difference> {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("store");
    copy(sound_store(), &folder);
    let entries = Entries::open(&folder);
    change(&entries);
    drop(entries);
    verify(&folder).differences
}

/// The entries of a store, for changes behind its back.
struct Entries(DB);

impl Entries {
    fn open(folder: &Path) -> Self {
        let names = Family::ALL.map(Family::name).into_iter().chain(["default"]);
        Self(DB::open_cf(&Options::default(), folder, names).unwrap())
    }

    fn all(&self, family: Family) -> Vec<(Vec<u8>, Vec<u8>)> {
        let family = self.0.cf_handle(family.name()).unwrap();
        let all = self.0.iterator_cf(family, rocksdb::IteratorMode::Start);
        all.map(|entry| entry.map(|(key, value)| (key.into(), value.into())).unwrap()).collect()
    }

    fn chunks(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = self.all(Family::History);
        all.retain(|(key, _)| key.len() > RECORD_KEY_BYTES);
        all
    }

    fn put(&self, family: Family, key: &[u8], value: &[u8]) {
        let family = self.0.cf_handle(family.name()).unwrap();
        self.0.put_cf_opt(family, key, value, &WriteOptions::default()).unwrap();
    }

    fn delete(&self, family: Family, key: &[u8]) {
        self.0.delete_cf(self.0.cf_handle(family.name()).unwrap(), key).unwrap();
    }
}

#[test]
fn a_sound_store_is_found_sound_and_left_as_it_is() {
    let before = contents(sound_store());
    let found = verify(sound_store());
    assert_eq!(found.differences, []);
    assert!(found.tally.windows_equal > 1 && found.tally.events > 256, "{:?}", found.tally);
    assert_eq!(contents(sound_store()), before, "nothing was written");
}

#[test]
fn an_altered_byte_in_a_chunk_is_found_with_its_month() {
    let found = damaged(|entries| {
        let (key, mut value) = entries.chunks().swap_remove(0);
        *value.last_mut().unwrap() ^= 1;
        entries.put(Family::History, &key, &value);
    });
    assert_eq!(found[0].kind, "chunk", "{found:?}");
    assert!(found[0].place.contains("org-a / sub-"), "{found:?}");
    assert!(found[0].place.ends_with("month 2024-02"), "{found:?}");
    assert!(found[0].what.contains("does not match its checksum"), "{found:?}");
}

#[test]
fn a_lost_partial_chunk_is_found_with_its_month() {
    let found = damaged(|entries| {
        let chunks = entries.chunks();
        let shortest = chunks.iter().min_by_key(|(_, bytes)| bytes.len()).unwrap();
        entries.delete(Family::History, &shortest.0);
    });
    assert_eq!(found[0].kind, "chunk", "{found:?}");
    assert!(found[0].place.ends_with("month 2024-02"), "{found:?}");
    assert!(found[0].what.contains("is lost"), "{found:?}");
}

/// Nothing names a full chunk, but its rows are missing.
#[test]
fn a_lost_full_chunk_is_found_with_its_account() {
    let found = damaged(|entries| {
        let chunks = entries.chunks();
        let longest = chunks.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
        entries.delete(Family::History, &longest.0);
    });
    assert_eq!(found[0].kind, "account", "{found:?}");
    assert!(found[0].place.contains("org-a / sub-"), "{found:?}");
    assert!(found[0].what.contains("rows are saved"), "{found:?}");
}

#[test]
fn lost_and_altered_blocks_of_the_tail_are_found() {
    // The last block, and one between others.
    for back in [1, 2] {
        let mut lost = Vec::new();
        let found = damaged(|entries| {
            let blocks = entries.all(Family::Tail);
            let (key, _) = &blocks[blocks.len() - back];
            lost.clone_from(key);
            entries.delete(Family::Tail, key);
        });
        let sequence = u64::from_be_bytes(lost[1..].try_into().unwrap());
        assert_eq!((found[0].slot, found[0].kind), (Some(lost[0]), "block"), "{found:?}");
        assert_eq!(found[0].place, format!("block {sequence}"));
        assert_eq!(found[0].what, "the block is lost");
    }
    let found = damaged(|entries| {
        let (key, mut value) = entries.all(Family::Tail).swap_remove(0);
        *value.last_mut().unwrap() ^= 1;
        entries.put(Family::Tail, &key, &value);
    });
    assert_eq!(found[0].kind, "block", "{found:?}");
    assert!(found[0].what.contains("does not match its checksum"), "{found:?}");
}

#[test]
fn an_altered_total_is_found_with_its_account() {
    // The totals of one subscription in the place of the other's.
    let found = damaged(|entries| {
        let mut totals: Vec<_> = entries.all(Family::Totals);
        totals.retain(|(_, value)| !read(value).1.windows.is_empty());
        let [(key, value), (_, other)] = &totals[..2] else { panic!("{} accounts", totals.len()) };
        let (upto, mut account) = read(value);
        account.windows[0].cells = read(other).1.windows[0].cells.clone();
        let altered = [upto, encode_account(&account)].concat();
        entries.put(Family::Totals, key, &altered);
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, "totals");
    assert!(found[0].place.contains("org-a / sub-"), "{found:?}");
    assert!(found[0].what.contains("differ from a fold of its events in charge"), "{found:?}");
}

/// The sequence that saved totals include, as bytes, and the account.
fn read(value: &[u8]) -> (Vec<u8>, odometer::engine::account::Account) {
    let end = value.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    (value[..end].to_vec(), decode_account(&value[end..]).unwrap())
}

#[test]
fn saved_totals_that_are_lost_or_cannot_be_read_are_found() {
    let found = damaged(|entries| {
        let (key, _) = entries.all(Family::Totals).swap_remove(0);
        entries.delete(Family::Totals, &key);
    });
    assert_eq!(found[0].kind, "account", "{found:?}");
    assert!(found[0].what.starts_with("0 rows are saved"), "{found:?}");
    let found = damaged(|entries| {
        let (key, mut value) = entries.all(Family::Totals).swap_remove(0);
        value.pop();
        entries.put(Family::Totals, &key, &value);
    });
    assert_eq!(found[0].kind, "totals", "{found:?}");
}

#[test]
fn an_id_that_is_not_stored_or_has_no_event_is_found() {
    let found = damaged(|entries| {
        let (key, _) = entries.all(Family::Ids).swap_remove(0);
        entries.delete(Family::Ids, &key);
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, "ids");
    assert!(found[0].what.contains("has no id stored"), "{found:?}");
    let found = damaged(|entries| {
        let (mut key, value) = entries.all(Family::Ids).swap_remove(0);
        *key.last_mut().unwrap() ^= 1;
        entries.put(Family::Ids, &key, &value);
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what.ends_with("of them have an event"), "{found:?}");
}

#[test]
fn an_altered_head_is_found() {
    let found = damaged(|entries| {
        let place =
            |(key, _): &&(Vec<u8>, Vec<u8>)| **key == Key::Meta(MetaKey::Head(0)).to_bytes();
        let all = entries.all(Family::Meta);
        let (key, value) = all.iter().find(place).unwrap();
        let mut head = SlotHead::from_bytes(value).unwrap();
        head.digest ^= 1;
        head.counters[0] += 1;
        entries.put(Family::Meta, key, &head.to_bytes());
    });
    assert!(found.iter().all(|found| (found.slot, found.kind) == (Some(0), "slot")), "{found:?}");
    assert!(found[0].what.starts_with("digest "), "{found:?}");
    assert!(found[1].what.contains("events were accepted"), "{found:?}");
}

#[test]
fn where_there_is_no_store_none_is_made() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("none");
    let settings = settings_of(&[("store.path", folder.to_str().unwrap())]).unwrap();
    let Err(error) = Subject::open(&settings) else { panic!("nothing was opened") };
    assert!(error.to_string().contains("there is no store"), "{error}");
    assert!(!folder.exists());
}

#[test]
fn old_events_are_found_again_in_their_months() {
    // A service without a catalogue sets everything aside; the ledger is verified all the same.
    let mut service = TestService::start(Instant::from_seconds(1_710_504_000), &[]);
    let event = |number: i64| {
        json!({"organization_id": "nobody", "external_subscription_id": "sub",
               "transaction_id": number.to_string(), "code": "calls",
               "timestamp": 1_710_504_000 - number * 4_000_000})
        .to_string()
    };
    service.append(&(0..20).map(event).collect::<Vec<_>>());
    service.append(&[event(3), "{".to_owned()]);
    assert_eq!(service.counters().set_aside, 20);
    service.stop();
    let found = verify(service.data());
    assert_eq!(found.differences, []);
    assert_eq!((found.tally.events, found.tally.accounts), (20, 1));
}
