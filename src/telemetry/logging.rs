//! Log lines on standard error.
//!
//! ERROR: somebody must act now. WARN: read first in an incident. INFO: one line for every change
//! of state. DEBUG and TRACE: for developers. Nothing is logged per event or per record.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use crate::config::{Log, LogFormat, LogLevel};

/// Sends the log lines of the process to standard error.
///
/// Fails when the process has a subscriber already.
pub fn init(log: &Log) -> Result<(), TryInitError> {
    let colours = std::io::stderr().is_terminal();
    subscriber(log, colours, std::io::stderr).try_init()
}

/// A subscriber that writes lines as `log` says. Colours apply to text only.
pub fn subscriber<W>(log: &Log, colours: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => fmt::layer().with_ansi(colours).with_writer(writer).boxed(),
        LogFormat::Json => {
            // Fields of the event stand beside its message, where log stores index them.
            fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
        }
    };
    Registry::default().with(lines.with_filter(levels(log)))
}

fn levels(log: &Log) -> Targets {
    // `config` has checked the form; what has none is left out here.
    let targets = log.targets.iter().filter_map(|target| {
        let (module, level) = target.split_once('=')?;
        Some((module.trim().to_owned(), filter(LogLevel::from_word(level.trim())?)))
    });
    Targets::new().with_default(filter(log.level)).with_targets(targets)
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects what is written.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `body` logs.
    pub fn logged(log: &Log, body: impl FnOnce()) -> String {
        let sink = Sink::default();
        let make = sink.clone();
        tracing::subscriber::with_default(subscriber(log, false, move || make.clone()), body);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn log(level: LogLevel, targets: &[&str], format: LogFormat) -> Log {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        Log { level, targets, format }
    }

    #[test]
    fn levels_are_those_of_the_settings() {
        let speak = || {
            tracing::info!(target: "odometer::store", "store speaks");
            tracing::info!(target: "odometer::http", "http speaks");
            tracing::error!(target: "odometer::http", "http fails");
        };
        for (level, targets, lines) in [
            (LogLevel::Info, &[][..], 3),
            (LogLevel::Error, &[], 1),
            (LogLevel::Off, &[], 0),
            (LogLevel::Error, &["odometer::store = debug"], 2),
            (LogLevel::Info, &["odometer::http=off"], 1),
        ] {
            let text = logged(&log(level, targets, LogFormat::Text), speak);
            assert_eq!(text.lines().count(), lines, "{level:?} {targets:?}\n{text}");
        }
    }

    #[test]
    fn json_lines_hold_fields_beside_the_message() {
        let text = logged(&log(LogLevel::Info, &[], LogFormat::Json), || {
            tracing::warn!(topic = "events_raw", partition = 2, "partition stopped");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "partition stopped");
        assert_eq!(line["topic"], "events_raw");
        assert_eq!(line["partition"].to_string(), "2");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
