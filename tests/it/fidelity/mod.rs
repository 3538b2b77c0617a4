//! The running service answers as a literal reading of the specification does: whatever the
//! catalogue, the events, the order in which they come, and what happens to the service meanwhile.
//!
//! `ODOMETER_FIDELITY_CASES` sets the number of cases, `ODOMETER_FIDELITY_SEED` the seed, and
//! `ODOMETER_FIDELITY_CASE` runs the case with this number alone.

mod case;
mod catalog;
mod cell;
mod coverage;
mod dice;
mod events;
mod feed;
mod prices;
mod questions;
#[cfg(feature = "mutations")]
pub mod search;
mod shrink;
mod world;

use odometer::core::instant::Instant;

use crate::service::TestService;
use case::Case;
use coverage::Coverage;
use dice::Dice;
use feed::Feed;
use shrink::{shrink, told};
use world::{Mismatch, World};

/// Number of cases unless it is set: several for every combination that charges may have.
const CASES: u64 = 2_000;
/// Cases that share a service.
const CASES_PER_WORLD: u64 = 250;
/// Cases on several partitions of Kafka.
const CASES_ON_PARTITIONS: u64 = 60;
/// Cases with very many events.
const CASES_LONG: u64 = 40;
/// Cases whose accounts do not fit into memory together.
const CASES_COMING_AND_GOING: u64 = 120;
/// The least memory for accounts that may be set: a few dozen of them.
const ACCOUNTS_BYTES: &str = "65536";
/// Questions that are repeated for each case after a restart and on a second service.
const QUESTIONS_AGAIN: usize = 2;
/// Failing cases that are made small and shown.
const SHOWN_MAX: usize = 3;

fn setting(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods)] // tests are told by their caller how much to try
    let told = std::env::var(name).ok();
    told.map(|text| text.parse().unwrap())
}

fn seed() -> u64 {
    setting("ODOMETER_FIDELITY_SEED").unwrap_or_default()
}

#[test]
fn answers_are_those_of_the_specification() {
    let alone = setting("ODOMETER_FIDELITY_CASE");
    let cases = setting("ODOMETER_FIDELITY_CASES").unwrap_or(CASES);
    let (first, end) = alone.map_or((0, cases), |number| (number, number + 1));
    let mut covered = Coverage::default();
    let mut numbers = first..end;
    while !numbers.is_empty() {
        let own = numbers.start..numbers.end.min(numbers.start + CASES_PER_WORLD);
        numbers.start = own.end;
        covered.add(&live(own));
    }
    println!("cases by combination, seed {}\n{covered}", seed());
    if alone.is_none() && cases >= CASES {
        assert!(covered.empty().is_empty(), "no case covers {:?}", covered.empty());
    }
}

/// Accounts that leave memory and come back, for events and for questions, change no answer.
#[test]
fn accounts_that_come_and_go_change_no_answer() {
    let mut dice = Dice::new(seed(), u64::MAX - 1);
    let numbers = 0..CASES_COMING_AND_GOING;
    let cases: Vec<Case> = numbers.map(|number| Case::generate(seed(), 1 + number * 11)).collect();
    let more = [("memory.accounts_bytes_max", ACCOUNTS_BYTES.to_owned())];
    let mut world = World::new(service(&mut dice, &more), Feed::Embedded, &cases, 1);
    let mut mismatches = Vec::new();
    let (mut left, mut returned) = (0, 0);
    for round in 0..world.rounds() {
        world.happen(round);
        mismatches.extend(world.ask(round, "round", usize::MAX));
        let metrics = &world.service.running().metrics;
        left += metrics.accounts_left.get();
        returned += metrics.accounts_returned.get();
        match dice.below(4) {
            0 => world.service.crash(),
            1 => world.service.restart(),
            _ => {}
        }
    }
    world.service.crash();
    mismatches.extend(world.ask_again("a crash in round", QUESTIONS_AGAIN));
    println!("{left} accounts have left and {returned} have come back");
    judge(&cases, &mismatches);
    assert!(left > 0 && returned > 0, "{left} accounts left, {returned} came back");
}

