use super::*;
use crate::core::instant::Instant;

fn refused(number: i64, bytes: usize) -> Rejected {
    Rejected {
        source: "events_raw/3".to_owned(),
        offset: number,
        index: 1,
        reason: "not_json".to_owned(),
        detail: "the record is not JSON: expected value".to_owned(),
        log_time: Instant(5),
        bytes: vec![b'{'; bytes],
        replayed: None,
    }
}

fn message(kind: u8) -> OutboxEntry {
    OutboxEntry {
        kind,
        topic: "dead".to_owned(),
        key: (kind > 1).then(|| vec![kind]),
        payload: vec![kind; 3],
        headers: vec![("reason".to_owned(), b"not_json".to_vec())],
    }
}

fn full(sequence: u64) -> Commit {
    let mut commit = step(2, sequence, &[9; 10_000]);
    commit.heads[0].1.counters = vec![sequence];
    commit.rejected = vec![refused(sequence.cast_signed(), 10)];
    commit.outbox = vec![message(1), message(2)];
    commit.trims = vec![(LogName::Events, sequence)];
    commit.meta = vec![("position".to_owned(), sequence.to_be_bytes().to_vec())];
    commit
}

/// Everything a reader can see, as one value.
fn visible(store: &Store) -> String {
    let tail: Vec<_> = store.tail(2, 0).unwrap().map(|block| block.unwrap().0).collect();
    format!(
        "{tail:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.slot(2).unwrap(),
        store.rejected(0, 100).unwrap(),
        store.rejected_state(),
        store.outbox(0, 100, 1 << 20).unwrap(),
        store.log_state(LogName::Events),
        store.named("position").unwrap(),
    )
}

#[test]
fn a_crash_after_a_commit_finds_all_of_it() {
    let one = Fixture::new();
    one.store.log_append(LogName::Events, &[b"a", b"b", b"c"], Instant(1)).unwrap();
    for sequence in 0..3 {
        one.store.commit(&full(sequence)).unwrap();
        assert_eq!(visible(&one.crashed().store), visible(&one.store));
    }
    let before = visible(&one.store);
    let one = one.reopened();
    assert_eq!(visible(&one.store), before);
    assert_eq!(one.store.tail_block(2, 1).unwrap(), Some(vec![9; 10_000]));
    assert_eq!(one.store.tail_block(2, 3).unwrap(), None);
    assert_eq!(one.store.slot(2).unwrap().head.counters, [2]);
    assert_eq!(one.store.slot(0).unwrap(), SlotState::default());
    assert_eq!(one.store.tail(2, 1).unwrap().count(), 2);
}

/// A copy taken in the middle of commits is the state after some whole number of them.
#[test]
fn a_crash_during_commits_finds_whole_ones() {
    let one = Fixture::new();
    let crashed: Vec<_> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for sequence in 0..200 {
                one.store.commit(&full(sequence)).unwrap();
            }
        });
        let mut crashed = Vec::new();
        while !writer.is_finished() && crashed.len() < 20 {
            let folder = tempfile::tempdir().unwrap();
            // The write-ahead file alone grows here, and it is copied front to back, so that the
            // copy ends somewhere inside a commit.
            copy_folder(one.folder.path(), folder.path());
            crashed.push(folder);
        }
        writer.join().unwrap();
        crashed
    });
    for folder in crashed {
        let store = open_at(folder.path());
        let head = store.slot(2).unwrap().head;
        let blocks = store.tail(2, 0).unwrap().map(Result::unwrap).count() as u64;
        assert_eq!(head.next_sequence, blocks);
        assert_eq!(store.rejected_state().next, blocks);
        assert_eq!(store.outbox_state().next, blocks * 2);
        let last = blocks.checked_sub(1);
        assert_eq!(head.counters, last.into_iter().collect::<Vec<_>>());
        assert_eq!(store.named("position").unwrap(), last.map(|last| last.to_be_bytes().to_vec()));
        store.commit(&full(blocks)).unwrap();
    }
}

