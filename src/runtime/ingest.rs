//! Readers: each drains its partitions of a log, decodes the records and hands batches to the
//! workers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender};

use super::ends::{End, Stop};
use super::fatal::Fatal;
use super::poison;
use super::shared::Shared;
use super::source::{Drained, EventSource};
use super::worker::BATCHES_WAITING_MAX;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};
use crate::engine::batch::{Batch, Refused};
use crate::engine::isolate::isolated;
use crate::engine::keys::remainder;
use crate::engine::progress::Reached;
use crate::log::decode::{Decoder, Limits};
use crate::log::kafka::{Message, Trouble, TroubleKind};
use crate::telemetry::events::{Emit, PartitionStopped};
use crate::telemetry::metrics::PartitionGauges;

/// How long a reader waits for room at a worker before it looks whether the service stops.
const GIVE_WAIT: Duration = Duration::from_millis(100);
/// Longest wait for a first record; also how soon a reader notices that it has to stop.
const DRAIN_WAIT: Duration = Duration::from_millis(50);

/// Batches whose memory is kept: those that wait, one that is applied, one that is filled.
const SPARES_MAX: usize = BATCHES_WAITING_MAX + 2;

/// What an operator does about a partition that stands still.
const STOPPED_HINT: &str = "remove the cause and start again; nothing is skipped on its own";

/// Bounds of one batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Records.
    pub events_max: usize,
    /// Bytes.
    pub bytes_max: usize,
}

/// A partition that a reader is assigned.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Index of the topic in the source.
    pub topic: usize,
    /// Name of the topic.
    pub name: String,
    /// The partition.
    pub source: Source,
    /// Where it is to be read from, and the log time there.
    pub reached: Reached,
    /// Offset after its last record when reading began: from there on it counts as caught up.
    pub end_at_start: i64,
}

impl Assigned {
    /// Topic and partition as the source names them.
    fn place(&self) -> (usize, i32) {
        (self.topic, i32::from(self.source.partition()))
    }
}

/// A change of what a reader reads.
#[derive(Clone, Debug)]
pub enum Assignment {
    /// Read this partition, too.
    Add(Assigned),
    /// Read this one no more.
    Drop(Source),
    /// Whoever reads this one takes a new client for it: the old one has fallen silent.
    Renew(Source),
}

struct Cursor {
    reached: Reached,
    end: End,
    gauges: PartitionGauges,
}

impl Cursor {
    fn new(shared: &Shared, assigned: &Assigned) -> Self {
        let partition = u32::from(assigned.source.partition());
        Self {
            reached: assigned.reached,
            end: shared.ends.follow(assigned.source, assigned.end_at_start),
            gauges: shared.metrics.partition(&assigned.name, partition),
        }
    }
}

/// One reader.
pub struct Reader {
    shared: Arc<Shared>,
    source: EventSource,
    cursors: HashMap<(usize, i32), Cursor>,
    decoder: Decoder,
    decode_limits: Limits,
    limits: BatchLimits,
    batches: Vec<Sender<Arc<Batch>>>,
    assigned_later: Receiver<Assignment>,
    /// Partitions that were let go, and up to where their records were handed out.
    left: HashMap<Source, i64>,
    /// Batches whose memory is used again once all workers are through with them.
    handed_out: Vec<Arc<Batch>>,
    /// A worker has not taken a batch, so none may come after it: what it holds would be skipped.
    broken_off: bool,
}

impl Reader {
    /// A reader of these partitions, which the source has been assigned.
    pub fn new(
        shared: Arc<Shared>,
        source: EventSource,
        assigned: &[Assigned],
        decode_limits: Limits,
        limits: BatchLimits,
        batches: Vec<Sender<Arc<Batch>>>,
        assigned_later: Receiver<Assignment>,
    ) -> Self {
        let cursors = assigned
            .iter()
            .map(|partition| (partition.place(), Cursor::new(&shared, partition)))
            .collect();
        let decoder = Decoder::new();
        Self {
            shared,
            source,
            cursors,
            decoder,
            decode_limits,
            limits,
            batches,
            assigned_later,
            left: HashMap::new(),
            handed_out: Vec::new(),
            broken_off: false,
        }
    }

    /// Reads until the service stops.
    pub fn run(mut self) -> Result<(), Fatal> {
        self.begin();
        while !self.shared.is_stopping() {
            self.step()?;
        }
        Ok(())
    }

