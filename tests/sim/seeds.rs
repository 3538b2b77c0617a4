//! The seeds of a run, and those that have failed once.

use std::io::Write as _;

use crate::fired::KINDS;
use crate::search;
use crate::world::{Report, run};

/// Seeds unless their number is set.
const SEEDS: u64 = 2_000;
/// Steps that are shown of a seed that fails, and characters of each.
const STEPS_SHOWN: usize = 60;
const LINE_CHARS: usize = 240;
/// Seeds that are run twice.
const SEEDS_TWICE: u64 = 20;
/// Seeds from which on every kind of fault has come about, surely.
const SEEDS_ENOUGH: u64 = 500;

fn setting(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods)] // tests are told by their caller how much to try
    let told = std::env::var(name).ok();
    told.map(|text| text.parse().unwrap())
}

/// Fails if a seed does, and says how to repeat it.
fn judge(failure: Option<(u64, Report)>) {
    let Some((seed, report)) = failure else { return };
    let cut = |line: &str| line.chars().take(LINE_CHARS).collect::<String>();
    let steps: Vec<String> = report.trace.lines().map(cut).collect();
    let last = &steps[steps.len().saturating_sub(STEPS_SHOWN)..];
    panic!(
        "seed {seed}: {}\n  after {} steps, the last of them\n{}\n  \
         again: make sim FROM={seed} SEEDS=1",
        report.broken.unwrap_or_default(),
        steps.len(),
        last.join("\n")
    );
}

#[test]
fn every_seed_holds() {
    let from = setting("ODOMETER_SIM_FROM").unwrap_or(0);
    let seeds = setting("ODOMETER_SIM_SEEDS").unwrap_or(SEEDS);
    let (count, fired, failure) = search(from..from + seeds);
    // Shown whether or not the test fails: this output is not held back.
    writeln!(std::io::stdout(), "{count} seeds from {from}\n{fired}").unwrap();
    judge(failure);
    let never: Vec<_> = KINDS.iter().filter(|kind| !fired.0.contains_key(*kind)).collect();
    assert!(count < SEEDS_ENOUGH || never.is_empty(), "never: {never:?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let mut steps = 0;
    for seed in 0..SEEDS_TWICE {
        let (one, other) = (run(seed), run(seed));
        let pairs = one.trace.lines().zip(other.trace.lines());
        let differ = pairs.enumerate().find(|(_, (one, other))| one != other);
        assert_eq!(differ, None, "seed {seed}");
        assert_eq!(one.trace.len(), other.trace.len(), "seed {seed}");
        assert_eq!(one.fired, other.fired, "seed {seed}");
        steps += one.trace.lines().count();
    }
    assert!(steps > 1_000, "{steps} steps are next to nothing");
}
