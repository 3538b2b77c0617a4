//! The search for a case that goes wrong, for faults that are planted on purpose.

use super::case::Case;
use super::dice::Dice;
use super::feed::Feed;
use super::world::{Mismatch, World};
use super::{CASES_LONG, CASES_ON_PARTITIONS, QUESTIONS_AGAIN, seed, service};

/// Cases of the first batch.
const BATCH_FIRST: u64 = 20;
/// Each further batch is so many times as large: most faults show early, some are rare.
const BATCH_GROWTH: u64 = 2;
/// Batches that are tried: 1260 cases.
const BATCHES: u32 = 6;
/// Batches of long cases that are tried.
const BATCHES_LONG: u64 = 4;

/// A case that went wrong, and how.
pub struct Found {
    /// Cases that were run until then.
    pub cases: u64,
    /// The first wrong answer.
    pub mismatch: Mismatch,
}

/// Runs batch after batch until one has a wrong answer; none if all answers are right.
pub fn search() -> Option<Found> {
    let mut first = 0;
    for batch in 0..BATCHES {
        let end = first + BATCH_FIRST * BATCH_GROWTH.pow(batch);
        let cases: Vec<Case> = (first..end).map(|number| Case::generate(seed(), number)).collect();
        let found = live(&cases, first, (Feed::Embedded, Vec::new()));
        if let Some(mismatch) = found {
            return Some(Found { cases: end, mismatch });
        }
        first = end;
    }
    None
}

/// As [`search`], for what shows on several partitions alone.
pub fn search_partitions() -> Option<Found> {
    let cases: Vec<Case> =
        (0..CASES_ON_PARTITIONS).map(|number| Case::generate(!seed(), number * 7)).collect();
    let mismatch = live(&cases, u64::MAX, Feed::kafka())?;
    Some(Found { cases: CASES_ON_PARTITIONS, mismatch })
}

/// As [`search`], for what shows among very many events alone.
pub fn search_long() -> Option<Found> {
    (0..BATCHES_LONG).find_map(|batch| {
        let (first, end) = (batch * CASES_LONG, (batch + 1) * CASES_LONG);
        let cases: Vec<Case> = (first..end).map(|number| Case::long(seed(), number)).collect();
        let mismatch = live(&cases, u64::MAX - batch, (Feed::Embedded, Vec::new()))?;
        Some(Found { cases: end, mismatch })
    })
}

/// Runs cases side by side up to the first wrong answer.
fn live(
    cases: &[Case],
    number: u64,
    (feed, settings): (Feed, Vec<(&'static str, String)>),
) -> Option<Mismatch> {
    let mut dice = Dice::new(!seed(), number);
    let mut world = World::new(service(&mut dice, &settings), feed, cases, 1);
    for round in 0..world.rounds() {
        world.happen(round);
        let wrong = world.ask(round, "round", usize::MAX).into_iter().next();
        if wrong.is_some() {
            return wrong;
        }
        match dice.below(4) {
            0 => world.service.running().service.checkpoint().unwrap(),
            1 => world.service.crash(),
            _ => {}
        }
    }
    world.service.restart();
    world.ask_again("a restart in round", QUESTIONS_AGAIN).into_iter().next()
}
