//! Creates the topics that are ours.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;

use super::client::{self, Properties};
use super::error::ConnectError;
use super::logging::Logging;

/// Longest wait for the controller.
const CREATE_WAIT: Duration = Duration::from_secs(30);

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
pub fn create_topic(properties: &Properties, name: &str) -> Result<(), ConnectError> {
    create(properties, &NewTopic::new(name, 1, TopicReplication::Fixed(-1)))
}

fn create(properties: &Properties, topic: &NewTopic<'_>) -> Result<(), ConnectError> {
    let client = |error: rdkafka::error::KafkaError| ConnectError::Client(error.to_string());
    let config = client::writer(properties);
    let admin: AdminClient<Logging> = config.create_with_context(Logging).map_err(client)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| ConnectError::Client(error.to_string()))?;
    let options = AdminOptions::new().operation_timeout(Some(CREATE_WAIT));
    let results = runtime.block_on(admin.create_topics([topic], &options)).map_err(client)?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(ConnectError::Client(format!("topic {topic} not created: {code}")));
            }
        }
    }
    Ok(())
}
