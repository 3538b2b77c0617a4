//! Requests about events, answered by a backend that is none.

use super::client::{Answer, Server, read, settings, start, start_with};
use crate::config;

const EVENT: &str = "{\"lago_id\":\"00000000-0000-0000-0000-000000000007\",\
     \"transaction_id\":\"TX\",\"lago_customer_id\":null,\"code\":\"c\",\
     \"timestamp\":\"1970-01-01T00:00:01.500Z\",\"precise_total_amount_cents\":\"12.5\",\
     \"properties\":{\"n\":1000.0,\"t\":\"a\\u003cb\",\"o\":{\"k\":[1,null]},\"z\":null},\
     \"lago_subscription_id\":null,\"external_subscription_id\":\"s\",\
     \"created_at\":\"1970-01-01T00:00:01Z\"}";
const SENT: &str = "{\"transaction_id\":\"TX\",\"external_subscription_id\":\"s\",\"code\":\"c\",\
     \"precise_total_amount_cents\":12.5}";

fn post_as(server: &Server, key: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    read(server.open(head.as_bytes()))
}

fn post(server: &Server, path: &str, body: &str) -> Answer {
    post_as(server, "KEY", path, body)
}

fn details(answer: &Answer) -> &str {
    let (_, details) = answer.body.split_once("\"error_details\":").unwrap();
    details.strip_suffix('}').unwrap()
}

#[test]
fn an_accepted_event_is_printed_and_its_position_told() {
    let server = start();
    let answer = post(&server, "/api/v1/events", &format!("{{\"event\":{SENT}}}"));
    assert_eq!((answer.status, answer.body.as_str()), (200, &*format!("{{\"event\":{EVENT}}}")));
    assert_eq!(answer.header("odometer-position"), Some("odometer_events-0:41"));
    let batch = format!("{{\"events\":[{SENT},{SENT}]}}");
    let answer = post(&server, "/api/v1//events/batch/", &batch);
    let expected = format!("{{\"events\":[{EVENT},{EVENT}]}}");
    assert_eq!((answer.status, answer.body), (200, expected));
}

#[test]
fn a_missing_root_is_a_bad_request() {
    let server = start();
    for body in ["", "{}", "{\"event\":{}}", "{\"event\":null}", "{\"event\":[1]}", "{\"e\":1}"] {
        let answer = post(&server, "/api/v1/events", body);
        let expected = "{\"status\":400,\"error\":\"BadRequest: param is missing or the value is \
                        empty or invalid: event\"}";
        assert_eq!((answer.status, answer.body.as_str()), (400, expected), "{body}");
    }
    for body in ["{", "[1]", "nonsense", "\u{1}"] {
        assert_eq!(post(&server, "/api/v1/events", body).status, 400, "{body}");
        assert_eq!(post(&server, "/api/v1/events/batch", body).status, 400, "{body}");
    }
}

#[test]
fn the_length_of_a_batch_is_bounded() {
    let server = start();
    let batch = |events: &str| post(&server, "/api/v1/events/batch", events);
    for body in ["{}", "{\"events\":[]}", "{\"events\":null}", "{\"events\":{\"a\":1}}"] {
        let answer = batch(body);
        let told = (answer.status, details(&answer));
        assert_eq!(told, (422, "{\"events\":[\"no_events\"]}"), "{body}");
    }
    let of = |length: usize| format!("{{\"events\":[{}]}}", vec!["{}"; length].join(","));
    assert_eq!(batch(&of(100)).status, 200);
    assert_eq!(details(&batch(&of(101))), "{\"events\":[\"too_many_events\"]}");
}

#[test]
fn every_refusal_has_its_status_and_body() {
    let server = start();
    for (code, status, word) in [
        ("busy", 429, "too_many_requests"),
        ("cold", 503, "not_ready"),
        ("long", 413, "request_too_large"),
        ("off", 404, "resource_not_found"),
        ("broken", 500, "internal_error"),
    ] {
        let body = format!("{{\"event\":{{\"code\":\"{code}\"}}}}");
        let answer = post(&server, "/api/v1/events", &body);
        assert_eq!(answer.status, status, "{code}");
        assert!(answer.body.contains(&format!("\"code\":\"{word}\"")), "{}", answer.body);
    }
    let busy = post(&server, "/api/v1/events", "{\"event\":{\"code\":\"busy\"}}");
    for (name, value) in
        [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1"), ("retry-after", "1")]
    {
        assert_eq!(busy.header(name), Some(value), "{name}");
    }
    assert_eq!(busy.header("x-ratelimit-limit"), Some("16384"));
}

#[test]
fn faults_are_told_by_index_in_a_batch_only() {
    let server = start();
    let taken = "{\"transaction_id\":[\"value_already_exist\"]}";
    let single = post(&server, "/api/v1/events", "{\"event\":{\"code\":\"taken\"}}");
    assert_eq!((single.status, details(&single)), (422, taken));
    let batch = post(&server, "/api/v1/events/batch", "{\"events\":[{\"code\":\"taken\"}]}");
    assert_eq!(details(&batch), format!("{{\"1\":{taken}}}"));
    let failed = "\"expression_evaluation_failed: Variable: b not found\"";
    let single = post(&server, "/api/v1/events", "{\"event\":{\"code\":\"expression\"}}");
    assert_eq!(details(&single), failed);
    let batch = "{\"events\":[{\"code\":\"expression\"}]}";
    let batch = post(&server, "/api/v1/events/batch", batch);
    assert_eq!(details(&batch), format!("{{\"0\":{failed}}}"));
}

#[test]
fn keys_are_asked_for_first() {
    let server = start();
    for path in ["/api/v1/events", "/api/v1/events/batch"] {
        assert_eq!(post_as(&server, "WRONG", path, "{").status, 401);
        let answer = post_as(&server, "LIMITED", path, "{");
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("write_action_not_allowed_for_event"), "{}", answer.body);
    }
    let head = "GET /api/v1/events/TX HTTP/1.1\r\nAuthorization: Bearer LIMITED";
    assert_eq!(server.ask(head).status, 200, "may read");
}

