//! The kill rig (`tests/rig/kill`) in its short form, and a defect that it has to find.
//!
//! `make rig MINUTES=30` runs the long form.

use std::path::Path;
use std::process::ExitStatus;

use serde_json::Value;

use crate::rig::tool;

/// Runs the rig on the program of this build. Returns how it ended, and its report.
fn run(arguments: &[&str]) -> (ExitStatus, Value) {
    let place = tempfile::tempdir().unwrap();
    let report = place.path().join("report.json");
    let status = tool("dev/python")
        .arg("tests/rig/kill_rig.py")
        .args(arguments)
        .args(["--program", env!("CARGO_BIN_EXE_odometer"), "--report"])
        .arg(&report)
        .status()
        .expect("dev/python runs");
    (status, read(&report))
}

#[track_caller]
fn read(report: &Path) -> Value {
    let text = std::fs::read_to_string(report).expect("the rig has written its report");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn no_fault_changes_a_total_or_a_counter() {
    let (status, report) = run(&["--short"]);
    assert!(status.success(), "{report:#}");
    assert_eq!(report["wrong_totals"], 0, "{report:#}");
    assert!(report["totals_compared"].as_u64().unwrap() > 0, "{report:#}");
    let inside = &report["outcomes"]["kill inside a checkpoint"];
    assert!(inside.as_u64().unwrap_or(0) > 0, "no kill was inside a checkpoint: {report:#}");
}

#[test]
fn positions_that_run_ahead_of_their_rows_are_found() {
    let (status, report) = run(&["--short", "--fault", "positions_early"]);
    assert_eq!(status.code(), Some(1), "{report:#}");
    assert!(report["wrong_totals"].as_u64().unwrap() > 0, "{report:#}");
    let shown = report["wrong"].to_string();
    assert!(shown.contains(" units is ") && shown.contains(" events_count is "), "{shown}");
}
