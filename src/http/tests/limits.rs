//! Bounds: sizes, times, numbers, and the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::spawn;

use super::client::{read, read_all, settings, start, start_with, until};
use super::sample;
use crate::config;

const USAGE: &str = "/api/v1/customers/c/current_usage";
const SLOW: &[u8] = b"GET /api/v1/customers/slow/current_usage HTTP/1.1\r\n\
                      Host: h\r\nAuthorization: Bearer KEY\r\nConnection: close\r\n\r\n";

#[test]
fn large_heads_are_refused() {
    let server = start();
    let refused =
        r#"{"status":431,"error":"Request Header Fields Too Large","code":"headers_too_large"}"#;
    for (bytes, status, body) in [(7000, 200, sample::BODY), (8200, 431, refused)] {
        let head = format!(
            "GET {USAGE} HTTP/1.1\r\nAuthorization: Bearer KEY\r\nX: {}",
            "x".repeat(bytes)
        );
        let answer = server.ask(&head);
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{bytes}");
    }
    let answer = server.get(&format!("{USAGE}?{}", "x".repeat(8200)));
    assert_eq!((answer.status, answer.body.as_str()), (431, refused));
    // Far beyond the bound nothing is kept, and the connection ends.
    let huge = format!("GET {USAGE} HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let mut stream = TcpStream::connect(server.address).unwrap();
    let _ = stream.write_all(huge.as_bytes());
    let text = read_all(stream);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431 "), "{text}");
    assert_eq!(server.get(USAGE).status, 200);
}

/// Whoever closes a connection while more is on its way takes its answer back.
#[test]
fn who_sends_a_large_body_first_reads_that_it_is_refused() {
    let server = start();
    // More than the buffers of two sockets hold.
    let body = "y".repeat(12 << 20);
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\n";
    let known = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let unknown = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}");
    for request in [known, unknown] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(request.as_bytes()).expect("all of it is taken in");
        assert_eq!(read(stream).status, 413);
    }
}

#[test]
fn large_bodies_are_refused_before_they_are_sent() {
    let server = start();
    let refused = r#"{"status":413,"error":"Payload Too Large","code":"request_too_large"}"#;
    let head = format!("POST {USAGE} HTTP/1.1\r\nHost: h\r\nContent-Length: 4097\r\n\r\n");
    let answer = read(server.open(head.as_bytes()));
    assert_eq!((answer.status, answer.body.as_str()), (413, refused));
    assert_eq!(answer.header("connection"), Some("close"));
    let body = "y".repeat(4096);
    let head = format!("GET {USAGE} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\n");
    let whole = format!("{head}Connection: close\r\nContent-Length: 4096\r\n\r\n{body}");
    assert_eq!(read(server.open(whole.as_bytes())).status, 200);
    // Nobody waits for a body of unknown length: the answer comes, and the connection ends.
    let endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\ny\r\n");
    let answer = read(server.open(endless.as_bytes()));
    assert_eq!((answer.status, answer.body.as_str()), (200, sample::BODY));
}

