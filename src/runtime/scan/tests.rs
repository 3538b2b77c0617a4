//! Cuts against the list of what their blocks hold, however much of it is merged when they are
//! read.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::core::position::{Position, Source};
use crate::core::properties::Properties;
use crate::store::{BlockWriter, Commit, SealedBlock, SlotHead, StoreOptions};

const SLOT: u8 = 1;
const ACCOUNTS: u128 = 5;

/// A row: account, timestamp, and whether it takes the place of the account's first one.
type Given = (u128, i64, bool);

struct World {
    store: Arc<Store>,
    blocks: Vec<Vec<u8>>,
    rows: Vec<(AccountKey, Instant, Position)>,
    void: Vec<Position>,
    _folder: TempDir,
}

impl World {
    fn new(blocks: &[Vec<Given>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions { slots: 2, ..StoreOptions::default() };
        let store = Arc::new(Store::open(folder.path(), &options).unwrap());
        let mut world =
            Self { store, blocks: Vec::new(), rows: Vec::new(), void: Vec::new(), _folder: folder };
        for (number, rows) in blocks.iter().enumerate() {
            let mut writer = BlockWriter::new();
            for given in rows {
                world.append(&mut writer, *given);
            }
            world.blocks.push(writer.seal(SLOT, number as u64));
        }
        world
    }

    fn append(&mut self, writer: &mut BlockWriter, (account, timestamp, replaces): Given) {
        let account = AccountKey(account);
        let first = self.rows.iter().find(|row| row.0 == account && !self.void.contains(&row.2));
        let retracted = first.filter(|_| replaces).map(|row| row.2);
        let offset = i64::try_from(self.rows.len()).unwrap();
        let (log_time, source) = (Instant(-offset), Source(0));
        let position = Position { log_time, source, offset, index: 0 };
        let row = Row {
            kind: retracted
                .map_or(RowKind::Accepted, |retracted| RowKind::Replacement { retracted }),
            account,
            position,
            transaction: "t",
            code: "c",
            timestamp: Instant(timestamp),
            precise_cents: None,
            properties: Properties::EMPTY,
        };
        writer.append(&row).unwrap();
        self.rows.push((account, row.timestamp, position));
        self.void.extend(retracted);
    }

    /// Commits blocks, and says of how many of all that ids and totals include them.
    fn commit(&self, from: usize, to: usize, derived: usize) {
        let blocks = (from..to).map(|number| SealedBlock {
            slot: SLOT,
            sequence: number as u64,
            bytes: self.blocks[number].clone(),
        });
        let head = SlotHead { next_sequence: to as u64, ..SlotHead::default() };
        let commit =
            Commit { blocks: blocks.collect(), heads: vec![(SLOT, head)], ..Commit::default() };
        self.store.commit(&commit).unwrap();
        self.store.ingest_ids([], &[(SLOT, derived as u64)]).unwrap();
        self.store.save_totals(SLOT, derived as u64, []).unwrap();
    }

    /// A cut by an owner that knows of so many committed blocks. The last block is open.
    fn cut(&self, committed: usize) -> Cut {
        let open = self.blocks.len() - 1;
        let sealed = |number: usize| Sealed {
            sequence: number as u64,
            rows: 1,
            bytes: Arc::new(self.blocks[number].clone()),
        };
        Cut {
            slot: SLOT,
            committed: committed as u64,
            recent: (committed..=open).map(sealed).collect(),
            hold: Arc::new(self.store.hold(SLOT, open as u64)),
        }
    }

    fn expected(&self, account: AccountKey) -> Vec<(Instant, Position)> {
        let counts = |row: &&(AccountKey, Instant, Position)| {
            row.0 == account && !self.void.contains(&row.2)
        };
        let mut rows: Vec<_> = self.rows.iter().filter(counts).map(|row| (row.1, row.2)).collect();
        rows.sort_unstable();
        rows
    }

    fn assert_cut(&self, cut: &Cut) {
        for account in (0..ACCOUNTS).map(AccountKey) {
            let events = cut.events(&self.store, account).unwrap();
            let found: Vec<_> =
                events.iter().map(|event| (event.timestamp, event.position)).collect();
            let expected = self.expected(account);
            assert_eq!(found, expected);
            // From any instant on, nothing else is missing.
            for from in [-60, -20, 0, 20].map(Instant) {
                let mut later = Vec::new();
                let bounds = (from, Instant::MAX);
                cut.each_event(&self.store, account, bounds, &mut |row| {
                    later.push((row.timestamp, row.position));
                    Ok(())
                })
                .unwrap();
                let expected = expected.iter().filter(|(at, _)| *at >= from);
                assert!(later.iter().eq(expected), "from {from:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_cut_gives_each_row_once_whatever_is_merged(
        blocks in prop::collection::vec(
            prop::collection::vec((0..ACCOUNTS, -50_i64..50, proptest::bool::weighted(0.2)), 1..8),
            1..9,
        ),
        parts in prop::array::uniform4(any::<prop::sample::Index>()),
    ) {
        let world = World::new(&blocks);
        // Every block but the open one may be committed, and of these the owner may not know yet.
        let committed = parts[0].index(blocks.len());
        let known = parts[1].index(committed + 1);
        world.commit(0, committed, parts[2].index(committed + 1));
        world.store.merge(SLOT, &|| false).unwrap();
        let cut = world.cut(known);
        world.assert_cut(&cut);
        // More becomes durable and is merged before the cut is read.
        let later = committed + parts[3].index(blocks.len() - committed);
        world.commit(committed, later, later);
        world.store.merge(SLOT, &|| false).unwrap();
        world.assert_cut(&cut);
        world.assert_cut(&world.cut(later));
    }

    #[test]
    fn accounts_that_find_no_room_wait_for_another_pass(
        rows in prop::collection::vec((0..ACCOUNTS, -50_i64..50, Just(false)), 1..60),
        bytes_max in 1_usize..6_000,
    ) {
        let world = World::new(&[rows]);
        let cut = world.cut(0);
        let ledger = cut.ledger(&world.store).unwrap();
        let accounts: Vec<AccountKey> = (0..ACCOUNTS).map(AccountKey).collect();
        let mut left = accounts.as_slice();
        while !left.is_empty() {
            let (sets, fitting) = cut.unmerged(&ledger, left, |_| false, bytes_max).unwrap();
            prop_assert!(fitting > 0);
            let bytes: usize = sets.values().map(RowSet::bytes).sum();
            prop_assert!(bytes <= bytes_max || fitting == 1);
            for account in &left[..fitting] {
                let set = sets.get(account).cloned().unwrap_or_default();
                let found: Vec<_> = set.iter().map(|row| (row.timestamp, row.position)).collect();
                prop_assert_eq!(found, world.expected(*account));
            }
            left = &left[fitting..];
        }
    }
}

#[test]
fn a_cut_that_was_not_held_is_refused() {
    let world = World::new(&[vec![(0, 1, false)], vec![(0, 2, false)]]);
    let mut cut = world.cut(0);
    cut.hold = Arc::new(world.store.hold(0, 0));
    world.commit(0, 1, 1);
    world.store.merge(SLOT, &|| false).unwrap();
    let error = cut.events(&world.store, AccountKey(0)).unwrap_err();
    assert!(matches!(error, ScanError::Overtaken { slot: SLOT }), "{error}");
}
