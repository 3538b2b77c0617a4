//! A disk that is full, fails or cannot be written to, under the program itself: what it says, what
//! it answers meanwhile, and that nothing it has acknowledged is gone afterwards.
//!
//! `tests/disk/faults.c` lets the calls fail that touch the store, from one moment to another.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

use crate::gaps::{call, calls, reach, ready, write};
use crate::rig::{Place, Service, brokers, until};

const KEY: &str = "odometer-demo-key";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.yaml");

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EROFS: i32 = 30;
/// The calls that can fail, as in `faults.c`.
const WRITES: i32 = 1;
const SYNCS: i32 = 2;
const CREATES: i32 = 4;
const READS: i32 = 8;
/// Not a call: no room is told of.
const ROOM: i32 = 16;
/// What a full disk refuses.
const FULL: i32 = WRITES | SYNCS | CREATES | ROOM;

/// The library, compiled once for the process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let name = format!("disk-faults-{}.so", std::process::id());
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/faults.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
        assert!(compiler.status().expect("a C compiler").success());
        library
    })
}

/// The disk below one folder.
struct Disk {
    folder: PathBuf,
    switch: fs::File,
    path: PathBuf,
}

impl Disk {
    /// One that works.
    fn below(folder: &Path, path: PathBuf) -> Self {
        let mut options = fs::OpenOptions::new();
        let switch = options.read(true).write(true).create_new(true).open(&path).unwrap();
        switch.set_len(16).unwrap();
        Self { folder: folder.to_owned(), switch, path }
    }

    fn set(&self, place: u64, value: i32) {
        self.switch.write_all_at(&value.to_ne_bytes(), place * 4).unwrap();
    }

    /// Lets calls fail from now on, after some that do not.
    fn fail(&self, error: i32, calls: i32, pass: i32) {
        self.set(3, 0);
        self.set(2, pass);
        self.set(1, calls);
        self.set(0, error);
    }

    fn heal(&self) {
        self.set(0, 0);
    }

    /// How many calls have failed.
    fn failed(&self) -> i32 {
        let mut bytes = [0; 4];
        self.switch.read_exact_at(&mut bytes, 12).unwrap();
        i32::from_ne_bytes(bytes)
    }

    /// The program, on this disk.
    fn under(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", library());
        command.env("ODOMETER_TEST_DISK", &self.folder);
        command.env("ODOMETER_TEST_DISK_SWITCH", &self.path);
        command
    }
}

/// A folder with a store on the embedded log.
pub struct Alone {
    folder: tempfile::TempDir,
    disk: Disk,
}

impl Alone {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::below(&folder.path().join("data"), folder.path().join("switch"));
        Self { folder, disk }
    }

    /// Where the store lies.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odometer"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.args(["serve", "--brokers", "", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(self.data());
        for setting in [
            &format!("catalog.file={CATALOG}"),
            "log.format=json",
            "checkpoint.interval_ms=20",
            "checkpoint.totals_interval_ms=100",
        ] {
            command.args(["--set", setting]);
        }
        self.disk.under(command)
    }

    /// Runs the service.
    pub fn start(&self) -> Service {
        Service::start(self.command())
    }

    /// Runs it where it cannot start: what it says.
    #[track_caller]
    pub fn refused(&self) -> String {
        let output = self.command().stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// Sends a call: the status of the answer.
fn send(service: &Service, transaction: &str) -> u16 {
    let event = json!({"event": call(transaction)});
    service.post("/api/v1/events", KEY, &event).0
}

/// The same to a service that may end: none if nobody answers.
fn try_send(service: &Service, transaction: &str) -> Option<u16> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let agent = ureq::Agent::new_with_config(config);
    let request = agent.post(format!("{}/api/v1/events", service.url));
    let request = request.header("Authorization", format!("Bearer {KEY}"));
    let event = json!({"event": call(transaction)}).to_string();
    Some(request.send(event).ok()?.status().as_u16())
}

