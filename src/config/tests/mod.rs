//! Tests of the whole: sources in, settings or problems out.

use std::collections::BTreeSet;

use super::key::{self, Kind};
use super::settings::KEYS;
use super::{ConfigError, DEFAULTS, Origins, Settings, Sources};

mod kafka;

/// A file of its own for each case, removed with the folder.
struct Case {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl Case {
    fn new(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odometer.toml");
        std::fs::write(&path, file).unwrap();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let sources = Sources {
            file: Some(path),
            env: env.iter().map(owned).collect(),
            overrides: flags.iter().map(owned).collect(),
        };
        Self { folder, sources }
    }

    fn load(&self) -> Result<(Settings, Origins), ConfigError> {
        Settings::load(&self.sources)
    }

    /// The problems as they are printed, the folder's name left out.
    fn problems(&self) -> String {
        let folder = format!("{}/", self.folder.path().display());
        self.load().expect_err("must be refused").to_string().replace(&folder, "")
    }
}

fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> (Settings, Origins) {
    Case::new(file, env, flags).load().unwrap()
}

fn problems(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    Case::new(file, env, flags).problems()
}

#[test]
fn the_default_file_and_the_settings_hold_the_same_keys() {
    let table: toml::Table = DEFAULTS.parse().unwrap();
    let mut in_file = BTreeSet::new();
    for (section, keys) in &table {
        let keys = keys.as_table().expect("only sections at the top");
        in_file.extend(keys.keys().map(|name| format!("{section}.{name}")));
    }
    let in_settings: BTreeSet<String> = KEYS.iter().map(key::Key::path).collect();
    assert_eq!(in_file, in_settings);
    Settings::load(&Sources::default()).unwrap();
}

#[test]
fn every_key_of_the_default_file_has_a_comment_and_the_declared_place() {
    let mut order = Vec::new();
    let (mut section, mut before) = ("", "");
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            if section.contains('.') {
                assert!(before.starts_with('#'), "{section} has no comment");
                order.push(section.to_owned());
            }
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            assert!(before.starts_with('#'), "{section}.{name} has no comment");
            order.push(format!("{section}.{name}"));
        }
        assert!(line.len() <= 100, "{line}");
        before = line;
    }
    assert_eq!(order, KEYS.iter().map(key::Key::path).collect::<Vec<_>>());
}

#[test]
fn every_secret_can_be_kept_in_a_file() {
    for key in KEYS.iter().filter(|key| key.kind == Kind::Secret) {
        let (file, _) = key::find(&format!("{}_file", key.path())).unwrap();
        assert_eq!(file.kind, Kind::Path);
    }
}

#[test]
fn later_sources_win() {
    let file = "[http]\nlisten = \"127.0.0.1:1\"\n";
    let env: &[(&str, &str)] = &[("ODOMETER_HTTP_LISTEN", "127.0.0.1:2"), ("PATH", "/bin")];
    let flags: &[(&str, &str)] = &[("http.listen", "127.0.0.1:3"), ("http.listen", "127.0.0.1:4")];
    for (file, env, flags, port, origin) in [
        ("", &[][..], &[][..], 8080, "default"),
        (file, &[], &[], 1, "file odometer.toml line 2"),
        (file, env, &[], 2, "env ODOMETER_HTTP_LISTEN"),
        (file, env, &flags[..1], 3, "flag"),
        (file, env, flags, 4, "flag"),
        ("", env, &[], 2, "env ODOMETER_HTTP_LISTEN"),
    ] {
        let case = Case::new(file, env, flags);
        let (settings, origins) = case.load().unwrap();
        assert_eq!(settings.http.listen.port(), port);
        let folder = format!("{}/", case.folder.path().display());
        let from = origins.of("http.listen").unwrap().to_string().replace(&folder, "");
        assert_eq!(from, origin);
    }
}

