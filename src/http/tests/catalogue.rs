//! What all routes of the catalogue have in common: keys, bodies, envelopes of errors.

use serde_json::Value as Json;

use super::client::{Answer, Server, start};

/// The collections: path and root key.
pub const COLLECTIONS: [(&str, &str); 3] =
    [("taxes", "tax"), ("billable_metrics", "billable_metric"), ("plans", "plan")];

/// What the tests of a route say.
impl Answer {
    #[track_caller]
    pub fn ok(&self) -> Json {
        assert_eq!(self.status, 200, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        serde_json::from_str(&self.body).unwrap()
    }

    /// Asserts a refusal by its code, which is empty for a body without one.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        let reason = match status {
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            503 => "Service Unavailable",
            _ => panic!("{status}: {}", self.body),
        };
        let code = if code.is_empty() { String::new() } else { format!(",\"code\":\"{code}\"") };
        let body = format!("{{\"status\":{status},\"error\":\"{reason}\"{code}}}");
        assert_eq!((self.status, self.body.as_str()), (status, body.as_str()));
    }

    #[track_caller]
    pub fn status_is(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.body);
    }

    /// Asserts a 422 by its details, which may be broken into lines.
    #[track_caller]
    pub fn invalid(&self, details: &str) {
        let details: String = details.lines().map(str::trim).collect();
        let body = format!(
            "{{\"status\":422,\"error\":\"Unprocessable Entity\",\"code\":\"validation_errors\",\
             \"error_details\":{details}}}"
        );
        assert_eq!((self.status, self.body.as_str()), (422, body.as_str()));
    }

    #[track_caller]
    pub fn bad_request(&self, words: &str) {
        let body = format!("{{\"status\":400,\"error\":\"BadRequest: {words}\"}}");
        assert_eq!((self.status, self.body.as_str()), (400, body.as_str()));
    }

    #[track_caller]
    pub fn missing_root(&self, root: &str) {
        self.bad_request(&format!("param is missing or the value is empty or invalid: {root}"));
    }
}

impl Server {
    pub fn post(&self, target: &str, body: &str) -> Answer {
        self.send("KEY", "POST", &format!("/api/v1/{target}"), body)
    }

    pub fn put(&self, target: &str, body: &str) -> Answer {
        self.send("KEY", "PUT", &format!("/api/v1/{target}"), body)
    }

    pub fn delete(&self, target: &str) -> Answer {
        self.send("KEY", "DELETE", &format!("/api/v1/{target}"), "")
    }

    pub fn read(&self, target: &str) -> Answer {
        self.send("KEY", "GET", &format!("/api/v1/{target}"), "")
    }
}

/// Every request to an object that is not the caller's is answered like one that is not there.
#[track_caller]
pub fn check_foreign(server: &Server, path: &str, root: &str, code: &str) {
    let target = format!("/api/v1/{path}");
    let body = format!("{{\"{root}\":{{\"name\":\"x\"}}}}");
    for (method, body) in [("GET", ""), ("PUT", body.as_str()), ("DELETE", "")] {
        server.send("OTHER", method, &target, body).refused(404, code);
    }
    server.read(path).ok();
}

#[test]
fn keys_are_asked_for_first() {
    let server = start();
    for (path, root) in COLLECTIONS {
        for (method, target) in [
            ("GET", format!("/api/v1/{path}")),
            ("POST", format!("/api/v1/{path}")),
            ("GET", format!("/api/v1/{path}/x")),
            ("PUT", format!("/api/v1/{path}/x")),
            ("DELETE", format!("/api/v1/{path}/x")),
        ] {
            server.send("WRONG", method, &target, "{").refused(401, "");
            let mode = if method == "GET" { "read" } else { "write" };
            let code = format!("{mode}_action_not_allowed_for_{root}");
            server.send("LIMITED", method, &target, "{").refused(403, &code);
        }
        let patched = server.send("KEY", "PATCH", &format!("/api/v1/{path}/x"), "");
        patched.refused(404, "resource_not_found");
        assert_eq!(patched.header("allow"), None);
    }
}

#[test]
fn bodies_have_a_root_and_a_size() {
    let server = start();
    for (path, root) in COLLECTIONS {
        let body = format!("{{\"{root}\":{{}}}}");
        for body in ["", "{}", "[1]", "null", "7", body.as_str()] {
            server.post(path, body).missing_root(root);
        }
        for body in ["{", "{\"a\":1}}", "{\"a\":\"\\u0000\"}", "nonsense"] {
            server.post(path, body).bad_request("error occurred while parsing request body");
        }
        let large = format!("{{\"{root}\":{{\"name\":\"{}\"}}}}", "x".repeat(5000));
        assert_eq!(server.post(path, &large).status, 413);
    }
    // Without an announced length the bound is found while reading.
    let head = "POST /api/v1/taxes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\n\
                Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1388\r\n{}\r\n0\r\n\r\n", "x".repeat(5000));
    let answer = super::client::read(server.open(format!("{head}{chunk}").as_bytes()));
    assert_eq!(answer.status, 413, "{}", answer.body);
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for() {
    let settings = crate::config::Http { read_timeout_ms: 100, ..super::client::settings() };
    let server = super::client::start_with(settings, true);
    let head = "POST /api/v1/taxes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\n\
                Connection: close\r\nContent-Length: 10\r\n\r\n{";
    assert_eq!(super::client::read(server.open(head.as_bytes())).status, 408);
}

#[test]
fn a_catalogue_that_cannot_be_written_says_so() {
    let server = start();
    server.mock.world.break_down();
    let answer = server.post("taxes", r#"{"tax":{"name":"n","code":"c","rate":1}}"#);
    answer.refused(503, "catalog_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
}
