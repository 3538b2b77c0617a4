//! Slots: whatever the order in which partitions are read, cut into batches and read again, the
//! same records give the same state.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::{Sample, WEEK, at, folding, frame, properties, scan};
use crate::core::event::{Event, Rejection};
use crate::core::instant::Instant;
use crate::core::planted::{Stumble, stumble};
use crate::core::position::{Position, Source};
use crate::core::properties::Kind;
use crate::engine::account::{Account, Installed, Known};
use crate::engine::batch::{Batch, Refused};
use crate::engine::counters::Counters;
use crate::engine::dedup::{BYTES_PER_ID, Ids, Lookup};
use crate::engine::digest::Digest;
use crate::engine::isolate::{Panicked, isolated};
use crate::engine::keys::{KeyHasher, names_hash};
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::engine::progress::{Progress, Reached};
use crate::engine::slot::{self, Accounts, Context, Ledger, Slot, Tenants};

const HASHER: KeyHasher = KeyHasher::new([3; 16]);
const PARTITIONS: u16 = 3;
/// Everything happens in one slot.
const SLOTS: u16 = 1;
const ORGANIZATION: &str = "org";

/// One record of a partition: an event, or something that is none.
#[derive(Clone, Debug)]
struct Record {
    sample: Sample,
    subscription: Option<String>,
    refused: bool,
}

/// The accounts, with names and rows as the ledger has them.
#[derive(Default)]
struct World {
    accounts: HashMap<AccountKey, Account>,
    rows: Vec<(AccountKey, RowKind, Sample)>,
    named: HashSet<AccountKey>,
    index: HashMap<u128, Position>,
}

#[allow(clippy::implicit_hasher)] // nobody else's business
impl Accounts for HashMap<AccountKey, Account> {
    fn change(
        &mut self,
        key: AccountKey,
        name: AccountName<'_>,
        change: &mut dyn FnMut(&mut Account, bool),
    ) {
        let mut new = false;
        let account = self.entry(key).or_insert_with(|| {
            new = true;
            let mut account = Account::new(name);
            account.reframe(name.subscription.map(|_| frame()), 1);
            account
        });
        change(account, new);
    }
}

struct Rows<'a>(&'a mut Vec<(AccountKey, RowKind, Sample)>, &'a mut HashSet<AccountKey>);

impl Ledger for Rows<'_> {
    fn append(&mut self, row: &Row<'_>, name: Option<AccountName<'_>>) -> Result<(), Panicked> {
        isolated(|| stumble(Stumble::Append, row.properties.as_bytes()))?;
        if name.is_some() {
            assert!(self.1.insert(row.account), "a name is written once");
        }
        assert!(self.1.contains(&row.account), "a row follows its account's name");
        let code = ["calls", "bytes"].into_iter().find(|code| *code == row.code).unwrap();
        let sample = Sample {
            code,
            timestamp: row.timestamp,
            position: row.position,
            transaction: row.transaction.to_owned(),
            properties: row.properties.to_owned(),
        };
        self.0.push((row.account, row.kind, sample));
        Ok(())
    }
}

/// Tenants that are all known, or none with room for so many bytes.
struct Book {
    known: Cell<bool>,
    room: Cell<u64>,
}

impl Tenants for Book {
    fn knows(&self, _: &str) -> bool {
        self.known.get()
    }

    fn set_aside(&self, bytes: u64) -> bool {
        let left = self.room.get().checked_sub(bytes);
        left.inspect(|left| self.room.set(*left)).is_some()
    }

    fn give_back(&self, bytes: u64) {
        self.room.set(self.room.get() + bytes);
    }
}

#[allow(clippy::implicit_hasher)] // as above
impl Lookup for HashMap<u128, Position> {
    fn position(&self, identity: u128) -> Option<Position> {
        self.get(&identity).copied()
    }
}

fn new_slot(ids_max: usize) -> Slot {
    Slot {
        number: 0,
        progress: Progress::default(),
        ids: Ids::new(ids_max * 2 * BYTES_PER_ID, false),
        counters: Counters::default(),
        digest: Digest::default(),
    }
}

fn book() -> Book {
    Book { known: Cell::new(true), room: Cell::new(0) }
}

impl World {
    /// Applies records of one partition, which end before an offset, as one batch.
    fn apply(&mut self, slot: &mut Slot, tenants: &Book, records: &[Record]) -> usize {
        self.apply_as(slot, tenants, records, slot::Turn::Read)
    }