    /// Takes what is there, waiting a little if there is nothing, and hands it out: up to two
    /// batches, and waits for room for them.
    ///
    /// # Errors
    ///
    /// The log cannot be read on.
    pub fn step(&mut self) -> Result<(), Fatal> {
        self.take_assignments()?;
        let mut batch = self.spare();
        let drained = self.fill(&mut batch);
        self.note(&drained)?;
        self.reach_ends(&drained, &mut batch);
        if batch.is_empty() {
            self.handed_out.push(Arc::new(batch));
        } else {
            self.hand_out(batch);
        }
        Ok(())
    }

    /// An empty batch, with the memory of one that all workers are through with if there is one.
    fn spare(&mut self) -> Batch {
        let free = |batch: &Arc<Batch>| Arc::strong_count(batch) == 1;
        let Some(at) = self.handed_out.iter().position(free) else { return Batch::default() };
        let mut batch = Arc::into_inner(self.handed_out.swap_remove(at)).unwrap_or_default();
        batch.clear();
        batch
    }

    /// Tells the slots where reading begins, so that a partition from which nothing can be read,
    /// because it is empty or was emptied, counts as applied up to there.
    pub fn begin(&mut self) {
        let mut batch = Batch::default();
        self.cursors.values().for_each(|cursor| batch.reach(cursor.reached));
        self.hand_out(batch);
    }

    /// Reads added partitions, too, and dropped ones no more: the source begins anew where each
    /// partition stands.
    fn take_assignments(&mut self) -> Result<(), Fatal> {
        if self.assigned_later.is_empty() {
            return Ok(());
        }
        while let Ok(assignment) = self.assigned_later.try_recv() {
            match assignment {
                Assignment::Add(partition) => {
                    self.left.remove(&partition.source);
                    self.cursors.insert(partition.place(), Cursor::new(&self.shared, &partition));
                }
                Assignment::Renew(source) => self.renew(source),
                Assignment::Drop(source) => {
                    self.let_go(source);
                    if let Some(next) = self.left.get(&source) {
                        self.shared.ends.leave(source, *next);
                    }
                }
            }
        }
        let cursors = self.cursors.iter();
        let places =
            cursors.map(|((topic, partition), cursor)| (*topic, *partition, cursor.reached.next));
        let places: Vec<_> = places.collect();
        self.source.assign(&places).map_err(|trouble| Fatal::Log(trouble.to_string()))?;
        self.begin();
        Ok(())
    }

    fn renew(&mut self, source: Source) {
        let mut cursors = self.cursors.values();
        let Some(cursor) = cursors.find(|cursor| cursor.reached.source == source) else { return };
        tracing::warn!(
            partition = self.shared.sources.name(source),
            offset = cursor.reached.next,
            "the client has fallen silent about a partition that has more, another one takes over"
        );
        if let Err(error) = self.source.renew() {
            tracing::warn!(%error, "there is no other client, the silent one is asked again");
        }
    }

    fn fill(&mut self, batch: &mut Batch) -> Drained {
        let Self { shared, source, cursors, decoder, decode_limits, limits, .. } = self;
        let slots = shared.slots;
        source.drain(limits.events_max, limits.bytes_max, DRAIN_WAIT, &mut |message| {
            let Some(cursor) = cursors.get_mut(&(message.topic, message.partition)) else {
                return;
            };
            let reached = &mut cursor.reached;
            advance(reached, &message);
            cursor.end.passed();
            let position = |index| Position {
                log_time: reached.log_time,
                source: reached.source,
                offset: message.offset,
                index,
            };
            let mark = batch.mark();
            let read = isolated(|| {
                decoder.decode(message.payload, decode_limits, &mut |index, outcome| {
                    let taken = outcome.and_then(|event| {
                        let admitted = shared.catalogue.admit(&event, reached.log_time)?;
                        Ok((event, admitted))
                    });
                    match taken {
                        Ok((mut event, admitted)) => {
                            if let Some(properties) = &admitted.properties {
                                event.properties = properties.as_ref();
                            }
                            let record = message.payload.filter(|_| !admitted.known_tenant);
                            batch.push(&event, position(index), record, &shared.hasher, slots);
                        }
                        Err(rejection) => batch.refuse(Refused {
                            // A fixed slot per partition accounts for what belongs to no account.
                            slot: remainder(u64::from(reached.source.partition()), slots),
                            position: position(index),
                            rejection,
                            bytes: message.payload.unwrap_or_default().to_vec(),
                        }),
                    }
                });
            });
            if let Err(panicked) = read {
                *decoder = Decoder::new();
                batch.rewind(mark);
                let bytes = message.payload.unwrap_or_default();
                batch.refuse(poison::record(shared, position(0), bytes, panicked));
            }
            batch.reach(*reached);
        })
    }

