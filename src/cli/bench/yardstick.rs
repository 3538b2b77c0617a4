//! The yardstick: the same topic, read by librdkafka alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::process::CpuTimes;
use super::workload::Workload;
use crate::cli::Failure;
use crate::config::Settings;
use crate::log::kafka::KafkaSource;
use crate::runtime::clock::Stopwatch;

/// Records taken at once, as the service does.
const RECORDS_MAX: usize = 16_384;
/// Bytes taken at once, as the service does.
const BYTES_MAX: usize = 8 << 20;
/// Longest wait for a record.
const WAIT: Duration = Duration::from_millis(50);
/// A topic that gives nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Bytes of a cache line: one byte of each is read.
const LINE: usize = 64;

/// A rate, and what it took.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Rate {
    /// Records a second.
    pub per_second: f64,
    /// Seconds.
    pub seconds: f64,
    /// Microseconds of processor time for one record, all threads together.
    pub cpu_us: f64,
}

impl Rate {
    /// The rate of `events` in a time that took so much of the processors.
    pub fn of(events: u64, took: Duration, cpu: Duration) -> Self {
        let events = events.max(1) as f64;
        Self {
            per_second: events / took.as_secs_f64().max(f64::EPSILON),
            seconds: took.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / events,
        }
    }
}

/// Reads every record once and touches its bytes.
pub fn measure(settings: &Settings, topic: &str, workload: &Workload) -> Result<Rate, Failure> {
    let properties = settings.kafka_properties();
    let mut source = KafkaSource::connect(&properties, &[topic.to_owned()])?;
    let partitions = 0..i32::try_from(workload.partitions)?;
    let partitions: Vec<(usize, i32, i64)> = partitions.map(|number| (0, number, 0)).collect();
    let before = CpuTimes::now();
    source.assign(&partitions)?;
    let watch = Stopwatch::start();
    let mut silent = Stopwatch::start();
    let (mut records, mut touched) = (0, 0_u64);
    while records < workload.events {
        let drained = source.drain(RECORDS_MAX, BYTES_MAX, WAIT, &mut |message| {
            let bytes = message.payload.unwrap_or_default();
            touched += bytes.iter().step_by(LINE).map(|byte| u64::from(*byte)).sum::<u64>();
        });
        records += drained.messages as u64;
        if drained.messages > 0 {
            silent = Stopwatch::start();
        } else if silent.elapsed() > SILENCE_MAX {
            return Err(format!("{topic} gives no record after {records}").into());
        }
        if let Some(trouble) = drained.troubles.iter().find(|t| !t.kind.is_transient()) {
            return Err(trouble.to_string().into());
        }
    }
    let took = watch.elapsed();
    std::hint::black_box(touched);
    let cpu = CpuTimes::now().since(&before).values().sum();
    Ok(Rate::of(records, took, cpu))
}
