//! Requests for current usage and their answers.

use super::client::{Server, start};
use super::mock::{ETAG, OFFSETS};
use super::sample;
use crate::core::usage::Request;
use crate::http::backend::{CurrentUsageRequest, NextOffset, WaitFor};
use crate::http::etag::IfNoneMatch;

const AUTH: &str = "Authorization: Bearer KEY";
const UNAUTHORIZED: &str = r#"{"status":401,"error":"Unauthorized"}"#;
const FORBIDDEN: &str =
    r#"{"status":403,"error":"Forbidden","code":"read_action_not_allowed_for_customer_usage"}"#;
const NO_ROUTE: &str = r#"{"status":404,"error":"Not Found","code":"resource_not_found"}"#;
const NO_CUSTOMER: &str = r#"{"status":404,"error":"Not Found","code":"customer_not_found"}"#;

fn usage(customer: &str) -> String {
    format!("/api/v1/customers/{customer}/current_usage")
}

fn invalid(field: &str, code: &str) -> String {
    format!(
        "{{\"status\":422,\"error\":\"Unprocessable Entity\",\"code\":\"validation_errors\",\
         \"error_details\":{{\"{field}\":[\"{code}\"]}}}}"
    )
}

/// Asks and compares status, body and media type.
fn check(server: &Server, head: &str, status: u16, body: &str) {
    let answer = server.ask(head);
    assert_eq!((answer.status, answer.body.as_str()), (status, body), "{head}");
    let media = answer.header("content-type");
    assert_eq!(media, Some("application/json; charset=utf-8"), "{head}");
    assert_eq!(answer.header("allow"), None, "{head}");
}

fn check_get(server: &Server, target: &str, status: u16, body: &str) {
    check(server, &format!("GET {target} HTTP/1.1\r\n{AUTH}"), status, body);
}

#[test]
fn the_order_of_checks_is_that_of_the_table() {
    let server = start();
    let bad = "?group=x";
    for (key, target, status, body) in [
        ("", usage("nobody") + bad, 401, UNAUTHORIZED.to_owned()),
        ("KEY", usage("c"), 401, UNAUTHORIZED.to_owned()),
        ("Bearer", usage("c"), 401, UNAUTHORIZED.to_owned()),
        ("Bearer WRONG", usage("c"), 401, UNAUTHORIZED.to_owned()),
        ("Bearer WRONG KEY", usage("c"), 401, UNAUTHORIZED.to_owned()),
        ("Bearer LIMITED", usage("nobody") + bad, 403, FORBIDDEN.to_owned()),
        ("Bearer KEY", usage("nobody") + bad, 422, invalid("group", "invalid_format")),
        ("bearer KEY", usage("nobody"), 404, NO_CUSTOMER.to_owned()),
        ("Foo  KEY", usage("c"), 200, sample::BODY.to_owned()),
        ("Bearer KEY rest", usage("c"), 200, sample::BODY.to_owned()),
    ] {
        check(&server, &format!("GET {target} HTTP/1.1\r\nAuthorization: {key}"), status, &body);
    }
    check(&server, &format!("GET {} HTTP/1.1", usage("c")), 401, UNAUTHORIZED);
}

#[test]
fn projected_usage_is_for_tenants_that_have_it() {
    let server = start();
    let path = "/api/v1/customers/c/projected_usage";
    let disabled = "{\"status\":403,\"error\":\"Forbidden\",\
                    \"code\":\"projected_usage_not_enabled\"}";
    let ask = |key: &str, target: &str| format!("GET {target} HTTP/1.1\r\nAuthorization: B {key}");
    check(&server, &ask("WRONG", path), 401, UNAUTHORIZED);
    check(&server, &ask("LIMITED", path), 403, FORBIDDEN);
    // Before the customer, and before anything in the request, is looked at.
    let nobody = "/api/v1/customers/nobody/projected_usage?apply_taxes=%ff";
    check(&server, &ask("PLAIN", nobody), 403, disabled);
    check(&server, &ask("KEY", nobody), 422, &invalid("apply_taxes", "invalid_format"));
    let nobody = "/api/v1/customers/nobody/projected_usage";
    check(&server, &ask("KEY", nobody), 404, NO_CUSTOMER);

    // Filters are not looked at.
    let query = "?group=x&full_usage=1&skip_grouping=1&charge_code=a&apply_taxes=0\
                 &external_subscription_id=s&min_offset=events_raw-0:1";
    let answer = server.ask(&ask("KEY", &format!("{path}{query}")));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let start = "{\"customer_projected_usage\":{\"from_datetime\":";
    assert!(answer.body.starts_with(start), "{}", answer.body);
    assert_eq!(answer.header("odometer-offsets"), Some(OFFSETS));
    let seen = server.mock.seen.lock().unwrap().pop().unwrap();
    assert_eq!(seen.usage, Request { apply_taxes: false, ..Request::default() });
    assert_eq!((seen.subscription.as_deref(), seen.full_usage), (Some("s"), false));
    assert!(seen.wait_for.is_some());
}

