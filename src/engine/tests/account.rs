//! Whatever happens to an account, what it claims to know is what a scan gives.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Sample, WEEK, at, feed, folding, frame, properties, scan};
use crate::core::instant::Instant;
use crate::core::period::Window;
use crate::engine::account::{Account, Folding, Installed, Known, WINDOWS_MAX};
use crate::engine::frame::{Frame, Spell};
use crate::engine::ledger::AccountName;
use crate::engine::totals::Cells;

/// The week in which the log stands.
const NOW: i64 = 1000;
/// Weeks around it in which events lie.
const WEEKS: i64 = 8;

/// An account with all its events, and the scans that are under way.
struct World {
    account: Account,
    folding: Folding,
    events: Vec<Sample>,
    scans: Vec<(u64, Window, Cells)>,
}

/// Something that happens to an account.
#[derive(Clone, Debug)]
enum Step {
    /// An event of a week is accepted while the log stands in another.
    Event { week: i64, log_week: i64, code: &'static str, value: i64, region: u8 },
    /// Somebody asks for a week.
    Open { week: i64 },
    /// One of the scans under way ends.
    Install { which: usize },
    /// The totals are thrown away.
    Forget,
}

impl World {
    fn new() -> Self {
        let name = AccountName { organization: "org", subscription: Some("sub") };
        let mut account = Account::new(name);
        account.reframe(Some(frame()), 1);
        Self { account, folding: folding(), events: Vec::new(), scans: Vec::new() }
    }

    fn spell(week: i64) -> Spell {
        frame().spell_holding(Instant((NOW + week) * WEEK)).unwrap()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Event { week, log_week, code, value, region } => {
                let offset = i64::try_from(self.events.len()).unwrap();
                let event = Sample {
                    code,
                    timestamp: Instant((NOW + week) * WEEK + offset),
                    position: at((NOW + log_week) * WEEK, 0, offset),
                    transaction: offset.to_string(),
                    properties: properties(value, region),
                };
                self.account.fold(code, &event.usage(), &mut self.folding);
                self.events.push(event);
            }
            Step::Open { week } => {
                let spell = Self::spell(week);
                if let Some(draft) = self.account.open_for_scan(&frame(), spell) {
                    let scanned = feed(&frame(), spell, draft, &self.events).0;
                    self.scans.push((self.account.generation, spell.window, scanned));
                }
            }
            Step::Install { which } => {
                if !self.scans.is_empty() {
                    let (generation, window, cells) = self.scans.remove(which % self.scans.len());
                    let folding = &mut self.folding;
                    self.account.install(&frame(), generation, window, cells, folding);
                }
            }
            Step::Forget => self.account.forget(),
        }
    }