#[test]
fn events_are_found_and_listed() {
    let server = start();
    let answer = server.get("/api/v1/events/a%2Fb%20c");
    assert!(answer.body.contains("\"transaction_id\":\"a/b c\""), "{}", answer.body);
    let answer = server.get("/api/v1/events/nobody");
    let expected = "{\"status\":404,\"error\":\"Not Found\",\"code\":\"event_not_found\"}";
    assert_eq!((answer.status, answer.body.as_str()), (404, expected));
    assert_eq!(server.get("/api/v1/events/%ff").status, 404);
    let answer = server.get("/api/v1/events?external_subscription_id=s&page=3&per_page=2");
    let meta = "\"meta\":{\"current_page\":3,\"next_page\":null,\"prev_page\":2,\
                \"total_pages\":3,\"total_count\":5}}";
    assert!(answer.body.ends_with(meta), "{}", answer.body);
    let answer = server.get("/api/v1/events?timestamp_from=soon");
    assert_eq!(details(&answer), "{\"timestamp_from\":[\"invalid_date\"]}");
}

#[test]
fn estimates_are_asked_for_and_not_stored() {
    let server = start();
    let ask = |path: &str, body: &str| {
        let answer = post(&server, &format!("/api/v1/events/{path}"), body);
        assert_eq!(answer.header("odometer-position"), None);
        (answer.status, answer.body)
    };
    let known = "{\"event\":{\"code\":\"known\"}}";
    let none = (200, "{\"fees\":[]}".to_owned());
    assert_eq!(ask("estimate_fees", known), none);
    assert_eq!(ask("estimate_instant_fees", known), none);
    assert_eq!(ask("batch_estimate_instant_fees", "{\"events\":[{},{}]}"), none);
    for path in ["estimate_fees", "estimate_instant_fees"] {
        assert_eq!(ask(path, "{}").0, 400, "{path}");
        let url = format!("/api/v1/events/{path}");
        assert_eq!(post_as(&server, "LIMITED", &url, known).status, 403, "{path}");
        assert_eq!(server.get(&url).status, 404, "{path}");
    }
    let (status, body) = ask("estimate_fees", "{\"event\":{\"transaction_id\":\"t\"}}");
    assert_eq!(status, 404);
    assert!(body.contains("\"code\":\"subscription_not_found\""), "{body}");
    let (status, body) = ask("batch_estimate_instant_fees", "{\"events\":[]}");
    assert_eq!(status, 422);
    assert!(body.contains("{\"events\":[\"no_events\"]}"), "{body}");
}

#[test]
fn other_methods_find_nothing() {
    let server = start();
    for (method, path) in [
        ("DELETE", "/api/v1/events"),
        ("PUT", "/api/v1/events/TX"),
        ("POST", "/api/v1/events/TX"),
        ("GET", "/api/v1/events/batch"),
        ("POST", "/api/v1/customers/c/current_usage"),
    ] {
        let head = format!("{method} {path} HTTP/1.1\r\nAuthorization: Bearer KEY");
        let answer = server.ask(&head);
        assert_eq!(answer.status, 404, "{method} {path}");
        assert!(answer.body.contains("resource_not_found"), "{}", answer.body);
    }
}

#[test]
fn a_body_beyond_the_bound_is_refused_with_and_without_its_length() {
    let server = start();
    let long = "x".repeat(5000);
    assert_eq!(post(&server, "/api/v1/events", &long).status, 413);
    let chunked = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Authorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{long}\r\n0\r\n\r\n"
    );
    assert_eq!(read(server.open(chunked.as_bytes())).status, 413);
}

#[test]
fn a_body_that_does_not_arrive_is_given_up() {
    let server = start_with(config::Http { read_timeout_ms: 100, ..settings() }, true);
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
                Authorization: Bearer KEY\r\nContent-Length: 10\r\n\r\n{";
    assert_eq!(read(server.open(head.as_bytes())).status, 408);
}
