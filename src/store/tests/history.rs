//! The ledger by account, against the plain list of what was written.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::store::history::Draft;

const SLOT: u8 = 2;
const ACCOUNTS: u128 = 4;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A row that owns its parts.
#[derive(Clone, Debug, PartialEq)]
struct Given {
    account: u128,
    position: Position,
    retracted: Option<Position>,
    timestamp: i64,
    properties: PropertiesBuf,
}

impl Given {
    fn row<'a>(&'a self, transaction: &'a str) -> Row<'a> {
        Row {
            kind: match self.retracted {
                Some(retracted) => RowKind::Replacement { retracted },
                None => RowKind::Accepted,
            },
            account: AccountKey(self.account),
            position: self.position,
            transaction,
            code: if self.timestamp % 2 == 0 { "even" } else { "odd" },
            timestamp: Instant(self.timestamp),
            precise_cents: None,
            properties: self.properties.as_ref(),
        }
    }
}

/// A store, and what was written to it.
struct World {
    one: Fixture,
    written: Vec<Given>,
    blocks: u64,
}

impl World {
    fn new() -> Self {
        Self { one: Fixture::new(), written: Vec::new(), blocks: 0 }
    }

    /// Commits a block. Each row is an account, a timestamp, a length, and perhaps which of the
    /// account's rows it takes the place of.
    fn commit(&mut self, rows: &[(u128, i64, usize, Option<usize>)]) {
        let mut writer = BlockWriter::new();
        let mut named = BTreeSet::new();
        for (account, timestamp, length, replaces) in rows {
            let of_account: Vec<_> = self.counting(*account);
            let replaced = replaces.and_then(|n| of_account.get(n % of_account.len().max(1)));
            let offset = i64::try_from(self.written.len()).unwrap();
            let mut properties = PropertiesBuf::new();
            properties.set("filler", Kind::Text, &"x".repeat(*length));
            let given = Given {
                account: *account,
                position: Position {
                    log_time: Instant(1_750_000_000_000_000 - offset),
                    source: Source(u32::try_from(offset % 3).unwrap()),
                    offset,
                    index: 0,
                },
                retracted: replaced.map(|row| row.position),
                timestamp: *timestamp,
                properties,
            };
            if named.insert(*account) && self.written.iter().all(|row| row.account != *account) {
                let name = AccountName { organization: "org", subscription: Some("sub") };
                writer.begin_account(AccountKey(*account), Some(name)).unwrap();
            }
            writer.append(&given.row("a transaction")).unwrap();
            self.written.push(given);
        }
        let bytes = writer.seal(SLOT, self.blocks);
        self.one.store.commit(&step(SLOT, self.blocks, &bytes)).unwrap();
        self.blocks += 1;
    }

    /// Rows of an account that count, in the order of time.
    fn counting(&self, account: u128) -> Vec<Given> {
        let void: BTreeSet<_> = self.written.iter().filter_map(|row| row.retracted).collect();
        let of_account = self.written.iter().filter(|row| row.account == account);
        let mut rows: Vec<_> =
            of_account.filter(|row| !void.contains(&row.position)).cloned().collect();
        rows.sort_by_key(|row| (row.timestamp, row.position));
        rows
    }

    /// Says that ids and totals include all but so many blocks.
    fn derive(&self, but: u64) {
        let upto = self.blocks.saturating_sub(but);
        self.one.store.ingest_ids([], &[(SLOT, upto)]).unwrap();
        self.one.store.save_totals(SLOT, upto, []).unwrap();
    }

    fn merge(&self) -> Option<MergeStats> {
        self.one.store.merge(SLOT, &|| false).unwrap()
    }

    /// A merge that is cut short after so many of its writes.
    fn crash_in_merge(&mut self, writes: u8) {
        if let Some(mut draft) = Draft::read(&self.one.store, SLOT).unwrap() {
            if writes > 0 {
                draft.begin().unwrap();
            }
            if writes > 1 {
                draft.write().unwrap();
            }
            if writes > 2 {
                draft.publish().unwrap();
            }
        }
        self.one = self.one.crashed();
    }

