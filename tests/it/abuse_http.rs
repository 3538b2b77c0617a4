//! Clients that are slow, many, or silent: each gets its time and its memory, and nobody else waits
//! for it.

use std::io::Write;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use odometer::runtime::clock::Stopwatch;

use crate::abuse::{
    KEY, Polite, USAGE, amid, has_run_alone, open, read_all, resident, service, statuses, unharmed,
};

/// The read timeout of these tests.
const TIMEOUT: (&str, &str) = ("http.read_timeout_ms", "1500");
/// Within this time everything has ended that may take the timeout.
const ENDED: Duration = Duration::from_secs(15);
/// Pause of a client that sends or reads a byte at a time.
const DRIP: Duration = Duration::from_millis(40);
/// Slow clients at once.
const SLOW: usize = 300;
/// Connections that are held without a word.
const IDLE: usize = 4_000;
/// What one idle connection may take in memory, at both ends: it is the same process.
const IDLE_BYTES_MAX: u64 = 40 << 10;

/// Sends a byte to each of many connections, until all are closed; how long that took.
fn drip(streams: &mut Vec<TcpStream>, bytes: &[u8]) -> Duration {
    let watch = Stopwatch::start();
    for byte in bytes.iter().cycle() {
        streams.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
        if streams.is_empty() {
            return watch.elapsed();
        }
        assert!(watch.elapsed() < ENDED, "{} are still open", streams.len());
        sleep(DRIP);
    }
    watch.elapsed()
}

#[test]
fn slow_heads_are_cut_off_and_cost_nobody_else() {
    let service = service(&[TIMEOUT]);
    let address = service.running().address;
    let mut other = Polite::new(address);
    let slow = |_| {
        let start = b"GET /livez HTTP/1.1\r\nHost: h\r\nX: ";
        let mut streams: Vec<_> = (0..SLOW / 2).map(|_| open(address, start)).collect();
        drip(&mut streams, b"slowly");
    };
    let before = other.median();
    amid(2, slow, || unharmed("slow heads", || before, || other.median()));
    let late = read_all(open(address, b"GET /livez HTTP/1.1\r\nX: "));
    assert_eq!(statuses(&late), [408], "{late}");
}

/// More slow bodies than there are places for requests: they take none until they are there.
#[test]
fn slow_bodies_are_cut_off_and_take_nobodys_place() {
    let service = service(&[TIMEOUT, ("http.requests_in_flight_max", "4")]);
    let address = service.running().address;
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Length: 100000\r\n\r\n{{"
    );
    let mut other = Polite::new(address);
    let before = other.median();
    let slow = |_| {
        let mut streams: Vec<_> = (0..SLOW / 2).map(|_| open(address, head.as_bytes())).collect();
        drip(&mut streams, b" ");
    };
    amid(2, slow, || {
        unharmed("slow bodies", || before, || other.median());
        let tax = r#"{"tax":{"name":"x","code":"x","rate":1}}"#;
        let whole = format!(
            "POST /api/v1/taxes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{tax}",
            tax.len()
        );
        let text = read_all(open(address, whole.as_bytes()));
        assert_eq!(statuses(&text), [200], "{text}");
    });
    let text = read_all(open(address, head.as_bytes()));
    assert_eq!(statuses(&text), [408], "{text}");
}

#[test]
fn idle_connections_take_little_and_are_closed() {
    if has_run_alone("abuse_http::idle_connections_take_little_and_are_closed") {
        return;
    }
    let service = service(&[TIMEOUT]);
    let address = service.running().address;
    let before = Polite::new(address).median();
    let memory = resident();
    let streams: Vec<_> = (0..IDLE).map(|_| open(address, b"")).collect();
    let mut other = Polite::new(address);
    unharmed("idle connections", || before, || other.median());
    let grown = resident().saturating_sub(memory);
    println!("{IDLE} idle connections take {} KiB each", grown / IDLE as u64 / 1024);
    assert!(grown < IDLE as u64 * IDLE_BYTES_MAX, "{grown} bytes");
    let watch = Stopwatch::start();
    for stream in streams {
        assert_eq!(read_all(stream), "");
    }
    assert!(watch.elapsed() < ENDED);
}

#[test]
fn who_reads_nothing_costs_nobody_else() {
    if has_run_alone("abuse_http::who_reads_nothing_costs_nobody_else") {
        return;
    }
    let service = service(&[TIMEOUT]);
    let address = service.running().address;
    let mut other = Polite::new(address);
    let before = other.median();
    let memory = resident();
    let ask = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: h\r\n\r\n".repeat(16);
    let deaf = |_| {
        let mut streams: Vec<_> = (0..SLOW / 2).map(|_| open(address, ask.as_bytes())).collect();
        drip(&mut streams, b"\r\n");
    };
    amid(2, deaf, || unharmed("clients that read nothing", || before, || other.median()));
    let grown = resident().saturating_sub(memory);
    println!("{SLOW} clients that read nothing take {} KiB each", grown / SLOW as u64 / 1024);
    assert!(grown < 256 << 20, "{grown} bytes");
}

/// Heads and addresses of many sizes: 200 or 431 with a body, or nothing at all far beyond.
#[test]
fn what_is_too_large_is_refused_at_once() {
    if has_run_alone("abuse_http::what_is_too_large_is_refused_at_once") {
        return;
    }
    let service = service(&[TIMEOUT]);
    let address = service.running().address;
    let memory = resident();
    let key = format!("Authorization: Bearer {KEY}\r\nConnection: close\r\n");
    let usage = |query: &str, headers: &str| {
        format!("GET {USAGE}{query} HTTP/1.1\r\nHost: h\r\n{key}{headers}\r\n")
    };
    let megabytes = 4 << 20;
    let named = |count: usize| {
        (0..count).fold(String::new(), |names, at| names + &format!("X-{at}: y\r\n"))
    };
    for (what, request, allowed) in [
        ("a long header", usage("", &format!("X: {}\r\n", "x".repeat(40_000))), &[431][..]),
        ("a huge header", usage("", &format!("X: {}\r\n", "x".repeat(megabytes))), &[431, 0]),
        ("90 headers", usage("", &named(90)), &[200]),
        ("2000 headers", usage("", &named(2_000)), &[431]),
        ("300000 headers", usage("", &named(300_000)), &[431, 0]),
        ("a long query", usage(&format!("&x={}", "x".repeat(30_000)), ""), &[200]),
        ("many parameters", usage(&"&x=1".repeat(2_000), ""), &[422]),
        ("too long a query", usage(&format!("&x={}", "x".repeat(40_000)), ""), &[431]),
        ("a huge query", usage(&format!("&x={}", "x".repeat(megabytes)), ""), &[431, 414, 0]),
        (
            "a huge path",
            format!("GET /{} HTTP/1.1\r\n{key}\r\n", "x/".repeat(megabytes)),
            &[431, 414, 0],
        ),
        ("an endless line", "G".repeat(megabytes), &[400, 431, 0]),
    ] {
        let watch = Stopwatch::start();
        let text = read_all(open(address, request.as_bytes()));
        let status = statuses(&text).first().copied().unwrap_or(0);
        assert!(allowed.contains(&status), "{what}: {status} {text}");
        assert!(watch.elapsed() < ENDED, "{what}");
    }
    assert!(resident().saturating_sub(memory) < 64 << 20, "nothing of it is kept");
    Polite::new(address).ask();
}
