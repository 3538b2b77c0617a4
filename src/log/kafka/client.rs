//! Settings of librdkafka: what the user passes through, what we prefer, what we insist on.

use rdkafka::ClientConfig;

/// librdkafka properties as the user gave them, in order; the last of a name counts.
pub type Properties = [(String, String)];

/// Longest pause before a broker that was gone is tried again. With librdkafka's 10 s the figures
/// would stand still for as long after the broker is back.
const RECONNECT_MS_MAX: &str = "1000";

/// Preferred for reading; the user may choose otherwise. A long queue of fetched records keeps the
/// broker's round trips away from the fold: draining it is four times cheaper per record than
/// waiting for each fetch.
const READ_PREFERRED: &[(&str, &str)] = &[
    ("client.id", "odometer"),
    ("queued.min.messages", "1000000"),
    // Per source: what waits in memory, and so what a record may at most weigh.
    ("queued.max.messages.kbytes", "65536"),
    ("fetch.message.max.bytes", "4194304"),
    ("fetch.max.bytes", "67108864"),
    ("fetch.wait.max.ms", "50"),
    // A reader that finds its queue full looks again soon; by default it sleeps a second, in which
    // the fold would run dry.
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.error.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", RECONNECT_MS_MAX),
    ("socket.keepalive.enable", "true"),
];

/// Insisted on for reading. Each is part of the promise that the stored positions are the truth.
const READ_ENFORCED: &[(&str, &str)] = &[
    // librdkafka wants a group for its consumer; nothing ever joins it.
    ("group.id", "odometer"),
    ("isolation.level", "read_committed"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // A missing offset stops the partition with a name instead of skipping records.
    ("auto.offset.reset", "error"),
    // The end of a partition is the only sign that leads past transaction markers.
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
    ("check.crcs", "true"),
];

/// Preferred for writing.
const WRITE_PREFERRED: &[(&str, &str)] = &[
    ("client.id", "odometer"),
    ("linger.ms", "5"),
    ("compression.codec", "lz4"),
    ("reconnect.backoff.max.ms", RECONNECT_MS_MAX),
    ("socket.keepalive.enable", "true"),
    // The queue is bounded; a full one is an error that the caller sees.
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("delivery.timeout.ms", "30000"),
];

/// Insisted on for writing: an acknowledged record is on every replica in sync, once and in order.
const WRITE_ENFORCED: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("allow.auto.create.topics", "false"),
    // Failed deliveries are reported, so that every record has an answer.
    ("delivery.report.only.error", "false"),
];

/// Names that a user must not set, since we insist on their value.
pub fn enforced_names() -> impl Iterator<Item = &'static str> {
    READ_ENFORCED.iter().chain(WRITE_ENFORCED).map(|(name, _)| *name)
}

fn build(
    properties: &Properties,
    preferred: &[(&str, &str)],
    enforced: &[(&str, &str)],
) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in preferred {
        config.set(*name, *value);
    }
    for (name, value) in properties {
        config.set(name.as_str(), value.as_str());
    }
    for (name, value) in enforced {
        config.set(*name, *value);
    }
    config
}

/// Properties that readers know and writers do not, or the other way round, would only cause
/// warnings; they are left out by their prefix.
fn without<'p>(properties: &'p Properties, foreign: &[&str]) -> Vec<(String, String)> {
    let known = |name: &'p str| !foreign.iter().any(|prefix| name.starts_with(prefix));
    properties.iter().filter(|(name, _)| known(name)).cloned().collect()
}

/// The settings of a reader.
pub(super) fn reader(properties: &Properties) -> ClientConfig {
    let writers =
        ["queue.buffering.", "linger.", "batch.", "compression.", "delivery.", "message.send"];
    build(&without(properties, &writers), READ_PREFERRED, READ_ENFORCED)
}

/// The settings of a writer.
pub(super) fn writer(properties: &Properties) -> ClientConfig {
    let readers = ["queued.", "fetch.", "isolation.", "group.", "session.", "check.crcs"];
    build(&without(properties, &readers), WRITE_PREFERRED, WRITE_ENFORCED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn users_override_what_is_preferred_and_not_what_is_enforced() {
        let given = properties(&[
            ("client.id", "mine"),
            ("isolation.level", "read_uncommitted"),
            ("auto.offset.reset", "latest"),
            ("acks", "1"),
            ("linger.ms", "50"),
            ("fetch.wait.max.ms", "7"),
        ]);
        let reader = reader(&given);
        assert_eq!(reader.get("client.id"), Some("mine"));
        assert_eq!(reader.get("fetch.wait.max.ms"), Some("7"));
        assert_eq!(reader.get("isolation.level"), Some("read_committed"));
        assert_eq!(reader.get("auto.offset.reset"), Some("error"));
        assert_eq!(reader.get("linger.ms"), None);
        let writer = writer(&given);
        assert_eq!(writer.get("acks"), Some("all"));
        assert_eq!(writer.get("linger.ms"), Some("50"));
        assert_eq!(writer.get("fetch.wait.max.ms"), None);
    }

    #[test]
    fn librdkafka_knows_every_property() {
        for config in [reader(&[]), writer(&[])] {
            assert!(config.create_native_config().is_ok());
        }
    }
}
