//! Planted faults: each one makes the service answer otherwise than the specification says, and the
//! cases of [`crate::fidelity`] tell.
//!
//! A fault is switched on for the whole process, so no other test may run beside this one.

use odometer::core::planted::{Fault, plant};

use crate::fidelity::search::{Found, search, search_long, search_partitions};

/// Faults that one partition never shows: there, a copy that is read later lies later.
const ON_PARTITIONS: [Fault; 1] = [Fault::ReplacementDropped];

/// Faults that few events never show: the last ones of a bucket are kept as they are.
const AMONG_MANY: [Fault; 2] = [Fault::MarkOutlivesLateEvent, Fault::RepairReadsTooLittle];

#[test]
fn every_planted_fault_is_found() {
    plant(None);
    let without = search().or_else(search_partitions).or_else(search_long);
    assert!(without.is_none(), "without a fault, {:?}", without.map(|found| found.mismatch));
    println!("{:22} {:>10} {:>6}  answered", "fault", "cases run", "case");
    let mut unnoticed = Vec::new();
    for &fault in Fault::RULES {
        plant(Some(fault));
        let found = if ON_PARTITIONS.contains(&fault) {
            search_partitions()
        } else if AMONG_MANY.contains(&fault) {
            search_long()
        } else {
            search()
        };
        let name = format!("{fault:?}");
        if let Some(Found { cases, mismatch }) = found {
            println!("{name:22} {cases:10} {:6}  {}", mismatch.case, mismatch.actual.status);
        } else {
            println!("{name:22}  not found");
            unnoticed.push(fault);
        }
    }
    plant(None);
    assert!(unnoticed.is_empty(), "no case tells {unnoticed:?}");
}
