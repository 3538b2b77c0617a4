//! How soon an event is visible: from the call that sends it until the account shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::produce::{connect, send};
use super::queries::Latencies;
use super::workload::{ORGANIZATION, Workload, subscription_id};
use crate::cli::Failure;
use crate::cli::serve::Running;
use crate::config::Settings;
use crate::log::kafka::KafkaProducer;
use crate::runtime::clock::Stopwatch;

/// Other events that are sent meanwhile, in one second.
const PER_SECOND: u64 = 5_000;
/// How long it goes on.
const DURATION: Duration = Duration::from_secs(10);
/// Pause between two looks at an account.
const LOOK_PAUSE: Duration = Duration::from_micros(100);
/// Pause between two probes.
const PROBE_PAUSE: Duration = Duration::from_millis(20);
/// Events sent at once.
const AT_ONCE: u64 = 10;
/// An event that is not visible by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// Milliseconds that the producer gathers records for one request.
const LINGER_MS: &str = "1";

/// Sends events at a modest rate and measures how soon some of them are visible.
pub fn measure(
    settings: &Settings,
    topic: &str,
    workload: &Workload,
    running: &Running,
) -> Result<Latencies, Failure> {
    let producer = Arc::new(connect(settings, LINGER_MS)?);
    let stop = Arc::new(AtomicBool::new(false));
    let background = {
        let (producer, stop) = (Arc::clone(&producer), Arc::clone(&stop));
        let (topic, workload) = (topic.to_owned(), workload.clone());
        std::thread::spawn(move || load(&producer, &topic, &workload, &stop))
    };
    let probed = probe(&producer, topic, workload, running);
    stop.store(true, Ordering::Release);
    background.join().map_err(|_| "the producer of the bench ended")??;
    Ok(Latencies::of(probed?))
}

/// Events that nobody looks at.
fn load(
    producer: &KafkaProducer,
    topic: &str,
    workload: &Workload,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let mut sent = 0;
    while !stop.load(Ordering::Acquire) {
        for _ in 0..AT_ONCE {
            // Numbers after those of the records and, with every other one, the probes.
            let number = workload.events + 2 * sent;
            write(producer, topic, workload, number, workload.subscription(number))?;
            sent += 1;
        }
        let due = Duration::from_nanos(1_000_000_000 / PER_SECOND * sent);
        std::thread::sleep(due.saturating_sub(watch.elapsed()));
    }
    Ok(())
}

fn probe(
    producer: &KafkaProducer,
    topic: &str,
    workload: &Workload,
    running: &Running,
) -> Result<Vec<Duration>, Failure> {
    let shared = &running.service.shared;
    let mut times = Vec::new();
    let begun = Stopwatch::start();
    while begun.elapsed() < DURATION {
        let probe = times.len() as u64;
        // Rare subscriptions, so that no other event changes the account meanwhile.
        let subscription = workload.subscriptions - 1 - probe % workload.subscriptions.min(1000);
        let (_, key) = shared.account(ORGANIZATION, Some(&subscription_id(subscription)));
        let rows = || shared.board.peek(key, |account| account.rows).unwrap_or(0);
        let before = rows();
        let watch = Stopwatch::start();
        write(producer, topic, workload, workload.events + 2 * probe + 1, subscription)?;
        while rows() == before {
            if watch.elapsed() > LOST_AFTER {
                return Err("a probe is not visible after half a minute".into());
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        times.push(watch.elapsed());
        std::thread::sleep(PROBE_PAUSE);
    }
    Ok(times)
}

fn write(
    producer: &KafkaProducer,
    topic: &str,
    workload: &Workload,
    number: u64,
    subscription: u64,
) -> Result<(), Failure> {
    let mut text = String::new();
    workload.write(number, subscription, &mut text);
    send(producer, topic, workload.partition(subscription), &text)?;
    Ok(())
}
