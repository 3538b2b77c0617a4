//! A service in a folder of its own, on a clock that the test sets, asked over real HTTP.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use odometer::cli::serve::Running;
use odometer::cli::settings_of;
use odometer::core::catalog::record::{Body, Change, Entity, Record};
use odometer::core::instant::Instant;
use odometer::engine::counters::Counters;
use odometer::log::catalog::encode_record;
use odometer::log::embedded::EVENTS_TOPIC;
use odometer::runtime::clock::{Clock, Stopwatch};
use odometer::runtime::fault::Fault;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;
use tempfile::TempDir;

/// Longest that a test waits for the service. Reached only by one that hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Log lines of the service in tests: what goes wrong on purpose is not of interest.
const LOG_LEVEL: &str = "off";

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body to the byte.
    pub body: String,
    /// The entity tag, if there is one.
    pub tag: Option<String>,
    /// Where the record of accepted events stands.
    pub position: Option<String>,
    /// The offsets that it reflects.
    pub offsets: Option<String>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

impl Answer {
    fn is_ready(&self) -> bool {
        self.status != 503 || !self.body.contains("not_ready")
    }
}

fn answer_of(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let header =
        |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (tag, position) = (header("etag"), header("odometer-position"));
    let offsets = header("odometer-offsets");
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string().unwrap();
    Answer { status, body, tag, position, offsets }
}

/// A service that can be stopped, started again, and cut off as by a crash.
pub struct TestService {
    folder: TempDir,
    data: PathBuf,
    copies: usize,
    settings: Vec<(String, String)>,
    clock: Arc<AtomicI64>,
    /// Log time of the catalogue: the latest moment at which it was changed.
    changed: AtomicI64,
    agent: ureq::Agent,
    running: Option<Running>,
}

impl TestService {
    /// Starts a service on an empty folder. Its clock stands at `now`.
    pub fn start(now: Instant, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut service = Self {
            data: folder.path().join("data"),
            folder,
            copies: 0,
            settings: settings.iter().map(owned).collect(),
            clock: Arc::new(AtomicI64::new(now.micros())),
            changed: AtomicI64::new(i64::MIN),
            agent,
            running: None,
        };
        service.open(Fault::None);
        service
    }

    fn open(&mut self, fault: Fault) {
        let path = self.data.to_str().unwrap();
        let mut pairs =
            vec![("store.path", path), ("http.listen", "127.0.0.1:0"), ("log.level", LOG_LEVEL)];
        pairs.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let clock = Clock::Manual(Arc::clone(&self.clock));
        self.running =
            Some(Running::start_with_fault(&settings_of(&pairs).unwrap(), clock, fault).unwrap());
    }

    /// The running service.
    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Sets the clock; it may go back.
    pub fn set_clock(&self, now: Instant) {
        self.clock.store(now.micros(), Ordering::SeqCst);
    }

    /// What the clock shows.
    pub fn now(&self) -> Instant {
        Instant(self.clock.load(Ordering::SeqCst))
    }

    /// Changes the catalogue by one record and waits until it is applied; its log time.
    pub fn change(&self, changes: Vec<Change>) -> Instant {
        let record = encode_record(&Record { changes, expects: Vec::new() });
        let log = self.running().service.catalog_log.as_ref().unwrap();
        let now = self.now();
        let next = log.append(&[&record], now).unwrap() + 1;
        let catalogue = &self.running().service.shared.catalogue;
        wait_until("the catalogue record", || catalogue.version() >= next);
        now.max(Instant(self.changed.fetch_max(now.micros(), Ordering::SeqCst)))
    }

    /// Puts entities of one organisation into the catalogue.
    pub fn put(&self, organization: &str, bodies: impl IntoIterator<Item = Body>) {
        let put = |body| Change::Put(Entity { organization: organization.to_owned(), body });
        self.change(bodies.into_iter().map(put).collect());
    }

    /// Appends records to the log of events without waiting for them.
    pub fn append<R: AsRef<[u8]>>(&self, records: &[R]) {
        let records: Vec<&[u8]> = records.iter().map(AsRef::as_ref).collect();
        let log = self.running().service.events_log.as_ref().unwrap();
        log.append(&records, self.now()).unwrap();
    }

    /// Number of records in the log of events.
    pub fn end(&self) -> u64 {
        self.running().service.events_log.as_ref().unwrap().end()
    }

    /// Asks for the current usage of a customer, all events in the log included.
    pub fn current_usage(&self, key: &str, customer: &str, query: &[(String, String)]) -> Answer {
        self.usage_at(key, customer, query, &format!("{EVENTS_TOPIC}-0:{}", self.end()))
    }

