//! Applies a catalogue file: compares it with what is there and appends records for the difference.

use std::path::Path;
use std::time::Duration;

use super::catalogue::Catalogue;
use super::clock::Stopwatch;
use super::fatal::Fatal;
use super::supervisor::Service;
use crate::catalog_file::{self, ApplyPlan, Options, diff};
use crate::config::Settings;
use crate::core::catalog::book::Book;
use crate::core::catalog::directory::Directory;
use crate::core::catalog::record::Record;
use crate::core::instant::{Instant, MILLISECOND};
use crate::log::catalog::encode_record;
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::producer::SendError;
use crate::log::kafka::{KafkaProducer, Record as KafkaRecord};

/// Longest wait until appended records are applied.
const APPLIED_WAIT: Duration = Duration::from_mins(10);
/// Pause between two looks at what is applied.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Records of the embedded log that become durable in one write.
const RECORDS_PER_APPEND: usize = 16;

/// Where catalogue records are appended.
pub enum CatalogWriter {
    /// The embedded catalogue log.
    Embedded(EmbeddedLog),
    /// Partition 0 of the catalogue topic.
    Kafka {
        /// The producer.
        producer: Box<KafkaProducer>,
        /// The topic.
        topic: String,
    },
    /// Nowhere: the log is not the one that was read.
    Stopped,
}

impl CatalogWriter {
    /// Appends records in order and returns the offset after the last, once all are durable.
    pub fn append(&self, records: &[Record], now: Instant) -> Result<i64, Fatal> {
        let encoded: Vec<Vec<u8>> = records.iter().map(encode_record).collect();
        match self {
            Self::Embedded(log) => {
                let mut next = log.end();
                for chunk in encoded.chunks(RECORDS_PER_APPEND) {
                    let chunk: Vec<&[u8]> = chunk.iter().map(Vec::as_slice).collect();
                    let first = log
                        .append(&chunk, now)
                        .map_err(Fatal::store("appending to the catalogue log"))?;
                    next = first + chunk.len() as u64;
                }
                Ok(i64::try_from(next).unwrap_or(i64::MAX))
            }
            Self::Stopped => Err(Fatal::Log("the catalogue log is not read".to_owned())),
            Self::Kafka { producer, topic } => append_kafka(producer, topic, &encoded, now),
        }
    }

    /// The catalogue log of these settings, when it is Kafka's.
    pub fn kafka(settings: &Settings) -> Result<Self, Fatal> {
        let log = |error: &dyn std::fmt::Display| Fatal::Log(error.to_string());
        let mut properties = settings.kafka_properties();
        // A record holds up to a thousand entities.
        properties.push(("message.max.bytes".to_owned(), "16000000".to_owned()));
        let topic = settings.kafka.catalog_topic.clone();
        crate::log::kafka::admin::create_eternal_topic(&properties, &topic)
            .map_err(|error| log(&error))?;
        let producer = KafkaProducer::connect(&properties).map_err(|error| log(&error))?;
        Ok(Self::Kafka { producer: Box::new(producer), topic })
    }
}

fn append_kafka(
    producer: &KafkaProducer,
    topic: &str,
    records: &[Vec<u8>],
    now: Instant,
) -> Result<i64, Fatal> {
    let log = |error: &dyn std::fmt::Display| Fatal::Log(error.to_string());
    let mut next = 0;
    for chunk in records.chunks(RECORDS_PER_APPEND) {
        let mut deliveries = Vec::new();
        for payload in chunk {
            let record = KafkaRecord {
                topic,
                partition: Some(0),
                key: None,
                payload: Some(payload),
                timestamp_ms: Some(now.micros().div_euclid(MILLISECOND)),
                headers: &[],
            };
            deliveries.push(producer.send(&record).map_err(|error: SendError| log(&error))?);
        }
        for delivery in deliveries {
            let written = delivery.wait().map_err(|trouble| log(&trouble))?;
            next = next.max(written.offset + 1);
        }
    }
    Ok(next)
}

/// What a file asks for, compared with what is there.
pub fn plan(
    text: &str,
    base: &Path,
    book: &Book,
    directory: &dyn Directory,
    options: Options,
) -> Result<ApplyPlan, Fatal> {
    let listed = |problems: Vec<catalog_file::Problem>| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Fatal::Catalogue(lines.join("\n  "))
    };
    let desired = catalog_file::parse(text, base).map_err(listed)?;
    diff(&desired, book, directory, options).map_err(listed)
}

/// Applies a file to a running service and returns once it is in force.
pub fn apply_to_running(service: &Service, settings: &Settings, file: &Path) -> Result<(), Fatal> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Fatal::Catalogue(format!("{}: {error}", file.display())))?;
    let base = file.parent().unwrap_or(Path::new(""));
    apply(service, settings, &text, base)
}

/// Applies the text of a file to a running service and returns once it is in force.
pub fn apply_text(service: &Service, settings: &Settings, text: &str) -> Result<(), Fatal> {
    apply(service, settings, text, Path::new(""))
}

fn apply(service: &Service, settings: &Settings, text: &str, base: &Path) -> Result<(), Fatal> {
    if let Some(stop) = service.shared.ends.catalogue_stop() {
        tracing::warn!(%stop, "the catalogue file is not applied");
        return Ok(());
    }
    let catalogue = &service.shared.catalogue;
    let now = service.shared.clock.now();
    let options = Options { now, prune: false };
    let records = plan(text, base, &catalogue.book(), &catalogue.rows, options)?.into_records();
    if records.is_empty() {
        return Ok(());
    }
    let writer = match &service.catalog_log {
        Some(log) => CatalogWriter::Embedded(log.clone()),
        None => CatalogWriter::kafka(settings)?,
    };
    let next = writer.append(&records, now)?;
    wait_until_applied(service, catalogue, next)
}

fn wait_until_applied(service: &Service, catalogue: &Catalogue, next: i64) -> Result<(), Fatal> {
    let wanted = u64::try_from(next).unwrap_or(0);
    let watch = Stopwatch::start();
    while catalogue.version() < wanted {
        if let Some(reason) = service.fatal.borrow().clone() {
            return Err(Fatal::Catalogue(reason));
        }
        if watch.elapsed() > APPLIED_WAIT {
            return Err(Fatal::Catalogue("the catalogue log is not read on".to_owned()));
        }
        std::thread::sleep(LOOK_PAUSE);
    }
    Ok(())
}