    /// Moves past transaction markers and aborted records at the end of a partition.
    fn reach_ends(&mut self, drained: &Drained, batch: &mut Batch) {
        for (topic, partition, next) in &drained.ends {
            let Some(cursor) = self.cursors.get_mut(&(*topic, *partition)) else { continue };
            cursor.end.at(*next);
            if cursor.reached.next < *next {
                cursor.reached.next = *next;
                batch.reach(cursor.reached);
            }
        }
    }

    fn note(&mut self, drained: &Drained) -> Result<(), Fatal> {
        if let Some(gap) = &drained.gap {
            return Err(Fatal::Log(gap.clone()));
        }
        for trouble in &drained.troubles {
            if trouble.kind.is_transient() {
                tracing::warn!(kind = trouble.kind.name(), detail = %trouble.detail, "kafka");
                continue;
            }
            match &trouble.place {
                Some((topic, partition)) => self.stop(topic, *partition, trouble),
                None => return Err(Fatal::Log(trouble.to_string())),
            }
        }
        Ok(())
    }

    /// Lets go of a partition that cannot be read. What is missing, and whether it is a gap, is for
    /// whoever watches the partitions to find out and to tell.
    fn stop(&mut self, topic: &str, partition: i32, trouble: &Trouble) {
        let Some(source) = self.shared.sources.find(topic, partition) else { return };
        let Some(expected) = self.let_go(source) else { return };
        let mut stop = Stop::unknown(expected, trouble.detail.clone());
        if matches!(trouble.kind, TroubleKind::OffsetOutOfRange | TroubleKind::UnknownTopic) {
            self.shared.ends.stop(source, stop);
            self.shared.ends.ask_look();
            return;
        }
        stop.reason = trouble.kind.name();
        PartitionStopped {
            topic,
            partition: u32::from(source.partition()),
            offset: expected,
            available: None,
            reason: stop.reason,
            detail: &stop.detail,
            hint: STOPPED_HINT,
        }
        .emit(&self.shared.metrics);
        self.shared.ends.stop(source, stop);
    }

    /// Takes no more records of a partition. Returns up to where they were handed out.
    fn let_go(&mut self, source: Source) -> Option<i64> {
        let mut cursors = self.cursors.iter();
        let place = cursors.find(|(_, cursor)| cursor.reached.source == source);
        let place = place.map(|(place, _)| *place)?;
        let next = self.cursors.remove(&place)?.reached.next;
        self.left.insert(source, next);
        Some(next)
    }

    #[allow(clippy::cast_precision_loss)] // a histogram's sample
    fn hand_out(&mut self, mut batch: Batch) {
        if self.broken_off {
            return;
        }
        batch.seal(self.shared.slots);
        self.shared.metrics.batches.inc();
        self.shared.metrics.batch_events.observe(batch.len() as f64);
        for reached in batch.reached() {
            let found = self.cursors.values().find(|c| c.reached.source == reached.source);
            if let Some(cursor) = found {
                cursor.gauges.next_offset.set(u64::try_from(reached.next).unwrap_or(0));
            }
        }
        let batch = Arc::new(batch);
        for worker in &self.batches {
            self.broken_off |= !self.give(worker, Arc::clone(&batch));
        }
        if self.handed_out.len() < SPARES_MAX {
            self.handed_out.push(batch);
        }
    }

    /// Waits until a worker has room for a batch; false if it has none and the service stops. It
    /// may never have then: its slots are not back, or the disk takes nothing. What it does not
    /// take is read again at the next start, since its slots have not reached it.
    fn give(&self, worker: &Sender<Arc<Batch>>, mut batch: Arc<Batch>) -> bool {
        // A worker that is gone has reported why; the service is about to stop.
        while let Err(SendTimeoutError::Timeout(left)) = worker.send_timeout(batch, GIVE_WAIT) {
            if self.shared.is_stopping() {
                return false;
            }
            batch = left;
        }
        true
    }
}

/// Log time never falls along a partition; a record without a time takes its predecessor's (10.4).
fn advance(reached: &mut Reached, message: &Message<'_>) {
    if let Some(millis) = message.timestamp_ms {
        reached.log_time = reached.log_time.max(Instant::from_millis(millis));
    }
    reached.next = message.offset + 1;
}
