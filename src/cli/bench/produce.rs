//! Fills the topics of a bench.

use std::time::Duration;

use super::workload::{Kind, Workload};
use crate::cli::Failure;
use crate::config::Settings;
use crate::log::kafka::producer::SendError;
use crate::log::kafka::{Delivery, KafkaProducer, KafkaTopics, Record};
use crate::runtime::positions::BROKER_WAIT;

/// Longest wait for the last records to be acknowledged.
const FLUSH_WAIT: Duration = Duration::from_mins(2);
/// Pause when the producer's queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// A record that is no JSON.
const BAD: &str = r#"{"organization_id":"7f3c1a90","external_subscription_id":"#;

/// Writes all records.
pub fn produce(settings: &Settings, topic: &str, workload: &Workload) -> Result<(), Failure> {
    let producer = connect(settings, "20")?;
    let mut text = String::new();
    for number in 0..workload.events {
        text.clear();
        let subscription = match workload.kind(number) {
            Kind::Bad => {
                text.push_str(BAD);
                number
            }
            Kind::Original => write(workload, number, &mut text),
            Kind::Copy(source) => write(workload, source, &mut text),
        };
        send(&producer, topic, workload.partition(subscription), &text)?;
    }
    producer.flush(FLUSH_WAIT)?;
    check(settings, topic, workload)
}

fn write(workload: &Workload, number: u64, text: &mut String) -> u64 {
    let subscription = workload.subscription(number);
    workload.write(number, subscription, text);
    subscription
}

/// A producer of events that lingers so many milliseconds.
pub fn connect(settings: &Settings, linger_ms: &str) -> Result<KafkaProducer, Failure> {
    let mut properties = settings.kafka_properties();
    let own = [("linger.ms", linger_ms), ("batch.size", "1000000")];
    properties.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(KafkaProducer::connect(&properties)?)
}

/// Sends one record; waits while the queue is full.
pub fn send(
    producer: &KafkaProducer,
    topic: &str,
    partition: i32,
    text: &str,
) -> Result<Delivery, Failure> {
    let record = Record {
        topic,
        partition: Some(partition),
        key: None,
        payload: Some(text.as_bytes()),
        timestamp_ms: None,
        headers: &[],
    };
    loop {
        match producer.send(&record) {
            Ok(delivery) => return Ok(delivery),
            Err(SendError::QueueFull) => std::thread::sleep(FULL_PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Refuses a topic that does not hold exactly the records it is named for.
pub fn check(settings: &Settings, topic: &str, workload: &Workload) -> Result<(), Failure> {
    let topics = KafkaTopics::connect(&settings.kafka_properties())?;
    let mut found = 0;
    for partition in 0..workload.partitions {
        let partition = i32::try_from(partition)?;
        let marks = topics.watermarks(topic, partition, BROKER_WAIT)?;
        found += u64::try_from(marks.high - marks.low)?;
    }
    if found == workload.events {
        return Ok(());
    }
    Err(format!("{topic} holds {found} records, {} are wanted", workload.events).into())
}
