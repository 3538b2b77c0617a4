//! `scenario.json`: timelines that end in reads over HTTP, each case in an organisation of its own
//! on one running service in test mode.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::{Command, Stdio};

use odometer::core::catalog::record::{Body, Change, Entity, Record};
use odometer::core::instant::Instant;
use odometer::log::catalog::encode_record;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use ureq::http::Request;

use crate::rig::{PATIENCE, Service, until};
use crate::scenario_seeds::{Seeds, written};
use crate::usage_inputs::instant;
use crate::vectors::{Comparison, check};
use crate::vectors_run::Verdict;

/// What a request was answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body to the byte.
    pub body: String,
    tag: Option<String>,
}

impl Answer {
    /// The body as JSON; null if there is none.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A read that can be repeated.
struct Read {
    case: String,
    now: Instant,
    path: String,
    answer: Answer,
}

/// The program in test mode, on a folder of its own.
struct Running {
    folder: TempDir,
    service: Service,
    agent: ureq::Agent,
    /// Where the log of events ends.
    offsets: String,
}

/// Plays cases on a service that is started for the first of them.
#[derive(Default)]
pub struct Player {
    running: Option<Running>,
    cases: u64,
    reads: Vec<Read>,
}

/// Puts cases into the order of their own time, because log time never falls.
pub fn order(kinds: &mut BTreeMap<String, Vec<Json>>) {
    for cases in kinds.values_mut() {
        cases.sort_by_key(|case| starts_at(case).unwrap_or(Instant::MAX));
    }
}

/// The program in test mode, none of its surroundings.
pub fn program(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_odometer"));
    command
        .current_dir(folder.path())
        .args(["serve", "--test-clock", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .args(["--set", "log.format=json", "--set", "store.slots=8"])
        .stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("ODOMETER_") {
            command.env_remove(name);
        }
    }
    command
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(program(&folder));
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(PATIENCE)).build().into();
        Self { folder, service, agent, offsets: String::new() }
    }

    fn send(&self, method: &str, path: &str, key: &str, body: Option<&Json>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.service.url))
            .header("Authorization", format!("Bearer {key}"))
            .header("Content-Type", "application/json");
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body.to_string()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        }
        .expect("the service answers");
        let tag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        Answer { status, body: response.body_mut().read_to_string().unwrap(), tag }
    }

    fn set_clock(&self, now: Instant) {
        let body = json!({"now": written(now)});
        let answer = self.send("PUT", "/odometer/test/clock", "", Some(&body));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn seed(&mut self, organization: &str, bodies: Vec<Body>, events: &[Json]) {
        let put = |body| Change::Put(Entity { organization: organization.to_owned(), body });
        let changes: Vec<Change> = bodies.into_iter().map(put).collect();
        let mut catalog: Vec<Json> = Vec::new();
        if !changes.is_empty() {
            let record = encode_record(&Record { changes, expects: Vec::new() });
            catalog.push(serde_json::from_slice(&record).unwrap());
        }
        let seeds = json!({"catalog": catalog, "events": events});
        let answer = self.send("POST", "/odometer/test/seed", "", Some(&seeds));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["offsets"].as_str().unwrap().clone_into(&mut self.offsets);
    }

    /// Reads; a read that the service is not ready for yet is sent again.
    fn read(&self, path: &str, key: &str) -> Answer {
        until("a read is answered", || {
            let answer = self.send("GET", path, key, None);
            let ready = answer.status != 503 || answer.json()["code"] != "not_ready";
            ready.then_some(answer)
        })
    }
}

/// A case under way.
pub struct Scene<'p> {
    running: &'p mut Running,
    /// What the case has in its organisation.
    pub seeds: Seeds,
}

