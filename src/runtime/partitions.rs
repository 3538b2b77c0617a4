//! The partitions of the events topics: which there are, which can be read, and why others stand
//! still.
//!
//! Nothing is skipped here: a partition whose records are gone, whose topic is another one or whose
//! brokers are others stands still until its cause is gone or somebody accepts the gap. The others
//! are read on, and reads are answered from what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::clock::Stopwatch;
use super::ends::{Stop, gap};
use super::fatal::Fatal;
use super::ingest::{Assigned, Assignment};
use super::positions::{BROKER_WAIT, Positions};
use super::shared::Shared;
use super::silence::Silence;
use crate::core::position::Source;
use crate::log::kafka::{KafkaTopics, Properties, TroubleKind};
use crate::store::{Store, Topic, TopicError, TopicSeen};
use crate::telemetry::events::{Emit, LimitHit, PartitionStarted, PartitionStopped};

/// Time between two looks at the topics: how soon added partitions are read, and how long a topic
/// that was made anew may pass for the old one, if it grows past our offset meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a partition that has more may stand still until its client is taken for silent: longer
/// than a broker takes to come back, and than most waits for the disk. One that stands still for
/// another reason is read again from where it stands, which costs little.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Pause within which a stop, or a wish for a look, is noticed.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// What is being done when what was found of the topics cannot be kept.
const REGISTERING: &str = "registering topics";
const GAP_HINT: &str = "bring the records back, or restore a backup of the store that goes back to \
                        them; `odometer gap accept` goes on without them; nothing is skipped on \
                        its own";

/// The partitions of the events topics: found at start, and again whenever some are added.
pub struct Partitions {
    kafka: KafkaTopics,
    topics: Vec<String>,
    reading: BTreeSet<Source>,
    silence: Silence,
}

/// What a look has found.
#[derive(Default)]
pub struct Found {
    /// Partitions that can be read and are not yet.
    pub assigned: Vec<Assigned>,
    /// Partitions that must not be read any more.
    pub dropped: Vec<Source>,
}

/// Why partitions of a topic cannot be read, before any is looked at.
struct TopicStop {
    reason: &'static str,
    detail: String,
}

impl TopicStop {
    /// What a topic that is not the known one means.
    fn of(changed: &TopicError) -> Self {
        let reason = match changed {
            TopicError::Changed { what: "the cluster id", .. } => gap::OTHER_CLUSTER,
            _ => gap::RECREATED,
        };
        let text = changed.to_string();
        Self { reason, detail: text.lines().next().unwrap_or_default().to_owned() }
    }
}

/// Whether these brokers are others than those that the topics were read from.
///
/// # Errors
///
/// The store cannot be read.
pub fn is_foreign(store: &Store, topics: &[String], cluster_id: &str) -> Result<bool, Fatal> {
    let known = store.topics().map_err(Fatal::store("reading the topics"))?;
    let mut known = known.iter().filter(|topic| topics.contains(&topic.seen.name));
    Ok(known.any(|topic| topic.seen.cluster_id != cluster_id))
}

impl Partitions {
    /// A look-out for these topics. Nothing is known of them yet.
    pub fn connect(properties: &Properties, topics: &[String]) -> Result<Self, Fatal> {
        let kafka = KafkaTopics::connect(properties).map_err(|error| log(&error))?;
        let silence = Silence::new(SILENCE_MAX);
        Ok(Self { kafka, topics: topics.to_vec(), reading: BTreeSet::new(), silence })
    }

    /// Registers the partitions that are there. Those that can be read from now on are returned,
    /// each with the place to read from; one that cannot stands still, with its reason. What was
    /// found before a look failed counts.
    pub fn discover(&mut self, shared: &Shared) -> (Found, Result<(), Fatal>) {
        let mut found = Found::default();
        let result = self.find(shared, &mut found);
        (found, result)
    }

    fn find(&mut self, shared: &Shared, found: &mut Found) -> Result<(), Fatal> {
        let cluster_id = self.kafka.cluster_id(BROKER_WAIT).map_err(|error| log(&error))?;
        let stored = shared.store.topics().map_err(Fatal::store("reading the topics"))?;
        let stored: BTreeMap<_, _> =
            stored.into_iter().map(|topic| (topic.seen.name.clone(), topic)).collect();
        let mut seen = Vec::new();
        for name in self.topics.clone() {
            match self.look_at(&name, &cluster_id, stored.get(&name))? {
                Ok(topic) => seen.push(topic),
                Err((topic, stop)) => self.stop_topic(shared, topic, &stop, found)?,
            }
        }
        for topic in shared.store.register_topics(&seen)? {
            shared.sources.name_topic(topic.label, &topic.seen.name);
            self.start_topic(shared, &topic, found)?;
        }
        Ok(())
    }

