//! What tests of the whole service start: a Kafka broker, the program itself, the scripts of
//! `tests/rig`. Each ends with the value that stands for it, also when a test panics.
//!
//! Brokers come from `ODOMETER_TEST_BROKERS`, or one is started with `dev/kafka` for the process.

#![allow(clippy::disallowed_methods)] // tests look at the clock, and are told which broker to use

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use odometer::log::kafka::KafkaTopics;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::Value;

/// Longest wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// Log lines that may wait to be looked at; a service that logs more waits for its reader.
const LINES_MAX: usize = 1 << 20;
/// Log lines shown when a test fails.
const LINES_SHOWN: usize = 40;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The brokers of this test process.
pub fn brokers() -> &'static str {
    static BROKERS: OnceLock<String> = OnceLock::new();
    BROKERS.get_or_init(|| {
        if let Ok(brokers) = std::env::var("ODOMETER_TEST_BROKERS") {
            return brokers;
        }
        let owner = std::process::id().to_string();
        let output = tool("dev/kafka")
            .args(["start", "--name", &format!("test-{owner}"), "--owner", &owner])
            .output()
            .expect("dev/kafka runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "no Kafka could be started:\n{told}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// A script of this repository.
pub fn tool(path: &str) -> Command {
    let mut command = Command::new(Path::new(ROOT).join(path));
    command.current_dir(ROOT).stdin(Stdio::null());
    command
}

/// A client for what only administrators do.
pub fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap()
}

/// Waits for a future outside of any runtime.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Waits for a condition.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "it never came true: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Creates a topic and waits until the broker knows it.
pub fn create_topic(topic: &str, partitions: i32) {
    let admin = admin();
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    // Deletion of a topic of the same name may still be under way.
    until("a topic is created", || {
        let made = wait_for(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        made[0].is_ok().then_some(())
    });
    let properties = vec![("bootstrap.servers".to_owned(), brokers().to_owned())];
    let topics = KafkaTopics::connect(&properties).unwrap();
    until("a topic is known", || topics.watermarks(topic, partitions - 1, PATIENCE).ok());
}

/// Topics and a store of one test, which no other test touches.
pub struct Place {
    /// Topic of the events.
    pub events: String,
    /// Topic of the catalogue.
    pub catalog: String,
    /// Topic of the dead letters.
    pub dead_letters: String,
    folder: tempfile::TempDir,
}

impl Place {
    /// A place with an events topic of so many partitions.
    pub fn new(name: &str, partitions: i32) -> Self {
        let id = format!("{name}-{}", uuid::Uuid::new_v4());
        create_topic(&id, partitions);
        create_topic(&format!("{id}-dead"), 1);
        Self {
            catalog: format!("{id}-catalog"),
            dead_letters: format!("{id}-dead"),
            events: id,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A file or folder of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with the settings of this place, and none of its surroundings.
    pub fn program(&self, arguments: &[&str]) -> Command {
        self.program_at(brokers(), arguments)
    }

    /// [`Place::program`] with other brokers.
    pub fn program_at(&self, brokers: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odometer"));
        let set = |name: &str, value: &str| ["--set".to_owned(), format!("{name}={value}")];
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .args(["--brokers", brokers, "--listen", "127.0.0.1:0", "--data"])
            .arg(self.path("data"))
            .args(set("kafka.events_topics", &self.events))
            .args(set("kafka.http_events_topic", &format!("{}-http", self.events)))
            .args(set("kafka.catalog_topic", &self.catalog))
            .args(set("kafka.dead_letter_topic", &self.dead_letters))
            .args(set("log.format", "json"))
            .stdin(Stdio::null());
        for (name, _) in std::env::vars() {
            if name.starts_with("ODOMETER_") {
                command.env_remove(name);
            }
        }
        command
    }
}

/// A running service.
pub struct Service {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    /// Where it answers: scheme, address and port.
    pub url: String,
}

impl Service {
    /// Starts it and waits until it listens.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut service = Self { child, lines, seen: Vec::new(), url: String::new() };
        let told = service.wait_line("listening");
        service.url = format!("http://{}", told["address"].as_str().unwrap());
        service
    }

    /// The next log line with this message.
    #[track_caller]
    pub fn wait_line(&mut self, message: &str) -> Value {
        let start = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(start.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let told = parse(&line);
                    self.seen.push(line);
                    if told["message"] == message {
                        return told;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("does not log {message:?}")),
                Err(RecvTimeoutError::Disconnected) => self.fail("has ended"),
            }
        }
    }

    /// Forgets the log lines so far.
    pub fn skip_lines(&mut self) {
        self.seen.extend(self.lines.try_iter());
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("the service {what}; its last words:\n{}", self.last_words());
    }

    fn last_words(&self) -> String {
        let shown = self.seen.len().saturating_sub(LINES_SHOWN);
        self.seen[shown..].join("\n")
    }

    /// What it has logged up to the last line that was waited for.
    pub fn seen_lines(&self) -> Vec<String> {
        self.seen.clone()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// SIGKILL. Returns the messages that it logged since the last look.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // The pipe ends with the process; until then lines may be on their way.
        self.lines
            .iter()
            .map(|line| parse(&line)["message"].as_str().unwrap_or("").into())
            .collect()
    }

    /// SIGTERM. Returns how it ended and all that it logged.
    pub fn terminate(self) -> (ExitStatus, Vec<Value>) {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for its end. Returns how it ended and all that it logged.
    #[track_caller]
    pub fn wait(mut self) -> (ExitStatus, Vec<Value>) {
        let status = until("the service ends", || self.child.try_wait().unwrap());
        self.seen.extend(self.lines.iter());
        (status, self.seen.iter().map(|line| parse(line)).collect())
    }

    /// One sample of `/metrics`, 0 if it is not there yet.
    pub fn metric(&self, sample: &str) -> u64 {
        let (_, text) = self.get("/metrics", None);
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// An answer of any status: its status and its text.
    #[track_caller]
    pub fn get(&self, path: &str, key: Option<&str>) -> (u16, String) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = ureq::Agent::new_with_config(config.timeout_global(Some(PATIENCE)).build());
        let mut request = agent.get(format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request.call().expect("the service answers");
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    /// An answer to a JSON body: its status, its text, and where accepted events stand.
    #[track_caller]
    pub fn post(&self, path: &str, key: &str, body: &Value) -> (u16, String, Option<String>) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = ureq::Agent::new_with_config(config.timeout_global(Some(PATIENCE)).build());
        let request = agent.post(format!("{}{path}", self.url));
        let request = request.header("Authorization", format!("Bearer {key}"));
        let mut response = request.send(body.to_string()).expect("the service answers");
        let position = response.headers().get("odometer-position");
        let position = position.map(|position| position.to_str().unwrap().to_owned());
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap(), position)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.skip_lines();
            eprintln!("the service's last words:\n{}", self.last_words());
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| Value::from(line))
}

/// A running script that tells its result in its last line.
pub struct Script {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Script {
    /// Starts a script of `tests/rig` with the language's runner.
    #[track_caller]
    pub fn start(runner: &str, script: &str, arguments: &[&str]) -> Self {
        let mut child = tool(runner)
            .arg(format!("tests/rig/{script}"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{runner} does not start: {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// Waits for its end, which has to be a success, and returns its last line.
    #[track_caller]
    pub fn finish(mut self) -> Value {
        let last = self.stdout.by_ref().lines().map_while(Result::ok).last().unwrap_or_default();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the script failed: {status}, {last}");
        serde_json::from_str(&last).unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
