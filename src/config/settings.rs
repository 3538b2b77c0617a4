//! Every setting, typed: one declaration feeds the structs and the table of keys.
//!
//! Defaults and the full explanation of each key are in `config/odometer.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::choice::{LogFormat, LogLevel, SaslMechanism, SecurityProtocol};
use super::key::{Key, Kind};
use super::secret::{Properties, Secret};
use super::value::{FromValue, Values};

/// Declares the sections: a struct for each, [`Settings`] over them, and [`KEYS`].
macro_rules! settings {
    ($(
        $(#[$section_doc:meta])*
        $section:ident: $Section:ident {
            $($(#[$doc:meta])* $name:ident: $type:ty = $kind:expr,)+
        }
    )+) => {
        $(
            $(#[$section_doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $Section { $($(#[$doc])* pub $name: $type,)+ }
        )+

        /// Every setting of the program, checked.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings { $($(#[$section_doc])* pub $section: $Section,)+ }

        /// All keys, in the order they are declared.
        pub const KEYS: &[Key] = &[$($(
            Key { section: stringify!($section), name: stringify!($name), kind: $kind },
        )+)+];

        impl Settings {
            /// The typed settings; the path of the first key whose value is absent or of another
            /// type otherwise.
            pub(super) fn from_values(values: &Values) -> Result<Self, &'static str> {
                Ok(Self { $($section: $Section { $(
                    $name: <$type>::from_value(values, stringify!($section), stringify!($name))
                        .ok_or(concat!(stringify!($section), ".", stringify!($name)))?,
                )+ },)+ })
            }
        }
    };
}

const KIB: i64 = 1024;
const MIB: i64 = 1024 * KIB;
const GIB: i64 = 1024 * MIB;
const TIB: i64 = 1024 * GIB;
const SECOND_MS: i64 = 1000;
const HOUR_MS: i64 = 3600 * SECOND_MS;

/// A whole number from `min` to `max`.
const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

settings! {
    /// Where state lives.
    store: Store {
        /// Folder of the store.
        path: PathBuf = Kind::Path,
        /// Number of slots of a store that is created. A slot's number must fit the store's keys.
        slots: u16 = integer(1, 255),
    }

    /// What is accepted as a record.
    events: Events {
        /// Largest record, bytes. Kafka's own requests end at about 100 MB.
        record_bytes_max: usize = integer(KIB, 64 * MIB),
        /// Deepest nesting of a record's JSON. The upper bound keeps recursion off the stack's end.
        depth_max: usize = integer(4, 127),
        /// Longest array of events in one record.
        events_per_record_max: usize = integer(1, 1_000_000),
        /// Room for events of organizations that are not known yet, bytes.
        unknown_organization_bytes_max: u64 = integer(0, 64 * GIB),
    }

    /// The logs' brokers.
    kafka: Kafka {
        /// Brokers to start from; none: the embedded log.
        brokers: Option<String> = Kind::Text,
        /// Topics with usage events; at least one.
        events_topics: Vec<String> = Kind::List,
        /// Our own topic of events that are accepted over HTTP; none: they are refused.
        http_events_topic: Option<String> = Kind::Text,
        /// Topic of the catalogue.
        catalog_topic: String = Kind::Text,
        /// Topic for rejected records; none: they stay in the store only.
        dead_letter_topic: Option<String> = Kind::Text,
        /// Our name in the brokers' logs.
        client_id: String = Kind::Text,
        /// How connections are secured.
        security_protocol: SecurityProtocol = Kind::Choice(SecurityProtocol::WORDS),
        /// How the password is proven.
        sasl_mechanism: SaslMechanism = Kind::Choice(SaslMechanism::WORDS),
        /// Name to log in with; empty without SASL.
        sasl_username: String = Kind::Text,
        /// Password to log in with, read from `sasl_password_file` where that is given.
        sasl_password: Secret = Kind::Secret,
        /// File the password was read from.
        sasl_password_file: Option<PathBuf> = Kind::Path,
        /// Certificate authorities, PEM.
        ssl_ca_location: Option<PathBuf> = Kind::Path,
        /// Our certificate, PEM.
        ssl_certificate_location: Option<PathBuf> = Kind::Path,
        /// Our private key, PEM.
        ssl_key_location: Option<PathBuf> = Kind::Path,
        /// Pass phrase of the private key, read from `ssl_key_password_file` where that is given.
        ssl_key_password: Secret = Kind::Secret,
        /// File the pass phrase was read from.
        ssl_key_password_file: Option<PathBuf> = Kind::Path,
        /// Further librdkafka properties; none of them breaks a guarantee.
        properties: Properties = Kind::Properties,
    }

    /// The fold of events into totals.
    fold: Fold {
        /// Most events of one batch.
        batch_events_max: usize = integer(1, 1_000_000),
        /// Most bytes of one batch, its first record left out.
        batch_bytes_max: usize = integer(KIB, GIB),
        /// Threads that fold; 0: from the number of cores.
        worker_threads: usize = integer(0, 256),
        /// Threads that read and decode; 0: from the number of cores.
        ingest_threads: usize = integer(0, 64),
    }

    /// Exact deduplication.
    dedup: Dedup {
        /// Memory for recent ids, bytes. Below the lower bound every id would ask the store.
        memory_bytes_max: usize = integer(MIB, TIB),
    }

    /// What is held in memory of accounts.
    memory: Memory {
        /// Room for accounts, bytes. Below the lower bound every event would wait for the store.
        accounts_bytes_max: usize = integer(64 * KIB, TIB),
    }

    /// When state becomes durable.
    checkpoint: Checkpoint {
        /// Longest time between checkpoints, milliseconds.
        interval_ms: u64 = integer(10, HOUR_MS),
        /// Most events between checkpoints.
        events_max: u64 = integer(1, 1_000_000_000),
        /// Time between two savings of the totals, milliseconds.
        totals_interval_ms: u64 = integer(100, 24 * HOUR_MS),
    }

    /// The HTTP server.
    http: Http {
        /// Where to answer.
        listen: SocketAddr = Kind::Address,
        /// Largest request body, bytes.
        request_bytes_max: usize = integer(KIB, 64 * MIB),
        /// Largest request line with headers, bytes. The server cannot work with less than 8 KiB.
        header_bytes_max: usize = integer(8 * KIB, MIB),
        /// Longest time for a request to arrive, milliseconds.
        read_timeout_ms: u64 = integer(100, HOUR_MS),
        /// Most requests answered at once.
        requests_in_flight_max: usize = integer(1, 1_000_000),
        /// Longest time for requests to end on shutdown, milliseconds.
        drain_timeout_ms: u64 = integer(0, HOUR_MS),
        /// Key of the operator's routes, read from `operator_key_file` where that is given; without
        /// one there are no such routes.
        operator_key: Secret = Kind::Secret,
        /// File the operator's key was read from.
        operator_key_file: Option<PathBuf> = Kind::Path,
    }

    /// Records that are no events.
    rejected: Rejected {
        /// Room for rejected records, bytes.
        bytes_max: u64 = integer(MIB, TIB),
    }

    /// Backups of the store.
    backup: Backup {
        /// Where they are kept: a folder, or `s3://BUCKET/PREFIX`; none: the command has to say.
        to: Option<String> = Kind::Text,
        /// Address of object storage; none: that of Amazon in the region.
        s3_endpoint: Option<String> = Kind::Text,
        /// Region of the bucket.
        s3_region: String = Kind::Text,
        /// Name of the key for object storage; empty: the role of the machine.
        s3_access_key_id: String = Kind::Text,
        /// The key, read from `s3_secret_access_key_file` where that is given.
        s3_secret_access_key: Secret = Kind::Secret,
        /// File the key was read from.
        s3_secret_access_key_file: Option<PathBuf> = Kind::Path,
    }

    /// The catalogue.
    catalog: Catalog {
        /// File to apply at start.
        file: Option<PathBuf> = Kind::Path,
    }

    /// Caps on what one bucket may hold.
    limits: Limits {
        /// Most groups kept warm in one bucket.
        groups_soft_max: usize = integer(1, 10_000_000),
        /// Most groups that are answered at all.
        groups_hard_max: usize = integer(1, 100_000_000),
        /// Most distinct values of unique counts kept warm in one bucket.
        unique_values_soft_max: usize = integer(1, 100_000_000),
        /// Most distinct values of a unique count that are answered at all.
        unique_values_hard_max: usize = integer(1, 1_000_000_000),
    }

    /// Log lines.
    log: Log {
        /// Level for all modules.
        level: LogLevel = Kind::Choice(LogLevel::WORDS),
        /// `module=level` for single modules.
        targets: Vec<String> = Kind::List,
        /// Form of the lines.
        format: LogFormat = Kind::Choice(LogFormat::WORDS),
    }
}
