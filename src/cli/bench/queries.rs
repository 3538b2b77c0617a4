//! How long answers take: one reader who asks for one subscription after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;

use super::client::Client;
use super::workload::Workload;
use crate::cli::Failure;
use crate::runtime::clock::Stopwatch;

/// Questions asked when nothing else goes on.
const IDLE_QUESTIONS: u64 = 5_000;
/// Where the numbers from which subscriptions are drawn begin: others than those of the events.
const FIRST_DRAW: u64 = 1 << 40;

/// How long something took, over many times.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latencies {
    /// How many times.
    pub count: usize,
    /// Microseconds within which half of them ended.
    pub p50_us: f64,
    /// Microseconds within which 99 of 100 ended.
    pub p99_us: f64,
    /// Microseconds of the longest.
    pub max_us: f64,
}

impl Latencies {
    /// Sums up; all zero for none.
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |part: usize| {
            let found = all.get((all.len() * part / 100).min(all.len().saturating_sub(1)));
            found.map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Self { count: all.len(), p50_us: at(50), p99_us: at(99), max_us: at(100) }
    }
}

/// A reader in the background.
pub struct Queries {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<std::io::Result<Vec<Duration>>>,
}

impl Queries {
    /// Begins to ask, with a pause between two questions.
    pub fn start(
        address: SocketAddr,
        workload: Workload,
        pause: Duration,
    ) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let mut client = Client::connect(address)?;
        let reader = move || {
            let mut times = Vec::new();
            while !stopping.load(Ordering::Acquire) {
                times.push(ask(&mut client, &workload, times.len() as u64)?);
                std::thread::sleep(pause);
            }
            Ok(times)
        };
        let reader = std::thread::Builder::new().name("bench-reader".to_owned()).spawn(reader)?;
        Ok(Self { stop, reader })
    }

    /// Stops asking.
    pub fn stop(self) -> Result<Latencies, Failure> {
        self.stop.store(true, Ordering::Release);
        let times = self.reader.join().map_err(|_| "the reader of the bench ended")??;
        Ok(Latencies::of(times))
    }
}

/// Asks when nothing else goes on.
pub fn idle(address: SocketAddr, workload: &Workload) -> Result<Latencies, Failure> {
    let mut client = Client::connect(address)?;
    let times = (0..IDLE_QUESTIONS).map(|number| ask(&mut client, workload, number));
    Ok(Latencies::of(times.collect::<Result<_, _>>()?))
}

fn ask(client: &mut Client, workload: &Workload, number: u64) -> std::io::Result<Duration> {
    let subscription = workload.subscription(FIRST_DRAW + number);
    let watch = Stopwatch::start();
    client.current_usage(subscription)?;
    Ok(watch.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_hundred() {
        let all = (1..=1000).rev().map(Duration::from_micros).collect();
        let latencies = Latencies::of(all);
        assert_eq!(latencies.count, 1000);
        assert!((latencies.p50_us - 501.0).abs() < 1e-6, "{latencies:?}");
        assert!((latencies.p99_us - 991.0).abs() < 1e-6, "{latencies:?}");
        assert!((latencies.max_us - 1000.0).abs() < 1e-6, "{latencies:?}");
        assert_eq!(Latencies::of(Vec::new()).count, 0);
    }
}
