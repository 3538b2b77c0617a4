//! What tests of abuse share: raw sockets, and a polite client whose patience is measured.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use odometer::core::instant::Instant;
use odometer::runtime::clock::Stopwatch;

use crate::service::TestService;

/// The key of the example catalogue.
pub const KEY: &str = "odometer-demo-key";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.yaml");
/// 2026-03-15T12:00:00Z.
pub const NOW: Instant = Instant::from_seconds(1_773_576_000);
/// A request with an answer that costs something.
pub const USAGE: &str = "/api/v1/customers/customer_tokyo/current_usage\
                         ?external_subscription_id=subscription_tokyo";
/// Longest that a test waits for bytes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests of which the median is taken.
const ASKED: usize = 101;
/// How much slower a polite client may be while somebody else misbehaves, as a ratio of medians ...
const SLOWER_MAX: f64 = 3.0;
/// ... and beyond that: what the scheduler of a busy machine adds.
const NOISE: Duration = Duration::from_millis(3);
/// Times that a measurement is made: the best one counts, for a busy machine only adds.
const ROUNDS: usize = 3;

/// Set in the process that runs a test by itself.
const ALONE: &str = "ODOMETER_TEST_ALONE";

/// Whether the named test, which asks first of all, has now run in a process of its own. What it
/// measures there of the process is about nothing else.
#[track_caller]
pub fn has_run_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return false;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([test, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "there is no test {test}");
    true
}

/// A service with the example catalogue.
pub fn service(settings: &[(&str, &str)]) -> TestService {
    let mut all = vec![("catalog.file", CATALOG)];
    all.extend(settings);
    let service = TestService::start(NOW, &all);
    assert_eq!(service.get(KEY, USAGE).status, 200);
    service
}

/// A connection on which bytes were sent. That the other side closes early is no error.
pub fn open(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    stream
}

/// All that comes until the connection is closed, which has to happen.
pub fn read_all(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        // A server that answers before everything is sent closes with a reset.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The statuses of all answers in what came.
pub fn statuses(text: &str) -> Vec<u16> {
    let lines = text.split("HTTP/1.").skip(1);
    lines.filter_map(|line| line.get(2..5).and_then(|status| status.parse().ok())).collect()
}

/// A client that asks one question after the other on one connection.
pub struct Polite(TcpStream);

impl Polite {
    /// Connects.
    pub fn new(address: SocketAddr) -> Self {
        let stream = open(address, b"");
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Asks for usage; how long the answer took.
    pub fn ask(&mut self) -> Duration {
        self.ask_for(KEY, USAGE)
    }

    /// Sends a GET request, which has to be answered with 200; how long that took.
    pub fn ask_for(&mut self, key: &str, path: &str) -> Duration {
        let watch = Stopwatch::start();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\r\n");
        self.0.write_all(request.as_bytes()).unwrap();
        let mut text = Vec::new();
        loop {
            let mut buffer = [0; 16 << 10];
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "the connection of a polite client is closed");
            text.extend_from_slice(&buffer[..count]);
            let seen = String::from_utf8_lossy(&text);
            let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
            assert!(head.starts_with("HTTP/1.1 200 "), "{seen}");
            let lower = head.to_lowercase();
            let length = lower.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                return watch.elapsed();
            }
        }
    }

    /// The median of many requests.
    pub fn median(&mut self) -> Duration {
        median_of(|| self.ask())
    }
}

/// The median of many measurements.
pub fn median_of(mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..ASKED).map(|_| measure()).collect();
    times.sort_unstable();
    times[ASKED / 2]
}

/// Fails if a measurement was much slower while something went on than without it; says how much.
pub fn unharmed(
    what: &str,
    mut quiet: impl FnMut() -> Duration,
    mut amid: impl FnMut() -> Duration,
) {
    let best = |measure: &mut dyn FnMut() -> Duration| {
        (0..ROUNDS).map(|_| measure()).min().unwrap_or_default()
    };
    let (quiet, amid) = (best(&mut quiet), best(&mut amid));
    let ratio = amid.as_secs_f64() / quiet.as_secs_f64();
    println!("{what}: {amid:?} instead of {quiet:?}, {ratio:.2} times");
    assert!(amid <= quiet.mul_f64(SLOWER_MAX) + NOISE, "{what}: {amid:?} instead of {quiet:?}");
}

/// Runs `body` while threads do `abuse` again and again; each is told its number.
pub fn amid<R>(threads: usize, abuse: impl Fn(usize) + Sync, body: impl FnOnce() -> R) -> R {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..threads {
            let (abuse, over) = (&abuse, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    abuse(number);
                }
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Memory of this process, in bytes.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