    /// Asks for the current usage of a customer, all events below these offsets included.
    pub fn usage_at(
        &self,
        key: &str,
        customer: &str,
        query: &[(String, String)],
        offsets: &str,
    ) -> Answer {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (customer, offsets) = (encode(customer), encode(offsets));
        let mut path = format!("/api/v1/customers/{customer}/current_usage?wait=10000");
        write!(path, "&min_offset={offsets}").unwrap();
        for (name, value) in query {
            write!(path, "&{}={}", encode(name), encode(value)).unwrap();
        }
        self.get(key, &path)
    }

    /// Sends a GET request; one that the service is not ready for yet is sent again.
    pub fn get(&self, key: &str, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.running().address);
        let mut last = None;
        wait_until("an answer other than not ready", || {
            let request = self.agent.get(&url).header("Authorization", format!("Bearer {key}"));
            let answer = answer_of(request.call().unwrap());
            let ready = answer.is_ready();
            last = Some(answer);
            ready
        });
        last.unwrap()
    }

    /// Sends a POST request with a JSON body; one that the service is not ready for yet is sent
    /// again.
    pub fn post(&self, key: &str, path: &str, body: &Json) -> Answer {
        let url = format!("http://{}{path}", self.running().address);
        let mut last = None;
        wait_until("an answer other than not ready", || {
            let request = self.agent.post(&url).header("Authorization", format!("Bearer {key}"));
            let answer = answer_of(request.send(body.to_string()).unwrap());
            let ready = answer.is_ready();
            last = Some(answer);
            ready
        });
        last.unwrap()
    }

    /// Sends a request with headers, and with a JSON body unless that is null; one that the service
    /// is not ready for yet is sent again.
    pub fn send(
        &self,
        (method, key, path): (&str, &str, &str),
        headers: &[(&str, &str)],
        body: &Json,
    ) -> Answer {
        let mut last = None;
        wait_until("an answer other than not ready", || {
            let mut request = ureq::http::Request::builder()
                .method(method)
                .uri(format!("http://{}{path}", self.running().address))
                .header("Authorization", format!("Bearer {key}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let sent = if body.is_null() {
                self.agent.run(request.body(()).unwrap())
            } else {
                self.agent.run(request.body(body.to_string()).unwrap())
            };
            let answer = answer_of(sent.unwrap());
            let ready = answer.is_ready();
            last = Some(answer);
            ready
        });
        last.unwrap()
    }

    /// The counters of all slots together, once every record of the log is applied.
    pub fn counters(&self) -> Counters {
        let shared = &self.running().service.shared;
        let end = i64::try_from(self.end()).unwrap();
        let source = shared.sources.find(EVENTS_TOPIC, 0).unwrap();
        let mut sum = Counters::default();
        for slot in 0..shared.slots {
            let slot = u8::try_from(slot).unwrap();
            wait_until("the end of the log", || {
                let view = shared.board.slot(slot);
                view.ready && view.progress.next(source) >= end
            });
            sum += shared.board.slot(slot).counters;
        }
        sum
    }

    /// Stops cleanly and starts again on the same folder.
    pub fn restart(&mut self) {
        self.stop();
        self.open(Fault::None);
    }

    /// Goes on from what the store has on disk at this moment, as after a crash: the rest is lost.
    pub fn crash(&mut self) {
        self.crash_with(Fault::None);
    }

    /// Goes on as after a crash, with something that goes wrong on purpose.
    pub fn crash_with(&mut self, fault: Fault) {
        self.copies += 1;
        let copy = self.folder.path().join(format!("copy-{}", self.copies));
        wait_until("a moment in which nothing is written", || {
            let _ = std::fs::remove_dir_all(&copy);
            std::fs::create_dir(&copy).unwrap();
            let before = listing(&self.data);
            let copied = copy_files(&self.data, &copy);
            copied.is_ok() && listing(&self.data) == before
        });
        self.stop();
        std::fs::remove_dir_all(&self.data).unwrap();
        self.data = copy;
        self.open(fault);
    }

    /// Goes on from another folder.
    pub fn replace(&mut self, folder: &Path) {
        self.stop();
        folder.clone_into(&mut self.data);
        self.open(Fault::None);
    }

    /// Where the store lies.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Stops cleanly.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop("the test").unwrap();
        }
    }
}

/// Waits for a condition.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !condition() {
        assert!(watch.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Names, lengths and times of a folder's files, the log lines of the store left out.
fn listing(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let mut files: Vec<_> = store_files(folder)
        .filter_map(|path| {
            let meta = std::fs::metadata(&path).ok()?;
            Some((path, meta.len(), meta.modified().unwrap()))
        })
        .collect();
    files.sort();
    files
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    for path in store_files(from) {
        std::fs::copy(&path, to.join(path.file_name().unwrap()))?;
    }
    Ok(())
}

fn store_files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths.filter(|path| path.is_file() && !path.file_name().unwrap().eq("LOG"))
}
