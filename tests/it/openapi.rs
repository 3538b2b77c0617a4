//! Requests that a generator makes of the description, sent to the program itself: no answer is a
//! defect, and every answer is one that is described.

use crate::rig::{Script, Service};
use crate::scenario::program;

const KEY: &str = "odometer-demo-key";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.yaml");

#[test]
fn made_up_requests_are_answered_as_described() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&folder);
    command.args(["--set", &format!("catalog.file={CATALOG}")]);
    let service = Service::start(command);
    let report = folder.path().join("report");
    let report = report.to_str().unwrap();
    let arguments = ["--url", &service.url, "--key", KEY, "--report", report];
    let told = Script::start("dev/python", "openapi.py", &arguments).finish();
    let number = |name: &str| told[name].as_u64().unwrap();
    println!("{told}");
    assert_eq!(number("failures"), 0, "{told}");
    // A generator that finds nothing to do would also find nothing wrong.
    assert!(number("operations") >= 50 && number("requests") >= 100, "{told}");
    let (status, lines) = service.terminate();
    assert!(status.success());
    let panicked = lines.iter().any(|line| line["message"] == "a request handler panicked");
    assert!(!panicked, "a handler panicked");
}