#[test]
fn a_commit_must_go_on_where_the_slot_stands() {
    let one = Fixture::new();
    one.store.commit(&step(1, 0, b"x")).unwrap();
    let mut ahead = step(1, 1, b"x");
    ahead.heads[0].1.next_sequence = 3;
    let mut headless = step(1, 1, b"x");
    headless.heads.clear();
    for wrong in [step(1, 0, b"x"), step(1, 2, b"x"), ahead, headless] {
        let error = one.store.commit(&wrong).unwrap_err();
        assert!(matches!(error, StoreError::OutOfStep { slot: 1, .. }), "{error}");
    }
    let error = one.store.commit(&step(4, 0, b"x")).unwrap_err();
    assert!(matches!(error, StoreError::NoSlot { slot: 4, slots: 4 }), "{error}");
    one.store.commit(&step(1, 1, b"x")).unwrap();
    assert_eq!(one.store.slot(1).unwrap().head.next_sequence, 2);
}

#[test]
fn refused_records_are_capped_and_counted() {
    let one = Fixture::new();
    let size = |store: &Store| store.rejected_state().bytes;
    let mut dropped = 0;
    for round in 0..10 {
        let rejected = (0..3).map(|i| refused(round * 3 + i, 100)).collect();
        let commit = Commit { rejected, ..Commit::default() };
        dropped += one.store.commit(&commit).unwrap().rejected_dropped;
        assert!(size(&one.store) <= 1000);
    }
    let one = one.crashed();
    let state = one.store.rejected_state();
    assert_eq!((state.next, state.dropped, state.first), (30, dropped, dropped));
    let all = one.store.rejected(0, 100).unwrap();
    assert_eq!((all.entries.len() as u64, all.next), (30 - dropped, None));
    assert_eq!(all.entries[0], (dropped, refused(dropped.cast_signed(), 100)));

    let page = one.store.rejected(0, 2).unwrap();
    assert_eq!((page.entries.len(), page.next), (2, Some(dropped + 2)));
    let page = one.store.rejected(dropped + 2, 100).unwrap();
    assert_eq!(page.entries, all.entries[2..]);

    // One that is larger than the cap leaves at once, and takes all before it along.
    let large = Commit { rejected: vec![refused(1, 2000)], ..Commit::default() };
    one.store.commit(&large).unwrap();
    let state = one.store.rejected_state();
    assert_eq!((state.bytes, state.dropped, state.first), (0, 31, 31));
    let none = RejectedPage { state, ..RejectedPage::default() };
    assert_eq!(one.store.rejected(0, 10).unwrap(), none);
}

#[test]
fn outbox_entries_stay_until_they_are_acknowledged() {
    let one = Fixture::new();
    let outbox = vec![message(1), message(2), message(3)];
    one.store.commit(&Commit { outbox, ..Commit::default() }).unwrap();
    let numbers = |store: &Store, from, limit, bytes| -> Vec<_> {
        store.outbox(from, limit, bytes).unwrap().into_iter().map(|entry| entry.0).collect()
    };
    assert_eq!(one.store.outbox(0, 9, 1 << 20).unwrap()[1], (1, message(2)));
    assert_eq!(numbers(&one.store, 0, 2, 1 << 20), [0, 1]);
    assert_eq!(numbers(&one.store, 1, 9, 0), [1]);
    one.store.acknowledge(2).unwrap();
    let one = one.reopened();
    assert_eq!(numbers(&one.store, 0, 9, 1 << 20), [2]);
    one.store.acknowledge(1).unwrap();
    one.store.acknowledge(99).unwrap();
    let one = one.reopened();
    assert_eq!(one.store.outbox_state(), OutboxState { first: 3, next: 3 });
    assert!(numbers(&one.store, 0, 9, 1 << 20).is_empty());
}

#[test]
fn usage_counts_what_was_written() {
    let one = Fixture::new();
    one.store.commit(&step(0, 0, &vec![1; 1_000_000])).unwrap();
    assert!(one.store.usage().unwrap().memtable_bytes >= 1_000_000);
    one.store.db.flush_cf(one.store.family(Family::Tail).unwrap()).unwrap();
    assert!(one.store.usage().unwrap().disk_bytes > 0);
}
