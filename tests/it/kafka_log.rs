//! Reading and writing a real Kafka: holes, ends, missing offsets, bounds, restarts.
//!
//! Brokers come from `ODOMETER_TEST_BROKERS`, or one is started with `dev/kafka`.

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use odometer::log::kafka::producer::SendError;
use odometer::log::kafka::{
    Drained, KafkaProducer, KafkaSource, KafkaTopics, PartitionEnd, Record, TroubleKind,
};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_mins(1);

fn brokers() -> &'static str {
    static BROKERS: OnceLock<String> = OnceLock::new();
    BROKERS.get_or_init(|| {
        #[allow(clippy::disallowed_methods)] // tests are told by their caller which broker to use
        if let Ok(brokers) = std::env::var("ODOMETER_TEST_BROKERS") {
            return brokers;
        }
        let owner = std::process::id().to_string();
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dev/kafka"))
            .args(["start", "--name", &format!("test-{owner}"), "--owner", &owner])
            .output()
            .expect("dev/kafka runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

fn properties() -> Vec<(String, String)> {
    vec![("bootstrap.servers".to_owned(), brokers().to_owned())]
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap()
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A fresh topic, so that tests do not meet.
fn create_topic(partitions: i32) -> String {
    let topic = format!("log-{}", uuid::Uuid::new_v4());
    create_named(&topic, partitions);
    topic
}

fn create_named(topic: &str, partitions: i32) {
    let admin = admin();
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    // Deletion of a topic of the same name may still be under way.
    until(|| {
        let made = wait_for(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        made[0].is_ok().then_some(())
    });
    // A new topic is known to the broker some moments after it was created.
    let topics = KafkaTopics::connect(&properties()).unwrap();
    until(|| topics.watermarks(topic, partitions - 1, PATIENCE).ok());
}

/// Waits for a condition.
#[track_caller]
#[allow(clippy::disallowed_methods)] // a test may look at the clock
fn until<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "it never came true");
        std::thread::yield_now();
    }
}

/// What a source gave until a condition held: (topic, partition, offset, value), ends, troubles.
#[derive(Default)]
struct Seen {
    records: Vec<(usize, i32, i64, Option<String>)>,
    drained: Drained,
}

fn drain_until(source: &mut KafkaSource, mut done: impl FnMut(&Seen) -> bool) -> Seen {
    let mut seen = Seen::default();
    until(|| {
        let drained = source.drain(100, 1 << 20, Duration::from_millis(200), &mut |message| {
            let text = message.payload.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            assert!(message.timestamp_ms.is_some());
            seen.records.push((message.topic, message.partition, message.offset, text));
        });
        seen.drained.ends.extend(drained.ends);
        seen.drained.troubles.extend(drained.troubles);
        done(&seen).then_some(())
    });
    seen
}

fn offsets(seen: &Seen) -> Vec<i64> {
    seen.records.iter().map(|(_, _, offset, _)| *offset).collect()
}

fn write(topic: &str, partition: i32, values: &[&str]) {
    let producer = KafkaProducer::connect(&properties()).unwrap();
    let deliveries: Vec<_> = values
        .iter()
        .map(|value| producer.send(&record(topic, partition, value.as_bytes())).unwrap())
        .collect();
    for delivery in deliveries {
        delivery.wait().unwrap();
    }
}

fn record<'r>(topic: &'r str, partition: i32, payload: &'r [u8]) -> Record<'r> {
    Record {
        topic,
        partition: Some(partition),
        key: None,
        payload: Some(payload),
        timestamp_ms: None,
        headers: &[],
    }
}

fn transactional() -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("transactional.id", uuid::Uuid::new_v4().to_string())
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

fn add(producer: &BaseProducer, topic: &str, values: &[&str]) {
    producer.begin_transaction().unwrap();
    for value in values {
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn aborted_records_and_markers_are_holes_and_the_end_leads_past_them() {
    let topic = create_topic(1);
    let producer = transactional();
    add(&producer, &topic, &["a", "b"]);
    producer.commit_transaction(PATIENCE).unwrap(); // marker at 2
    add(&producer, &topic, &["lost", "lost"]); // 3 and 4
    producer.abort_transaction(PATIENCE).unwrap(); // marker at 5
    add(&producer, &topic, &["c"]); // 6
    producer.commit_transaction(PATIENCE).unwrap(); // marker at 7
    add(&producer, &topic, &["open"]); // 8, neither committed nor aborted

    let topics = KafkaTopics::connect(&properties()).unwrap();
    let ends = topics.watermarks(&topic, 0, PATIENCE).unwrap();
    assert_eq!((ends.low, ends.high), (0, 8), "an open transaction is not there to be read");

    let mut source = KafkaSource::connect(&properties(), &[topic]).unwrap();
    let end = PartitionEnd { topic: 0, partition: 0, next_offset: 8 };
    for (start, expected) in [(0, vec![0, 1, 6]), (1, vec![1, 6]), (3, vec![6]), (7, vec![])] {
        source.assign(&[(0, 0, start)]).unwrap();
        let seen = drain_until(&mut source, |seen| !seen.drained.ends.is_empty());
        assert_eq!(offsets(&seen), expected, "from {start}");
        assert_eq!(seen.drained.ends, [end], "from {start}");
        assert_eq!(seen.drained.troubles, []);
    }
    producer.commit_transaction(PATIENCE).unwrap(); // marker at 9
    let seen =
        drain_until(&mut source, |seen| seen.drained.ends.iter().any(|end| end.next_offset == 10));
    assert_eq!(seen.records, [(0, 0, 8, Some("open".to_owned()))]);
}

#[test]
fn bounds_hold_and_what_lies_beyond_them_is_not_lost() {
    let topic = create_topic(1);
    let large = "x".repeat(5000);
    write(&topic, 0, &[&large, "1", "2", "333", &large, "4"]);
    let mut source = KafkaSource::connect(&properties(), &[topic]).unwrap();
    source.assign(&[(0, 0, 0)]).unwrap();
    let (mut lengths, mut steps, mut ended) = (Vec::new(), Vec::new(), false);
    until(|| {
        let drained = source.drain(2, 100, Duration::from_millis(200), &mut |message| {
            lengths.push(message.payload.map_or(0, <[u8]>::len));
        });
        if drained.messages > 0 {
            steps.push((drained.messages, drained.bytes));
        }
        ended |= !drained.ends.is_empty();
        ended.then_some(())
    });
    assert_eq!(lengths, [5000, 1, 1, 3, 5000, 1]);
    assert!(steps.iter().all(|(records, bytes)| *records <= 2 && (*records == 1 || *bytes <= 100)));
    assert!(steps.contains(&(1, 5000)), "a record above the bound is taken alone");
}

#[test]
fn a_renewed_source_reads_what_it_is_assigned_and_nothing_before() {
    let topic = create_topic(1);
    write(&topic, 0, &["a", "b", "c", "d"]);
    let mut source = KafkaSource::connect(&properties(), &[topic]).unwrap();
    source.assign(&[(0, 0, 0)]).unwrap();
    let mut offsets = Vec::new();
    until(|| {
        source.drain(2, 100, Duration::from_millis(200), &mut |message| {
            offsets.push(message.offset);
        });
        (!offsets.is_empty()).then_some(())
    });
    source.renew().unwrap();
    let next = offsets.last().unwrap() + 1;
    source.assign(&[(0, 0, next)]).unwrap();
    until(|| {
        source.drain(2, 100, Duration::from_millis(200), &mut |message| {
            offsets.push(message.offset);
        });
        (offsets.len() >= 4).then_some(())
    });
    assert_eq!(offsets, [0, 1, 2, 3]);
}

#[test]
fn a_missing_offset_stops_its_partition_and_no_other() {
    let topic = create_topic(2);
    write(&topic, 0, &["a", "b", "c"]);
    write(&topic, 1, &["d"]);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(2)).unwrap();
    wait_for(admin().delete_records(&list, &AdminOptions::new())).unwrap();
    let topics = KafkaTopics::connect(&properties()).unwrap();
    assert_eq!(topics.watermarks(&topic, 0, PATIENCE).unwrap().low, 2);

    let mut source = KafkaSource::connect(&properties(), std::slice::from_ref(&topic)).unwrap();
    for wrong in [1, 1000] {
        source.assign(&[(0, 0, wrong), (0, 1, 0)]).unwrap();
        let seen = drain_until(&mut source, |seen| {
            !seen.drained.troubles.is_empty() && !seen.drained.ends.is_empty()
        });
        let trouble = &seen.drained.troubles[0];
        assert_eq!(trouble.kind, TroubleKind::OffsetOutOfRange, "{trouble}");
        assert_eq!(trouble.place, Some((topic.clone(), 0)));
        assert_eq!(seen.records, [(0, 1, 0, Some("d".to_owned()))]);
    }
    source.assign(&[(0, 0, 2)]).unwrap();
    let seen = drain_until(&mut source, |seen| !seen.drained.ends.is_empty());
    assert_eq!(offsets(&seen), [2]);
}

#[test]
fn a_topic_has_an_id_of_its_own_and_an_unknown_one_is_named() {
    let name = create_topic(3);
    let topics = KafkaTopics::connect(&properties()).unwrap();
    assert!(!topics.cluster_id(PATIENCE).unwrap().is_empty());
    let first = topics.describe(std::slice::from_ref(&name), PATIENCE).unwrap();
    assert_eq!((first[0].name.as_str(), first[0].partitions), (name.as_str(), 3));
    assert_ne!(first[0].id, 0);
    wait_for(admin().delete_topics(&[&name], &AdminOptions::new())).unwrap();
    create_named(&name, 1);
    let second = until(|| {
        let told = topics.describe(std::slice::from_ref(&name), PATIENCE).ok()?;
        (told[0].partitions == 1).then_some(told)
    });
    assert_ne!(first[0].id, second[0].id);

    let missing = vec!["no-such-topic".to_owned()];
    let trouble = topics.describe(&missing, PATIENCE).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::UnknownTopic, "{trouble}");
}

#[test]
fn sources_read_their_own_partitions_side_by_side() {
    let topics = [create_topic(2), create_topic(1)];
    write(&topics[0], 0, &["a"]);
    write(&topics[0], 1, &["b"]);
    write(&topics[1], 0, &["c", "d"]);
    let read = |partitions: &[(usize, i32, i64)]| {
        let mut source = KafkaSource::connect(&properties(), &topics).unwrap();
        source.assign(partitions).unwrap();
        let wanted = partitions.len();
        let mut seen = drain_until(&mut source, |seen| seen.drained.ends.len() >= wanted);
        seen.records.sort();
        seen.records
    };
    let text = |text: &str| Some(text.to_owned());
    std::thread::scope(|scope| {
        let one = scope.spawn(|| read(&[(0, 1, 0), (1, 0, 1)]));
        let two = scope.spawn(|| read(&[(0, 0, 0)]));
        assert_eq!(one.join().unwrap(), [(0, 1, 0, text("b")), (1, 0, 1, text("d"))]);
        assert_eq!(two.join().unwrap(), [(0, 0, 0, text("a"))]);
    });
}

#[test]
fn every_written_record_has_an_answer() {
    let topic = create_topic(1);
    let producer = KafkaProducer::connect(&properties()).unwrap();
    let tombstone = Record {
        key: Some(b"k"),
        payload: None,
        timestamp_ms: Some(1_700_000_000_123),
        headers: &[("odometer-reason", b"tombstone")],
        ..record(&topic, 0, b"")
    };
    let first = producer.send(&tombstone).unwrap();
    let second = producer.send(&record(&topic, 0, b"")).unwrap();
    producer.flush(PATIENCE).unwrap();
    assert_eq!(producer.in_flight(), 0);
    let written = wait_for(first).unwrap();
    assert_eq!((written.partition, written.offset), (0, 0));
    assert_eq!(second.wait().unwrap().offset, 1);
    let huge = vec![b'x'; 2_000_000];
    let refused = producer.send(&record(&topic, 0, &huge)).unwrap_err();
    assert_eq!(refused, SendError::TooLarge(2_000_000));
    let nowhere = producer.send(&record(&topic, 7, b"x")).map(odometer::log::kafka::Delivery::wait);
    assert!(matches!(nowhere, Err(_) | Ok(Err(_))));

    let mut source = KafkaSource::connect(&properties(), &[topic]).unwrap();
    source.assign(&[(0, 0, 0)]).unwrap();
    let mut seen = Vec::new();
    until(|| {
        let drained = source.drain(10, 1000, Duration::from_millis(200), &mut |message| {
            let key = message.key.map(<[u8]>::to_vec);
            seen.push((key, message.payload.map(<[u8]>::len), message.timestamp_ms));
        });
        (!drained.ends.is_empty()).then_some(())
    });
    assert_eq!(seen[0], (Some(b"k".to_vec()), None, Some(1_700_000_000_123)));
    assert_eq!((&seen[1].0, seen[1].1), (&None, Some(0)), "an empty value is no tombstone");
}

#[test]
fn a_full_queue_and_a_silent_broker_are_told() {
    let nobody = vec![
        ("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned()),
        ("queue.buffering.max.messages".to_owned(), "3".to_owned()),
        ("delivery.timeout.ms".to_owned(), "500".to_owned()),
    ];
    let producer = KafkaProducer::connect(&nobody).unwrap();
    let waiting: Vec<_> = (0..3).map(|_| producer.send(&record("t", 0, b"x")).unwrap()).collect();
    assert_eq!(producer.send(&record("t", 0, b"x")).unwrap_err(), SendError::QueueFull);
    for delivery in waiting {
        assert_eq!(delivery.wait().unwrap_err().kind, TroubleKind::Unreachable);
    }
    let mut source = KafkaSource::connect(&nobody, &["t".to_owned()]).unwrap();
    source.assign(&[(0, 0, 0)]).unwrap();
    let seen = drain_until(&mut source, |seen| !seen.drained.troubles.is_empty());
    assert_eq!(seen.drained.troubles[0].kind, TroubleKind::Unreachable);
    let topics = KafkaTopics::connect(&nobody).unwrap();
    let trouble = topics.cluster_id(Duration::from_millis(300)).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable);
    let trouble = topics.describe(&["t".to_owned()], Duration::from_millis(300)).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
    assert!(KafkaSource::connect(&[("no.such".to_owned(), "1".to_owned())], &[]).is_err());
}