    /// A topic as it is now, or why none of its partitions can be read.
    fn look_at<'t>(
        &self,
        name: &str,
        cluster_id: &str,
        stored: Option<&'t Topic>,
    ) -> Result<Result<TopicSeen, (&'t Topic, TopicStop)>, Fatal> {
        // Names mean nothing on other brokers, so these are not even asked for the topic.
        if let Some(topic) = stored.filter(|topic| topic.seen.cluster_id != cluster_id) {
            let elsewhere = TopicSeen { cluster_id: cluster_id.to_owned(), ..topic.seen.clone() };
            return Ok(match topic.check(&elsewhere) {
                Ok(()) => Ok(elsewhere),
                Err(changed) => Err((topic, TopicStop::of(&changed))),
            });
        }
        let seen = match self.kafka.describe(&[name.to_owned()], BROKER_WAIT) {
            Ok(topics) => topics.into_iter().next().map(|topic| TopicSeen {
                name: topic.name,
                cluster_id: cluster_id.to_owned(),
                topic_id: uuid::Uuid::from_u128(topic.id),
                partitions: u32::try_from(topic.partitions).unwrap_or(0),
            }),
            Err(trouble) if trouble.kind == TroubleKind::UnknownTopic && stored.is_some() => None,
            Err(trouble) => return Err(log(&trouble)),
        };
        Ok(match (seen, stored) {
            (Some(seen), None) => Ok(seen),
            (Some(seen), Some(topic)) => match topic.check(&seen) {
                Ok(()) => Ok(seen),
                Err(changed) => Err((topic, TopicStop::of(&changed))),
            },
            (None, Some(topic)) => {
                let detail = format!("there is no topic {name}");
                Err((topic, TopicStop { reason: gap::TOPIC_GONE, detail }))
            }
            (None, None) => return Err(Fatal::Log(format!("there is no topic {name}"))),
        })
    }

    /// Lets all partitions of a topic stand still.
    fn stop_topic(
        &mut self,
        shared: &Shared,
        topic: &Topic,
        stop: &TopicStop,
        found: &mut Found,
    ) -> Result<(), Fatal> {
        shared.sources.name_topic(topic.label, &topic.seen.name);
        let mut positions = None;
        for source in sources_of(topic) {
            let told = shared.ends.stop_of(source).is_some_and(|told| told.reason == stop.reason);
            if told && !self.reading.contains(&source) {
                continue;
            }
            let positions = match &positions {
                Some(positions) => positions,
                None => positions.insert(Positions::now(shared)?),
            };
            let name = &topic.seen.name;
            let stop = Stop {
                reason: stop.reason,
                expected: expected(positions, source),
                available: self.available(name, source),
                detail: stop.detail.clone(),
                read: false,
            };
            self.stop(shared, name, source, stop, found);
        }
        Ok(())
    }

    /// Finds the partitions of a topic that can be read and are not.
    fn start_topic(
        &mut self,
        shared: &Shared,
        topic: &Topic,
        found: &mut Found,
    ) -> Result<(), Fatal> {
        let mut positions = None;
        for source in sources_of(topic) {
            let stopped = shared.ends.stop_of(source);
            // What is no gap is not over because the offsets are there; nor is a log that has lost
            // its end, since what it grows by stands at offsets that were read of others.
            let for_good = stopped
                .as_ref()
                .is_some_and(|stop| !gap::is_gap(stop.reason) || stop.reason == gap::BEYOND_END);
            if for_good || (stopped.is_none() && self.reading.contains(&source)) {
                continue;
            }
            let positions = match &positions {
                Some(positions) => positions,
                None => positions.insert(Positions::now(shared)?),
            };
            let name = &topic.seen.name;
            let number = i32::from(source.partition());
            let marks = self.kafka.watermarks(name, number, BROKER_WAIT);
            let marks = marks.map_err(|error| log(&error))?;
            let start = if topic.waiting.contains(&source.partition()) {
                Err(Stop {
                    reason: gap::RECREATED,
                    expected: expected(positions, source),
                    available: Some((marks.low, marks.high)),
                    detail: format!("topic {name} was made anew, or had lost its end"),
                    read: false,
                })
            } else {
                positions.start(source, marks)
            };
            if matches!(&start, Err(stop) if stop.reason == gap::BEYOND_END) {
                // Also if the log has grown beyond that place by the next start.
                shared.store.await_decision(name, source.partition())?;
            }
            match start {
                Ok(reached) => {
                    let (partition, offset) = (u32::from(source.partition()), reached.next);
                    shared.ends.resume(source);
                    PartitionStarted { topic: name, partition, offset }.emit(&shared.metrics);
                    found.assigned.push(Assigned {
                        topic: self.topics.iter().position(|topic| topic == name).unwrap_or(0),
                        name: name.clone(),
                        source,
                        reached,
                        end_at_start: marks.high,
                    });
                    self.reading.insert(source);
                }
                Err(stop) => self.stop(shared, name, source, stop, found),
            }
        }
        Ok(())
    }

    fn stop(
        &mut self,
        shared: &Shared,
        topic: &str,
        source: Source,
        mut stop: Stop,
        found: &mut Found,
    ) {
        let reading = self.reading.remove(&source);
        let told = shared.ends.stop_of(source);
        // A reader that has stopped by itself has let go of it.
        stop.read = told.as_ref().map_or(reading, |told| told.read);
        stop.expected = told.as_ref().map_or(0, |told| told.expected).max(stop.expected);
        let news = told.is_none_or(|told| told.reason != stop.reason);
        let partition = u32::from(source.partition());
        if news {
            PartitionStopped {
                topic,
                partition,
                offset: stop.expected,
                available: stop.available,
                reason: stop.reason,
                detail: &stop.detail,
                hint: GAP_HINT,
            }
            .emit(&shared.metrics);
        }
        shared.metrics.show_available(topic, partition, stop.available);
        shared.ends.stop(source, stop);
        if reading {
            found.dropped.push(source);
        }
    }

    /// What the log has of a partition; none if the topic is not there, which is asked first since
    /// the ends of what is not there are waited for.
    fn available(&self, topic: &str, source: Source) -> Option<(i64, i64)> {
        let topics = self.kafka.describe(&[topic.to_owned()], BROKER_WAIT).ok()?;
        let partitions = topics.first().map_or(0, |topic| topic.partitions);
        if i32::from(source.partition()) >= partitions {
            return None;
        }
        let number = i32::from(source.partition());
        let marks = self.kafka.watermarks(topic, number, BROKER_WAIT).ok()?;
        Some((marks.low, marks.high))
    }

    /// Partitions that have more and of which nothing has come for long.
    fn silent(&mut self, shared: &Shared) -> Vec<Source> {
        let Self { kafka, reading, silence, .. } = self;
        let Ok(positions) = Positions::now(shared) else { return Vec::new() };
        let read = reading.iter().filter(|source| shared.ends.stop_of(**source).is_none());
        let standing = read.map(|source| (*source, expected(&positions, *source)));
        let silent = silence.find(standing, |source, next| {
            let Some(topic) = shared.sources.topic(source) else { return false };
            let marks = kafka.watermarks(&topic, i32::from(source.partition()), BROKER_WAIT);
            // Brokers that do not answer are told of elsewhere.
            marks.is_ok_and(|marks| marks.high > next)
        });
        if !silent.is_empty() {
            LimitHit { limit: "SILENCE_MAX" }.emit(&shared.metrics);
        }
        silent
    }

    /// Looks for added partitions, gaps and their ends until the service stops. New partitions go
    /// to the readers in turn.
    pub fn watch(mut self, shared: &Shared, readers: &[Sender<Assignment>]) -> Result<(), Fatal> {
        let mut since = Stopwatch::start();
        let mut turn = 0;
        while !shared.is_stopping() {
            if since.elapsed() < LOOK_EVERY && !shared.ends.take_look() {
                std::thread::sleep(LOOK_PAUSE);
                continue;
            }
            since = Stopwatch::start();
            let (found, result) = self.discover(shared);
            match result {
                Ok(()) => shared.troubles.works(REGISTERING),
                Err(Fatal::Topic(TopicError::Store(error)))
                    if shared.troubles.passes(&error, &shared.store) =>
                {
                    shared.troubles.failed(REGISTERING, &error);
                }
                Err(fatal @ Fatal::Topic(_)) => return Err(fatal),
                Err(trouble) => tracing::warn!(%trouble, "the topics cannot be looked at"),
            }
            for source in self.silent(shared) {
                for reader in readers {
                    // One whose last wish still waits is held up by the fold, not silent.
                    let _ = reader.try_send(Assignment::Renew(source));
                }
            }
            for source in found.dropped {
                for reader in readers {
                    // A reader that is gone has reported why.
                    let _ = reader.send(Assignment::Drop(source));
                }
            }
            for assigned in found.assigned {
                turn += 1;
                if let Some(reader) = readers.get(turn % readers.len().max(1)) {
                    let _ = reader.send(Assignment::Add(assigned));
                }
            }
        }
        Ok(())
    }
}

/// The partitions that a topic is known to have had.
fn sources_of(topic: &Topic) -> impl Iterator<Item = Source> + use<> {
    let (label, partitions) = (topic.label, topic.seen.partitions);
    // Registering has seen to it that the numbers fit.
    (0..u16::try_from(partitions).unwrap_or(u16::MAX)).map(move |number| Source::new(label, number))
}

/// The offset that the slots want next.
fn expected(positions: &Positions, source: Source) -> i64 {
    positions.least(source).map_or(0, |reached| reached.next)
}

fn log(error: &dyn std::fmt::Display) -> Fatal {
    Fatal::Log(error.to_string())
}
