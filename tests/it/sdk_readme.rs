//! The snippets of the README, as they are printed there, against the service that `make run`
//! starts. Only the address is another one, because its port may be taken.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rig::{Service, tool, until};

const README: &str = include_str!("../../README.md");
/// Where the README has the service answer: the default of `http.listen`.
const ADDRESS: &str = "127.0.0.1:8080";

/// The one block of a language under a heading.
fn snippet(heading: &str, language: &str) -> &'static str {
    let section = README.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let fence = format!("```{language}\n");
    let mut blocks = section.split(&fence).skip(1);
    let block = blocks.next().expect("a snippet").split("```").next().unwrap();
    assert!(blocks.next().is_none(), "one snippet of {language}");
    assert_eq!(block.matches(ADDRESS).count(), 1, "{language} names the default address");
    block
}

/// Runs a snippet with the address of the service, and returns what it prints.
#[track_caller]
fn run(service: &Service, language: &str, mut interpreter: Command) -> String {
    let address = service.url.strip_prefix("http://").unwrap();
    let text = snippet("Ask it", language).replace(ADDRESS, address);
    let piped = interpreter.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the interpreter starts");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{language}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The service of `make run`, on a free port, once sample traffic costs something.
fn demo(folder: &Path) -> Service {
    let mut command = Command::new(env!("CARGO_BIN_EXE_odometer"));
    command.args(["demo", "--listen", "127.0.0.1:0", "--set", "log.format=json", "--folder"]);
    command.arg(folder.join("demo")).current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("ODOMETER_") {
            command.env_remove(name);
        }
    }
    let service = Service::start(command);
    let path = "/api/v1/customers/customer_paris/current_usage";
    until("usage costs something", || {
        let (status, body) = service.get(path, Some("odometer-demo-key"));
        let body: Value = serde_json::from_str(&body).ok().filter(|_| status == 200)?;
        (body["customer_usage"]["total_amount_cents"].as_i64()? > 0).then_some(())
    });
    service
}

#[test]
fn the_snippets_of_the_readme_run_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let service = demo(folder.path());

    let told = run(&service, "bash", Command::new("bash"));
    let body: Value = serde_json::from_str(&told).unwrap();
    let total = body["customer_usage"]["total_amount_cents"].as_i64().unwrap();
    assert!(total > 0, "{told}");

    let mut python = tool("dev/python");
    python.args(["--list", "tests/sdk/python/requirements.txt", "-"]);
    let told = run(&service, "python", python);
    let (cents, units) = told.trim().split_once(' ').unwrap();
    assert!(cents.parse::<i64>().unwrap() >= total, "{told}");
    assert_eq!(units.matches('\'').count(), 6, "units of three charges: {told}");

    // An import finds packages beside the script and above it only.
    let path = tool("dev/node").args(["--list", "tests/sdk/javascript", "--path"]).output();
    let packages = String::from_utf8(path.unwrap().stdout).unwrap();
    std::os::unix::fs::symlink(packages.trim(), folder.path().join("node_modules")).unwrap();
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-"]).current_dir(folder.path());
    let told = run(&service, "javascript", node);
    assert!(told.trim().parse::<i64>().unwrap() >= total, "{told}");
    assert!(service.terminate().0.success());
}

#[test]
fn the_other_snippets_ask_the_same_question() {
    for language in ["ruby", "go"] {
        let text = snippet("Ask it", language);
        for name in ["odometer-demo-key", "customer_paris", "subscription_paris"] {
            assert!(text.contains(name), "{language} names {name}");
        }
    }
}
