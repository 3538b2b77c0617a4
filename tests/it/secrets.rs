//! Keys and passwords never reach the log, however much of it is asked for.

use crate::rig::Service;
use crate::scenario::program;

/// The key of the example catalogue, and its digest there.
const KEY: &str = "odometer-demo-key";
const DIGEST: &str = "f6a3793baedef58938740b4dc02c4c3f43ef154d62bc83239aaf4416cc4e5e8d";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.yaml");

#[test]
fn keys_are_not_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&folder);
    command.args(["--set", &format!("catalog.file={CATALOG}"), "--set", "log.level=trace"]);
    let service = Service::start(command);
    let usage = "/api/v1/customers/customer_tokyo/current_usage";
    let paths = [usage, "/api/v1/taxes", "/api/v1/organizations", "/no/where", "/api/v1/events/x"];
    for path in paths {
        service.get(path, Some(KEY));
        service.get(path, Some("wrong-guess"));
    }
    let event = serde_json::json!({"event": {"code": "api_calls"}});
    service.post("/api/v1/events", KEY, &event);
    let (status, lines) = service.terminate();
    assert!(status.success());
    let of_requests = lines.iter().filter(|line| line["message"] == "request").count();
    assert!(of_requests >= 2 * paths.len(), "requests are logged at this level: {of_requests}");
    for line in lines {
        let text = line.to_string();
        for secret in [KEY, "wrong-guess", DIGEST, "Bearer"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
