//! A start: accounts that somebody asks for are back before their slots, slots that somebody asks
//! for before the others, and what has to be folded again has a bound.

use odometer::core::instant::Instant;
use odometer::engine::keys::SlotNumber;
use odometer::runtime::fault::Fault;
use odometer::runtime::scan::cut_now;
use odometer::runtime::shared::Shared;
use odometer::runtime::worker::BATCHES_WAITING_MAX;
use serde_json::json;

use crate::restart::{plain, usage};
use crate::restart_steps::{ChargeSpec, EventSpec, RecordSpec};
use crate::restart_world::{Tuning, World};
use crate::service::{TestService, wait_until};

const ORGANIZATION: &str = "org-a";
/// 2024-03-15T12:00:00Z.
const NOW: Instant = Instant::from_seconds(1_710_504_000);
/// So long that no slot's turn comes.
const NEVER_MS: u64 = 3_600_000;
/// Bytes of one event in the test of the bound, and events between two checkpoints.
const EVENT_BYTES: usize = 16 << 10;
const EVENTS_PER_CHECKPOINT: usize = 64;

/// A world whose slots are saved in turn within so much time.
fn world(totals_ms: u64) -> World {
    let spec = ChargeSpec { metric: 1, ..plain() };
    let tuning = Tuning { slots: 64, totals_ms, ..Tuning::default() };
    World::new(&tuning, &vec![spec; 12])
}

/// Events of both subscriptions.
fn events(days: std::ops::Range<i64>) -> Vec<RecordSpec> {
    let event = |(subscription, day)| {
        let spec = usage(1, day);
        let transaction = spec.transaction * 2 + subscription;
        RecordSpec::One(EventSpec { subscription, transaction, ..spec })
    };
    days.flat_map(|day| [(0, day), (1, day)]).map(event).collect()
}

fn shared(world: &World) -> &Shared {
    &world.service.running().service.shared
}

fn slot_of(world: &World, subscription: usize) -> SlotNumber {
    shared(world).account(ORGANIZATION, Some(&format!("sub-{subscription}"))).0
}

fn back(world: &World) -> Vec<SlotNumber> {
    let shared = shared(world);
    (0..64).filter(|slot| shared.board.slot(*slot).ready).collect()
}

/// Folds records and makes them durable.
fn keep(world: &mut World, records: &[RecordSpec]) {
    world.records(records);
    world.service.counters();
    world.service.running().service.checkpoint().unwrap();
}

/// What an account gets from saved totals alone, from blocks alone, and from both, without its
/// slot, is what it was.
#[test]
fn accounts_are_answered_before_any_slot_is_back() {
    for (totals_ms, saved, after) in [(100, true, 0), (NEVER_MS, false, 5), (100, true, 5)] {
        let mut world = world(totals_ms);
        keep(&mut world, &events(-15..-5));
        let totals_upto = |world: &World, slot| shared(world).store.slot(slot).unwrap().totals_upto;
        if saved {
            for subscription in [0, 1] {
                let slot = slot_of(&world, subscription);
                wait_until("the totals of the slot", || {
                    world.service.running().service.checkpoint().unwrap();
                    totals_upto(&world, slot) > 0
                });
            }
        }
        keep(&mut world, &events(-5..after - 5));
        world.verify("the events");
        let before = world.answers(&[]);
        world.service.crash_with(Fault::SlotsHeld);
        assert_eq!(world.answers(&[]), before, "from single accounts");
        assert_eq!(world.answers(&[]), before, "and once more");
        assert!(back(&world).is_empty(), "slots are back");
        assert_eq!(totals_upto(&world, slot_of(&world, 0)) > 0, saved);
        world.service.restart();
        assert_eq!(world.answers(&[]), before, "from the slots");
        // Some of them are there already, in blocks that the index of ids does not cover.
        world.records(&events(-6..-1));
        world.verify("events that came twice");
    }
}

