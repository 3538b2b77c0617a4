//! Makes a failing case smaller for as long as it fails.

use odometer::core::instant::Instant;

use super::case::Case;
use super::feed::Feed;
use super::world::{Mismatch, World};
use crate::service::TestService;

/// Most attempts for one case: each is an organisation on the same service.
const ATTEMPTS_MAX: u64 = 600;

/// A service that smaller and smaller cases run on.
struct Bench {
    service: Option<TestService>,
    attempts: u64,
}

impl Bench {
    /// How the case fails, if it does.
    fn fails(&mut self, case: &Case) -> Option<Mismatch> {
        if self.attempts == ATTEMPTS_MAX {
            return None;
        }
        self.attempts += 1;
        let service = self.service.take().unwrap();
        let mut world =
            World::new(service, Feed::Embedded, std::slice::from_ref(case), self.attempts);
        let mut found = None;
        for round in 0..world.rounds() {
            world.happen(round);
            found = found.or(world.ask(round, "a round", usize::MAX).into_iter().next());
        }
        self.service = Some(world.service);
        found
    }

    fn take(&mut self, case: &mut Case, smaller: Case) -> bool {
        let fails = self.fails(&smaller).is_some();
        if fails {
            *case = smaller;
        }
        fails
    }
}

/// A smaller case that fails on a service of its own, and how. None if the case alone does not.
pub fn shrink(case: &Case) -> Option<(Case, Mismatch)> {
    let service = TestService::start(Instant(0), &[("store.slots", "1")]);
    let mut bench = Bench { service: Some(service), attempts: 0 };
    let first = bench.fails(case)?;
    let mut case = case.clone();
    let mut asked = case.clone();
    asked.rounds.truncate(first.round + 1);
    for round in &mut asked.rounds {
        round.questions.clear();
    }
    let questions = &case.rounds[first.round].questions;
    asked.rounds[first.round].questions = questions
        .iter()
        .filter(|q| q.query().len() == first.question.query().len())
        .cloned()
        .collect();
    bench.take(&mut case, asked);
    loop {
        let shorter = drop_rounds(&mut bench, &mut case) | drop_events(&mut bench, &mut case);
        if !(shorter | drop_charges(&mut bench, &mut case)) {
            break;
        }
    }
    let last = bench.fails(&case).unwrap_or(first);
    Some((case, last))
}

/// Lets a round's records come with those of the next.
fn drop_rounds(bench: &mut Bench, case: &mut Case) -> bool {
    let mut dropped = false;
    for at in (1..case.rounds.len()).rev() {
        let mut smaller = case.clone();
        let before = smaller.rounds.remove(at - 1);
        smaller.rounds[at - 1].events.splice(0..0, before.events);
        dropped |= bench.take(case, smaller);
    }
    dropped
}

fn drop_events(bench: &mut Bench, case: &mut Case) -> bool {
    let mut dropped = false;
    for round in 0..case.rounds.len() {
        let mut size = case.rounds[round].events.len();
        while size > 0 {
            let mut at = 0;
            while at < case.rounds[round].events.len() {
                let mut smaller = case.clone();
                let end = (at + size).min(smaller.rounds[round].events.len());
                smaller.rounds[round].events.drain(at..end);
                if bench.take(case, smaller) {
                    dropped = true;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
    }
    dropped
}

/// Leaves charges and filters out of every catalogue.
fn drop_charges(bench: &mut Bench, case: &mut Case) -> bool {
    let tenants = case.rounds.iter().filter_map(|round| round.tenant.as_ref());
    let plans = tenants.flat_map(|tenant| &tenant.plans);
    let charges = plans.flat_map(|plan| &plan.charges);
    let mut ids: Vec<_> =
        charges.flat_map(|c| c.filters.iter().map(|filter| filter.id).chain([c.id])).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut dropped = false;
    for id in ids {
        let mut smaller = case.clone();
        let tenants = smaller.rounds.iter_mut().filter_map(|round| round.tenant.as_mut());
        for plan in tenants.flat_map(|tenant| &mut tenant.plans) {
            plan.charges.retain(|charge| charge.id != id);
            for charge in &mut plan.charges {
                charge.filters.retain(|filter| filter.id != id);
            }
        }
        dropped |= bench.take(case, smaller);
    }
    dropped
}

/// What happens in a case, to be read by whoever looks for the cause.
pub fn told(case: &Case, mismatch: &Mismatch) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (at, round) in case.rounds.iter().enumerate() {
        writeln!(text, "round {at}, now {} µs", round.now).unwrap();
        if let Some(tenant) = &round.tenant {
            for metric in &tenant.metrics {
                writeln!(text, "  {metric:?}").unwrap();
            }
            for plan in &tenant.plans {
                writeln!(text, "  {plan:?}").unwrap();
            }
            for row in &tenant.rows {
                writeln!(text, "  {row:?}").unwrap();
            }
            for customer in &tenant.customers {
                writeln!(text, "  {} in {:?}", customer.external_id, customer.timezone).unwrap();
            }
            writeln!(text, "  organisation in {:?}", tenant.organization.timezone).unwrap();
        }
        for sent in &round.events {
            writeln!(text, "  partition {}: {}", sent.partition, sent.record).unwrap();
        }
    }
    writeln!(text, "after {} {}", mismatch.when, mismatch.round).unwrap();
    writeln!(text, "asked    {:?}", mismatch.question.query()).unwrap();
    writeln!(text, "expected {} {}", mismatch.expected.status, mismatch.expected.body).unwrap();
    writeln!(text, "answered {} {}", mismatch.actual.status, mismatch.actual.body).unwrap();
    text
}