    fn apply_as(
        &mut self,
        slot: &mut Slot,
        tenants: &Book,
        records: &[Record],
        turn: slot::Turn,
    ) -> usize {
        let mut batch = Batch::default();
        for Record { sample, subscription, refused } in records {
            let position = sample.position;
            if *refused {
                let rejection = Rejection::Tombstone;
                batch.refuse(Refused { slot: 0, position, rejection, bytes: Vec::new() });
            } else {
                let event = Event {
                    organization: ORGANIZATION,
                    subscription: subscription.as_deref(),
                    transaction: &sample.transaction,
                    code: sample.code,
                    timestamp: sample.timestamp,
                    properties: sample.properties.as_ref(),
                    precise_cents: None,
                    evaluated: false,
                };
                batch.push(&event, position, None, &HASHER, SLOTS);
            }
            let Position { source, offset, log_time, .. } = position;
            batch.reach(Reached { source, next: offset + 1, log_time });
        }
        batch.seal(SLOTS);
        let mut folding = folding();
        let asked = match turn {
            slot::Turn::Read => slot.doubtful(&batch),
            slot::Turn::Replayed => batch.ids(0).map(|(id, _)| id).collect(),
        };
        let found: HashMap<u128, Position> = asked
            .iter()
            .filter_map(|id| Some((id.identity, *self.index.get(&id.identity)?)))
            .collect();
        let turned = slot.apply(
            &batch,
            &mut Context {
                accounts: &mut self.accounts,
                ledger: &mut Rows(&mut self.rows, &mut self.named),
                tenants,
                lookup: &found,
                folding: &mut folding,
                number: 1,
                turn,
                sequence: 1,
            },
        );
        turned.unknown.len()
    }

    /// Events of an account that count, by the ledger.
    fn events(&self, key: AccountKey) -> Vec<Sample> {
        let mine = || self.rows.iter().filter(|(account, ..)| *account == key);
        let retracted: HashSet<Position> = mine()
            .filter_map(|(_, kind, _)| match kind {
                RowKind::Replacement { retracted } => Some(*retracted),
                RowKind::Accepted => None,
            })
            .collect();
        let events = mine().map(|(.., sample)| sample.clone());
        events.filter(|sample| !retracted.contains(&sample.position)).collect()
    }
}

/// The rule, by brute force: of every id the copy with the smallest position.
fn winners(records: &[Vec<Record>]) -> BTreeMap<(Option<String>, String), Vec<Sample>> {
    let mut winners: BTreeMap<(Option<String>, String), Vec<Sample>> = BTreeMap::new();
    for record in records.iter().flatten().filter(|record| !record.refused) {
        let id = (record.subscription.clone(), record.sample.transaction.clone());
        let copies = winners.entry(id).or_default();
        copies.push(record.sample.clone());
        if record.subscription.is_some() {
            copies.sort_by_key(|copy| copy.position);
            copies.truncate(1);
        }
    }
    winners
}

/// Compares a slot that has read everything with the rule.
fn judge(world: &World, slot: &Slot, records: &[Vec<Record>]) {
    judge_but_copies(world, slot, records);
    let refused = records.iter().flatten().filter(|record| record.refused).count() as u64;
    let all = records.iter().map(Vec::len).sum::<usize>() as u64;
    let Counters { accepted, duplicate, replaced, rejected, .. } = slot.counters;
    assert_eq!(rejected, refused);
    // Which of two copies is read first is a matter of chance; that one of them loses is not.
    assert_eq!(duplicate + replaced, all - refused - accepted);
}

/// [`judge`], without a look at what became of events that do not count.
fn judge_but_copies(world: &World, slot: &Slot, records: &[Vec<Record>]) {
    let winners = winners(records);
    let mut digest = Digest::default();
    let mut by_account: HashMap<AccountKey, Vec<Sample>> = HashMap::new();
    for ((subscription, transaction), copies) in &winners {
        let names = names_hash(ORGANIZATION, subscription.as_deref());
        for copy in copies {
            digest.add(Digest::of(names, transaction, &copy.position));
        }
        let key = HASHER.account(ORGANIZATION, subscription.as_deref());
        by_account.entry(key).or_default().extend(copies.iter().cloned());
    }
    assert_eq!(slot.digest, digest);
    let ids: u64 = winners.values().map(|copies| copies.len() as u64).sum();
    assert_eq!(slot.counters.accepted, ids);

    for (key, account) in &world.accounts {
        let right = by_account.remove(key).unwrap_or_default();
        let mut events = world.events(*key);
        events.sort_by_key(|event| event.position);
        let positions = |events: &[Sample]| {
            let mut positions: Vec<_> = events.iter().map(|event| event.position).collect();
            positions.sort_unstable();
            positions
        };
        assert_eq!(positions(&events), positions(&right));
        if account.subscription.is_some() {
            judge_totals(account, &events, &right);
        }
    }
    assert!(by_account.is_empty(), "every account was made");
}