#[test]
fn every_condition_has_its_status_and_body() {
    let server = start();
    let coded = |status: u16, error: &str, code: &str| {
        (status, format!("{{\"status\":{status},\"error\":\"{error}\",\"code\":\"{code}\"}}"))
    };
    let limited = |name: &str| {
        let (status, body) = coded(503, "Service Unavailable", "bucket_limit_exceeded");
        let details = format!(",\"error_details\":{{\"{name}\":[\"value_is_out_of_range\"]}}}}");
        (status, body.strip_suffix('}').unwrap().to_owned() + &details)
    };
    for (customer, (status, body)) in [
        ("nobody", coded(404, "Not Found", "customer_not_found")),
        ("several", (422, invalid("external_subscription_id", "value_is_mandatory"))),
        ("inactive", coded(405, "Method Not Allowed", "no_active_subscription")),
        ("full", coded(405, "Method Not Allowed", "full_usage_not_allowed")),
        ("chargeless", coded(404, "Not Found", "charge_not_found")),
        ("behind", coded(409, "Conflict", "offset_not_reached")),
        ("late", coded(504, "Gateway Timeout", "offset_not_reached")),
        ("partition", (422, invalid("min_offset", "invalid_format"))),
        ("cold", coded(503, "Service Unavailable", "not_ready")),
        ("old", coded(503, "Service Unavailable", "too_stale")),
        ("groups", limited("groups")),
        ("values", limited("unique_values")),
        ("busy", coded(429, "Too Many Requests", "too_many_requests")),
        ("broken", coded(500, "Internal Server Error", "internal_error")),
        ("panic", coded(500, "Internal Server Error", "internal_error")),
        ("c", (200, sample::BODY.to_owned())),
    ] {
        check_get(&server, &usage(customer), status, &body);
    }
}

#[test]
fn retries_are_guided_by_headers() {
    let server = start();
    for (customer, after) in [("cold", "1"), ("old", "1"), ("groups", "60"), ("busy", "1")] {
        assert_eq!(server.get(&usage(customer)).header("retry-after"), Some(after), "{customer}");
    }
    let busy = server.get(&usage("busy"));
    let rate = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    assert_eq!(rate.map(|name| busy.header(name)), [Some("8"), Some("0"), Some("1")]);
    assert_eq!(server.get(&usage("c")).header("retry-after"), None);
}

#[test]
fn malformed_parameters_are_named() {
    let server = start();
    for (query, field) in [
        ("group=%5Bobject%20Object%5D", "group"),
        ("filter_by_group=%7B", "group"),
        ("group%5B%5D=1", "group"),
        ("filter_by_presentation=%7B%7D", "filter_by_presentation"),
        ("min_offset=events_raw:1", "min_offset"),
        ("min_offset=a-0:1&wait=x", "wait"),
        ("max_staleness=soon", "max_staleness"),
        ("external_subscription_id=%ff", "external_subscription_id"),
        ("charge_id=%c3", "charge_id"),
        ("apply_taxes=%ff", "apply_taxes"),
    ] {
        let target = format!("{}?{query}", usage("c"));
        check_get(&server, &target, 422, &invalid(field, "invalid_format"));
    }
    let many = format!("{}?{}", usage("c"), "a&".repeat(1025));
    check_get(&server, &many, 422, &invalid("parameters", "value_is_out_of_range"));
}

#[test]
fn paths_are_cleaned_and_decoded_once() {
    let server = start();
    for (target, status, body) in [
        ("//api/v1//customers/c/current_usage/", 200, sample::BODY),
        ("/api/v1/customers/a%2Fb/current_usage", 200, sample::BODY),
        ("/api/v1/customers/a.b@c.io/current_usage", 200, sample::BODY),
        ("/api/v1/customers/a%2Eb%40c.io/current_usage?", 200, sample::BODY),
        ("/api/v1/customers/%C3%BC%20z/current_usage", 200, sample::BODY),
        ("http://other/api/v1/customers/c/current_usage", 200, sample::BODY),
        ("/api/v1/customers/a%252Fb/current_usage", 404, NO_CUSTOMER),
        ("/api/v1/customers/%C3%BC+z/current_usage", 404, NO_CUSTOMER),
        ("/api/v1/customers/%ff/current_usage", 404, NO_CUSTOMER),
        ("/api/v1/customers/c%00/current_usage", 404, NO_CUSTOMER),
        ("/api/v1/customers/%zz/current_usage", 404, NO_CUSTOMER),
        ("/api/v1/customers/%/current_usage", 404, NO_CUSTOMER),
        ("/api/v1/customers/a/b/current_usage", 404, NO_ROUTE),
        // Without an id between the slashes it is the customer of that name.
        ("/api/v1/customers//current_usage", 404, NO_CUSTOMER),
        ("/api/v1/customers/c/current_usage/x", 404, NO_ROUTE),
        ("/api/v1/customers/c/x", 404, NO_ROUTE),
        ("/API/v1/customers/c/current_usage", 404, NO_ROUTE),
        ("/", 404, NO_ROUTE),
        ("///", 404, NO_ROUTE),
    ] {
        check_get(&server, target, status, body);
    }
}