impl Scene<'_> {
    /// Sends a request of the case's organisation.
    pub fn send(&self, method: &str, path: &str, body: &Json) -> Answer {
        self.running.send(method, path, &self.seeds.organization, Some(body))
    }

    /// Events that the service has accepted since its store was created.
    pub fn accepted(&self) -> u64 {
        self.running.service.metric("odometer_ledger_events{outcome=\"accepted\"}")
    }

    /// Appends catalogue records.
    fn put(&mut self, bodies: Vec<Body>) {
        self.running.seed(&self.seeds.organization, bodies, &[]);
    }

    /// Appends an event as producers write it.
    pub fn append(&mut self, payload: &Json, now: Instant) {
        let event = self.seeds.event(payload, now);
        self.running.seed(&self.seeds.organization, Vec::new(), &[event]);
    }

    fn accepted_or_panic(&self, method: &str, path: &str, body: &Json) {
        let answer = self.send(method, path, body);
        assert_eq!(answer.status, 200, "{method} {path} {body}: {answer:?}");
    }

    /// A step that changes something.
    fn change(&mut self, step: &Json, now: Instant) {
        let (op, payload) = (step["op"].as_str().unwrap(), &step["payload"]);
        match op {
            "add_charge" => {
                let plan = self.seeds.add_charge(step);
                self.put(vec![plan]);
            }
            "create_event" if payload["timestamp"].is_string() => self.append(payload, now),
            "create_event" => {
                self.accepted_or_panic("POST", "/api/v1/events", &json!({"event": payload}));
            }
            "create_subscription" => {
                let body = json!({"subscription": payload});
                self.accepted_or_panic("POST", "/api/v1/subscriptions", &body);
            }
            "terminate_subscription" => {
                let names = ["external_id", "external_subscription_id"];
                let id = names.iter().find_map(|name| payload[*name].as_str()).expect("an id");
                let path = format!("/api/v1/subscriptions/{}", encoded(id));
                self.accepted_or_panic("DELETE", &path, &json!({}));
            }
            "run_billing_jobs" => {}
            other => panic!("unknown step {other}"),
        }
    }

    fn expect(&self, step: &Json, view: &str, now: Instant) -> (Vec<String>, Read) {
        let customer = encoded(step["external_customer_id"].as_str().unwrap());
        let mut path = format!("/api/v1/customers/{customer}/{view}?wait=10000");
        if !self.running.offsets.ends_with(":0") {
            write!(path, "&min_offset={}", self.running.offsets).unwrap();
        }
        for (name, value) in self.seeds.query(&step["params"]) {
            write!(path, "&{}={}", encoded(&name), encoded(&value)).unwrap();
        }
        let case = self.seeds.organization.clone();
        let answer = self.running.read(&path, &case);
        let root = format!("customer_{}", view.trim_start_matches("current_"));
        let found = verify(&self.seeds.named(&step["expect"]), &answer, &root);
        (found, Read { case, now, path, answer })
    }
}

impl Player {
    /// A case's organisation with all that its setup holds, at this moment.
    pub fn scene(&mut self, case: &Json, now: Instant) -> Scene<'_> {
        self.cases += 1;
        let mut seeds = Seeds::new(case, self.cases);
        let running = self.running.get_or_insert_with(Running::start);
        running.set_clock(now);
        for (organization, bodies) in std::mem::take(&mut seeds.setup) {
            running.seed(&organization, bodies, &[]);
        }
        Scene { running, seeds }
    }

    /// Plays a case.
    pub fn play(&mut self, case: &Json) -> Verdict {
        let mut scene = self.scene(case, starts_at(case).unwrap());
        let (mut failures, mut last) = (Vec::new(), None);
        for step in case["timeline"].as_array().unwrap() {
            let now = instant(&step["at"]).unwrap();
            scene.running.set_clock(now);
            let view = match step["op"].as_str() {
                Some("expect_current_usage") => "current_usage",
                Some("expect_projected_usage") => "projected_usage",
                _ => {
                    scene.change(step, now);
                    continue;
                }
            };
            let (found, read) = scene.expect(step, view, now);
            failures.extend(found.into_iter().map(|failure| format!("at {now:?}: {failure}")));
            last = Some(read);
        }
        self.reads.extend(last);
        Verdict::of(failures)
    }

    /// Stops the service, starts it again on what it has on disk, and repeats the last read of
    /// every case. Returns what has changed.
    pub fn read_again(&mut self) -> Vec<String> {
        let Some(Running { folder, service, agent, offsets }) = self.running.take() else {
            return Vec::new();
        };
        assert!(service.terminate().0.success());
        let running = Running { service: Service::start(program(&folder)), folder, agent, offsets };
        let again = |read: &Read| {
            running.set_clock(read.now);
            let answer = running.read(&read.path, &read.case);
            (answer != read.answer).then(|| {
                format!("{} after a restart: {answer:?}, before {:?}", read.case, read.answer)
            })
        };
        self.reads.iter().filter_map(again).collect()
    }
}

/// What does not hold of an answer; paths start at `root`, unless an assertion is about the whole.
fn verify(expect: &Json, answer: &Answer, root: &str) -> Vec<String> {
    if expect["status"] != answer.status {
        return vec![format!("status {} but got {answer:?}", expect["status"])];
    }
    let body = answer.json();
    let verify = |assertion: &Json| {
        let root = if assertion["root"] == "body" { &body } else { &body[root] };
        check(root, assertion, Comparison::Exact).err()
    };
    expect["assertions"].as_array().unwrap().iter().filter_map(verify).collect()
}

fn starts_at(case: &Json) -> Option<Instant> {
    instant(&case["timeline"][0]["at"]).or(instant(&case["fixed_clock"]))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