fn judge_totals(account: &Account, ledger: &[Sample], right: &[Sample]) {
    let frame = frame();
    for week in 0..3 {
        let spell = frame.spell_holding(Instant(week * WEEK)).unwrap();
        let right = scan(&frame, spell, right);
        let mut account = account.clone();
        if account.open_for_scan(&frame, spell).is_some() {
            let scanned = scan(&frame, spell, ledger);
            let generation = account.generation;
            let window = spell.window;
            let taken = account.install(&frame, generation, window, scanned, &mut folding());
            assert_eq!(taken, Installed::Taken);
        }
        match account.known(&frame, spell.window) {
            Known::Totals(totals) => assert_eq!(totals.cells, right),
            Known::Nothing => assert!(right.0.is_empty()),
            Known::Unknown => panic!("a rebuild leaves nothing unknown"),
        }
    }
}

/// Records of three partitions: few ids, so that copies meet, with values of their own.
fn records() -> impl Strategy<Value = Vec<Vec<Record>>> {
    let record = (0..6_u8, 0..3_u8, 0..3_i64, 0..3_i64, any::<bool>(), -3..4_i64, 0..10_u8);
    let partition = proptest::collection::vec(record, 0..25);
    proptest::collection::vec(partition, usize::from(PARTITIONS)).prop_map(|partitions| {
        let numbered = (0..PARTITIONS).zip(partitions);
        numbered
            .map(|(partition, drawn)| {
                let mut log_time = 0;
                let drawn = (0..).zip(drawn);
                drawn
                    .map(|(offset, (id, subscription, week, later, counts, value, dice))| {
                        log_time += later;
                        let sample = Sample {
                            code: if counts { "calls" } else { "bytes" },
                            timestamp: Instant(week * WEEK + value.abs()),
                            position: at(log_time, partition, offset),
                            transaction: format!("t{id}"),
                            properties: properties(value, id % 3),
                        };
                        let subscription = (subscription > 0).then(|| format!("s{subscription}"));
                        Record { sample, subscription, refused: dice == 0 }
                    })
                    .collect()
            })
            .collect()
    })
}

/// A turn of reading: a partition, how many records, and how many before them once more. After it
/// ids may be brought into the store's index.
type Turn = (usize, usize, usize, bool);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (0..usize::from(PARTITIONS), 0..8_usize, 0..4_usize, any::<bool>());
    proptest::collection::vec(turn, 0..30)
}

fn read(records: &[Vec<Record>], turns: &[Turn], ids_max: usize) -> (World, Slot) {
    let (mut world, mut slot, book) = (World::default(), new_slot(ids_max), book());
    let all = records.iter().map(Vec::len).max().unwrap_or(0);
    let rest = (0..usize::from(PARTITIONS)).map(|partition| (partition, all, 0, false));
    for (partition, count, again, merge) in turns.iter().copied().chain(rest) {
        let source = Source::new(0, u16::try_from(partition).unwrap());
        let next = usize::try_from(slot.progress.next(source)).unwrap();
        let end = (next + count).min(records[partition].len());
        let begin = next.saturating_sub(again);
        // The index takes ids while the slot reads on, as the compactor does.
        let started = if merge { slot.ids.start_merge() } else { Vec::new() };
        world.apply(&mut slot, &book, &records[partition][begin..end]);
        if merge {
            let mut positions: HashMap<u128, Position> = HashMap::new();
            for id in started {
                let place = positions.entry(id.key.identity).or_insert(id.position);
                *place = id.position.min(*place);
            }
            world.index.extend(positions);
            slot.ids.merged();
        }
    }
    (world, slot)
}