/// Runs cases side by side on one service, and once more on another one that reads all at once.
fn live(numbers: std::ops::Range<u64>) -> Coverage {
    let mut dice = Dice::new(!seed(), numbers.start);
    let cases: Vec<Case> = numbers.map(|number| Case::generate(seed(), number)).collect();
    live_through(&mut dice, &cases)
}

/// What comes late among very many events changes no answer, whatever was kept of those.
#[test]
fn late_events_change_no_answer() {
    let mut dice = Dice::new(seed(), u64::MAX);
    let cases: Vec<Case> = (0..CASES_LONG).map(|number| Case::long(seed(), number)).collect();
    live_through(&mut dice, &cases);
}

fn live_through(dice: &mut Dice, cases: &[Case]) -> Coverage {
    let mut world = World::new(service(dice, &[]), Feed::Embedded, cases, 1);
    let mut mismatches = Vec::new();
    for round in 0..world.rounds() {
        world.happen(round);
        mismatches.extend(world.ask(round, "round", usize::MAX));
        match dice.below(4) {
            0 => world.service.running().service.checkpoint().unwrap(),
            1 => world.service.crash(),
            _ => {}
        }
    }
    world.service.restart();
    mismatches.extend(world.ask_again("a restart in round", QUESTIONS_AGAIN));
    let turned: Vec<Case> = cases.iter().rev().cloned().collect();
    let mut second = World::new(service(dice, &[]), Feed::Embedded, &turned, 1);
    (0..second.rounds()).for_each(|round| second.happen(round));
    mismatches.extend(second.ask_again("all at once in round", QUESTIONS_AGAIN));
    judge(cases, &mismatches);
    world.coverage
}

/// A service with settings that must not matter.
fn service(dice: &mut Dice, more: &[(&'static str, String)]) -> TestService {
    let mut settings: Vec<(&str, String)> = vec![
        ("store.slots", dice.pick(&["1", "4", "7"]).to_string()),
        ("fold.worker_threads", dice.pick(&["1", "2"]).to_string()),
        ("fold.batch_events_max", dice.pick(&["1", "9", "10000"]).to_string()),
        ("limits.groups_soft_max", dice.pick(&["2", "10000", "10000"]).to_string()),
        ("checkpoint.interval_ms", dice.pick(&["10", "1000", "3600000"]).to_string()),
        ("checkpoint.totals_interval_ms", "100".to_owned()),
        ("memory.accounts_bytes_max", dice.pick(&[ACCOUNTS_BYTES, "1073741824"]).to_string()),
    ];
    settings.extend(more.iter().cloned());
    let pairs: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, &**value)).collect();
    TestService::start(Instant(0), &pairs)
}

/// Records lie in several partitions whose times differ, so that a copy of a transaction that is
/// read late may be the one that counts.
#[test]
fn partitions_change_no_answer() {
    let mut dice = Dice::new(!seed(), u64::MAX);
    let cases: Vec<Case> =
        (0..CASES_ON_PARTITIONS).map(|number| Case::generate(!seed(), number * 7)).collect();
    let (feed, settings) = Feed::kafka();
    let mut world = World::new(service(&mut dice, &settings), feed, &cases, 1);
    let mut mismatches = Vec::new();
    for round in 0..world.rounds() {
        world.happen(round);
        mismatches.extend(world.ask(round, "round", usize::MAX));
    }
    world.service.crash();
    mismatches.extend(world.ask_again("a crash in round", QUESTIONS_AGAIN));
    judge(&cases, &mismatches);
}

/// Fails if there is a mismatch, and shows how small a case has it.
fn judge(cases: &[Case], mismatches: &[Mismatch]) {
    if mismatches.is_empty() {
        return;
    }
    let mut numbers: Vec<u64> = mismatches.iter().map(|mismatch| mismatch.case).collect();
    numbers.dedup();
    for mismatch in mismatches.iter().take(SHOWN_MAX) {
        let case = cases.iter().find(|case| case.number == mismatch.case).unwrap();
        println!("seed {}, case {} {:?}", seed(), case.number, case.cell);
        match shrink(case) {
            Some((small, mismatch)) => println!("{}", told(&small, &mismatch)),
            None => println!("not alone, but\n{}", told(case, mismatch)),
        }
    }
    panic!("{} mismatches in cases {numbers:?} of seed {}", mismatches.len(), seed());
}
