//! A broker that does not answer, a fold that does not read, a disk that takes its time: what waits
//! is bounded, no partition is lost, and everything goes on afterwards.

#![allow(clippy::disallowed_methods)] // tests look at the clock

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use odometer::log::kafka::{Drained, KafkaProducer, KafkaSource, Record};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::gaps::{call, calls, reach, serve, write};
use crate::rig::{PATIENCE, Place, Service, brokers, tool, until};

/// How long the broker does not answer: longer than a session of a consumer group would last in
/// many set-ups, and than every retry pause of the client.
const SILENCE: Duration = Duration::from_secs(20);
/// How long every sync of the disk takes.
const SYNC: Duration = Duration::from_secs(4);
/// Syncs that a test waits for at least.
const SYNCS: u32 = 2;

/// A broker of one test, which may be paused.
struct Broker {
    folder: tempfile::TempDir,
    address: String,
}

impl Broker {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = std::process::id().to_string();
        let address = dev_kafka("start", folder.path(), &["--owner", &owner]);
        Self { folder, address }
    }

    fn create_topic(&self, topic: &str, partitions: i32) {
        dev_kafka("create-topic", self.folder.path(), &[topic, &partitions.to_string()]);
    }

    fn signal(&self, name: &str) {
        let recorded = std::fs::read_to_string(self.folder.path().join("pid")).unwrap();
        signal(recorded.split(' ').next().unwrap(), name);
    }

    fn properties(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let bootstrap = [("bootstrap.servers", self.address.as_str())];
        let all = bootstrap.iter().chain(more);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // SIGKILL ends a paused process, too.
        let data = self.folder.path().to_str().unwrap();
        let _ = tool("dev/kafka").args(["kill", "--data", data]).stderr(Stdio::null()).status();
    }
}

#[track_caller]
fn dev_kafka(command: &str, data: &Path, arguments: &[&str]) -> String {
    let output = tool("dev/kafka")
        .args([command, "--data", data.to_str().unwrap()])
        .args(arguments)
        .output()
        .expect("dev/kafka runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[track_caller]
fn signal(pid: &str, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().unwrap().success());
}

#[test]
fn a_broker_that_falls_silent_costs_no_partition_and_no_group_is_left() {
    let broker = Broker::start();
    let place = Place::new("slow-broker", 1);
    broker.create_topic(&place.events, 3);
    broker.create_topic(&place.dead_letters, 1);
    broker.create_topic(&format!("{}-http", place.events), 1);
    let publish = |round: &str| {
        for partition in 0..3 {
            let event = call(&format!("{round}-{partition}")).to_string();
            write(&broker.address, &place.events, partition, &event);
        }
    };
    let service = serve(&place, &broker.address, &[]);
    publish("before");
    reach(&service, "3.0");

    broker.signal("STOP");
    let silent = Instant::now();
    while silent.elapsed() < SILENCE {
        assert_eq!(calls(&service), "3.0", "reads are answered from what was read");
        std::thread::sleep(Duration::from_millis(200));
    }
    broker.signal("CONT");
    publish("after");
    reach(&service, "6.0");

    for partition in 0..3 {
        let topic = &place.events;
        let sample = format!("{{topic=\"{topic}\",partition=\"{partition}\"}}");
        let reading = service.metric(&format!("odometer_partition_reading{sample}"));
        assert_eq!(reading, 1, "partition {partition} is read");
    }
    let (_, metrics) = service.get("/metrics", None);
    assert!(!metrics.contains("odometer_partition_stops_total{"), "{metrics}");
    let groups: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &broker.address).create().unwrap();
    let groups = groups.fetch_group_list(None, PATIENCE).unwrap();
    let names: Vec<&str> = groups.groups().iter().map(rdkafka::groups::GroupInfo::name).collect();
    assert!(names.is_empty(), "whoever is in no group cannot be thrown out of one: {names:?}");
    assert!(service.terminate().0.success());
}

/// What a source has handed over.
#[derive(Default)]
struct Taken {
    bytes: usize,
    offsets: Vec<i64>,
}

impl Taken {
    fn drain(&mut self, source: &mut KafkaSource, records_max: usize, wait: Duration) -> Drained {
        let drained = source.drain(records_max, usize::MAX, wait, &mut |message| {
            self.offsets.push(message.offset);
        });
        self.bytes += drained.bytes;
        assert_eq!(drained.troubles, [], "nothing is lost, nobody is thrown out");
        drained
    }
}

