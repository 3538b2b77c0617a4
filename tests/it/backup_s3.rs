//! Backups in object storage, over real HTTP against a server that checks every signature, and
//! through the program itself while it folds.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use odometer::runtime::backup::{Depot, restore};
use serde_json::Value as Json;

use crate::backup::{assert_sound, back_up, plain, settings, usage};
use crate::gaps::{OPERATOR, call, calls, operate, reach, serve, write};
use crate::restart_world::{Tuning, World};
use crate::rig::{Place, brokers, tool};

/// Object storage that ends with this value.
struct Storage {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    told: Json,
}

impl Storage {
    fn start() -> Self {
        let mut command = tool("dev/python");
        command.args(["--list", "tests/s3/requirements.txt", "tests/s3/server.py"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut storage = Self { stdin: child.stdin.take(), child, stdout, told: Json::Null };
        storage.told = storage.answer();
        storage
    }

    fn answer(&mut self) -> Json {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn ask(&mut self, command: &str) -> Json {
        writeln!(self.stdin.as_mut().unwrap(), "{command}").unwrap();
        self.answer()
    }

    /// Names and lengths of what is kept.
    fn objects(&mut self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.ask("list")).unwrap()
    }

    fn text(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap()
    }

    fn place(&self, prefix: &str) -> String {
        format!("s3://{}/{prefix}", self.text("bucket"))
    }

    /// The settings that reach it.
    fn pairs(&self) -> [(&str, &str); 4] {
        [
            ("backup.s3_endpoint", self.text("address")),
            ("backup.s3_region", self.text("region")),
            ("backup.s3_access_key_id", self.text("key_id")),
            ("backup.s3_secret_access_key", self.text("key")),
        ]
    }

    fn depot(&self, prefix: &str) -> Depot {
        Depot::at(&self.place(prefix), &settings(&self.pairs())).unwrap()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn commit(world: &mut World, transactions: std::ops::Range<usize>) {
    // Backups are named by their moment.
    world.service.set_clock(world.service.now().plus_micros(1));
    for transaction in transactions {
        world.records(&[usage(transaction)]);
    }
    world.service.counters();
    world.service.running().service.checkpoint().unwrap();
}

#[test]
fn object_storage_keeps_backups_and_takes_only_what_is_new() {
    let mut storage = Storage::start();
    let place = tempfile::tempdir().unwrap();
    let depot = storage.depot("some/store");
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    commit(&mut world, 0..40);
    let first = back_up(&world, &depot);
    let before = storage.objects();
    let files = |objects: &BTreeMap<String, u64>| -> BTreeMap<String, u64> {
        let ours = objects.iter().filter(|(name, _)| name.starts_with("some/store/files/"));
        ours.map(|(name, bytes)| (name.clone(), *bytes)).collect()
    };
    assert_eq!((first.sent_files, first.sent_bytes), (first.files, first.bytes));
    assert_eq!(files(&before).len() as u64, first.files);
    assert_eq!(before.len() as u64, first.files + 1, "and the manifest: {before:?}");

    commit(&mut world, 40..80);
    let second = back_up(&world, &depot);
    let after = storage.objects();
    let new: BTreeMap<_, _> =
        files(&after).into_iter().filter(|(name, _)| !before.contains_key(name)).collect();
    assert_eq!(new.len() as u64, second.sent_files);
    assert_eq!(new.values().sum::<u64>(), second.sent_bytes);
    assert!(second.sent_files < second.files, "{second:?}");
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)));
    world.service.set_clock(world.service.now().plus_micros(1));
    let nothing_new = back_up(&world, &depot);
    assert!(nothing_new.sent_bytes < second.sent_bytes, "{nothing_new:?} {second:?}");

    // What comes after the backup is lost with the machine: here the log is in the store.
    let folder = place.path().join("restored");
    let restored = restore(&depot, None, &folder).unwrap();
    assert_eq!((restored.name, restored.files), (nothing_new.name, nothing_new.files));
    assert_sound(&folder);
    world.service.replace(&folder);
    world.verify("the restore");
    commit(&mut world, 60..120);
    world.verify("records after the restore, some of them known");
}

#[test]
fn objects_that_are_not_what_was_written_are_refused_before_anything_is_in_place() {
    let mut storage = Storage::start();
    let place = tempfile::tempdir().unwrap();
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    commit(&mut world, 0..3);
    for (prefix, command, of, expected) in [
        ("flipped", "flip", "files", "does not match its digest"),
        ("cut", "cut", "files", "bytes instead of"),
        ("missing", "remove", "files", "is missing"),
        ("manifest", "flip", "backups", "is damaged"),
        ("none", "remove", "backups", "there is no backup"),
    ] {
        let depot = storage.depot(prefix);
        back_up(&world, &depot);
        let objects = storage.objects();
        let folder = format!("{prefix}/{of}/");
        let ours = objects.iter().filter(|(name, _)| name.starts_with(&folder));
        let (largest, _) = ours.max_by_key(|(_, bytes)| **bytes).unwrap();
        storage.ask(&format!("{command} {largest}"));
        let refusal = restore(&depot, None, &place.path().join(prefix)).unwrap_err().to_string();
        assert!(refusal.contains(expected) && refusal.contains("hint:"), "{prefix}: {refusal}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "{prefix}");
    }
}

#[test]
fn a_file_of_many_parts_comes_back_whole() {
    let mut storage = Storage::start();
    let place = tempfile::tempdir().unwrap();
    let mut world = World::new(&Tuning::default(), &vec![plain(); 12]);
    commit(&mut world, 0..3);
    // Not a file of the engine's, and not a whole number of parts.
    let (name, bytes) = ("zz-large", (33 << 20) + 7_usize);
    world.service.stop();
    let content: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8 ^ (at >> 16) as u8).collect();
    fs::write(world.service.data().join(name), &content).unwrap();
    let store = odometer::store::Store::open_read_only(
        world.service.data(),
        &odometer::store::StoreOptions::default(),
    )
    .unwrap();
    let depot = storage.depot("large");
    let now = odometer::core::instant::Instant(0);
    odometer::runtime::backup::backup(&store, &depot, now, &|| false).unwrap();
    assert!(storage.objects().values().any(|length| *length == bytes as u64));
    let folder = place.path().join("restored");
    restore(&depot, None, &folder).unwrap();
    assert!(fs::read(folder.join(name)).unwrap() == content);
}

#[test]
fn whoever_has_no_key_is_told_so_and_the_key_is_told_to_nobody() {
    let storage = Storage::start();
    let world = World::new(&Tuning::default(), &vec![plain(); 12]);
    let mut pairs = storage.pairs();
    let secret = "not-the-key-of-anybody";
    pairs[3].1 = secret;
    let depot = Depot::at(&storage.place("x"), &settings(&pairs)).unwrap();
    let shared = &world.service.running().service.shared;
    let refused =
        odometer::runtime::backup::backup(&shared.store, &depot, shared.clock.now(), &|| false);
    let refused = refused.unwrap_err();
    let told = format!("{refused} {refused:?} {depot:?} {:?}", settings(&pairs));
    assert!(told.contains("403") || told.contains("SignatureDoesNotMatch"), "{told}");
    assert!(!told.contains(secret) && !told.contains(storage.text("key")), "{told}");
    for wrong in ["s3://", "s3:///x", "gs://bucket"] {
        assert!(Depot::at(wrong, &settings(&[])).is_err(), "{wrong}");
    }
}

#[test]
fn a_running_service_backs_itself_up_and_a_restored_one_goes_on_where_it_stood() {
    let storage = Storage::start();
    let place = Place::new("backup-online", 2);
    let publish = |partition: i32, transactions: std::ops::Range<u32>| {
        for transaction in transactions {
            let call = call(&transaction.to_string()).to_string();
            write(brokers(), &place.events, partition, &call);
        }
    };
    let mut reached: Vec<String> = vec![format!("backup.to={}", storage.place("online"))];
    reached.extend(storage.pairs().iter().map(|(name, value)| format!("{name}={value}")));
    let reached: Vec<&str> = reached.iter().map(String::as_str).collect();
    publish(0, 0..20);
    publish(1, 20..30);
    let service =
        serve(&place, brokers(), &[&reached[..], &["checkpoint.interval_ms=20"]].concat());
    reach(&service, "30.0");
    let back_up = || {
        let (made, told) = operate(&place, &["backup", "--url", &service.url]);
        assert!(made, "{told}");
        serde_json::from_str::<Json>(&told).unwrap()
    };
    let first = back_up();
    assert_eq!(first["sent_files"], first["files"], "{first}");
    // Copies of what is in the backup, and new ones, come behind it.
    publish(1, 15..40);
    reach(&service, "40.0");
    let second = back_up();
    assert!(second["sent_files"].as_u64() < second["files"].as_u64(), "{second}");
    publish(0, 40..50);
    reach(&service, "50.0");
    let (status, body, _) = service.post("/odometer/v1/operator/backups", "nobody", &Json::Null);
    assert_eq!(status, 401, "{body}");
    let (made, told) = operate(&place, &["backup", "--to", "elsewhere"]);
    assert!(!made && told.contains("--url"), "the service has the store: {told}");
    service.kill();

    for name in [&first["backup"], &second["backup"]] {
        let data = place.path("data");
        fs::remove_dir_all(&data).unwrap();
        let mut command = place.program(&["restore", "--backup", name.as_str().unwrap()]);
        command.args(["--from", &storage.place("online"), "--to"]).arg(&data);
        for setting in &reached[1..] {
            command.args(["--set", setting]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_sound(&data);
        let service = serve(&place, brokers(), &[]);
        reach(&service, "50.0");
        crate::gaps::ready(&service);
        assert_eq!(calls(&service), "50.0");
        let answer = service.post("/odometer/v1/operator/backups", OPERATOR, &Json::Null);
        assert_eq!(answer.0, 422, "it has no place for backups: {}", answer.1);
        assert!(service.terminate().0.success());
    }
}
