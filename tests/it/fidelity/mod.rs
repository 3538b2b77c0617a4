//! The running service answers as a literal reading of the specification does: whatever the
//! catalogue, the events, the order in which they come, and what happens to the service meanwhile.

mod case;
mod catalog;
mod cell;
mod dice;
mod events;
mod prices;
mod questions;
mod world;

use odometer::core::instant::Instant;

use crate::service::TestService;
use case::Case;
use world::World;

/// Number of cases unless `ODOMETER_FIDELITY_CASES` says otherwise.
const CASES: u64 = 2_000;
/// Cases that share a service.
const CASES_PER_WORLD: u64 = 500;

fn setting(name: &str, default: u64) -> u64 {
    #[allow(clippy::disallowed_methods)] // tests are told by their caller how much to try
    let told = std::env::var(name).ok();
    told.map_or(default, |text| text.parse().unwrap())
}

#[test]
fn answers_are_those_of_the_specification() {
    let seed = setting("ODOMETER_FIDELITY_SEED", 0);
    let cases = setting("ODOMETER_FIDELITY_CASES", CASES);
    let mut first = 0;
    while first < cases {
        let numbers = first..cases.min(first + CASES_PER_WORLD);
        let own: Vec<Case> = numbers.map(|number| Case::generate(seed, number)).collect();
        let service = TestService::start(Instant(0), &[("store.slots", "4")]);
        let mut world = World::new(service, &own, 1);
        let mut mismatches = Vec::new();
        for round in 0..world.rounds() {
            world.happen(round);
            mismatches.extend(world.ask(round, "a round", usize::MAX));
        }
        println!("{} cases, {} mismatches", own.len(), mismatches.len());
        for mismatch in mismatches.iter().take(5) {
            println!("case {} {:?} round {} {:?}", mismatch.case, own[mismatch.at].cell, mismatch.round, mismatch.question);
            println!("  expected {} {}", mismatch.expected.status, mismatch.expected.body);
            println!("  actual   {} {}", mismatch.actual.status, mismatch.actual.body);
        }
        assert!(mismatches.is_empty());
        first += CASES_PER_WORLD;
    }
}
