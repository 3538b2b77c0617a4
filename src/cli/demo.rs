//! `odometer demo`: everything in one process, with figures that move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::serve::Running;
use crate::catalog_file;
use crate::config::Settings;
use crate::core::instant::Instant;
use crate::log::embedded::EmbeddedLog;
use crate::runtime::catalog_apply;
use crate::runtime::clock::Clock;
use crate::telemetry::logging;

/// Pause between two appends of sample events.
const PAUSE: Duration = Duration::from_millis(200);
/// Events of one append.
const EVENTS: usize = 5;
/// The key of the example catalogue, for trying only.
const KEY: &str = "odometer-demo-key";
/// Organisation, subscriptions with their customers, and models of the example catalogue.
const ORGANIZATION: &str = "demo";
const SUBSCRIPTIONS: [&str; 3] =
    ["subscription_paris", "subscription_new_york", "subscription_tokyo"];
const MODELS: [&str; 2] = ["small", "large"];

/// Flags of `odometer demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder of the demo's store
    #[arg(long, value_name = "FOLDER", default_value = "odometer-data/demo")]
    folder: String,
}

impl DemoArgs {
    /// Folder of the demo's store.
    pub fn data(&self) -> String {
        self.folder.clone()
    }
}

/// Runs the service with the example catalogue and sample traffic.
pub fn demo(settings: &Settings) -> Result<(), Failure> {
    logging::init(&settings.log)?;
    let running = Running::start(settings, Clock::System)?;
    let service = &running.service;
    catalog_apply::apply_text(service, settings, catalog_file::EXAMPLE)?;
    let Some(log) = service.events_log.clone() else {
        return Err("the demo runs on the embedded log".into());
    };
    let stopping = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopping);
    let clock = service.shared.clock.clone();
    let producer = std::thread::spawn(move || produce(&log, &clock, &stop));
    println!("{}", greeting(&running));
    let cause = running.wait();
    stopping.store(true, Ordering::Release);
    let _ = producer.join();
    Ok(running.stop(cause)?)
}

fn greeting(running: &Running) -> String {
    format!(
        "\nOdometer is counting sample traffic. Ask it, more than once:\n\n  \
         curl -s -H 'Authorization: Bearer {KEY}' \\\n    \
         'http://{}/api/v1/customers/customer_paris/current_usage?external_subscription_id={}'\n\n\
         Stop with Ctrl-C.\n",
        running.address, SUBSCRIPTIONS[0]
    )
}

fn produce(log: &EmbeddedLog, clock: &Clock, stopping: &AtomicBool) {
    let mut number = 0;
    while !stopping.load(Ordering::Acquire) {
        let now = clock.now();
        let records: Vec<String> = (0..EVENTS)
            .map(|_| {
                number += 1;
                event(number, now)
            })
            .collect();
        let records: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
        if let Err(error) = log.append(&records, now) {
            tracing::error!(%error, "sample traffic ends");
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// A sample event in the form in which producers write it to Kafka.
fn event(number: usize, now: Instant) -> String {
    let subscription = SUBSCRIPTIONS[number % SUBSCRIPTIONS.len()];
    let (code, properties) = match number % 4 {
        0 => (
            "tokens",
            format!(r#"{{"tokens":"{}","model":"{}"}}"#, 10 + number % 90, {
                MODELS[number / 4 % MODELS.len()]
            }),
        ),
        1 => ("storage_gb", r#"{"gb":"0.25"}"#.to_owned()),
        _ => ("api_calls", r#"{"region":"eu"}"#.to_owned()),
    };
    let seconds = now.micros() / 1_000_000;
    let micros = now.micros() % 1_000_000;
    let transaction = uuid::Uuid::new_v4();
    let names = format!(
        r#""organization_id":"{ORGANIZATION}","external_subscription_id":"{subscription}""#
    );
    let usage =
        format!(r#""code":"{code}","timestamp":"{seconds}.{micros:06}","properties":{properties}"#);
    format!(r#"{{{names},"transaction_id":"{transaction}",{usage}}}"#)
}
