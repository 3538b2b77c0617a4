//! Lago's official clients, unchanged, against the program itself on real Kafka: a tenant's whole
//! story with each, and the answer to a service without a free place. What those clients send that
//! no registry has is replayed. The scripts are in `tests/sdk`.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::rig::{Place, Service, tool, until};

const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/catalog.yaml");
const KEY: &str = "sdk-key";
const READER_KEY: &str = "sdk-reader-key";
const NEIGHBOUR_KEY: &str = "sdk-neighbour-key";

/// A service with a tenant that sells nothing yet.
fn serve(place: &Place) -> Service {
    let mut command = place.program(&["serve"]);
    for (name, value) in [
        ("catalog.file", CATALOG),
        ("http.requests_in_flight_max", "1"),
        // So few groups that a story passes the bound.
        ("limits.groups_soft_max", "3"),
        ("limits.groups_hard_max", "4"),
    ] {
        command.args(["--set", &format!("{name}={value}")]);
    }
    let service = Service::start(command);
    until("the service is ready", || (service.get("/readyz", None).0 == 200).then_some(()));
    service
}

/// Ends with the value, also when a test panics.
struct Running(Child);

impl Running {
    fn start(mut command: Command, arguments: &[&str]) -> Self {
        let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(child.expect("the client starts"))
    }

    /// Its output, if it ends well.
    #[track_caller]
    fn finish(mut self) -> String {
        let (out, err) = (self.0.stdout.take().unwrap(), self.0.stderr.take().unwrap());
        let errors = std::thread::spawn(move || std::io::read_to_string(err).unwrap());
        let told = std::io::read_to_string(out).unwrap();
        let status = self.0.wait().unwrap();
        let errors = errors.join().unwrap();
        assert!(status.success(), "{status}\n{told}\n{errors}");
        told
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers of this status, on all routes.
fn answered(service: &Service, status: u16) -> u64 {
    let label = format!("status=\"{status}\"");
    let (_, text) = service.get("/metrics", None);
    let lines = text.lines().filter(|line| line.starts_with("odometer_http_requests_total"));
    let of_status = lines.filter(|line| line.contains(&label));
    of_status.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// A request of a neighbour that waits for an offset which does not come: it holds the only place
/// until it is dropped.
fn take_the_place(service: &Service, place: &Place) -> TcpStream {
    let address = service.url.strip_prefix("http://").unwrap();
    let head = format!(
        "GET /api/v1/customers/customer/current_usage?external_subscription_id=subscription\
         &min_offset={}-0:1000000000&wait=60000 HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {NEIGHBOUR_KEY}\r\n\r\n",
        place.events
    );
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    until("the place is taken", || {
        (service.get("/api/v1/taxes", Some(KEY)).0 == 429).then_some(())
    });
    socket
}

/// The client meets a service without a free place, and comes back when there is one: that is free
/// once the calls without retries have been refused, and one call with them.
fn retries(client: &dyn Fn() -> Command, service: &Service, place: &Place, impatient: u64) {
    let held = take_the_place(service, place);
    let before = answered(service, 429);
    let mut running = Running::start(client(), &["retry", &service.url, KEY]);
    let refused = || (answered(service, 429) > before + impatient).then_some(());
    until("the client is refused", || {
        refused().or_else(|| running.0.try_wait().unwrap().map(|_| ()))
    });
    drop(held);
    running.finish();
}

/// Runs the story of one client, and what it does without a free place, where it makes so many
/// calls without retries.
fn story(name: &str, client: &dyn Fn() -> Command, impatient: u64) {
    let place = Place::new(&format!("sdk-{name}"), 1);
    let service = serve(&place);
    Running::start(client(), &["story", &service.url, KEY, READER_KEY]).finish();
    retries(client, &service, &place, impatient);
    assert_eq!(answered(&service, 500), 0, "no defect of ours was met");
    assert!(service.terminate().0.success());
}

fn python(script: &str) -> Command {
    let mut command = tool("dev/python");
    command.args(["--list", "tests/sdk/python/requirements.txt", script]);
    command
}

fn node(script: &str) -> Command {
    let mut command = tool("dev/node");
    command.args(["--list", "tests/sdk/javascript", script]);
    command
}

#[test]
fn the_python_client_works_unchanged() {
    story("python", &|| python("tests/sdk/python/story.py"), 1);
}

#[test]
fn the_javascript_client_works_unchanged() {
    // Told not to retry, this client asks four times at once all the same.
    story("javascript", &|| node("tests/sdk/javascript/story.js"), 1 + 4);
}

/// The program of the Rust client, built once for the process.
fn rust_story() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = tool("dev/cargo");
        build.args(["build", "--release", "--locked", "--message-format", "json"]);
        build.args(["--manifest-path", "tests/sdk/rust/Cargo.toml"]);
        // What cargo tells this test about its own package is not told to another build: scripts of
        // dependencies watch these names, and would have everything compiled again each time.
        for (name, _) in std::env::vars() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| name.starts_with(own)) {
                build.env_remove(name);
            }
        }
        let output = build.output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).unwrap();
        let message = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        let built = messages.lines().filter_map(message);
        let mut programs = built.filter_map(|message| Some(message["executable"].as_str()?.into()));
        programs.next().expect("a program is built")
    })
}

#[test]
fn the_rust_client_works_unchanged() {
    story("rust", &|| tool(rust_story()), 1);
}

#[test]
fn what_the_go_and_ruby_clients_send_is_answered_as_they_read_it() {
    let place = Place::new("sdk-replay", 1);
    let service = serve(&place);
    let replay = python("tests/sdk/replay/replay.py");
    Running::start(replay, &[&service.url, KEY, READER_KEY]).finish();
    assert_eq!(answered(&service, 500), 0, "no defect of ours was met");
    assert!(service.terminate().0.success());
}
