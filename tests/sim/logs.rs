//! The logs: partitions in memory, which outlive every crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use odometer::log::kafka::Message;
use odometer::runtime::source::{Drained, Partitions};

use crate::cases::Dice;

/// One record.
struct Record {
    offset: i64,
    timestamp_ms: Option<i64>,
    payload: Option<Vec<u8>>,
}

/// One partition.
#[derive(Default)]
struct Partition {
    records: Vec<Record>,
    end: i64,
    log_ms: i64,
    /// Behind the furthest record that was ever handed out.
    furthest: i64,
}

#[derive(Default)]
struct Topic {
    partitions: Vec<Partition>,
    /// Greatest log time that was handed out.
    latest_ms: i64,
    again: u64,
    out_of_order: u64,
}

/// One topic.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Topic>>);

impl Log {
    fn topic(&self) -> MutexGuard<'_, Topic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One partition more.
    pub fn grow(&self) {
        self.topic().partitions.push(Partition::default());
    }

    /// How many partitions there are.
    pub fn len(&self) -> usize {
        self.topic().partitions.len()
    }

    /// Offset after the last record of a partition.
    pub fn end(&self, partition: usize) -> i64 {
        self.topic().partitions[partition].end
    }

    /// Leaves an offset out, as aborted transactions and their markers do.
    pub fn skip(&self, partition: usize) {
        self.topic().partitions[partition].end += 1;
    }

    /// Appends a record. Returns its offset and the log time there in milliseconds.
    pub fn append(
        &self,
        partition: usize,
        timestamp_ms: Option<i64>,
        payload: Option<Vec<u8>>,
    ) -> (i64, i64) {
        let partition = &mut self.topic().partitions[partition];
        let offset = partition.end;
        partition.log_ms = partition.log_ms.max(timestamp_ms.unwrap_or(0));
        partition.records.push(Record { offset, timestamp_ms, payload });
        partition.end += 1;
        (offset, partition.log_ms)
    }

    /// How many records were handed out again, and how many out of the order of their times.
    pub fn counts(&self) -> (u64, u64) {
        let topic = self.topic();
        (topic.again, topic.out_of_order)
    }

    /// A reader of some partitions, from these offsets on. The dice decide which of them answer.
    pub fn reading(&self, places: &[(i32, i64)], dice: Dice) -> Reading {
        Reading { log: self.clone(), places: places.iter().copied().collect(), dice }
    }
}

/// A reader.
pub struct Reading {
    log: Log,
    places: BTreeMap<i32, i64>,
    dice: Dice,
}

impl Partitions for Reading {
    fn assign(&mut self, partitions: &[(usize, i32, i64)]) {
        self.places = partitions.iter().map(|(_, number, next)| (*number, *next)).collect();
    }

    fn drain(&mut self, events_max: usize, _: usize, sink: &mut dyn FnMut(Message<'_>)) -> Drained {
        let mut drained = Drained::default();
        let mut left = events_max.min(1 + self.dice.below(12));
        let mut topic = self.log.topic();
        let first = self.dice.below(self.places.len().max(1));
        let mut numbers: Vec<i32> = self.places.keys().copied().collect();
        numbers.rotate_left(first);
        for number in numbers {
            let next = self.places.get_mut(&number).unwrap();
            let Topic { partitions, latest_ms, again, out_of_order } = &mut *topic;
            let partition = &mut partitions[usize::try_from(number).unwrap()];
            let mut log_ms = 0;
            for record in &partition.records {
                log_ms = log_ms.max(record.timestamp_ms.unwrap_or(0));
                if record.offset < *next {
                    continue;
                }
                if left == 0 {
                    break;
                }
                left -= 1;
                *next = record.offset + 1;
                *again += u64::from(record.offset < partition.furthest);
                *out_of_order += u64::from(log_ms < *latest_ms);
                *latest_ms = log_ms.max(*latest_ms);
                partition.furthest = partition.furthest.max(*next);
                sink(Message {
                    topic: 0,
                    partition: number,
                    offset: record.offset,
                    timestamp_ms: record.timestamp_ms,
                    payload: record.payload.as_deref(),
                    key: None,
                });
            }
            if partition.records.last().is_none_or(|last| last.offset < *next) {
                *next = partition.end;
                drained.ends.push((0, number, partition.end));
            }
        }
        drained
    }
}
