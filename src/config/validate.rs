//! Checks between settings, and of texts whose form the table of keys does not tell.

use std::collections::BTreeSet;

use super::choice::{LogLevel, SaslMechanism};
use super::problem::Problem;
use super::settings::{Kafka, Settings};

/// Longest topic name Kafka takes.
const TOPIC_LENGTH_MAX: usize = 249;

/// Shortest key of the operator's routes: what is shorter can be guessed.
const OPERATOR_KEY_BYTES_MIN: usize = 16;

/// Everything that is wrong, each with the section it belongs to.
pub fn check(settings: &Settings) -> Vec<(&'static str, Problem)> {
    let mut found = Vec::new();
    found.extend(check_topics(&settings.kafka).map(|problem| ("kafka", problem)));
    found.extend(check_brokers(&settings.kafka).map(|problem| ("kafka", problem)));
    found.extend(check_sasl(&settings.kafka).map(|problem| ("kafka", problem)));
    found.extend(check_tls(&settings.kafka).into_iter().map(|problem| ("kafka", problem)));
    found.extend(check_rest(settings));
    found
}

fn check_topics(kafka: &Kafka) -> Option<Problem> {
    if kafka.events_topics.is_empty() {
        let problem = Problem::new("`kafka.events_topics` is empty", "there would be no usage");
        return Some(problem.hint("name at least one topic, such as [\"events_raw\"]"));
    }
    let named = kafka
        .events_topics
        .iter()
        .map(|topic| ("events_topics", topic))
        .chain(kafka.http_events_topic.iter().map(|topic| ("http_events_topic", topic)))
        .chain([("catalog_topic", &kafka.catalog_topic)]);
    let mut seen = BTreeSet::new();
    for (key, topic) in
        named.chain(kafka.dead_letter_topic.iter().map(|t| ("dead_letter_topic", t)))
    {
        if !is_topic_name(topic) {
            let detail = format!("`{topic}` is not the name of a topic");
            return Some(
                Problem::new(format!("`kafka.{key}` cannot be used"), detail).hint(
                    "a name has 1 to 249 ASCII letters, digits, dots, underscores and hyphens",
                ),
            );
        }
        if !seen.insert(topic) {
            let detail = format!("`{topic}` is given twice, the second time in `kafka.{key}`");
            return Some(
                Problem::new("two uses of one topic", detail)
                    .hint("events, accepted events, catalogue and dead letters need a topic each"),
            );
        }
    }
    None
}

fn is_topic_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !matches!(name, "" | "." | "..") && name.len() <= TOPIC_LENGTH_MAX && name.chars().all(allowed)
}

fn check_brokers(kafka: &Kafka) -> Option<Problem> {
    let brokers = kafka.brokers.as_deref()?;
    let wrong = |part: &str| part.is_empty() || part.contains(char::is_whitespace);
    let part = brokers.split(',').map(str::trim).find(|part| wrong(part))?;
    let problem = Problem::new("`kafka.brokers` is not a list of brokers", format!("`{part}`"));
    Some(problem.hint("write host:port,host:port"))
}

fn check_sasl(kafka: &Kafka) -> Option<Problem> {
    let protocol = kafka.security_protocol;
    let missing = [
        ("sasl_mechanism", kafka.sasl_mechanism == SaslMechanism::None),
        ("sasl_username", kafka.sasl_username.is_empty()),
        ("sasl_password", kafka.sasl_password.is_empty()),
    ];
    let with = format!("`kafka.security_protocol` is \"{}\"", protocol.as_str());
    if protocol.uses_sasl() {
        let (key, _) = missing.into_iter().find(|(_, missing)| *missing)?;
        return Some(
            Problem::new(format!("`kafka.{key}` is missing"), with)
                .hint("SASL needs a mechanism, a name and a password"),
        );
    }
    let (key, _) = missing.into_iter().find(|(_, missing)| !*missing)?;
    Some(
        Problem::new(format!("`kafka.{key}` would have no effect"), with)
            .hint("use \"sasl_ssl\" (or \"sasl_plaintext\") to log in"),
    )
}

fn check_tls(kafka: &Kafka) -> Vec<Problem> {
    let mut found = Vec::new();
    let (certificate, key) =
        (kafka.ssl_certificate_location.is_some(), kafka.ssl_key_location.is_some());
    let given = [
        ("ssl_ca_location", kafka.ssl_ca_location.is_some()),
        ("ssl_certificate_location", certificate),
        ("ssl_key_location", key),
        ("ssl_key_password", !kafka.ssl_key_password.is_empty()),
    ];
    let protocol = kafka.security_protocol;
    if let Some((key, _)) = given.into_iter().find(|(_, given)| *given)
        && !protocol.uses_tls()
    {
        let detail = format!("`kafka.security_protocol` is \"{}\"", protocol.as_str());
        found.push(
            Problem::new(format!("`kafka.{key}` would have no effect"), detail)
                .hint("use \"ssl\" or \"sasl_ssl\" to encrypt"),
        );
    }
    if certificate != key {
        found.push(Problem::new(
            "a certificate and its key need each other",
            "only one of `kafka.ssl_certificate_location` and `kafka.ssl_key_location` is given",
        ));
    }
    found
}

fn check_rest(settings: &Settings) -> Vec<(&'static str, Problem)> {
    let mut found = Vec::new();
    if settings.store.path.as_os_str().is_empty() {
        let detail = "the store needs a folder";
        found.push(("store", Problem::new("`store.path` is empty", detail)));
    }
    let key = settings.http.operator_key.expose();
    if !key.is_empty() && key.len() < OPERATOR_KEY_BYTES_MIN {
        let detail = format!("it has fewer than {OPERATOR_KEY_BYTES_MIN} bytes");
        let problem = Problem::new("`http.operator_key` is too short", detail);
        found.push(("http", problem.hint("make one with: openssl rand -hex 24")));
    }
    let backup = &settings.backup;
    if backup.s3_access_key_id.is_empty() != backup.s3_secret_access_key.is_empty() {
        let detail =
            "only one of `backup.s3_access_key_id` and `backup.s3_secret_access_key` is given";
        found.push(("backup", Problem::new("a key and its name need each other", detail)));
    }
    let limits = &settings.limits;
    let caps = [
        ("groups", limits.groups_soft_max, limits.groups_hard_max),
        ("unique_values", limits.unique_values_soft_max, limits.unique_values_hard_max),
    ];
    for (what, soft, hard) in caps.into_iter().filter(|(_, soft, hard)| soft > hard) {
        let problem = format!("`limits.{what}_soft_max` exceeds `limits.{what}_hard_max`");
        found.push(("limits", Problem::new(problem, format!("{soft} > {hard}"))));
    }
    for target in &settings.log.targets {
        let level = target.split_once('=').map(|(module, level)| (module.trim(), level.trim()));
        if !matches!(level, Some((m, l)) if !m.is_empty() && LogLevel::from_word(l).is_some()) {
            let detail = format!("`{target}` is not a module and a level");
            found.push((
                "log",
                Problem::new("`log.targets` cannot be used", detail)
                    .hint("write module=level, such as odometer::store=debug"),
            ));
        }
    }
    found
}