#[test]
fn every_kind_is_read_from_every_source() {
    let (from_file, _) = load(
        "[store]\nslots = 1_28\n[kafka]\nevents_topics = [\"a\", \"b\"]\nbrokers = \"k:9092\"\n\
         dead_letter_topic = \"\"\n[kafka.properties]\nfetch.min.bytes = 5\n\
         \"fetch.wait.max.ms\" = \"7\"\nlog.connection.close = false\n[log]\nformat = \"json\"",
        &[],
        &[],
    );
    let (from_env, _) = load(
        "",
        &[
            ("ODOMETER_STORE_SLOTS", "128"),
            ("ODOMETER_KAFKA_EVENTS_TOPICS", "a, b"),
            ("ODOMETER_KAFKA_BROKERS", "k:9092"),
            ("ODOMETER_KAFKA_DEAD_LETTER_TOPIC", ""),
            (
                "ODOMETER_KAFKA_PROPERTIES",
                "fetch.min.bytes=5;fetch.wait.max.ms=7; log.connection.close=false;",
            ),
            ("ODOMETER_LOG_FORMAT", "json"),
        ],
        &[],
    );
    let (from_flags, _) = load(
        "",
        &[],
        &[
            ("store.slots", "1_28"),
            ("kafka.events_topics", "a,b"),
            ("kafka.brokers", "k:9092"),
            ("kafka.dead_letter_topic", ""),
            ("kafka.properties.fetch.min.bytes", "5"),
            ("kafka.properties", "fetch.wait.max.ms=7;log.connection.close=false"),
            ("log.format", "json"),
        ],
    );
    assert_eq!(from_file, from_env);
    assert_eq!(from_file, from_flags);
    assert_eq!(from_file.store.slots, 128);
    assert_eq!(from_file.kafka.events_topics, ["a", "b"]);
    assert_eq!(from_file.kafka.dead_letter_topic, None);
    assert_eq!(from_file.kafka.properties.0["fetch.wait.max.ms"], "7");
    assert_eq!(from_file.kafka.properties.0["log.connection.close"], "false");
}

#[test]
fn what_is_unknown_is_refused_with_a_suggestion() {
    for (file, env, flags, told) in [
        (
            "[kafka]\nbroker = \"k:1\"",
            &[][..],
            &[][..],
            "`kafka.broker` is not a setting\n  from file odometer.toml line 2\n  \
             hint: did you mean `kafka.brokers`?",
        ),
        (
            "\n[kafak]\nbrokers = \"\"",
            &[],
            &[],
            "`kafak` is not a section\n  in file odometer.toml, line 2\n  \
             hint: did you mean `kafka`?",
        ),
        (
            "listen = \"127.0.0.1:1\"",
            &[],
            &[],
            "`listen` is not a section\n  in file odometer.toml, line 1\n  \
             hint: did you mean `http.listen`?",
        ),
        (
            "http = 5",
            &[],
            &[],
            "`http` is not a table\n  in file odometer.toml, line 1\n  \
             hint: write [http] on a line of its own",
        ),
        (
            "",
            &[("ODOMETER_HTTP_LISTENER", "x")],
            &[],
            "environment variable ODOMETER_HTTP_LISTENER is not a setting\n  \
             every variable that starts with ODOMETER_ must be one\n  \
             hint: did you mean `ODOMETER_HTTP_LISTEN`?",
        ),
        (
            "",
            &[],
            &[("kafka.listen", "x")],
            "`kafka.listen` is not a setting\n  from flag\n  hint: did you mean `http.listen`?",
        ),
        (
            "",
            &[],
            &[("retention.days", "x")],
            "`retention.days` is not a setting\n  from flag\n  \
             hint: `odometer config show` lists every setting",
        ),
    ] {
        assert_eq!(problems(file, env, flags), told);
    }
}

#[test]
fn variables_that_are_no_settings_are_let_through() {
    let env = [("ODOMETER_CACHE", "/c"), ("ODOMETER_CONFIG", "/f"), ("ODOMETER_TEST_X", "1")];
    load("", &env, &[]);
}