/// Sends calls until each is accepted.
#[track_caller]
pub fn accept(service: &Service, transactions: std::ops::Range<u32>) {
    for transaction in transactions {
        let transaction = transaction.to_string();
        // One that was taken already, without having been told so, is known by its id.
        until("a call is accepted", || {
            [200, 422].contains(&send(service, &transaction)).then_some(())
        });
    }
}

/// What `/readyz` says of a step that fails, once it says so.
#[track_caller]
fn failing(service: &Service) -> String {
    until("the trouble is shown", || {
        let (status, body) = service.get("/readyz", None);
        let body: Json = serde_json::from_str(&body).unwrap();
        let found =
            body["detail"].as_object()?.iter().find(|(name, _)| name.starts_with("failing"));
        (status == 503).then_some(())?;
        Some(found?.1.as_str()?.to_owned())
    })
}

/// Waits for the end that the program comes to by itself: its log.
#[track_caller]
fn ended(service: Service) -> String {
    let (status, lines) = service.wait();
    assert_eq!(status.code(), Some(1), "{lines:?}");
    lines.iter().map(Json::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_that_was_acknowledged_is_gone() {
    let alone = Alone::new();
    let service = alone.start();
    accept(&service, 0..5);
    alone.disk.fail(ENOSPC, FULL, 0);
    assert_eq!(send(&service, "5"), 503);
    let told = failing(&service);
    assert!(told.contains("No space left on device") && told.contains("hint: free some"), "{told}");
    assert_eq!(calls(&service), "5.0", "reads go on");
    assert!(alone.disk.failed() > 0);
    alone.disk.heal();
    accept(&service, 5..10);
    ready(&service);
    reach(&service, "10.0");
    service.kill();
    let service = alone.start();
    ready(&service);
    assert_eq!(calls(&service), "10.0");

    // Killed while the disk is full, and started before it has room: refused, and nothing is lost.
    alone.disk.fail(ENOSPC, FULL, 0);
    assert_eq!(send(&service, "10"), 503);
    failing(&service);
    service.kill();
    let told = alone.refused();
    assert!(told.contains("No space left on device") && told.contains("hint:"), "{told}");
    alone.disk.heal();
    let service = alone.start();
    ready(&service);
    assert_eq!(calls(&service), "10.0");
    accept(&service, 10..12);
    reach(&service, "12.0");
    assert!(service.terminate().0.success());
}

#[test]
fn an_engine_that_does_not_see_the_room_again_is_started_anew() {
    let alone = Alone::new();
    let service = alone.start();
    accept(&service, 0..5);
    // The engine is told of room that is not there, tries, fails, and gives up for good.
    alone.disk.fail(ENOSPC, WRITES | CREATES, 0);
    assert_eq!(send(&service, "5"), 503);
    failing(&service);
    alone.disk.heal();
    until("it goes on, or ends", || {
        let status = try_send(&service, "5");
        status.is_none_or(|status| [200, 422].contains(&status)).then_some(())
    });
    drop(service);
    let service = alone.start();
    ready(&service);
    accept(&service, 5..7);
    reach(&service, "7.0");
}

#[test]
fn events_of_the_brokers_wait_while_the_disk_is_full() {
    let place = Place::new("disk-full", 1);
    let disk = Disk::below(&place.path("data"), place.path("switch"));
    let publish = |from: u32, to: u32| {
        for transaction in from..to {
            write(brokers(), &place.events, 0, &call(&transaction.to_string()).to_string());
        }
    };
    let serve = || {
        let mut command = place.program(&["serve", "--set", "checkpoint.interval_ms=20"]);
        command.args(["--set", &format!("catalog.file={CATALOG}")]);
        Service::start(disk.under(command))
    };
    publish(0, 10);
    let mut service = serve();
    reach(&service, "10.0");
    let mut next = 10;
    for pass in [0, 1, 4] {
        disk.fail(ENOSPC, FULL, pass);
        publish(next, next + 10);
        next += 10;
        let told = failing(&service);
        assert!(told.contains("No space left on device"), "{told}");
        reach(&service, &format!("{next}.0"));
        if pass == 1 {
            // Nothing of this is in the store.
            service.kill();
            disk.heal();
            service = serve();
        }
        disk.heal();
        ready(&service);
        reach(&service, &format!("{next}.0"));
    }
    service.kill();
    let service = serve();
    ready(&service);
    assert_eq!(calls(&service), format!("{next}.0"));
    assert!(service.terminate().0.success());
}

#[test]
fn after_a_failed_write_or_sync_the_program_ends_and_the_next_start_has_all_it_acknowledged() {
    let alone = Alone::new();
    let mut sent = 0;
    for (calls_that_fail, pass) in [(WRITES, 0), (SYNCS, 0), (SYNCS, 2)] {
        let service = alone.start();
        ready(&service);
        accept(&service, sent..sent + 3);
        sent += 3;
        alone.disk.fail(EIO, calls_that_fail, pass);
        until("the program ends", || {
            let status = try_send(&service, &sent.to_string());
            sent += u32::from(status == Some(200));
            status.is_none().then_some(())
        });
        let log = ended(service);
        assert!(log.contains("Input/output error"), "{log}");
        let told = log.lines().last().unwrap();
        assert!(told.contains("hint: check the disk"), "{told}");
        alone.disk.heal();
        let service = alone.start();
        ready(&service);
        // The one that was not acknowledged may be there or not; sent again it is.
        accept(&service, sent..sent + 1);
        sent += 1;
        reach(&service, &format!("{sent}.0"));
        assert!(service.terminate().0.success());
    }
}

#[test]
fn what_cannot_be_read_is_not_missing_and_is_there_again_with_the_disk() {
    const STORED: &str = "/api/v1/events/7";
    let alone = Alone::new();
    let service = alone.start();
    // So long that they are read from the disk whenever they are asked for.
    let long = |number: u32| {
        let mut event = call(&number.to_string());
        event["properties"] = json!({"note": "n".repeat(200)});
        event
    };
    let batch = json!({"events": (0..100).map(long).collect::<Vec<_>>()});
    assert_eq!(service.post("/api/v1/events/batch", KEY, &batch).0, 200);
    reach(&service, "100.0");
    assert!(service.terminate().0.success());
    let service = alone.start();
    ready(&service);
    alone.disk.fail(EIO, READS, 0);
    assert_eq!(calls(&service), "100.0", "totals are in memory");
    let (status, body) = service.get(STORED, Some(KEY));
    assert!(status >= 500 && alone.disk.failed() > 0, "{status}: {body}");
    alone.disk.heal();
    // A checkpoint that could not read either has ended it.
    until("it goes on, or ends", || {
        let status = try_send(&service, "7");
        status.is_none_or(|status| status == 422).then_some(())
    });
    drop(service);
    let service = alone.start();
    ready(&service);
    let (status, body) = service.get(STORED, Some(KEY));
    assert!(status == 200 && body.contains("nnn"), "{status}: {body}");
    assert_eq!(send(&service, "7"), 422, "it is known");
    accept(&service, 100..101);
    reach(&service, "101.0");
    assert!(service.terminate().0.success());

    alone.disk.fail(EIO, READS, 0);
    let told = alone.refused();
    assert!(told.contains("Input/output error") && told.contains("hint:"), "{told}");
}

#[test]
fn a_disk_that_cannot_be_written_to_is_named() {
    let alone = Alone::new();
    let service = alone.start();
    accept(&service, 0..2);
    assert!(service.terminate().0.success());
    alone.disk.fail(EROFS, WRITES | CREATES, 0);
    let told = alone.refused();
    assert!(told.contains("Read-only file system") && told.contains("hint:"), "{told}");
    // It becomes one while the program runs.
    alone.disk.heal();
    let service = alone.start();
    ready(&service);
    alone.disk.fail(EROFS, WRITES | CREATES, 0);
    until("the program ends", || try_send(&service, "late").is_none().then_some(()));
    assert!(ended(service).contains("Read-only file system"));
    alone.disk.heal();
    let service = alone.start();
    // It was not acknowledged, so it may be there or not; sent again it is.
    until("the late call counts", || [200, 422].contains(&send(&service, "late")).then_some(()));
    accept(&service, 2..3);
    reach(&service, "4.0");
}
