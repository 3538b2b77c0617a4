use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};

use rocksdb::{DB, Options};
use uuid::Uuid;

use super::*;
use crate::store::keys::{Key, MetaKey};

#[test]
fn who_the_store_is_stays() {
    let one = Fixture::new();
    let (id, secret) = (one.store.store_id(), one.store.hash_secret());
    let one = one.reopened();
    assert_eq!((one.store.store_id(), one.store.hash_secret()), (id, secret));
    let other = Fixture::new();
    assert_ne!(other.store.store_id(), id);
    assert_ne!(other.store.hash_secret(), secret);
    assert!(!format!("{:?} {:?}", one.store, one.store.identity).contains("secret"));
}

#[test]
fn stores_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Store>();
}

#[test]
fn an_open_store_is_locked() {
    let one = Fixture::new();
    let error = Store::open(one.folder.path(), &options()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("\nhint: another process"), "{error}");
}

#[test]
fn another_number_of_slots_is_refused() {
    let Fixture { store, folder } = Fixture::new();
    drop(store);
    let error = Store::open(folder.path(), &StoreOptions { slots: 8, ..options() }).unwrap_err();
    assert!(matches!(error, OpenError::Slots { stored: 4, wanted: 8, .. }), "{error}");
    drop(open_at(folder.path()));
}

#[test]
fn a_store_from_the_future_is_refused() {
    let Fixture { store, folder } = Fixture::new();
    let key = Key::Meta(MetaKey::Identity).to_bytes();
    let cf = store.family(Family::Meta).unwrap();
    let mut bytes = store.db.get_cf(cf, &key).unwrap().unwrap();
    bytes[0] = STORE_FORMAT + 1;
    store.db.put_cf(cf, &key, bytes).unwrap();
    drop(store);
    let error = Store::open(folder.path(), &options()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("has format 3, this release reads up to 2"), "{error}");
}

#[test]
fn a_store_of_an_older_format_is_raised() {
    let Fixture { store, folder } = Fixture::new();
    let key = Key::Meta(MetaKey::Identity).to_bytes();
    let identity = store.identity;
    let stored = |store: &Store| {
        let cf = store.family(Family::Meta).unwrap();
        store.db.get_cf(cf, &key).unwrap().unwrap()
    };
    let mut bytes = stored(&store);
    bytes[0] = 1;
    store.db.put_cf(store.family(Family::Meta).unwrap(), &key, bytes).unwrap();
    drop(store);
    let store = open_at(folder.path());
    assert_eq!(store.identity, identity);
    assert_eq!(stored(&store)[0], STORE_FORMAT);
}

#[test]
fn a_store_with_families_of_the_future_is_refused_unchanged() {
    let Fixture { store, folder } = Fixture::new();
    drop(store);
    let mut raw = Options::default();
    raw.create_missing_column_families(true);
    let names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
    drop(DB::open_cf(&raw, folder.path(), names.iter().chain(&["later"])).unwrap());
    let error = Store::open(folder.path(), &options()).unwrap_err();
    assert!(matches!(&error, OpenError::Newer { detail, .. } if detail.contains("later")));
}

#[test]
fn a_database_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut raw = Options::default();
    raw.create_if_missing(true);
    raw.create_missing_column_families(true);
    drop(DB::open_cf(&raw, folder.path(), ["theirs"]).unwrap());
    let error = Store::open(folder.path(), &options()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let theirs = DB::open_cf(&raw, folder.path(), ["tail"]).unwrap();
    theirs.put_cf(theirs.cf_handle("tail").unwrap(), "key", "value").unwrap();
    drop(theirs);
    let error = Store::open(folder.path(), &options()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[test]
fn a_creation_that_was_cut_short_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let mut raw = Options::default();
    raw.create_if_missing(true);
    raw.create_missing_column_families(true);
    drop(DB::open_cf(&raw, folder.path(), ["tail", "history"]).unwrap());
    assert_eq!(open_at(folder.path()).slots(), 4);
}

#[test]
fn settings_out_of_range_and_bad_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Store::open(folder.path(), &StoreOptions { slots: 0, ..options() }).unwrap_err();
    assert!(error.to_string().contains("slots is 0"), "{error}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file, &options()).unwrap_err().to_string();
    assert!(error.contains("creating the folder") && error.contains("/file"), "{error}");
}

#[test]
fn damaged_files_are_an_error_and_no_panic() {
    let Fixture { store, folder } = Fixture::new();
    store.commit(&step(1, 0, &vec![7; 100_000])).unwrap();
    store.db.flush_cf(store.family(Family::Tail).unwrap()).unwrap();
    drop(store);
    let blob = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "blob"))
        .unwrap();
    let mut file = OpenOptions::new().write(true).open(blob).unwrap();
    file.seek(SeekFrom::Start(100)).unwrap();
    file.write_all(&[0x55; 8]).unwrap();
    drop(file);
    let store = open_at(folder.path());
    let error = store.tail_block(1, 0).unwrap_err();
    assert!(matches!(error, StoreError::Engine { operation: "reading the tail", .. }), "{error}");
    assert!(store.tail(1, 0).unwrap().next().unwrap().is_err());
}

fn seen(name: &str, topic_id: u128, partitions: u32) -> TopicSeen {
    let topic_id = Uuid::from_u128(topic_id);
    TopicSeen { name: name.to_owned(), cluster_id: "c".to_owned(), topic_id, partitions }
}

fn labels(store: &Store) -> Vec<(String, u16)> {
    let topics = store.topics().unwrap().into_iter();
    topics.map(|topic| (topic.seen.name, topic.label)).collect()
}

#[test]
fn labels_compare_as_names_do_and_never_change() {
    let one = Fixture::new();
    one.store.register_topics(&[seen("m", 1, 1)]).unwrap();
    one.store.register_topics(&[seen("z", 2, 1), seen("b", 3, 1), seen("m", 1, 3)]).unwrap();
    one.store.register_topics(&[seen("n", 4, 1), seen("o", 5, 1), seen("p", 6, 1)]).unwrap();
    let one = one.crashed();
    let expected =
        [("b", 0x4000), ("m", 0x8000), ("n", 0x9000), ("o", 0xa000), ("p", 0xb000), ("z", 0xc000)];
    assert_eq!(labels(&one.store), expected.map(|(name, label)| (name.to_owned(), label)));
    assert_eq!(one.store.topics().unwrap()[1].seen.partitions, 3);
}

#[test]
fn a_topic_without_room_or_made_again_is_refused() {
    let one = Fixture::new();
    one.store.register_topics(&[seen("a", 1, 2), seen("b", 2, 2)]).unwrap();
    for (topic, told) in [
        (seen("a", 9, 2), "the topic id was"),
        (TopicSeen { cluster_id: "d".to_owned(), ..seen("a", 1, 2) }, "the cluster id was c"),
        (seen("a", 1, 1), "the number of partitions was 2, now it is 1"),
        (seen("c", 1, 70_000), "70000 partitions"),
    ] {
        let error = one.store.register_topics(&[topic]).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    // Each new name goes right before the one that came last, so that the gap is halved every time.
    let mut name = "b".to_owned();
    let error = (0..20).find_map(|_| {
        name.insert(0, 'a');
        one.store.register_topics(&[seen(&name, 7, 1)]).err()
    });
    assert!(matches!(error, Some(TopicError::NoLabel { .. })), "{error:?}");
    let labels = labels(&one.store);
    assert!(labels.windows(2).all(|pair| pair[0].1 < pair[1].1), "{labels:?}");
}