#[test]
fn a_reader_that_stays_away_has_a_bounded_queue_and_keeps_its_partition() {
    const RECORDS: usize = 8_000;
    const RECORD_BYTES: usize = 5_000;
    const QUEUE_BYTES: usize = 1 << 20;
    // A broker hands out whole batches of the producer, whatever was asked for.
    const BATCHES_BYTES: usize = 4 << 20;
    let broker = Broker::start();
    broker.create_topic("slow", 1);
    let producer = KafkaProducer::connect(&broker.properties(&[])).unwrap();
    let mut noise = 1_u64;
    let payload: Vec<u8> = (0..RECORD_BYTES)
        .map(|_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.to_be_bytes()[0]
        })
        .collect();
    for _ in 0..RECORDS / 100 {
        let sent: Vec<_> = (0..100)
            .map(|_| {
                let record = Record {
                    topic: "slow",
                    partition: Some(0),
                    key: None,
                    payload: Some(&payload),
                    timestamp_ms: None,
                    headers: &[],
                };
                producer.send(&record).unwrap()
            })
            .collect();
        for delivery in sent {
            delivery.wait().unwrap();
        }
    }

    // A member of a group would be thrown out after a second without asking for more.
    let settings = broker.properties(&[
        ("queued.max.messages.kbytes", "1024"),
        ("fetch.message.max.bytes", "65536"),
        ("session.timeout.ms", "1000"),
        ("max.poll.interval.ms", "1000"),
    ]);
    let mut source = KafkaSource::connect(&settings, &["slow".to_owned()]).unwrap();
    source.assign(&[(0, 0, 0)]).unwrap();
    let mut taken = Taken::default();
    until("the first record", || {
        (taken.drain(&mut source, 1, Duration::from_millis(100)).messages == 1).then_some(())
    });
    std::thread::sleep(Duration::from_secs(4));

    // What is handed over while the broker is silent was waiting here.
    broker.signal("STOP");
    while taken.drain(&mut source, RECORDS, Duration::from_millis(300)).messages > 0 {}
    let waited = taken.bytes;
    broker.signal("CONT");
    assert!(waited > QUEUE_BYTES / 2, "the queue was filled: {waited}");
    assert!(waited < QUEUE_BYTES + BATCHES_BYTES, "the queue has a bound: {waited}");

    until("everything is read", || {
        taken.drain(&mut source, RECORDS, Duration::from_millis(100));
        (taken.offsets.len() >= RECORDS).then_some(())
    });
    let all: Vec<i64> = (0..i64::try_from(RECORDS).unwrap()).collect();
    assert_eq!(taken.offsets, all, "every record, once, in order");
}

/// Makes every sync of a process slow for as long as this lives.
struct SlowDisk(Child);

impl SlowDisk {
    fn of(service: &Service) -> Self {
        let pid = service.pid().to_string();
        let delay = SYNC.as_micros();
        let strace = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"])
            .arg(format!("inject=fsync,fdatasync:delay_enter={delay}"))
            .args(["-p", &pid])
            .spawn()
            .expect("strace runs; hint: dev/setup --tests");
        let mut slow = Self(strace);
        until("every thread is traced", || {
            assert!(slow.0.try_wait().unwrap().is_none(), "strace may not trace here");
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            let traced = |task: std::io::Result<std::fs::DirEntry>| {
                let status = std::fs::read_to_string(task.unwrap().path().join("status"));
                // A thread that has ended meanwhile needs no tracing.
                status.map_or(true, |text| !text.contains("TracerPid:\t0\n"))
            };
            tasks.into_iter().all(traced).then_some(())
        });
        slow
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // It lets go of the process before it ends.
        signal(&self.0.id().to_string(), "TERM");
        let _ = self.0.wait();
    }
}

/// How long checkpoints took so far, all together.
fn in_checkpoints(service: &Service) -> Duration {
    let (_, text) = service.get("/metrics", None);
    let mut sums =
        text.lines().filter_map(|line| line.strip_prefix("odometer_checkpoint_seconds_sum "));
    Duration::from_secs_f64(sums.next().map_or(0.0, |seconds| seconds.parse().unwrap()))
}

#[test]
fn records_are_visible_while_the_sync_of_a_checkpoint_takes_seconds() {
    let place = Place::new("slow-disk", 1);
    let service = serve(&place, brokers(), &["checkpoint.interval_ms=100"]);
    write(brokers(), &place.events, 0, &call("first").to_string());
    reach(&service, "1.0");

    let slow = SlowDisk::of(&service);
    let before = in_checkpoints(&service);
    let (mut written, mut longest) = (1, Duration::ZERO);
    until("some syncs have been slow", || {
        written += 1;
        write(brokers(), &place.events, 0, &call(&format!("slow-{written}")).to_string());
        let acknowledged = Instant::now();
        reach(&service, &format!("{written}.0"));
        longest = longest.max(acknowledged.elapsed());
        (in_checkpoints(&service).saturating_sub(before) >= SYNC * SYNCS).then_some(())
    });
    println!("{written} records while syncs took {SYNC:?}; each was visible within {longest:?}");
    assert!(longest < SYNC / 2, "a record waited for the disk: {longest:?}");
    // Each sync would let one through, if records waited for it.
    assert!(written > 2 * SYNCS, "records went on while the disk was slow: {written}");
    drop(slow);
    assert!(service.terminate().0.success());
    let service = serve(&place, brokers(), &[]);
    reach(&service, &format!("{written}.0"));
}
