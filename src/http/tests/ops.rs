//! Routes for operators, and what is counted.

use super::client::{settings, start, start_with};
use crate::telemetry::CONTENT_TYPE;

#[test]
fn probes_need_no_key() {
    for (ready, status, word) in [(true, 200, "true"), (false, 503, "false")] {
        let server = start_with(settings(), ready);
        let answer = server.ask("GET /readyz HTTP/1.1");
        assert_eq!(answer.status, status);
        let version = env!("CARGO_PKG_VERSION");
        let detail = r#"{"slots":"64","offsets":"\"x\""}"#;
        let body = format!("{{\"ready\":{word},\"version\":\"{version}\",\"detail\":{detail}}}");
        assert_eq!(answer.body, body);
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
        let alive = server.ask("GET /livez/ HTTP/1.1");
        assert_eq!((alive.status, alive.body.as_str()), (200, "{\"alive\":true}"));
        assert_eq!(server.ask("HEAD /readyz HTTP/1.1").status, status);
    }
}

#[test]
fn scrapes_have_their_own_media_type() {
    let answer = start().ask("GET /metrics HTTP/1.1");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some(CONTENT_TYPE));
    assert_eq!(answer.body, "odometer_events_total 1\n# EOF\n");
}

#[test]
fn requests_are_counted_by_route_and_status() {
    let server = start();
    for target in ["/api/v1/customers/c/current_usage", "/livez", "/some/where", "/other"] {
        server.get(target);
    }
    server.get("/api/v1/customers/panic/current_usage");
    server.get("//api/v1/customers/x/current_usage");
    let text = server.metrics.encode();
    let usage = "/api/v1/customers/:external_customer_id/current_usage";
    for (route, status, count) in [
        (usage, 200, 1),
        (usage, 500, 1),
        (usage, 404, 1),
        ("/livez", 200, 1),
        ("unmatched", 404, 2),
    ] {
        let line = format!(
            "odometer_http_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
        );
        assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("odometer_http_request_seconds_count{route=\"unmatched\"} 2"), "{text}");
}
