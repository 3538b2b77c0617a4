//! Gaps in the logs, and the deliberate way on behind one.
//!
//! A gap is accepted for one partition: every slot is put at the place that was named, and who has
//! said so is kept for ever, in the one commit that makes both durable. Where offsets begin anew,
//! because the topic is another one or has lost its end, log time goes on a microsecond behind all
//! that was read before. So no two records have one position, and those that come later stand
//! later, whatever their offsets.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::checkpoint::{Extra, Request};
use super::clock::Stopwatch;
use super::ends::{Stop, gap};
use super::positions::{BROKER_WAIT, Positions};
use super::shared::Shared;
use super::worker::{Command, Move};
use crate::core::position::Source;
use crate::engine::keys::numbers;
use crate::log::kafka::KafkaTopics;
use crate::store::{Gap, Topic, TopicSeen};
use crate::telemetry::events::{Emit, GapAccepted};

/// Longest wait for what was read before the gap to be applied.
const SETTLED_WAIT: Duration = Duration::from_secs(30);
/// Pause between two looks at that.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Longest name and longest reason that are kept. They are for people to read.
pub const TEXT_BYTES_MAX: usize = 1_000;

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u16,
    /// The offset to go on from, which the log has or ends at.
    pub from: i64,
    /// Who accepts it.
    pub by: String,
    /// Why it may be accepted.
    pub note: String,
}

/// Why a gap is not accepted. Nothing has changed then, unless it says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such partition.
    #[error("{0}-{1} is not read")]
    Unknown(String, u16),
    /// The partition is read, or stands still for another reason.
    #[error("{topic}-{partition} has no gap\n  {found}")]
    NoGap {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u16,
        /// What is known of it.
        found: String,
    },
    /// The log does not have that place.
    #[error("offset {from} cannot be gone on from\n  the log has {low} to {high}")]
    Outside {
        /// The place.
        from: i64,
        /// The first offset that the log has.
        low: i64,
        /// The offset after its last one.
        high: i64,
    },
    /// A text is too long.
    #[error("a name or a reason is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// What was read before the gap is not applied yet.
    #[error("what was read before the gap is not applied yet\n  hint: try again")]
    Unsettled,
    /// The brokers or the store have failed; after the latter it may have been accepted.
    #[error("{0}")]
    Failed(String),
}

/// Accepts a gap and returns once that is durable. Blocks.
///
/// # Errors
///
/// See [`Refusal`].
pub fn accept(
    shared: &Arc<Shared>,
    properties: &[(String, String)],
    asked: &Accept,
) -> Result<Gap, Refusal> {
    if asked.by.len() > TEXT_BYTES_MAX || asked.note.len() > TEXT_BYTES_MAX {
        return Err(Refusal::TooLong);
    }
    let source = shared.sources.find(&asked.topic, i32::from(asked.partition));
    let source = source.ok_or_else(|| Refusal::Unknown(asked.topic.clone(), asked.partition))?;
    let no_gap = |found: String| {
        let (topic, partition) = (asked.topic.clone(), asked.partition);
        Refusal::NoGap { topic, partition, found }
    };
    let stop = shared.ends.stop_of(source);
    let stop = stop.ok_or_else(|| no_gap("it is read".to_owned()))?;
    if !gap::is_gap(stop.reason) {
        return Err(no_gap(stop.to_string()));
    }
    let (stored, seen, (low, high)) = look(shared, properties, asked)?;
    let shorter = stop.reason == gap::BEYOND_END;
    let waits = stored.waiting.contains(&asked.partition) && !shorter;
    let another = stored.check(&seen).is_err() || waits;
    let anew = another || shorter || stop.expected > high;
    if !anew && stop.expected >= low {
        return Err(no_gap(format!("the log has {low} to {high} again")));
    }
    if asked.from < low || asked.from > high {
        return Err(Refusal::Outside { from: asked.from, low, high });
    }
    settle(shared, source)?;
    let expected = shared.ends.stop_of(source).map_or(stop.expected, |stop| stop.expected);
    // Of a topic that is gone nobody knows how much it held; of the new one its beginning is.
    let passed = match (another, anew) {
        (true, _) => asked.from,
        (false, true) => 0,
        (false, false) => asked.from - expected,
    };
    let accepted = Gap {
        topic: asked.topic.clone(),
        partition: asked.partition,
        reason: reason(&stop, another, expected, high).to_owned(),
        expected,
        low,
        high,
        from: asked.from,
        records: u64::try_from(passed).unwrap_or(0),
        at: shared.clock.now(),
        by: asked.by.clone(),
        note: asked.note.clone(),
    };
    let topic = stored.accepted(seen, asked.partition);
    write(shared, source, anew, accepted.clone(), topic)?;
    let Gap { topic, reason, expected, from, records, by, .. } = &accepted;
    let (expected, from, records) = (*expected, *from, *records);
    let partition = u32::from(accepted.partition);
    GapAccepted { topic, partition, reason, expected, from, records, by }.emit(&shared.metrics);
    shared.ends.ask_look();
    Ok(accepted)
}

