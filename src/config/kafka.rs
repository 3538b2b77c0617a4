//! What librdkafka is told, and what it must not be told.

use std::path::Path;

use super::origin::Origin;
use super::problem::Problem;
use super::settings::{Kafka, Settings};

/// Why a librdkafka property is refused in the pass-through table.
enum Refusal {
    /// It has a key of its own in `[kafka]`.
    Key(&'static str),
    /// It would break a guarantee; the reason is told.
    Guarantee(&'static str),
}
use Refusal::{Guarantee, Key};

const OFFSETS_ARE_OURS: &str =
    "reading starts at the positions in the store; the broker's offsets must never decide it";
const ASSIGNMENT_IS_OURS: &str =
    "partitions are assigned from the positions in the store, not by a consumer group";
const EXACTLY_ONE_WRITE: &str =
    "what is sent must arrive once, in order and on every replica before it counts as sent";

/// Refused properties, old spellings that librdkafka still takes included.
const REFUSED: &[(&str, Refusal)] = &[
    ("bootstrap.servers", Key("brokers")),
    ("metadata.broker.list", Key("brokers")),
    ("client.id", Key("client_id")),
    ("group.id", Guarantee(ASSIGNMENT_IS_OURS)),
    ("security.protocol", Key("security_protocol")),
    ("sasl.mechanism", Key("sasl_mechanism")),
    ("sasl.mechanisms", Key("sasl_mechanism")),
    ("sasl.username", Key("sasl_username")),
    ("sasl.password", Key("sasl_password")),
    ("ssl.ca.location", Key("ssl_ca_location")),
    ("ssl.certificate.location", Key("ssl_certificate_location")),
    ("ssl.key.location", Key("ssl_key_location")),
    ("ssl.key.password", Key("ssl_key_password")),
    ("enable.auto.commit", Guarantee(OFFSETS_ARE_OURS)),
    ("auto.commit.enable", Guarantee(OFFSETS_ARE_OURS)),
    ("auto.commit.interval.ms", Guarantee(OFFSETS_ARE_OURS)),
    ("enable.auto.offset.store", Guarantee(OFFSETS_ARE_OURS)),
    ("offset.store.method", Guarantee(OFFSETS_ARE_OURS)),
    ("offset.store.path", Guarantee(OFFSETS_ARE_OURS)),
    (
        "auto.offset.reset",
        Guarantee("an offset that is gone must stop the partition, never skip or repeat records"),
    ),
    (
        "isolation.level",
        Guarantee("records of aborted transactions must not count; it is always read_committed"),
    ),
    (
        "enable.partition.eof",
        Guarantee("positions move past transaction markers by the end-of-partition event"),
    ),
    ("group.instance.id", Guarantee(ASSIGNMENT_IS_OURS)),
    ("group.protocol", Guarantee(ASSIGNMENT_IS_OURS)),
    ("group.protocol.type", Guarantee(ASSIGNMENT_IS_OURS)),
    ("group.remote.assignor", Guarantee(ASSIGNMENT_IS_OURS)),
    ("partition.assignment.strategy", Guarantee(ASSIGNMENT_IS_OURS)),
    ("enable.idempotence", Guarantee(EXACTLY_ONE_WRITE)),
    ("acks", Guarantee(EXACTLY_ONE_WRITE)),
    ("request.required.acks", Guarantee(EXACTLY_ONE_WRITE)),
    ("transactional.id", Guarantee(EXACTLY_ONE_WRITE)),
    ("queuing.strategy", Guarantee(EXACTLY_ONE_WRITE)),
    ("delivery.report.only.error", Guarantee("every record that is sent waits for its report")),
    (
        "allow.auto.create.topics",
        Guarantee("a topic name with a slip in it must be an error, not a new empty topic"),
    ),
    (
        "test.mock.num.brokers",
        Guarantee("it replaces the brokers by a mock in memory that forgets everything"),
    ),
];

/// The problem with a property of the pass-through table, if it is refused.
pub fn refuse(name: &str, path: &str, origin: &Origin) -> Option<Problem> {
    let fact = format!("`{path}` is refused");
    let well_formed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    if name.is_empty() || !name.chars().all(well_formed) {
        let detail = format!("from {origin}: librdkafka has no property of such a name");
        return Some(Problem::new(fact, detail).hint("names are like fetch.min.bytes"));
    }
    let (_, refusal) = REFUSED.iter().find(|(refused, _)| *refused == name)?;
    Some(match refusal {
        Key(key) => Problem::new(fact, format!("from {origin}: it has a key of its own"))
            .hint(format!("use `kafka.{key}`")),
        Guarantee(reason) => Problem::new(fact, format!("from {origin}: {reason}"))
            .hint(format!("leave `{name}` out")),
    })
}

impl Settings {
    /// The librdkafka properties that consumers and producers have in common, in the order in which
    /// they are to be set: brokers, security, then the pass-through table. Empty when no broker is
    /// configured. The values hold secrets and must not be printed.
    pub fn kafka_properties(&self) -> Vec<(String, String)> {
        let kafka = &self.kafka;
        let Some(brokers) = &kafka.brokers else { return Vec::new() };
        let mut list = vec![
            pair("bootstrap.servers", brokers),
            pair("client.id", &kafka.client_id),
            pair("security.protocol", kafka.security_protocol.as_str()),
        ];
        list.extend(kafka.sasl());
        list.extend(kafka.tls());
        let further = kafka.properties.0.iter();
        list.extend(further.map(|(name, value)| (name.clone(), value.clone())));
        list
    }
}

impl Kafka {
    /// The topics that events are read from, our own last.
    pub fn all_events_topics(&self) -> Vec<String> {
        self.events_topics.iter().chain(&self.http_events_topic).cloned().collect()
    }

    fn sasl(&self) -> Vec<(String, String)> {
        if !self.security_protocol.uses_sasl() {
            return Vec::new();
        }
        vec![
            pair("sasl.mechanism", self.sasl_mechanism.as_str()),
            pair("sasl.username", &self.sasl_username),
            pair("sasl.password", self.sasl_password.expose()),
        ]
    }

    fn tls(&self) -> Vec<(String, String)> {
        if !self.security_protocol.uses_tls() {
            return Vec::new();
        }
        let files = [
            ("ssl.ca.location", self.ssl_ca_location.as_deref()),
            ("ssl.certificate.location", self.ssl_certificate_location.as_deref()),
            ("ssl.key.location", self.ssl_key_location.as_deref()),
        ];
        let given = |(name, file): (&str, Option<&Path>)| {
            file.map(|file| pair(name, &file.to_string_lossy()))
        };
        let mut list: Vec<_> = files.into_iter().filter_map(given).collect();
        if !self.ssl_key_password.is_empty() {
            list.push(pair("ssl.key.password", self.ssl_key_password.expose()));
        }
        list
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