    fn assert_stream(&self, account: u128, from: i64, to: i64) {
        let store = &self.one.store;
        let view = store.ledger(SLOT).unwrap();
        let mut unmerged = RowSet::default();
        for block in view.tail().unwrap() {
            let (_, bytes) = block.unwrap();
            let reader = BlockReader::open(&bytes).unwrap();
            let mut rows = reader.of(&[AccountKey(account)]).unwrap();
            while let Some(row) = rows.next_row().unwrap() {
                unmerged.push(&row);
            }
        }
        unmerged.sort();
        let bounds = (Instant(from), Instant(to));
        let mut stream = view.events(AccountKey(account), &unmerged, bounds).unwrap();
        let mut expected = self.counting(account);
        expected.retain(|row| (from..=to).contains(&row.timestamp));
        for row in &expected {
            assert_eq!(stream.next_row().unwrap(), Some(row.row("a transaction")));
        }
        assert_eq!(stream.next_row().unwrap(), None);
        assert_eq!(stream.next_row().unwrap(), None);
    }

    fn assert_all(&self) {
        for account in 0..ACCOUNTS {
            self.assert_stream(account, i64::MIN, i64::MAX);
        }
    }

    /// Keys and lengths of all chunks on disk.
    fn chunks(&self) -> Vec<(u128, ChunkId, usize)> {
        let mut walk = self.one.store.walk(Family::History, &[SLOT]).unwrap();
        walk.seek_to_first();
        let mut found = Vec::new();
        while let Some((key, value)) = walk.item() {
            if let Some(id) = ChunkId::of_key(key) {
                let account = u128::from_be_bytes(key[1..17].try_into().unwrap());
                found.push((account, id, value.len()));
            }
            walk.next();
        }
        found
    }
}

