use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::*;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};
use crate::engine::ledger::AccountKey;

fn at(offset: i64) -> Position {
    let source = Source::new(0x8000, 1);
    Position { log_time: Instant(1_750_000_000_000_000), source, offset, index: 0 }
}

fn id(slot: u8, transaction: u64, id: u128) -> IdKey {
    IdKey { slot, transaction, id }
}

fn with_blocks(blocks: u64) -> Fixture {
    let one = Fixture::new();
    for sequence in 0..blocks {
        for slot in 0..4 {
            one.store.commit(&step(slot, sequence, b"block")).unwrap();
        }
    }
    one
}

#[test]
fn the_file_that_came_last_wins() {
    let one = with_blocks(3);
    let keys: Vec<_> = (0..500).map(|i| id(u8::from(i >= 250), i, u128::from(i))).collect();
    let mut expected = BTreeMap::new();
    for round in 0..12_usize {
        let some: Vec<_> = keys.iter().skip(round).step_by(round + 1).copied().collect();
        // Later rounds have smaller positions, as replacements do.
        let position = at(1000 - i64::try_from(round).unwrap());
        expected.extend(some.iter().map(|key| (*key, position)));
        let entries = some.iter().map(|key| (*key, position));
        assert_eq!(one.store.ingest_ids(entries, &[(0, 2), (1, 1)]).unwrap(), some.len() as u64);
    }
    let check = |store: &Store| {
        let found = store.lookup_ids(&keys).unwrap();
        for (key, position) in keys.iter().zip(found) {
            assert_eq!(position, expected.get(key).copied());
        }
        let backwards: Vec<_> = keys.iter().rev().copied().collect();
        let found = store.lookup_ids(&backwards).unwrap();
        assert_eq!(found.last(), Some(&expected.get(&keys[0]).copied()));
        assert_eq!(store.lookup_ids(&[id(3, 1, 1), id(0, 1, 2)]).unwrap(), [None, None]);
    };
    check(&one.store);
    check(&one.crashed().store);
    let family = one.store.family(Family::Ids).unwrap();
    one.store.db.compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
    check(&one.store);
    let one = one.reopened();
    check(&one.store);
    assert_eq!(one.store.slot(0).unwrap().ids_upto, 2);
    assert_eq!(one.store.slot(1).unwrap().ids_upto, 1);
}

#[test]
fn ids_are_sorted_committed_and_never_lowered() {
    let one = with_blocks(2);
    let entries = [(id(0, 1, 1), at(1)), (id(0, 1, 2), at(2))];
    one.store.ingest_ids(entries, &[(0, 2)]).unwrap();
    let error = one.store.ingest_ids([], &[(0, 3)]).unwrap_err();
    assert!(matches!(error, StoreError::Ahead { slot: 0, committed: 2, found: 3, .. }), "{error}");
    let twice = [(id(0, 9, 9), at(1)), (id(0, 9, 9), at(2))];
    let error = one.store.ingest_ids(twice, &[(1, 2)]).unwrap_err();
    assert!(matches!(error, StoreError::Unsorted { .. }), "{error}");
    assert_eq!(one.store.lookup_ids(&[id(0, 9, 9)]).unwrap(), [None]);
    assert_eq!(one.store.slot(1).unwrap().ids_upto, 0);
    // The same file again, as after a crash before the sequence was raised.
    one.store.ingest_ids(entries, &[(0, 1)]).unwrap();
    assert_eq!(one.store.slot(0).unwrap().ids_upto, 2);
    assert_eq!(one.store.lookup_ids(&[entries[1].0]).unwrap(), [Some(at(2))]);
    let leftovers = fs::read_dir(one.store.ingest_folder()).unwrap().count();
    assert_eq!(leftovers, 0);
}

#[test]
fn a_transaction_is_found_whatever_its_subscription() {
    let one = with_blocks(1);
    let entries = [
        (id(1, 6, 1), at(1)),
        (id(1, 7, 2), at(2)),
        (id(1, 7, 3), at(3)),
        (id(1, 8, 4), at(4)),
        (id(2, 7, 5), at(5)),
    ];
    one.store.ingest_ids(entries, &[]).unwrap();
    assert_eq!(one.store.ids_of_transaction(1, 7, 9).unwrap(), entries[1..3]);
    assert_eq!(one.store.ids_of_transaction(1, 7, 1).unwrap(), entries[1..2]);
    assert!(one.store.ids_of_transaction(1, 9, 9).unwrap().is_empty());
    assert!(one.store.id_runs().unwrap() <= 1);
}

fn totals(store: &Store, slot: u8) -> Vec<(u128, u64, Vec<u8>)> {
    totals_after(store, slot, None, usize::MAX)
}

