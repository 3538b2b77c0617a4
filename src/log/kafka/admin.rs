//! Creates the topics that are ours, and deletes those that were for a while.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;

use super::client::{self, Properties};
use super::error::ConnectError;
use super::logging::Logging;

/// Longest wait for the controller.
const CREATE_WAIT: Duration = Duration::from_secs(30);
/// A broker knows of a new topic some moments after the controller has made it: looks at it until
/// then, and the pause between two. Together 10 s, many times as long as it takes.
const KNOWN_LOOKS_MAX: usize = 200;
const KNOWN_PAUSE: Duration = Duration::from_millis(50);

/// Creates a topic with one partition that keeps everything for ever, unless it is there already.
///
/// The catalogue log must never be compacted or expire: every version of an entity is a fact.
pub fn create_eternal_topic(properties: &Properties, name: &str) -> Result<(), ConnectError> {
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(-1))
        .set("cleanup.policy", "delete")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("max.message.bytes", "16777216");
    create(properties, &topic)
}

/// Creates a topic with the brokers' own settings, unless it is there already.
pub fn create_topic(
    properties: &Properties,
    name: &str,
    partitions: u32,
) -> Result<(), ConnectError> {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    create(properties, &NewTopic::new(name, partitions, TopicReplication::Fixed(-1)))
}

/// Creates a topic that keeps so many bytes of each partition, in files of so many: only whole
/// files are dropped. Nothing is done if it is there already.
pub fn create_passing_topic(
    properties: &Properties,
    name: &str,
    partitions: u32,
    (partition_bytes, segment_bytes): (u64, u64),
) -> Result<(), ConnectError> {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    let (retention, segment) = (partition_bytes.to_string(), segment_bytes.to_string());
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1))
        .set("cleanup.policy", "delete")
        .set("retention.bytes", &retention)
        .set("segment.bytes", &segment)
        .set("file.delete.delay.ms", "1000");
    create(properties, &topic)
}

/// Deletes topics with all that they hold; one that is not there is no error.
pub fn delete_topics(properties: &Properties, names: &[String]) -> Result<(), ConnectError> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let results =
        run(properties, async |admin, options| admin.delete_topics(&names, options).await)?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => return Err(refused(&topic, "deleted", code)),
        }
    }
    Ok(())
}

fn create(properties: &Properties, topic: &NewTopic<'_>) -> Result<(), ConnectError> {
    let results = run(properties, async |admin, options| {
        let results = admin.create_topics([topic], options).await;
        if results.is_ok() {
            wait_known(admin, topic.name);
        }
        results
    })?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(refused(&topic, "created", code)),
        }
    }
    Ok(())
}

/// Waits until the brokers can be asked about a topic. Whoever asks next is told if that never was.
fn wait_known(admin: &AdminClient<Logging>, topic: &str) {
    for _ in 0..KNOWN_LOOKS_MAX {
        match admin.inner().fetch_watermarks(topic, 0, CREATE_WAIT) {
            Err(error) if is_early(error.rdkafka_error_code()) => std::thread::sleep(KNOWN_PAUSE),
            _ => return,
        }
    }
}

/// Whether an answer may be another one as soon as the brokers know a new topic.
fn is_early(code: Option<RDKafkaErrorCode>) -> bool {
    matches!(
        code,
        Some(
            RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
        )
    )
}

fn refused(topic: &str, what: &str, code: RDKafkaErrorCode) -> ConnectError {
    ConnectError::Client(format!("topic {topic} not {what}: {code}"))
}

/// Asks the controller for something and waits for its answer.
fn run<R>(
    properties: &Properties,
    ask: impl AsyncFnOnce(&AdminClient<Logging>, &AdminOptions) -> KafkaResult<R>,
) -> Result<R, ConnectError> {
    let client = |error: KafkaError| ConnectError::Client(error.to_string());
    let config = client::writer(properties);
    let admin: AdminClient<Logging> = config.create_with_context(Logging).map_err(client)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| ConnectError::Client(error.to_string()))?;
    let options = AdminOptions::new().operation_timeout(Some(CREATE_WAIT));
    runtime.block_on(ask(&admin, &options)).map_err(client)
}
