//! The seeds of a run, and those that have failed once.

use std::io::Write as _;

use crate::search;
use crate::world::{Report, run};

/// Seeds unless their number is set.
const SEEDS: u64 = 3_000;
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
    let steps: Vec<&str> = report.trace.lines().collect();
    let last = &steps[steps.len().saturating_sub(12)..];
    panic!(
        "seed {seed}: {}\n  after {} steps, the last of them\n{}\n  again: make sim FROM={seed} SEEDS=1",
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
    assert!(count < SEEDS_ENOUGH || fired.never().is_empty(), "never: {:?}", fired.never());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in 0..20 {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert_eq!(one.fired, other.fired, "seed {seed}");
        assert!(one.trace.lines().count() > 50, "seed {seed} does next to nothing");
    }
}