/// The topic as the store knows it and as it is, and what the partition has.
fn look(
    shared: &Shared,
    properties: &[(String, String)],
    asked: &Accept,
) -> Result<(Topic, TopicSeen, (i64, i64)), Refusal> {
    let failed = |error: &dyn std::fmt::Display| Refusal::Failed(error.to_string());
    let stored = shared.store.topics().map_err(|error| failed(&error))?;
    let stored = stored.into_iter().find(|topic| topic.seen.name == asked.topic);
    let stored = stored.ok_or_else(|| Refusal::Unknown(asked.topic.clone(), asked.partition))?;
    let topics = KafkaTopics::connect(properties).map_err(|error| failed(&error))?;
    let cluster_id = topics.cluster_id(BROKER_WAIT).map_err(|trouble| failed(&trouble))?;
    let found = topics.describe(std::slice::from_ref(&asked.topic), BROKER_WAIT);
    let found = found.map_err(|trouble| failed(&trouble))?.into_iter().next();
    let found = found.ok_or_else(|| Refusal::Unknown(asked.topic.clone(), asked.partition))?;
    let marks = topics
        .watermarks(&asked.topic, i32::from(asked.partition), BROKER_WAIT)
        .map_err(|trouble| failed(&trouble))?;
    let seen = TopicSeen {
        name: found.name,
        cluster_id,
        topic_id: uuid::Uuid::from_u128(found.id),
        partitions: u32::try_from(found.partitions).unwrap_or(0),
    };
    Ok((stored, seen, (marks.low, marks.high)))
}

fn reason(stop: &Stop, another: bool, expected: i64, high: i64) -> &'static str {
    match stop.reason {
        gap::OTHER_CLUSTER => gap::OTHER_CLUSTER,
        gap::BEYOND_END if !another => gap::BEYOND_END,
        _ if another => gap::RECREATED,
        _ if expected > high => gap::BEYOND_END,
        _ => gap::OFFSET_GONE,
    }
}

/// Waits until all that was handed out before the gap is applied: what would be behind the new
/// place must not be skipped, and nothing of the old log may come after the new one has begun.
fn settle(shared: &Shared, source: Source) -> Result<(), Refusal> {
    let watch = Stopwatch::start();
    loop {
        let stop = shared.ends.stop_of(source);
        let let_go = stop.as_ref().filter(|stop| !stop.read);
        let applied = let_go.is_some_and(|stop| {
            numbers(shared.slots).all(|slot| {
                let view = shared.board.slot(slot);
                view.ready && view.progress.next(source) >= stop.expected
            })
        });
        if applied {
            return Ok(());
        }
        if watch.elapsed() > SETTLED_WAIT || shared.is_stopping() {
            return Err(Refusal::Unsettled);
        }
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Moves all slots and writes that down, in one commit.
fn write(
    shared: &Arc<Shared>,
    source: Source,
    anew: bool,
    gap: Gap,
    topic: Topic,
) -> Result<(), Refusal> {
    let (done, durable) = bounded(1);
    let own = Arc::clone(shared);
    let prepare = Box::new(move || {
        // Another request for the same gap may have been faster.
        own.ends.stop_of(source).filter(|stop| stop.expected == gap.expected && !stop.read)?;
        let log_time = Positions::now(&own).ok()?.log_time(source);
        let log_time = if anew { log_time.plus_micros(1) } else { log_time };
        let to = Move { source, next: gap.from, log_time, anew };
        let moved = own.commands.iter().map(|worker| {
            let (done, moved) = bounded(1);
            worker.send(Command::Move(to, done)).ok()?;
            Some(moved)
        });
        let moved: Vec<_> = moved.collect::<Option<_>>()?;
        moved.into_iter().try_for_each(|moved| moved.recv().ok())?;
        own.ends.resume(source);
        Some(Extra { gap: Some((gap, topic)), ..Extra::default() })
    });
    let gone = || Refusal::Failed("the gap may not have been accepted: look again".to_owned());
    shared.checkpoints.send(Request::With { prepare, done }).map_err(|_| gone())?;
    durable.recv().map_err(|_| gone())
}
