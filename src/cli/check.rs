//! `odometer check`: whether a start would succeed.

use clap::Args;

use super::Failure;
use crate::config::Settings;
use crate::log::kafka::{KafkaProducer, KafkaSource, KafkaTopics};
use crate::runtime::positions::BROKER_WAIT;

/// Flags of `odometer check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Ask the brokers for the topics, too
    #[arg(long)]
    connect: bool,
}

/// Validates everything that can be validated without starting. The settings have been loaded by
/// now, so they are sound by themselves.
pub fn check(settings: &Settings, args: &CheckArgs) -> Result<(), Failure> {
    println!("settings: ok");
    if let Some(file) = &settings.catalog.file {
        super::catalog::lint(file)?;
    }
    if settings.kafka.brokers.is_none() {
        println!("kafka: none, the embedded log is used");
        return Ok(());
    }
    // Making clients tells whether librdkafka takes every property; nobody is asked yet.
    let properties = settings.kafka_properties();
    KafkaSource::connect(&properties, &settings.kafka.events_topics)?;
    KafkaProducer::connect(&properties)?;
    println!("kafka properties: ok");
    if args.connect {
        let topics = KafkaTopics::connect(&properties)?;
        let cluster = topics.cluster_id(BROKER_WAIT)?;
        println!("kafka cluster: {cluster}");
        for topic in topics.describe(&settings.kafka.events_topics, BROKER_WAIT)? {
            println!("topic {}: {} partitions", topic.name, topic.partitions);
        }
    }
    Ok(())
}