/// A slot that is asked for does not wait for any other, and neither does a command for it.
#[test]
fn slots_that_are_asked_for_come_first() {
    let mut world = world(100);
    keep(&mut world, &events(-5..0));
    let before = world.answers(&[]);
    let (first, second) = (slot_of(&world, 0), slot_of(&world, 1));
    assert_ne!(first, second, "the test needs two slots");
    world.service.crash_with(Fault::UnaskedHeld);
    assert!(back(&world).is_empty());
    let answer = world.ask(ORGANIZATION, 0, &[]);
    assert!(before.contains(&answer), "{}", answer.body);
    wait_until("the slot of the account", || back(&world) == [first]);
    let (slot, account) = shared(&world).account(ORGANIZATION, Some("sub-1"));
    let read = cut_now(shared(&world), slot, account).unwrap().cut;
    assert_eq!(read.events(&shared(&world).store, account).unwrap().len(), 5);
    drop(read);
    let mut expected = [first, second];
    expected.sort_unstable();
    assert_eq!(back(&world), expected);
    assert_eq!(world.answers(&[]), before);
    world.service.restart();
    world.records(&events(-6..-1));
    world.verify("events that came twice");
}

/// Records that come while the slots are away wait at the reader; a stop does not wait for them,
/// and the next start has them.
#[test]
fn a_stop_does_not_wait_for_slots_that_are_not_back() {
    const RECORDS: u64 = 64;
    let mut service = TestService::start(NOW, &[("fold.batch_events_max", "1")]);
    service.crash_with(Fault::SlotsHeld);
    let event = |number: u64| {
        json!({"organization_id": ORGANIZATION, "external_subscription_id": "sub",
               "transaction_id": format!("t{number}"), "code": "calls",
               "timestamp": 1_710_504_000})
        .to_string()
    };
    service.append(&(0..RECORDS).map(event).collect::<Vec<_>>());
    let batches = || service.running().metrics.batches.get();
    wait_until("nobody takes more", || batches() > BATCHES_WAITING_MAX as u64);
    service.restart();
    wait_until("all records are there", || service.counters().set_aside == RECORDS);
}

/// However much comes, and although no slot's turn ever comes, a start has little to fold again.
#[test]
fn what_is_folded_again_is_bounded() {
    let never = NEVER_MS.to_string();
    let settings = [
        ("store.slots", "2"),
        ("checkpoint.interval_ms", never.as_str()),
        ("checkpoint.totals_interval_ms", never.as_str()),
    ];
    let mut service = TestService::start(NOW, &settings);
    let chunk = EVENT_BYTES * EVENTS_PER_CHECKPOINT;
    // Two mebibytes for each slot, what one checkpoint brings beyond, and what the next one does
    // before it saves.
    let most = (4 << 20) + 2 * chunk;
    let text = "x".repeat(EVENT_BYTES);
    let mut written = 0;
    while written * EVENT_BYTES < 24 << 20 {
        let event = |number: usize| {
            let account = number % 7;
            json!({
                "organization_id": ORGANIZATION,
                "external_subscription_id": format!("sub-{account}"),
                "transaction_id": number.to_string(),
                "code": "calls",
                "timestamp": NOW.micros() / 1_000_000,
                "properties": { "text": text },
            })
            .to_string()
        };
        service.append(&(written..written + EVENTS_PER_CHECKPOINT).map(event).collect::<Vec<_>>());
        written += EVENTS_PER_CHECKPOINT;
        service.counters();
        service.running().service.checkpoint().unwrap();
        let shared = &service.running().service.shared;
        wait_until("totals that are being saved", || !shared.compacting.totals());
        assert!(unsaved(shared) <= most, "{} after {written} events", unsaved(shared));
    }
    service.crash();
    service.counters();
    let shared = &service.running().service.shared;
    let rows = |number| {
        let (_, account) = shared.account(ORGANIZATION, Some(&format!("sub-{number}")));
        shared.board.peek(account, |account| account.rows).unwrap_or_default()
    };
    assert_eq!((0..7).map(rows).sum::<u64>(), written as u64);
}

/// Bytes of blocks that no saved totals include.
fn unsaved(shared: &Shared) -> usize {
    let of = |slot| {
        let from = shared.store.slot(slot).unwrap().totals_upto;
        let blocks = shared.store.tail(slot, from).unwrap();
        blocks.map(|block| block.unwrap().1.len()).sum::<usize>()
    };
    (0..2).map(of).sum()
}
