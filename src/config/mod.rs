//! Settings: where they come from, what they may be, and what they are.
//!
//! `config/odometer.toml` is compiled in and is the only source of defaults. Over it go the
//! operator's file, the environment and the flags, in this order. Nothing here reads the process
//! environment: [`Sources`] takes it as an argument.

mod choice;
mod draft;
mod environment;
mod kafka;
mod key;
mod origin;
mod problem;
mod secret;
mod settings;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod validate;
mod value;

pub use choice::{LogFormat, LogLevel, SaslMechanism, SecurityProtocol};
pub use environment::{API_KEY, URL, variables};
pub use origin::{Origin, Origins};
pub use problem::{ConfigError, Problem};
pub use secret::{Properties, Secret};
pub use settings::{
    Backup, Catalog, Checkpoint, Dedup, Events, Fold, Http, Kafka, Limits, Log, Rejected, Settings,
    Store,
};
pub use source::{Sources, parse_assignment};

/// The commented file of defaults, as it is printed on request.
pub const DEFAULTS: &str = include_str!("../../config/odometer.toml");
