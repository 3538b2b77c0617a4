//! The test mode of the program: only where it was asked for, and only on this machine.

use std::process::Command;

use serde_json::{Value as Json, json};
use ureq::http::Request;

use crate::rig::{PATIENCE, Service};
use crate::scenario::program;

fn send(service: &Service, method: &str, path: &str, body: &str) -> (u16, Json) {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.timeout_global(Some(PATIENCE)).build().into();
    let request = Request::builder().method(method).uri(format!("{}{path}", service.url));
    let mut response = agent.run(request.body(body.to_owned()).unwrap()).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}

/// Arguments of the program without the test mode.
fn plain(folder: &tempfile::TempDir) -> Command {
    let with = program(folder);
    let mut command = Command::new(with.get_program());
    command.args(with.get_args().filter(|argument| *argument != "--test-clock"));
    command.current_dir(folder.path());
    for (name, _) in with.get_envs() {
        command.env_remove(name);
    }
    command
}

#[test]
fn without_its_flag_there_is_no_test_mode() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(plain(&folder));
    for (method, path) in [("PUT", "/odometer/test/clock"), ("POST", "/odometer/test/seed")] {
        let (status, body) = send(&service, method, path, "{\"now\":\"2024-01-01T00:00:00Z\"}");
        assert_eq!((status, &body["code"]), (404, &json!("resource_not_found")), "{path}");
    }
}

#[test]
fn a_test_clock_is_refused_where_others_could_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    for (set, told) in [
        (["--listen", "0.0.0.0:0"], "cannot be served on 0.0.0.0:0"),
        (["--listen", "[::]:0"], "cannot be served on [::]:0"),
        (["--brokers", "127.0.0.1:1"], "embedded logs only"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odometer"));
        command.args(["serve", "--test-clock"]).args(set).current_dir(folder.path());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(told) && text.contains("hint: "), "{text}");
    }
}

#[test]
fn the_clock_goes_back_and_seeds_are_in_force_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(program(&folder));
    let clock = |body: &str| send(&service, "PUT", "/odometer/test/clock", body);
    for now in ["2024-03-15T12:00:00Z", "2020-01-01T00:00:00.000001Z"] {
        let body = json!({"now": now});
        assert_eq!(clock(&body.to_string()), (200, body));
    }
    for wrong in ["", "{}", "{\"now\":1}", "{\"now\":\"soon\"}", "{\"now\":\"2024-01-01\",\"x\":1}"]
    {
        assert_eq!(clock(wrong).0, 422, "{wrong}");
    }
    let seed = |body: &str| send(&service, "POST", "/odometer/test/seed", body);
    let empty = json!({"catalog_version": 0, "offsets": "odometer_events-0:0"});
    assert_eq!(seed("{}"), (200, empty.clone()));
    for wrong in ["", "7", "{\"event\":[]}", "{\"catalog\":[{}],\"events\":[{}]}"] {
        assert_eq!(seed(wrong).0, 422, "{wrong}");
    }
    assert_eq!(seed("{}"), (200, empty), "nothing was appended");
    // What is no event is rejected when it comes back from the log, as any producer's would be.
    let (status, body) = seed("{\"events\":[{\"code\":\"x\"},1]}");
    assert_eq!((status, &body["offsets"]), (200, &json!("odometer_events-0:2")));
    assert_eq!(service.metric("odometer_ledger_events{outcome=\"rejected\"}"), 2);
}
