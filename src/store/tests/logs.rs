use super::*;
use crate::core::instant::Instant;

const EVENTS: LogName = LogName::Events;

fn texts(records: &[LogRecord]) -> Vec<(u64, String)> {
    let text = |record: &LogRecord| String::from_utf8(record.bytes.clone()).unwrap();
    records.iter().map(|record| (record.offset, text(record))).collect()
}

fn read(store: &Store, from: u64, records_max: usize, bytes_max: usize) -> Vec<(u64, String)> {
    texts(&store.log_read(EVENTS, from, records_max, bytes_max).unwrap())
}

fn numbered(range: std::ops::Range<u64>) -> Vec<(u64, String)> {
    range.map(|offset| (offset, format!("r{offset}"))).collect()
}

/// Groups of 3, 1 and 4 records.
fn filled() -> Fixture {
    let one = Fixture::new();
    for (groups, time) in [(0..3, 10), (3..4, 20), (4..8, 30)] {
        let records: Vec<_> = numbered(groups.clone()).into_iter().map(|(_, text)| text).collect();
        let records: Vec<_> = records.iter().map(String::as_bytes).collect();
        let first = one.store.log_append(EVENTS, &records, Instant(time)).unwrap();
        assert_eq!(first, groups.start);
    }
    one
}

#[test]
fn records_come_back_in_order_and_in_bounds() {
    let one = filled().crashed();
    let store = &one.store;
    assert_eq!(store.log_state(EVENTS), LogState { start: 0, end: 8 });
    for from in 0..8 {
        assert_eq!(read(store, from, 99, 9999), numbered(from..8));
        assert_eq!(read(store, from, 2, 9999), numbered(from..8.min(from + 2)));
        assert_eq!(read(store, from, 99, 5), numbered(from..8.min(from + 2)));
        assert_eq!(read(store, from, 0, 0), numbered(from..from + 1));
    }
    assert!(read(store, 8, 9, 9).is_empty());
    let times: Vec<_> =
        store.log_read(EVENTS, 2, 3, 99).unwrap().iter().map(|record| record.timestamp.0).collect();
    assert_eq!(times, [10, 20, 30]);
    assert_eq!(store.log_append(EVENTS, &[], Instant(0)).unwrap(), 8);
    // The other log has its own offsets, and neither reads into its neighbour.
    assert_eq!(store.log_append(LogName::Catalog, &[b"c"], Instant(0)).unwrap(), 0);
    assert_eq!(read(store, 7, 99, 9999), numbered(7..8));
    assert_eq!(store.log_read(LogName::Catalog, 0, 9, 9).unwrap().len(), 1);
}

#[test]
fn offsets_survive_trims_and_restarts() {
    let mut one = filled();
    for upto in 0..=8 {
        one.store.log_trim(EVENTS, upto).unwrap();
        one = one.crashed();
        assert_eq!(one.store.log_state(EVENTS), LogState { start: upto, end: 8 });
        assert_eq!(read(&one.store, upto, 99, 9999), numbered(upto..8));
        if let Some(before) = upto.checked_sub(1) {
            let error = one.store.log_read(EVENTS, before, 9, 9).unwrap_err();
            let trimmed = matches!(error, StoreError::Trimmed { offset, start }
                if offset == before && start == upto);
            assert!(trimmed, "{error}");
        }
    }
    // Nothing is left on disk, and yet the next offset is not given twice.
    let mut walk = one.store.walk(Family::Log, &[]).unwrap();
    walk.seek_to_first();
    assert!(!walk.valid());
    drop(walk);
    assert_eq!(one.store.log_append(EVENTS, &[b"r8"], Instant(1)).unwrap(), 8);
    // A trim never goes back and never goes beyond the end.
    one.store.log_trim(EVENTS, 3).unwrap();
    assert_eq!(read(&one.store, 8, 9, 99), numbered(8..9));
    one.store.log_trim(EVENTS, 99).unwrap();
    assert_eq!(one.reopened().store.log_state(EVENTS), LogState { start: 9, end: 9 });
}

#[test]
fn a_commit_trims_with_what_it_covers() {
    let one = filled();
    let commit = Commit { trims: vec![(EVENTS, 3), (LogName::Catalog, 5)], ..Commit::default() };
    one.store.commit(&commit).unwrap();
    let one = one.crashed();
    assert_eq!(one.store.log_state(EVENTS), LogState { start: 3, end: 8 });
    assert_eq!(one.store.log_state(LogName::Catalog), LogState::default());
    assert_eq!(read(&one.store, 3, 9, 99), numbered(3..8));
}

#[test]
fn appends_of_many_threads_get_offsets_of_their_own() {
    let one = Fixture::new();
    let mut given: Vec<u64> = std::thread::scope(|scope| {
        let append = || (0..25).map(|_| one.store.log_append(EVENTS, &[b"x", b"y"], Instant(1)));
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(move || append().collect::<Result<Vec<_>, _>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    given.sort_unstable();
    assert_eq!(given, (0..100).map(|group| group * 2).collect::<Vec<_>>());
    assert_eq!(one.reopened().store.log_read(EVENTS, 0, 999, 9999).unwrap().len(), 200);
}