#[test]
fn values_of_the_wrong_form_are_refused() {
    for (path, value, takes) in [
        ("store.slots", "0", "a whole number from 1 to 255"),
        ("store.slots", "256", "a whole number from 1 to 255"),
        ("store.slots", "\"64\"", "a whole number from 1 to 255"),
        ("store.slots", "64.5", "a whole number from 1 to 255"),
        ("fold.worker_threads", "-1", "a whole number from 0 to 256"),
        ("http.listen", "\"8080\"", "an IP address and a port, such as 127.0.0.1:8080"),
        ("http.listen", "\"localhost:8080\"", "an IP address and a port, such as 127.0.0.1:8080"),
        ("store.path", "5", "a text in quotes"),
        ("kafka.events_topics", "\"a\"", "a list of texts"),
        ("kafka.events_topics", "[5]", "a list of texts"),
        ("log.format", "\"xml\"", "one of \"text\", \"json\""),
        ("kafka.security_protocol", "\"SSL\"", "one of \"plaintext\", \"ssl\""),
        ("kafka.properties", "5", "a table of librdkafka properties"),
    ] {
        let (section, name) = path.split_once('.').unwrap();
        let told = problems(&format!("[{section}]\n{name} = {value}"), &[], &[]);
        assert!(told.starts_with(&format!("`{path}` has a value it cannot have\n")), "{told}");
        assert!(told.contains("from file odometer.toml line 2"), "{told}");
        assert!(told.contains(&format!("hint: it takes {takes}")), "{told}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let kafka = |text: &str| format!("[kafka]\n{text}");
    for (file, told) in [
        (kafka("events_topics = []"), "`kafka.events_topics` is empty"),
        (kafka("events_topics = [\"a b\"]"), "`kafka.events_topics` cannot be used"),
        (kafka("catalog_topic = \"\""), "`kafka.catalog_topic` cannot be used"),
        (kafka("dead_letter_topic = \"events_raw\""), "two uses of one topic"),
        (kafka("events_topics = [\"a\", \"a\"]"), "two uses of one topic"),
        (kafka("brokers = \"a:1,,b:2\""), "`kafka.brokers` is not a list of brokers"),
        (kafka("security_protocol = \"sasl_ssl\""), "`kafka.sasl_mechanism` is missing"),
        (
            kafka("security_protocol = \"sasl_ssl\"\nsasl_mechanism = \"PLAIN\""),
            "`kafka.sasl_username` is missing",
        ),
        (kafka("sasl_username = \"u\""), "`kafka.sasl_username` would have no effect"),
        (kafka("ssl_ca_location = \"/ca\""), "`kafka.ssl_ca_location` would have no effect"),
        (
            kafka("security_protocol = \"ssl\"\nssl_key_location = \"/k\""),
            "a certificate and its key need each other",
        ),
        (
            "[limits]\ngroups_soft_max = 9\ngroups_hard_max = 8".to_owned(),
            "`limits.groups_soft_max` exceeds `limits.groups_hard_max`",
        ),
        ("[log]\ntargets = [\"odometer::store\"]".to_owned(), "`log.targets` cannot be used"),
        ("[log]\ntargets = [\"a=loud\"]".to_owned(), "`log.targets` cannot be used"),
        ("[store]\npath = \"\"".to_owned(), "`store.path` is empty"),
    ] {
        let error = Case::new(&file, &[], &[]).load().unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        assert_eq!(error.problems[0].fact, told);
    }
}

#[test]
fn every_problem_is_told_and_none_that_only_follows_from_another() {
    let file = "[kafka]\nsasl_mechanism = \"SCRAM\"\nsasl_username = \"u\"\nbroker = \"\"\n\
                [store]\npath = \"\"";
    let env = [("ODOMETER_STORE_SLOTS", "many")];
    let error = Case::new(file, &env, &[("x.y", "")]).load().unwrap_err();
    let facts: Vec<&str> = error.problems.iter().map(|problem| problem.fact.as_str()).collect();
    assert_eq!(
        facts,
        [
            "`kafka.sasl_mechanism` has a value it cannot have",
            "`kafka.broker` is not a setting",
            "`store.slots` has a value it cannot have",
            "`x.y` is not a setting",
        ]
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let missing = Sources { file: Some("/nowhere/o.toml".into()), ..Sources::default() };
    let told = Settings::load(&missing).unwrap_err().to_string();
    assert!(told.starts_with("configuration file /nowhere/o.toml cannot be read\n"), "{told}");
    let told = problems("[store]\npath = \n", &[], &[]);
    assert!(told.starts_with("file odometer.toml is not TOML\n  line 2: "), "{told}");
}

#[test]
fn the_printed_settings_tell_origins_and_can_be_read_again() {
    let case = Case::new(
        "[log]\nformat = \"json\"\n[kafka.properties]\nfetch.min.bytes = 5\n",
        &[("ODOMETER_STORE_PATH", "C:\\data \"x\"\n")],
        &[("kafka.events_topics", "a,b")],
    );
    let (settings, origins) = case.load().unwrap();
    let shown = origins.show_with_origin();
    let folder = format!("{}/", case.folder.path().display());
    let lines: Vec<String> = shown.lines().map(|line| line.replace(&folder, "")).collect();
    for line in [
        "slots = 64  # from: default",
        "format = \"json\"  # from: file odometer.toml line 2",
        "path = \"C:\\\\data \\\"x\\\"\\u000A\"  # from: env ODOMETER_STORE_PATH",
        "events_topics = [\"a\", \"b\"]  # from: flag",
        "\"fetch.min.bytes\" = \"5\"  # from: file odometer.toml line 4",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line} is not in\n{shown}");
    }
    assert!(!origins.show().contains("# from"));
    let (again, _) = load(&shown, &[], &[]);
    assert_eq!(again, settings);
}