proptest! {
    #[test]
    fn the_same_records_give_the_same_state(
        records in records(),
        turns in turns(),
        ids_max in 0..12_usize,
    ) {
        let (world, slot) = read(&records, &turns, ids_max);
        judge(&world, &slot, &records);
    }

    #[test]
    fn what_is_replayed_counts_as_if_it_had_never_been_refused(
        records in records(),
        turns in turns(),
        ids_max in 0..12_usize,
    ) {
        let (mut world, mut slot) = read(&records, &turns, ids_max);
        let mut accepted = records.clone();
        for record in accepted.iter_mut().flatten().filter(|record| record.refused) {
            record.refused = false;
            world.apply_as(&mut slot, &book(), std::slice::from_ref(record), slot::Turn::Replayed);
        }
        // That they were refused once stays counted.
        let refused = records.iter().flatten().filter(|record| record.refused).count();
        prop_assert_eq!(std::mem::take(&mut slot.counters.rejected), refused as u64);
        judge(&world, &slot, &accepted);
    }

    /// Whether it is a first copy or one that takes the place of another: what panics while it is
    /// counted is rejected, takes no id, and leaves every total as if it had never come.
    #[test]
    fn what_panics_counts_as_if_it_had_been_refused(
        mut records in records(),
        turns in turns(),
        ids_max in 0..12_usize,
        poisoned in proptest::collection::vec(
            proptest::sample::select(vec![None, Some(Stumble::Fold), Some(Stumble::Append)]),
            1..40,
        ),
    ) {
        let mut expected = records.clone();
        let all = records.iter_mut().flatten().zip(expected.iter_mut().flatten());
        for ((record, expected), poison) in all.zip(poisoned.iter().cycle()) {
            if let Some(place) = poison.filter(|_| !record.refused) {
                record.sample.properties.push("poison", Kind::Text, place.mark());
                expected.refused = true;
            }
        }
        let (world, slot) = read(&records, &turns, ids_max);
        // A poisoned copy of what counts already is a duplicate, and is not counted anew.
        let copies = slot.counters.duplicate + slot.counters.replaced;
        judge_but_copies(&world, &slot, &expected);
        let refused = expected.iter().flatten().filter(|record| record.refused).count() as u64;
        let total: usize = records.iter().map(Vec::len).sum();
        prop_assert!(slot.counters.rejected <= refused);
        let Counters { accepted, rejected, .. } = slot.counters;
        prop_assert_eq!(accepted + rejected + copies, total as u64);
    }

    #[test]
    fn reading_again_changes_nothing(records in records(), turns in turns()) {
        let (mut world, mut slot) = read(&records, &turns, 4);
        let before = (slot.digest, slot.counters, slot.progress.clone(), world.rows.len());
        let states = |world: &World| -> HashMap<AccountKey, _> {
            let states = world.accounts.iter();
            let state = |a: &Account| (a.rows, a.state, a.generation, a.windows.clone());
            states.map(|(key, account)| (*key, state(account))).collect()
        };
        let accounts = states(&world);
        for partition in &records {
            world.apply(&mut slot, &book(), partition);
        }
        prop_assert_eq!(before, (slot.digest, slot.counters, slot.progress, world.rows.len()));
        prop_assert_eq!(accounts, states(&world));
    }
}

fn record(transaction: &str, position: Position) -> Record {
    let sample = Sample {
        code: "calls",
        timestamp: Instant(WEEK),
        position,
        transaction: transaction.to_owned(),
        properties: properties(1, 0),
    };
    Record { sample, subscription: Some("s1".to_owned()), refused: false }
}

#[test]
fn copies_of_an_unknown_tenants_event_take_no_room() {
    let (mut world, mut slot) = (World::default(), new_slot(10));
    let book = Book { known: Cell::new(false), room: Cell::new(1000) };
    world.apply(&mut slot, &book, &[record("a", at(5, 1, 0))]);
    let room = book.room.get();
    world.apply(&mut slot, &book, &[record("a", at(6, 1, 1)), record("a", at(7, 1, 2))]);
    world.apply(&mut slot, &book, &[record("a", at(4, 0, 0))]);
    assert_eq!((slot.counters.duplicate, slot.counters.replaced), (2, 1));
    assert_eq!(book.room.get(), room);
    let account = world.accounts.values().next().unwrap();
    assert_eq!(1000 - room, account.aside.1, "what the account gives back is what it took");
}

#[test]
fn an_account_is_named_by_its_first_row_even_if_earlier_events_were_turned_away() {
    let (mut world, mut slot) = (World::default(), new_slot(10));
    let book = Book { known: Cell::new(false), room: Cell::new(0) };
    assert_eq!(world.apply(&mut slot, &book, &[record("a", at(5, 1, 0))]), 1);
    assert_eq!((slot.counters.rejected, world.rows.len()), (1, 0));
    book.known.set(true);
    // A rejected event took no id.
    world.apply(&mut slot, &book, &[record("a", at(6, 1, 1))]);
    assert_eq!((slot.counters.accepted, world.rows.len(), world.named.len()), (1, 1, 1));
}
