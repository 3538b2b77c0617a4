//! Where the catalogue log on Kafka is read from, or why it cannot be.

use super::ends::{Stop, gap};
use super::fatal::Fatal;
use super::partitions::is_foreign;
use super::positions::BROKER_WAIT;
use crate::config::Settings;
use crate::log::kafka::admin::create_eternal_topic;
use crate::log::kafka::{KafkaSource, KafkaTopics};
use crate::store::{CatalogProgress, Store};

/// A source at the place where the store is, and the end of the log; or why the log is not the one
/// that was read. Then answers go on with the catalogue as it is, and nobody writes to it.
///
/// # Errors
///
/// The brokers or the store cannot be asked.
pub fn kafka_source(
    settings: &Settings,
    store: &Store,
    progress: CatalogProgress,
) -> Result<Result<(KafkaSource, i64), Stop>, Fatal> {
    let log = |error: &dyn std::fmt::Display| Fatal::Log(error.to_string());
    let properties = settings.kafka_properties();
    let topic = settings.kafka.catalog_topic.clone();
    let topics = KafkaTopics::connect(&properties).map_err(|error| log(&error))?;
    let cluster_id = topics.cluster_id(BROKER_WAIT).map_err(|error| log(&error))?;
    let expected = progress.next_offset;
    if is_foreign(store, &settings.kafka.all_events_topics(), &cluster_id)? {
        let detail = format!("the brokers are those of another cluster, {cluster_id}");
        let reason = gap::OTHER_CLUSTER;
        return Ok(Err(Stop { reason, expected, available: None, detail, read: false }));
    }
    create_eternal_topic(&properties, &topic).map_err(|error| log(&error))?;
    let marks = topics.watermarks(&topic, 0, BROKER_WAIT).map_err(|error| log(&error))?;
    let (reason, detail) = if expected < marks.low {
        (gap::OFFSET_GONE, format!("the catalogue log begins at {}", marks.low))
    } else if expected > marks.high {
        (gap::BEYOND_END, format!("the catalogue log ends at {}", marks.high))
    } else {
        let mut source =
            KafkaSource::connect(&properties, &[topic]).map_err(|error| log(&error))?;
        source.assign(&[(0, 0, expected)]).map_err(|error| log(&error))?;
        return Ok(Ok((source, marks.high)));
    };
    let available = Some((marks.low, marks.high));
    Ok(Err(Stop { reason, expected, available, detail, read: false }))
}
