//! A server on a loopback socket, and a client that sends bytes and reads bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::conformance::{Description, Seen};
use super::mock::Mock;
use super::world::World;
use crate::config;
use crate::http::router::routes;
use crate::http::{openapi, serve};
use crate::runtime::clock::Stopwatch;
use crate::telemetry::Metrics;

/// Longest that a test waits for the server. Reached only by a server that hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

pub struct Server {
    pub mock: Arc<Mock>,
    pub metrics: Arc<Metrics>,
    pub address: SocketAddr,
    pub arrivals: Receiver<()>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    runtime: Runtime,
}

/// Settings that no test runs into by chance.
pub fn settings() -> config::Http {
    config::Http {
        listen: ([127, 0, 0, 1], 0).into(),
        request_bytes_max: 4096,
        header_bytes_max: 8192,
        read_timeout_ms: 15_000,
        requests_in_flight_max: 8,
        drain_timeout_ms: 15_000,
        operator_key: config::Secret::default(),
        operator_key_file: None,
    }
}

pub fn start() -> Server {
    start_with(settings(), true)
}

pub fn start_with(settings: config::Http, ready: bool) -> Server {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let (arrived, arrivals) = sync_channel(16);
    let gate = Semaphore::new(0);
    let (seen, past, world) = (Mutex::default(), Mutex::default(), World::new());
    let mock = Arc::new(Mock { seen, past, arrived, gate, ready, world });
    let metrics = Arc::new(Metrics::new());
    let listener = runtime.block_on(tokio::net::TcpListener::bind(settings.listen)).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let (backend, counts) = (Arc::clone(&mock), Arc::clone(&metrics));
    let shutdown = async { stopped.await.unwrap_or(()) };
    let served = runtime.spawn(serve(listener, backend, settings, counts, shutdown));
    let (stop, served) = (Some(stop), Some(served));
    Server { mock, metrics, address, arrivals, stop, served, runtime }
}

impl Server {
    /// Sends bytes on a new connection.
    pub fn open(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// The answer to one request whose head is given without its last two line ends.
    pub fn ask(&self, head: &str) -> Answer {
        let mut words = head.split([' ', '\r']);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let head = format!("{head}\r\nHost: h\r\nConnection: close\r\n\r\n");
        described(method, target, read(self.open(head.as_bytes())))
    }

    /// The answer to a GET with a good key.
    pub fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nAuthorization: Bearer KEY"))
    }

    /// The answer to a request with a body, which may be empty.
    pub fn send(&self, key: &str, method: &str, target: &str, body: &str) -> Answer {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\
             Connection: close\r\nContent-Type: application/json\r\nContent-Length: {}",
            body.len()
        );
        let answer = read(self.open(format!("{head}\r\n\r\n{body}").as_bytes()));
        described(method, target, answer)
    }

    /// Tells the server to stop taking connections.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has ended.
    pub fn ended(&mut self) {
        let served = self.served.take().unwrap();
        let ended = async { tokio::time::timeout(PATIENCE, served).await };
        self.runtime.block_on(ended).unwrap().unwrap();
    }

    pub fn arrived(&self) {
        self.arrivals.recv_timeout(PATIENCE).unwrap();
    }
}

/// What the description of the mock's service says.
pub static DESCRIPTION: LazyLock<Description> =
    LazyLock::new(|| Description::new(openapi::document(&routes::<Mock>())));

/// The answer, which has to be one that is described.
#[track_caller]
fn described(method: &str, target: &str, answer: Answer) -> Answer {
    let (status, headers, body) = (answer.status, &answer.headers, &answer.body);
    let seen = Seen { method, target, status, headers, body };
    if let Err(wrong) = DESCRIPTION.check(&seen) {
        panic!("{method} {target}: {status} {body}\n{wrong}");
    }
    answer
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Waits for a condition.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !condition() {
        assert!(watch.elapsed() < PATIENCE, "it never came true: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Reads to the end of the connection.
pub fn read_all(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        // A server that answers before everything is sent closes with a reset.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    String::from_utf8(bytes).unwrap()
}

pub fn read(stream: TcpStream) -> Answer {
    let text = read_all(stream);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    Answer { status, headers: lines.map(header).collect(), body: body.to_owned() }
}
