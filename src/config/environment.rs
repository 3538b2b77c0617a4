//! Names of environment variables, made from the table of keys.

use super::settings::KEYS;

/// What every variable of ours starts with.
pub const PREFIX: &str = "ODOMETER_";

/// Names the operator's file, in place of `--config`.
pub const CONFIG: &str = "ODOMETER_CONFIG";

/// Where a running service answers, for the commands that ask one.
pub const URL: &str = "ODOMETER_URL";

/// The API key with which such commands ask.
pub const API_KEY: &str = "ODOMETER_API_KEY";

/// Variables that are no settings but may well be set where the program runs.
const OTHERS: &[&str] = &[
    CONFIG,
    URL,
    API_KEY,
    // The build scripts keep the RocksDB library and the build folder here.
    "ODOMETER_CACHE",
    // Memory of the broker that development and tests start.
    "ODOMETER_KAFKA_HEAP",
];

/// Variables that steer the test suite; a service it starts inherits them.
const TEST_PREFIX: &str = "ODOMETER_TEST_";

/// Every variable that gives a setting, with the setting's path.
pub fn variables() -> Vec<(String, String)> {
    KEYS.iter().map(|key| (variable(key.section, key.name), key.path())).collect()
}

fn variable(section: &str, name: &str) -> String {
    format!("{PREFIX}{}_{}", section.to_ascii_uppercase(), name.to_ascii_uppercase())
}

/// Whether a variable with our prefix is known to be no setting.
pub fn is_other(name: &str, value: &str) -> bool {
    OTHERS.contains(&name) || name.starts_with(TEST_PREFIX) || is_service_link(name, value)
}

/// Whether Kubernetes made the variable for a service named `odometer` or `odometer-...`: every pod
/// of the namespace gets those.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_part = ["_TCP_", "_UDP_", "_SCTP_"]
        .iter()
        .any(|part| matches!(name.split_once(part), Some((_, "PROTO" | "PORT" | "ADDR"))));
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.contains("_PORT") && (is_address || is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_stands_for_one_setting() {
        let mut names: Vec<String> = variables().into_iter().map(|(name, _)| name).collect();
        names.sort();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
        for name in &names {
            assert!(!is_other(name, ""), "{name} is taken for another variable");
        }
        assert!(names.contains(&"ODOMETER_KAFKA_SASL_PASSWORD_FILE".to_owned()));
    }

    #[test]
    fn variables_of_a_kubernetes_service_are_left_alone() {
        let links = [
            ("ODOMETER_SERVICE_HOST", "10.0.0.7"),
            ("ODOMETER_SERVICE_PORT", "8080"),
            ("ODOMETER_SERVICE_PORT_HTTP", "8080"),
            ("ODOMETER_PORT", "tcp://10.0.0.7:8080"),
            ("ODOMETER_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
            ("ODOMETER_PORT_8080_TCP_PROTO", "tcp"),
            ("ODOMETER_KAFKA_PORT_9092_TCP_ADDR", "10.0.0.8"),
        ];
        for (name, value) in links {
            assert!(is_other(name, value), "{name}");
        }
        assert!(!is_other("ODOMETER_HTTP_PORT", "8080"));
    }
}