fn totals_after(
    store: &Store,
    slot: u8,
    after: Option<u128>,
    most: usize,
) -> Vec<(u128, u64, Vec<u8>)> {
    let mut all = Vec::new();
    let visit = |key: AccountKey, upto, bytes: &[u8]| {
        all.push((key.0, upto, bytes.to_vec()));
        if all.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    store.each_totals(slot, after.map(AccountKey), visit).unwrap();
    all
}

#[test]
fn totals_say_what_they_include() {
    let one = with_blocks(5);
    let store = &one.store;
    let entry = |account, bytes: &'static [u8]| (AccountKey(account), Some(bytes));
    store.save_totals(3, 2, [entry(1, b"one"), entry(2, b"two"), entry(9, b"nine")]).unwrap();
    store.save_totals(3, 4, [entry(2, b"more"), (AccountKey(9), None)]).unwrap();
    store.save_totals(0, 1, [entry(1, b"other")]).unwrap();
    let one = one.crashed();
    let store = &one.store;
    let expected = vec![(1, 4, b"one".to_vec()), (2, 4, b"more".to_vec())];
    assert_eq!(totals(store, 3), expected);
    assert_eq!(totals_after(store, 3, None, 1), expected[..1]);
    assert_eq!(totals_after(store, 3, Some(1), 1), expected[1..]);
    assert_eq!(totals_after(store, 3, Some(2), 1), []);
    assert_eq!(totals_after(store, 3, Some(u128::MAX), 1), []);
    assert_eq!(store.slot(3).unwrap().totals_upto, 4);
    let two = SavedTotals { upto: 4, bytes: b"more".to_vec() };
    assert_eq!(store.totals(3, AccountKey(2)).unwrap(), Some(two));
    assert_eq!(store.totals(3, AccountKey(9)).unwrap(), None);

    let error = store.save_totals(3, 6, []).unwrap_err();
    assert!(matches!(error, StoreError::Ahead { committed: 5, found: 6, .. }), "{error}");
    let error = store.save_totals(3, 5, [entry(2, b""), entry(1, b"")]).unwrap_err();
    assert!(matches!(error, StoreError::Unsorted { .. }), "{error}");
}

/// Between the file and the slot's record a crash leaves entries that are ahead of the record.
#[test]
fn entries_ahead_of_the_record_keep_their_own_sequence() {
    let one = with_blocks(5);
    let entries = [(AccountKey(1), Some(&b"new"[..]))];
    one.store.save_totals(2, 5, entries).unwrap();
    let mut batch = rocksdb::WriteBatch::default();
    one.store.put_cursor(&mut batch, keys::MetaKey::TotalsUpto(2), 3).unwrap();
    one.store.write_synced(batch, "test").unwrap();
    assert_eq!(totals(&one.store, 2), [(1, 5, b"new".to_vec())]);
}

fn entity<'a>(kind: u8, organization: &'a str, id: &'a str, version: u64) -> CatalogEntry<'a> {
    CatalogEntry { kind, organization, id, version, value: id.as_bytes() }
}

#[test]
fn the_catalogue_keeps_every_version_and_finds_the_newest() {
    let one = Fixture::new();
    assert_eq!(one.store.catalog_progress().unwrap(), CatalogProgress::default());
    let entries = [
        entity(1, "a", "bc", 1),
        entity(1, "ab", "c", 7),
        entity(1, "a", "bc", 300),
        entity(1, "a", "bc", 2),
        entity(1, "a", "b", 4),
        entity(2, "a", "bc", 9),
    ];
    let progress = CatalogProgress { next_offset: 12, log_time: Instant(-3), version: 300 };
    one.store.commit_catalog(&entries, progress).unwrap();
    let one = one.crashed();
    let store = &one.store;
    assert_eq!(store.catalog_progress().unwrap(), progress);
    assert_eq!(store.catalog_get(1, "a", "bc").unwrap(), Some((300, b"bc".to_vec())));
    assert_eq!(store.catalog_get(1, "a", "c").unwrap(), None);
    let mut versions = Vec::new();
    let all = |entry: CatalogEntry<'_>| {
        versions.push(entry.version);
        ControlFlow::Continue(())
    };
    store.catalog_versions(1, "a", "bc", all).unwrap();
    assert_eq!(versions, [300, 2, 1]);
    let newest = |organization, stop_after| {
        let mut found = Vec::new();
        let visit = |entry: CatalogEntry<'_>| {
            found.push((entry.organization.to_owned(), entry.id.to_owned(), entry.version));
            if found.len() < stop_after {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        store.catalog_newest(1, organization, visit).unwrap();
        found.sort();
        found
    };
    let of =
        |organization: &str, id: &str, version| (organization.to_owned(), id.to_owned(), version);
    assert_eq!(newest(None, 9), [of("a", "b", 4), of("a", "bc", 300), of("ab", "c", 7)]);
    assert_eq!(newest(Some("a"), 9), [of("a", "b", 4), of("a", "bc", 300)]);
    assert_eq!(newest(None, 1).len(), 1);
}