    /// Compares all that the account knows with scans.
    fn judge(&self) {
        assert!(self.account.windows.len() <= WINDOWS_MAX);
        for week in -WEEKS..=WEEKS {
            let spell = Self::spell(week);
            let right = scan(&frame(), spell, &self.events);
            match self.account.known(&frame(), spell.window) {
                Known::Unknown => {}
                Known::Nothing => assert_eq!(right, Cells::default(), "week {week}"),
                Known::Totals(totals) => assert_eq!(totals.cells, right, "week {week}"),
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let code =
        prop_oneof![Just("calls"), Just("bytes"), Just("seats"), Just("users"), Just("unheard_of")];
    let event = (-WEEKS..=WEEKS, -2..=2_i64, code, -5..5_i64, 0..5_u8).prop_map(
        |(week, log_week, code, value, region)| Step::Event { week, log_week, code, value, region },
    );
    let step = prop_oneof![
        8 => event,
        4 => (-WEEKS..=WEEKS).prop_map(|week| Step::Open { week }),
        2 => any::<usize>().prop_map(|which| Step::Install { which }),
        1 => Just(Step::Forget),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn what_is_known_is_what_a_scan_gives(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.judge();
        }
    }
}

fn event(week: i64, log_week: i64) -> Step {
    Step::Event { week, log_week, code: "calls", value: 1, region: 0 }
}

#[test]
fn a_window_that_is_scanned_is_not_opened_a_second_time() {
    let mut world = World::new();
    // Four weeks are kept, and one that is not worth it lies far back.
    for week in [0, 1, -1, 2, -8] {
        world.step(&event(week, 0));
    }
    world.step(&Step::Open { week: -8 });
    // The log moves on and needs room; meanwhile the far week receives another event.
    for step in [event(3, 3), event(4, 4), event(-8, 4)] {
        world.step(&step);
    }
    world.step(&Step::Open { week: -8 });
    world.step(&Step::Install { which: 0 });
    world.judge();
}

#[test]
fn a_scan_from_before_the_totals_were_thrown_away_is_not_added() {
    let mut world = World::new();
    world.step(&event(0, 0));
    world.step(&Step::Forget);
    world.step(&Step::Open { week: 0 });
    let old = world.scans.remove(0);
    world.step(&Step::Forget);
    world.step(&Step::Open { week: 0 });
    world.step(&event(0, 0));
    let installed = world.account.install(&frame(), old.0, old.1, old.2, &mut world.folding);
    assert_eq!(installed, Installed::Outdated);
    let window = World::spell(0).window;
    assert_eq!(world.account.known(&frame(), window), Known::Unknown);
    world.step(&Step::Install { which: 0 });
    world.judge();
    assert!(matches!(world.account.known(&frame(), window), Known::Totals(_)));
}

#[test]
fn other_rules_know_nothing_of_the_totals() {
    let mut world = World::new();
    let window = World::spell(0).window;
    let frame = frame();
    let (shape, terms) = (Arc::clone(&frame.shape), frame.terms.clone());
    let (digest, stints) = (frame.digest ^ 1, Vec::new());
    let other = Frame { digest, shape, terms, stints, ingestion: None };
    assert_eq!(world.account.known(&other, window), Known::Nothing, "no event at all");
    world.step(&event(0, 0));
    assert_eq!(world.account.known(&other, window), Known::Unknown);
    world.account.reframe(None, 2);
    assert_eq!(world.account.known(&frame, window), Known::Unknown);
    world.account.reframe(Some(Arc::clone(&frame)), 3);
    assert_eq!(world.account.known(&frame, window), Known::Unknown, "totals were lost");
}

#[test]
fn what_has_no_window_is_left_to_scans() {
    let mut world = World::new();
    world.step(&event(0, 0));
    let before = World::spell(0).window;
    // Before the subscription began there is no window; a week without events stays known.
    world.step(&event(-NOW - 1, 0));
    assert!(matches!(world.account.known(&frame(), before), Known::Totals(_)));
    assert!(world.account.uncached.is_some());
    world.judge();
}

#[test]
fn what_recurs_is_carried_over_without_a_scan() {
    let mut world = World::new();
    let seats = |week| Step::Event { week, log_week: week, code: "seats", value: 3, region: 0 };
    world.step(&seats(0));
    // A window that somebody asks for, with nothing in it and two weeks later, is opened at once.
    world.step(&Step::Open { week: 2 });
    assert!(world.scans.is_empty());
    assert!(matches!(
        world.account.known(&frame(), World::spell(2).window),
        Known::Totals(totals) if !totals.cells.0.is_empty()
    ));
    // So is one that an event opens, and a late event counts in all that are kept.
    for step in [seats(3), seats(1), seats(0)] {
        world.step(&step);
        world.judge();
    }
    for week in 0..=3 {
        let window = World::spell(week).window;
        assert!(matches!(world.account.known(&frame(), window), Known::Totals(_)), "{week}");
    }
}

#[test]
fn too_many_events_during_a_scan_have_it_repeated() {
    let mut world = World::new();
    world.step(&event(0, 0));
    world.step(&Step::Forget);
    world.step(&Step::Open { week: 0 });
    let window = World::spell(0).window;
    let noted = world.account.windows[0].building.as_mut().unwrap();
    let big = Sample { properties: super::long(), ..world.events[0].clone() };
    while noted.events().is_some() {
        noted.note("calls", &big.usage());
    }
    let (generation, _, cells) = world.scans.remove(0);
    let installed = world.account.install(&frame(), generation, window, cells, &mut world.folding);
    assert_eq!(installed, Installed::Overflowed);
    assert_eq!(world.account.known(&frame(), window), Known::Unknown);
    world.step(&Step::Open { week: 0 });
    world.step(&Step::Install { which: 0 });
    world.judge();
}