#[test]
fn what_is_no_request_is_refused() {
    let server = start();
    for bytes in [&b"nonsense\r\n\r\n"[..], b"GET /\xff HTTP/1.1\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
    {
        let text = read_all(server.open(bytes));
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    assert_eq!(server.get(USAGE).status, 200);
}

#[test]
fn slow_heads_and_idle_connections_are_closed() {
    let server = start_with(config::Http { read_timeout_ms: 100, ..settings() }, true);
    // Without the timeout reading would run into the client's patience and fail.
    assert_eq!(read_all(server.open(b"")), "");
    for bytes in [&b"GET "[..], b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: "] {
        let late = read(server.open(bytes));
        let body = r#"{"status":408,"error":"Request Timeout","code":"request_timeout"}"#;
        assert_eq!((late.status, late.body.as_str()), (408, body));
        assert_eq!(late.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(late.header("content-length"), Some(body.len().to_string().as_str()));
    }
    let idle = read(server.open(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_eq!((idle.status, idle.body.as_str()), (200, "{\"alive\":true}"));
}

#[test]
fn who_reads_no_answers_is_cut_off() {
    let server = start_with(config::Http { read_timeout_ms: 100, ..settings() }, true);
    // Far more than the buffers between the two take.
    let ask = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut stream = server.open(ask.repeat(64).as_bytes());
    until("the server gives up", || stream.write_all(b"x").is_err());
    assert_eq!(server.get(USAGE).status, 200);
}

#[test]
fn who_reads_next_to_nothing_is_cut_off() {
    let server = start_with(config::Http { read_timeout_ms: 200, ..settings() }, true);
    let ask = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut stream = server.open(ask.repeat(64).as_bytes());
    until("the server gives up", || {
        // Now and then a little, so that the server always has something to hope for.
        let read = stream.read(&mut [0; 256]).is_err();
        read || stream.write_all(b"x").is_err()
    });
    assert_eq!(server.get(USAGE).status, 200);
}

#[test]
fn slow_bodies_take_no_place_and_no_tenant_takes_all() {
    let server = start_with(config::Http { requests_in_flight_max: 2, ..settings() }, true);
    let head = "POST /api/v1/taxes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\n\
                Content-Length: 100\r\n\r\n{";
    let bodies: Vec<_> = (0..8).map(|_| server.open(head.as_bytes())).collect();
    assert_eq!(server.get(USAGE).status, 200);
    let first = server.open(SLOW);
    server.arrived();
    assert_eq!(server.get(USAGE).status, 429, "half of the places is all that a tenant gets");
    let other = server.ask(&format!("GET {USAGE} HTTP/1.1\r\nAuthorization: Bearer PLAIN"));
    assert_eq!(other.status, 200, "{}", other.body);
    server.mock.gate.add_permits(1);
    assert_eq!(read(first).status, 200);
    drop(bodies);
}

/// Whoever has seen another end of a chunked body than we do gets no second answer.
#[test]
fn after_a_chunked_body_the_connection_ends() {
    let server = start();
    let chunked = "POST /livez HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n";
    for length in ["", "Content-Length: 6\r\n"] {
        let next = "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n";
        let text =
            read_all(server.open(format!("{chunked}{length}\r\n0\r\n\r\n{next}").as_bytes()));
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        assert!(text.contains("connection: close"), "{text}");
    }
}

#[test]
fn connections_are_kept_for_the_next_request() {
    let server = start();
    let one = format!("GET {USAGE} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\n");
    let last = format!("{one}Connection: close\r\n\r\n");
    let text = read_all(server.open(format!("{one}\r\n{one}\r\n{last}").as_bytes()));
    assert_eq!(text.matches(sample::BODY).count(), 3);
}

#[test]
fn requests_at_once_are_bounded_but_probes_are_not() {
    let server = start_with(config::Http { requests_in_flight_max: 1, ..settings() }, true);
    let first = server.open(SLOW);
    server.arrived();
    let refused = server.get(USAGE);
    let body = r#"{"status":429,"error":"Too Many Requests","code":"too_many_requests"}"#;
    assert_eq!((refused.status, refused.body.as_str()), (429, body));
    assert_eq!(refused.header("x-ratelimit-limit"), Some("1"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(server.ask("GET /livez HTTP/1.1").status, 200);
    assert_eq!(server.ask("GET /metrics HTTP/1.1").status, 200);
    assert_eq!(server.ask(&format!("GET {USAGE} HTTP/1.1")).status, 401, "keys come first");
    server.mock.gate.add_permits(1);
    assert_eq!(read(first).status, 200);
    assert_eq!(server.get(USAGE).status, 200, "the place is free again");
    let hit = "odometer_limit_hits_total{limit=\"http.requests_in_flight_max\"} 1";
    assert!(server.metrics.encode().lines().any(|line| line == hit));
}

#[test]
fn running_requests_end_before_the_server_does() {
    let mut server = start();
    let idle = server.open(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
    let running = server.open(SLOW);
    server.arrived();
    let reader = spawn(move || read(running));
    server.stop();
    // The idle connection is closed at once, which also says that the stop has been noticed.
    assert_eq!(read(idle).status, 200);
    assert!(TcpStream::connect(server.address).is_err(), "nothing new is taken");
    server.mock.gate.add_permits(1);
    let answer = reader.join().unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, sample::BODY));
    server.ended();
}

#[test]
fn draining_ends_when_its_time_is_over() {
    let mut server = start_with(config::Http { drain_timeout_ms: 50, ..settings() }, true);
    let running = server.open(SLOW);
    server.arrived();
    server.stop();
    server.ended();
    assert_eq!(read_all(running), "", "the request was cut off");
}
