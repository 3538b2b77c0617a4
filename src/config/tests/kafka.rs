//! Tests of what librdkafka is told, and of secrets.

use std::path::PathBuf;

use super::super::SaslMechanism;
use super::{Case, load, problems};

#[test]
fn properties_that_break_a_guarantee_are_refused_with_the_reason() {
    for (name, reason, hint) in [
        ("isolation.level", "aborted transactions", "leave `isolation.level` out"),
        ("auto.offset.reset", "must stop the partition", "leave `auto.offset.reset` out"),
        ("enable.auto.commit", "positions in the store", "leave `enable.auto.commit` out"),
        ("enable.partition.eof", "transaction markers", "leave `enable.partition.eof` out"),
        ("enable.idempotence", "arrive once", "leave `enable.idempotence` out"),
        ("acks", "arrive once", "leave `acks` out"),
        ("transactional.id", "arrive once", "leave `transactional.id` out"),
        ("group.id", "not by a consumer group", "leave `group.id` out"),
        ("bootstrap.servers", "a key of its own", "use `kafka.brokers`"),
        ("sasl.mechanisms", "a key of its own", "use `kafka.sasl_mechanism`"),
        ("Fetch Size", "no property of such a name", "names are like fetch.min.bytes"),
    ] {
        let path = format!("kafka.properties.{name}");
        let from_env = format!("{name}=1");
        let cases = [
            Case::new(&format!("[kafka.properties]\n\"{name}\" = 1"), &[], &[]),
            Case::new("", &[("ODOMETER_KAFKA_PROPERTIES", &from_env)], &[]),
            Case::new("", &[], &[(&path, "1")]),
        ];
        for case in cases {
            let told = case.problems();
            assert!(told.starts_with(&format!("`{path}` is refused\n")), "{told}");
            assert!(told.contains(reason) && told.contains(hint), "{told}");
        }
    }
}

/// Nothing that is printed may hold it.
const PASSWORD: &str = "hunter2 \"x\"";

fn secure(rest: &[(&str, &str)]) -> Case {
    let mut flags = vec![
        ("kafka.brokers", "k:9093"),
        ("kafka.security_protocol", "sasl_ssl"),
        ("kafka.sasl_mechanism", "SCRAM-SHA-512"),
        ("kafka.sasl_username", "meter"),
    ];
    flags.extend(rest);
    Case::new("", &[], &flags)
}

#[test]
fn secrets_are_never_printed() {
    let properties = format!("ssl.keystore.password={PASSWORD}");
    let case = secure(&[
        ("kafka.sasl_password", PASSWORD),
        ("kafka.properties", &properties),
        ("kafka.properties.linger.ms", "3"),
    ]);
    let (settings, origins) = case.load().unwrap();
    assert_eq!(settings.kafka.sasl_password.expose(), PASSWORD);
    for shown in [format!("{settings:?}"), format!("{origins:?}"), origins.show_with_origin()] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("***") && shown.contains("meter"), "{shown}");
    }
    let wrong = problems("[kafka]\nsasl_password = 31337", &[], &[]);
    assert!(!wrong.contains("31337"), "{wrong}");
}

#[test]
fn a_secret_may_be_kept_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let name = file.to_str().unwrap().to_owned();
    for (content, expected) in
        [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret", "s3cret"), ("a\n\n", "a\n")]
    {
        std::fs::write(&file, content).unwrap();
        let (settings, origins) = secure(&[("kafka.sasl_password_file", &name)]).load().unwrap();
        assert_eq!(settings.kafka.sasl_password.expose(), expected);
        assert_eq!(settings.kafka.sasl_password_file, Some(PathBuf::from(&name)));
        assert!(!origins.show().contains("s3cret"));
    }
    let both = secure(&[("kafka.sasl_password_file", &name), ("kafka.sasl_password", PASSWORD)]);
    let told = both.problems();
    let fact = "both `kafka.sasl_password` and `kafka.sasl_password_file` are given";
    assert!(told.starts_with(fact), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    std::fs::write(&file, "\n").unwrap();
    let told = secure(&[("kafka.sasl_password_file", &name)]).problems();
    assert!(told.contains("it is empty"), "{told}");
    let told = secure(&[("kafka.sasl_password_file", "/nowhere/password")]).problems();
    assert!(told.contains("without a usable secret"), "{told}");
}

#[test]
fn librdkafka_gets_security_first_and_the_table_last() {
    let case = secure(&[
        ("kafka.sasl_password", "p"),
        ("kafka.ssl_ca_location", "/ca.pem"),
        ("kafka.properties.socket.keepalive.enable", "true"),
    ]);
    let (settings, _) = case.load().unwrap();
    assert_eq!(settings.kafka.sasl_mechanism, SaslMechanism::ScramSha512);
    let list = settings.kafka_properties();
    let list: Vec<(&str, &str)> = list.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        list,
        [
            ("bootstrap.servers", "k:9093"),
            ("client.id", "odometer"),
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "meter"),
            ("sasl.password", "p"),
            ("ssl.ca.location", "/ca.pem"),
            ("socket.keepalive.enable", "true"),
        ]
    );
    let (embedded, _) = load("", &[], &[]);
    assert_eq!(embedded.kafka_properties(), []);
}
