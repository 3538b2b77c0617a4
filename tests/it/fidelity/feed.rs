//! Where a world's records go: the service's own logs, or partitions of Kafka.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use odometer::core::catalog::record::{Change, Record as CatalogRecord};
use odometer::log::catalog::encode_record;
use odometer::log::embedded::EVENTS_TOPIC;
use odometer::log::kafka::{KafkaProducer, Record};

use crate::oracle::Place;
use crate::rig;
use crate::service::{TestService, wait_until};

/// Partitions of a world on Kafka.
const PARTITIONS: usize = 3;
/// Milliseconds between two rounds: less than partitions run ahead of each other.
const ROUND_MS: i64 = 10_000;
/// Records bear times this long ago, so that none lies ahead of the broker's clock.
const AGO_MS: i64 = 3_000_000;

/// One record on its way.
pub struct Outgoing {
    pub partition: usize,
    /// Milliseconds by which its time differs from that of its round.
    pub behind_ms: i64,
    pub payload: String,
}

/// The logs of one world.
pub enum Feed {
    /// One partition in the service's own store.
    Embedded,
    /// Several partitions.
    Kafka(Box<Topics>),
}

/// Topics on Kafka, and how far they are written.
pub struct Topics {
    place: rig::Place,
    producer: KafkaProducer,
    began_ms: i64,
    /// Next offset and log time of each partition.
    ends: [(i64, i64); PARTITIONS],
}

impl Feed {
    /// Fresh topics, and the settings of a service that reads them.
    pub fn kafka() -> (Self, Vec<(&'static str, String)>) {
        let place = rig::Place::new("fidelity", i32::try_from(PARTITIONS).unwrap());
        let properties = [("bootstrap.servers".to_owned(), rig::brokers().to_owned())];
        let producer = KafkaProducer::connect(&properties).unwrap();
        let settings = vec![
            ("kafka.brokers", rig::brokers().to_owned()),
            ("kafka.events_topics", place.events.clone()),
            ("kafka.catalog_topic", place.catalog.clone()),
            ("kafka.dead_letter_topic", place.dead_letters.clone()),
        ];
        let began_ms = now_ms() - AGO_MS;
        let topics = Topics { place, producer, began_ms, ends: [(0, 0); PARTITIONS] };
        (Self::Kafka(Box::new(topics)), settings)
    }

    /// Changes the catalogue and waits until the change is applied; its log time.
    pub fn change(&self, service: &TestService, changes: Vec<Change>) -> i64 {
        let Self::Kafka(topics) = self else { return service.change(changes).micros() };
        let payload = encode_record(&CatalogRecord { changes, expects: Vec::new() });
        let now_ms = now_ms();
        let record = Record {
            topic: &topics.place.catalog,
            partition: Some(0),
            key: None,
            payload: Some(&payload),
            timestamp_ms: Some(now_ms),
            headers: &[],
        };
        let written = topics.producer.send(&record).unwrap().wait().unwrap();
        let next = u64::try_from(written.offset).unwrap() + 1;
        let catalogue = &service.running().service.shared.catalogue;
        wait_until("the catalogue record", || catalogue.version() >= next);
        now_ms * 1_000
    }

    /// Appends the records of a round; each one's place, its index left out.
    pub fn send(
        &mut self,
        service: &TestService,
        round: usize,
        records: &[Outgoing],
    ) -> Vec<Place> {
        let Self::Kafka(topics) = self else {
            let end = i64::try_from(service.end()).unwrap();
            let payloads: Vec<&str> = records.iter().map(|record| &*record.payload).collect();
            service.append(&payloads);
            return (end..).zip(records).map(|(offset, _)| (0, 0, offset, 0)).collect();
        };
        let round_ms = topics.began_ms + i64::try_from(round).unwrap() * ROUND_MS;
        records.iter().map(|record| topics.send(record, round_ms)).collect()
    }

    /// The offsets that every record so far lies below.
    pub fn end(&self, service: &TestService) -> String {
        let mut offsets = String::new();
        match self {
            Self::Embedded => write!(offsets, "{EVENTS_TOPIC}-0:{}", service.end()).unwrap(),
            Self::Kafka(topics) => {
                for (partition, (next, _)) in topics.ends.iter().enumerate() {
                    let comma = if partition > 0 { "," } else { "" };
                    write!(offsets, "{comma}{}-{partition}:{next}", topics.place.events).unwrap();
                }
            }
        }
        offsets
    }
}

#[allow(clippy::disallowed_methods)] // the broker refuses times ahead of its own clock
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    i64::try_from(now).unwrap()
}

impl Topics {
    fn send(&mut self, outgoing: &Outgoing, round_ms: i64) -> Place {
        let partition = outgoing.partition % PARTITIONS;
        let timestamp_ms = round_ms + outgoing.behind_ms;
        let record = Record {
            topic: &self.place.events,
            partition: Some(i32::try_from(partition).unwrap()),
            key: None,
            payload: Some(outgoing.payload.as_bytes()),
            timestamp_ms: Some(timestamp_ms),
            headers: &[],
        };
        let written = self.producer.send(&record).unwrap().wait().unwrap();
        let (next, log_ms) = &mut self.ends[partition];
        (*next, *log_ms) = (written.offset + 1, timestamp_ms.max(*log_ms));
        (*log_ms, u16::try_from(partition).unwrap(), written.offset, 0)
    }
}
