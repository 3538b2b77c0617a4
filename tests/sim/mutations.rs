//! Steps that are left out or taken in the wrong order on purpose: some seed tells each.
//!
//! A fault is switched on for the whole process, so this is the only test that runs with it.

use odometer::core::planted::{Fault, plant};

use crate::search;

/// Seeds that are tried for one fault.
const SEEDS_MAX: u64 = 1_000;
/// Seeds that must hold without a fault.
const SEEDS_WITHOUT: u64 = 200;

#[test]
fn every_planted_fault_is_found() {
    plant(None);
    let (_, _, without) = search(0..SEEDS_WITHOUT);
    assert!(without.is_none(), "without a fault, {without:?}");
    // What seeds find is told below.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    println!("{:24} {:>9}  found by", "fault", "seeds run");
    let mut unnoticed = Vec::new();
    for &fault in Fault::STEPS {
        plant(Some(fault));
        let (count, _, found) = search(0..SEEDS_MAX);
        let name = format!("{fault:?}");
        if let Some((seed, report)) = found {
            let broken = report.broken.unwrap_or_default();
            let first = broken.lines().next().unwrap_or_default();
            let steps = report.trace.lines().count();
            println!("{name:24} {count:9}  seed {seed}, step {steps}: {first}");
        } else {
            println!("{name:24} {count:9}  no seed");
            unnoticed.push(fault);
        }
    }
    plant(None);
    std::panic::set_hook(told);
    assert!(unnoticed.is_empty(), "no seed tells {unnoticed:?}");
}