/// What may happen to a ledger.
#[derive(Clone, Debug)]
enum Happening {
    Commit(Vec<(u128, i64, usize, Option<usize>)>),
    Derive(u64),
    Merge,
    CrashInMerge(u8),
    Reopen,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let month = 1_700_000_000_000_000_i64;
    let timestamp = prop_oneof![
        8 => month..month + 3 * DAY,
        4 => month - 40 * DAY..month + 40 * DAY,
        1 => any::<i64>(),
    ];
    let length = prop_oneof![6 => 0_usize..60, 2 => 500_usize..9_000, 1 => Just(70_000)];
    let replaces = prop_oneof![4 => Just(None), 1 => any::<usize>().prop_map(Some)];
    let row = (0..ACCOUNTS, timestamp, length, replaces);
    let happening = prop_oneof![
        6 => prop::collection::vec(row, 1..12).prop_map(Happening::Commit),
        2 => (0_u64..3).prop_map(Happening::Derive),
        4 => Just(Happening::Merge),
        2 => (0_u8..4).prop_map(Happening::CrashInMerge),
        1 => Just(Happening::Reopen),
    ];
    prop::collection::vec(happening, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn the_stream_is_the_sorted_list_of_what_counts(
        all in happenings(),
        bounds in prop::collection::vec((any::<prop::sample::Index>(), -DAY..DAY), 2..6),
    ) {
        let mut world = World::new();
        for happening in &all {
            match happening {
                Happening::Commit(rows) => world.commit(rows),
                Happening::Derive(but) => world.derive(*but),
                Happening::Merge => {
                    world.merge();
                }
                Happening::CrashInMerge(writes) => world.crash_in_merge(*writes),
                Happening::Reopen => world.one = world.one.reopened(),
            }
            world.assert_all();
        }
        if !world.written.is_empty() {
            for pair in bounds.windows(2) {
                let instant = |(at, distance): &(prop::sample::Index, i64)| {
                    at.get(&world.written).timestamp.saturating_add(*distance)
                };
                let (from, to) = (instant(&pair[0]), instant(&pair[1]));
                for account in 0..ACCOUNTS {
                    world.assert_stream(account, from.min(to), from.max(to));
                }
            }
        }
        world.derive(0);
        while world.merge().is_some() {}
        prop_assert_eq!(world.one.store.slot(SLOT).unwrap().history_upto, world.blocks);
        world.assert_all();
    }
}

/// Rows of an ordinary length, for one account and one month.
fn slowly(world: &mut World, rows: i64) -> (u64, Vec<(u128, ChunkId, usize)>) {
    let mut rewritten = 0;
    for n in 0..rows {
        world.commit(&[(1, n * 1000, 100, None)]);
        world.derive(0);
        rewritten += world.merge().unwrap().rewritten;
    }
    (rewritten, world.chunks())
}

#[test]
fn a_slow_account_has_few_chunks_that_were_seldom_written() {
    let mut world = World::new();
    let (rewritten, chunks) = slowly(&mut world, 600);
    world.assert_all();
    // 600 rows are 80 KiB: a full chunk or two, and those that are still growing.
    assert!(chunks.len() <= 12, "{} chunks", chunks.len());
    assert!(rewritten <= 600 * 2, "{rewritten} chunks were written again");
    assert!(chunks.iter().all(|(_, _, bytes)| *bytes <= CHUNK_BYTES_MAX));
}

#[test]
fn chunks_are_short_of_one_account_and_of_one_month() {
    let mut world = World::new();
    let first_of_march = 1_709_251_200_000_000;
    let rows =
        (0..3000).map(|n| (n % 2, first_of_march + i64::try_from(n).unwrap() - 1500, 60, None));
    world.commit(&rows.collect::<Vec<_>>());
    world.derive(0);
    let stats = world.merge().unwrap();
    assert_eq!((stats.blocks, stats.rows, stats.rewritten), (1, 3000, 0));
    let chunks = world.chunks();
    assert_eq!(stats.chunks, chunks.len() as u64);
    assert!(chunks.iter().all(|(_, _, bytes)| *bytes <= CHUNK_BYTES_MAX));
    for account in 0..2 {
        let firsts: Vec<i64> =
            chunks.iter().filter(|chunk| chunk.0 == account).map(|chunk| chunk.1.first.0).collect();
        assert!(firsts.contains(&(first_of_march - 1500 + i64::try_from(account).unwrap())));
        assert!(firsts.contains(&(first_of_march + i64::try_from(account).unwrap())));
        assert!(firsts.len() >= 4, "{firsts:?}");
        world.assert_stream(account, first_of_march - 3, first_of_march + 3);
    }
    assert!(world.one.store.tail(SLOT, 1).unwrap().next().is_none());
    assert!(world.one.store.tail_block(SLOT, 0).unwrap().is_none());
}

#[test]
fn a_merge_waits_for_whoever_has_cut_the_ledger_before() {
    let mut world = World::new();
    world.commit(&[(0, 5, 1, None)]);
    world.commit(&[(0, 6, 1, None)]);
    world.derive(0);
    let World { one: Fixture { store, folder }, .. } = world;
    let store = std::sync::Arc::new(store);
    let before = store.hold(SLOT, 1);
    let after = store.hold(SLOT, 2);
    assert_eq!(before.sequence(), 1);
    assert_eq!(store.merge(SLOT, &|| true).unwrap(), None);
    assert_eq!(store.slot(SLOT).unwrap().history_upto, 0);
    let merging = std::sync::Arc::clone(&store);
    let thread = std::thread::spawn(move || merging.merge(SLOT, &|| false).unwrap());
    drop(before);
    assert_eq!(thread.join().unwrap().unwrap().blocks, 2);
    drop((after, store, folder));
}

#[test]
fn what_is_not_derived_stays_in_the_tail() {
    let mut world = World::new();
    for n in 0..3 {
        world.commit(&[(0, n, 1, None)]);
    }
    assert_eq!(world.merge(), None);
    world.derive(1);
    let unmerged = world.one.store.unmerged(SLOT).unwrap();
    assert_eq!((unmerged.blocks, unmerged.ready), (3, 2));
    assert!(unmerged.bytes > 0);
    assert_eq!(world.merge().unwrap().blocks, 2);
    let left = world.one.store.unmerged(SLOT).unwrap();
    assert_eq!((left.blocks, left.ready), (1, 0));
    assert!(left.bytes < unmerged.bytes);
    let remaining: usize =
        world.one.store.tail(SLOT, 2).unwrap().map(|block| block.unwrap().1.len()).sum();
    assert_eq!(left.bytes, remaining as u64);
    assert_eq!(world.one.crashed().store.unmerged(SLOT).unwrap(), left, "at the next start");
    world.assert_all();
}