#[test]
fn other_methods_have_no_route() {
    let server = start();
    let target = usage("c");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let head = format!("{method} {target} HTTP/1.1\r\n{AUTH}\r\nContent-Length: 0");
        check(&server, &head, 404, NO_ROUTE);
    }
    check(&server, "OPTIONS * HTTP/1.1", 404, NO_ROUTE);
    check(&server, "POST /livez HTTP/1.1\r\nContent-Length: 0", 404, NO_ROUTE);
    check(&server, "CONNECT h:80 HTTP/1.1", 404, NO_ROUTE);
}

#[test]
fn a_get_may_carry_a_body_and_any_media_type() {
    let server = start();
    let target = usage("c");
    for more in [
        "Content-Type: application/json\r\nContent-Length: 0",
        "Content-Type: what/ever\r\nAccept: text/html",
        "Accept: application/xml;q=1",
    ] {
        check(&server, &format!("GET {target} HTTP/1.1\r\n{AUTH}\r\n{more}"), 200, sample::BODY);
    }
    check(&server, &format!("GET {target} HTTP/1.0\r\n{AUTH}"), 200, sample::BODY);
}

#[test]
fn head_answers_like_get_without_a_body() {
    let server = start();
    for (target, status) in [(usage("c"), 200), (usage("nobody"), 404), ("/x".to_owned(), 404)] {
        let get = server.get(&target);
        let head = server.ask(&format!("HEAD {target} HTTP/1.1\r\n{AUTH}"));
        assert_eq!((head.status, head.body.as_str()), (status, ""), "{target}");
        let length = get.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{target}");
        for name in ["content-type", "etag", "odometer-offsets"] {
            assert_eq!(head.header(name), get.header(name), "{target} {name}");
        }
    }
    let head = server.ask(&format!("HEAD {} HTTP/1.1", usage("c")));
    assert_eq!((head.status, head.body.as_str()), (401, ""));
}

#[test]
fn answers_say_what_they_reflect() {
    let server = start();
    let names = ["odometer-offsets", "odometer-lag-ms", "odometer-catalog-version", "etag"];
    let tag = format!("\"{ETAG}\"");
    let all = [Some(OFFSETS), Some("12"), Some("34"), Some(tag.as_str())];
    let untagged = [all[0], all[1], all[2], None];
    for (customer, expected) in [
        ("c", all),
        ("behind", untagged),
        ("late", untagged),
        ("old", untagged),
        ("nobody", [None; 4]),
    ] {
        let answer = server.get(&usage(customer));
        assert_eq!(names.map(|name| answer.header(name)), expected, "{customer}");
    }
    for (header, status) in [
        ("\"7f-1\"", 304),
        ("W/\"7f-1\"", 304),
        ("\"x\", \"7f-1\"", 304),
        ("*", 304),
        ("\"x\"\r\nIf-None-Match: \"7f-1\"", 304),
        ("7f-1", 200),
        ("\"7f-10\"", 200),
    ] {
        let more = format!("{AUTH}\r\nIf-None-Match: {header}");
        let answer = server.ask(&format!("GET {} HTTP/1.1\r\n{more}", usage("c")));
        assert_eq!(answer.status, status, "{header}");
        assert_eq!(names.map(|name| answer.header(name)), all, "{header}");
        if status == 304 {
            assert_eq!((answer.body.as_str(), answer.header("content-length")), ("", None));
        } else {
            assert_eq!(answer.body, sample::BODY);
        }
    }
}

#[test]
fn the_backend_gets_what_was_asked() {
    let server = start();
    let query = "?external_subscription_id=s+1&full_usage=true&apply_taxes=&group%5Bk%5D=v\
                 &min_offset=events_raw-1:978&wait=20&max_staleness=250";
    assert_eq!(server.get(&(usage("a%2Fb") + query)).status, 200);
    let seen = server.mock.seen.lock().unwrap().pop().unwrap();
    let group = vec![("k".into(), vec!["v".into()])];
    let usage = Request { apply_taxes: false, group, ..Request::default() };
    let offset = NextOffset { topic: "events_raw".into(), partition: 1, next: 978 };
    let wait = Some(std::time::Duration::from_millis(20));
    let expected = CurrentUsageRequest {
        customer: "a/b".into(),
        subscription: Some("s 1".into()),
        usage,
        full_usage: true,
        wait_for: Some(WaitFor { offsets: vec![offset], wait }),
        max_staleness: Some(250),
        if_none_match: IfNoneMatch::default(),
    };
    assert_eq!(seen, expected);
}
