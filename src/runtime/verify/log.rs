//! The ledger against the topics themselves: every event of a record that the slots have applied
//! is in the ledger or the copy of one that is, and nothing else is.
//!
//! Which copy counts is asked of the index of ids, which has been compared with the ledger before.
//! So the comparison holds no more in memory than what that index lacks, whatever the number of
//! records. Where retention has removed records, it holds from the first offset that is left.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::Subject;
use super::findings::{Difference, Findings, Ranges};
use crate::config::Settings;
use crate::core::event::Event;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};
use crate::engine::counters::Counters;
use crate::engine::dedup::IdKey;
use crate::engine::keys::{names_hash, remainder, slot_of};
use crate::engine::progress::Progress;
use crate::log::decode::{Decoder, Limits};
use crate::log::kafka::{KafkaSource, KafkaTopics, Message, TroubleKind};
use crate::runtime::clock::Stopwatch;
use crate::runtime::ends::gap;
use crate::runtime::fatal::Fatal;
use crate::runtime::owner::progress_of;
use crate::runtime::positions::BROKER_WAIT;
use crate::store::{Gap, IdKey as StoredKey, Rejected, Store, Topic, TopicSeen};

/// Records of one drain.
const RECORDS_MAX: usize = 4096;
/// Bytes of one drain.
const BYTES_MAX: usize = 8 << 20;
/// Longest wait for a first record before it is looked whether anything is left to read.
const DRAIN_WAIT: Duration = Duration::from_millis(200);
/// Refused records that are read at a time.
const REFUSED_PAGE: usize = 1000;

/// One partition that is read again.
#[derive(Clone, Debug)]
pub struct Part {
    /// Topic and partition, as `topic-partition`.
    pub name: String,
    /// The first offset that the log has: the comparison holds from here on.
    pub from: i64,
    /// The offset before which the store has applied everything, in some slot at least.
    pub to: i64,
    source: Source,
    topic: usize,
    log_time: Instant,
    next: i64,
}

/// One partition whose log is not the one that the store has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Topic and partition, as `topic-partition`.
    pub name: String,
    /// Why nothing can be said of it.
    pub why: String,
}

/// Why a partition cannot be compared: what has its offsets now is not what the store has read.
fn apart_by(
    stored: &Topic,
    partition: u16,
    found: Option<uuid::Uuid>,
    cluster_id: &str,
    gaps: &[Gap],
) -> Option<String> {
    let TopicSeen { name, topic_id, cluster_id: known, .. } = &stored.seen;
    if known != cluster_id {
        return Some(format!("the store has read it on cluster {known}, this is {cluster_id}"));
    }
    match found {
        None => return Some("the brokers have no topic of this name".to_owned()),
        Some(id) if id != *topic_id => {
            return Some(format!("the store has read topic id {topic_id}, the brokers have {id}"));
        }
        Some(_) if stored.waiting.contains(&partition) => {
            return Some("the topic was made anew, and nobody has accepted that gap".to_owned());
        }
        Some(_) => {}
    }
    let mut own = gaps.iter().filter(|gap| gap.topic == *name && gap.partition == partition);
    let anew = own.find(|gap| gap.reason != gap::OFFSET_GONE)?;
    Some(format!("its offsets began anew when the gap {} was accepted", anew.reason))
}

/// What there is to read.
pub struct Log {
    /// The partitions.
    pub parts: Vec<Part>,
    /// Partitions that cannot be compared.
    pub apart: Vec<Apart>,
    /// Records that were read.
    pub records: u64,
    source: KafkaSource,
    slots: Vec<Progress>,
    limits: Limits,
    decoder: Decoder,
    consumed: u64,
    ranges: Ranges,
    waiting: Vec<Waiting>,
}

/// An event whose id is to be looked up.
struct Waiting {
    key: StoredKey,
    names: u64,
    transaction: String,
    position: Position,
}

impl Log {
    /// Asks the brokers for the topics that the store has read. What is another topic now is told
    /// and not read; a log that ends before the store does is a difference.
    pub fn connect(
        subject: &Subject,
        settings: &Settings,
        findings: &mut Findings,
    ) -> Result<Self, Fatal> {
        if settings.kafka.brokers.is_none() {
            return Err(Fatal::Log(
                "there is no log to compare with: kafka.brokers is empty\n  \
                 hint: the embedded log is part of the store and keeps nothing that is applied"
                    .to_owned(),
            ));
        }
        let properties = settings.kafka_properties();
        let fatal = |error: &dyn std::fmt::Display| Fatal::Log(error.to_string());
        let kafka = KafkaTopics::connect(&properties).map_err(|error| fatal(&error))?;
        let slots = progress(&subject.store)?;
        let stored = subject.store.topics().map_err(Fatal::store("reading the topics"))?;
        let names: Vec<String> = stored.iter().map(|topic| topic.seen.name.clone()).collect();
        let cluster_id = kafka.cluster_id(BROKER_WAIT).map_err(|error| fatal(&error))?;
        let gaps = subject.store.gaps().map_err(Fatal::store("reading the accepted gaps"))?;
        let (mut parts, mut apart) = (Vec::new(), Vec::new());
        for (topic, stored) in stored.iter().enumerate() {
            let name = &stored.seen.name;
            let found = match kafka.describe(std::slice::from_ref(name), BROKER_WAIT) {
                Err(trouble) if trouble.kind == TroubleKind::UnknownTopic => None,
                found => found.map_err(|error| fatal(&error))?.first().map(|found| found.id),
            };
            let found = found.map(uuid::Uuid::from_u128);
            for partition in 0..stored.seen.partitions {
                let Ok(number) = u16::try_from(partition) else { continue };
                let source = Source::new(stored.label, number);
                let part = subject.names.name(source);
                if let Some(why) = apart_by(stored, number, found, &cluster_id, &gaps) {
                    apart.push(Apart { name: part, why });
                    continue;
                }
                let marks = kafka
                    .watermarks(name, i32::from(number), BROKER_WAIT)
                    .map_err(|error| fatal(&error))?;
                let to = slots.iter().map(|slot| slot.next(source)).max().unwrap_or(0);
                let part = Part {
                    name: part,
                    from: marks.low,
                    to,
                    source,
                    topic,
                    log_time: Instant::default(),
                    next: marks.low,
                };
                if marks.high < to {
                    let what = format!("the log ends there, the store has applied up to {to}");
                    let place = format!("{} offset {}", part.name, marks.high);
                    findings.differ(Difference::new(None, "offsets", place, what));
                }
                parts.push(Part { to: to.min(marks.high), ..part });
            }
        }
        let mut source =
            KafkaSource::connect(&properties, &names).map_err(|error| fatal(&error))?;
        let places: Vec<_> = parts
            .iter()
            .filter(|part| part.from < part.to)
            .map(|part| (part.topic, i32::from(part.source.partition()), part.from))
            .collect();
        source.assign(&places).map_err(|error| fatal(&error))?;
        let events = &settings.events;
        Ok(Self {
            parts,
            apart,
            records: 0,
            source,
            slots,
            limits: Limits {
                record_bytes_max: events.record_bytes_max,
                depth_max: events.depth_max,
                events_per_record_max: events.events_per_record_max,
            },
            decoder: Decoder::new(),
            consumed: 0,
            ranges: Ranges::default(),
            waiting: Vec::new(),
        })
    }

    /// From which offset on the comparison holds, by partition.
    pub fn floors(&self) -> HashMap<Source, i64> {
        self.parts.iter().map(|part| (part.source, part.from)).collect()
    }

    /// Reads the topics up to where the slots stand, and compares with what the ledger was found to
    /// have.
    pub fn compare(&mut self, subject: &Subject, findings: &mut Findings) -> Result<(), Fatal> {
        let places: BTreeMap<(usize, i32), usize> = (0..)
            .zip(&self.parts)
            .map(|(at, part)| ((part.topic, i32::from(part.source.partition())), at))
            .collect();
        let mut idle = Stopwatch::start();
        while self.parts.iter().any(|part| part.next < part.to) {
            let read = self.drain(subject, &places)?;
            if read {
                idle = Stopwatch::start();
            } else if idle.elapsed() > BROKER_WAIT {
                return Err(Fatal::Log("the brokers hand over no more records".to_owned()));
            }
            self.look(subject, findings);
        }
        self.compare_ranges(subject, findings);
        self.compare_counters(subject, findings);
        Ok(())
    }

    /// Reads on. Returns whether anything came.
    fn drain(
        &mut self,
        subject: &Subject,
        places: &BTreeMap<(usize, i32), usize>,
    ) -> Result<bool, Fatal> {
        let Self {
            parts, records, source, slots, limits, decoder, consumed, ranges, waiting, ..
        } = self;
        let mut seen = Seen { subject, slots, consumed, ranges, waiting };
        let mut read = false;
        let drained = source.drain(RECORDS_MAX, BYTES_MAX, DRAIN_WAIT, &mut |message| {
            let place = places.get(&(message.topic, message.partition));
            let Some(part) = place.and_then(|at| parts.get_mut(*at)) else { return };
            read = true;
            part.next = message.offset + 1;
            if message.offset < part.to {
                *records += 1;
                seen.record(part, &message, decoder, limits);
            }
        });
        for end in drained.ends {
            let place = places.get(&(end.topic, end.partition));
            if let Some(part) = place.and_then(|at| parts.get_mut(*at)) {
                read |= part.next < end.next_offset;
                part.next = part.next.max(end.next_offset);
            }
        }
        match drained.troubles.into_iter().find(|trouble| !trouble.kind.is_transient()) {
            Some(trouble) => Err(Fatal::Log(trouble.to_string())),
            None => Ok(read),
        }
    }

    /// Looks up which copies of the events count.
    fn look(&mut self, subject: &Subject, findings: &mut Findings) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable_by_key(|event| event.key);
        let keys: Vec<StoredKey> = waiting.iter().map(|event| event.key).collect();
        let stored = match subject.store.lookup_ids(&keys) {
            Ok(stored) => stored,
            Err(error) => {
                let place = "ids".to_owned();
                return findings.differ(Difference::new(None, "ids", place, error.to_string()));
            }
        };
        let mut refused = None;
        for (event, stored) in waiting.into_iter().zip(stored) {
            let own = event.position;
            let stored = findings.unindexed.get(&event.key.id).copied().or(stored);
            let name = subject.names.name(own.source);
            let what = match stored {
                Some(counts) if is_same(&counts, &own) => {
                    self.ranges.add(event.names, &event.transaction, &own);
                    continue;
                }
                Some(counts) if is_before(&counts, &own) => continue,
                Some(counts) => format!(
                    "a later copy counts, at {} offset {}",
                    subject.names.name(counts.source),
                    counts.offset
                ),
                None => {
                    let refused = refused.get_or_insert_with(|| refusals(&subject.store));
                    if refused.contains(&(name.clone(), own.offset, own.index)) {
                        continue;
                    }
                    "the event is not in the store".to_owned()
                }
            };
            let place = format!("{name} offset {}", own.offset);
            findings.differ(Difference::new(Some(event.key.slot), "offsets", place, what));
        }
    }

    fn compare_ranges(&self, subject: &Subject, findings: &mut Findings) {
        let ledger = std::mem::take(&mut findings.ranges);
        let keys: BTreeSet<_> = ledger.0.keys().chain(self.ranges.0.keys()).copied().collect();
        for key @ (source, number) in keys {
            let [kept, read] = [&ledger, &self.ranges]
                .map(|ranges| ranges.0.get(&key).copied().unwrap_or_default());
            if kept == read {
                continue;
            }
            let (first, last) = Ranges::offsets(number);
            let place = format!("{} offsets {first} to {last}", subject.names.name(source));
            let what = format!(
                "the ledger has {} events, the log gives {}, and their digests differ",
                kept.events, read.events
            );
            findings.differ(Difference::new(None, "offsets", place, what));
        }
        findings.ranges = ledger;
    }

    /// What the slots say they have read, if the log still has all of it.
    fn compare_counters(&self, subject: &Subject, findings: &mut Findings) {
        if !self.apart.is_empty() || self.parts.iter().any(|part| part.from > 0) {
            return;
        }
        let slots = (0..subject.store.slots()).filter_map(|slot| subject.store.slot(slot).ok());
        let counted: u64 =
            slots.map(|state| Counters::from_list(&state.head.counters).consumed()).sum();
        // A record that was replayed has been counted as rejected and as what it then became.
        let replayed = counted > self.consumed && any_replayed(&subject.store);
        if counted != self.consumed && !replayed {
            let what = format!("the slots have counted {counted}, the log has {}", self.consumed);
            findings.differ(Difference::new(None, "offsets", "all records".to_owned(), what));
        }
    }
}

/// What is made of records.
struct Seen<'a> {
    subject: &'a Subject,
    slots: &'a [Progress],
    consumed: &'a mut u64,
    ranges: &'a mut Ranges,
    waiting: &'a mut Vec<Waiting>,
}

impl Seen<'_> {
    fn record(
        &mut self,
        part: &mut Part,
        message: &Message<'_>,
        decoder: &mut Decoder,
        limits: &Limits,
    ) {
        if let Some(millis) = message.timestamp_ms {
            part.log_time = part.log_time.max(Instant::from_millis(millis));
        }
        let Part { source, log_time, .. } = *part;
        let position = |index| Position { log_time, source, offset: message.offset, index };
        decoder.decode(message.payload, limits, &mut |index, outcome| {
            let admitted = outcome.and_then(|event| {
                self.subject.catalogue.admit(&event, log_time)?;
                Ok(event)
            });
            if let Ok(event) = admitted {
                return self.event(&event, position(index));
            }
            let slots = u16::from(self.subject.store.slots());
            let slot = remainder(u64::from(source.partition()), slots);
            *self.consumed += u64::from(self.applied(slot, &position(index)));
        });
    }

    fn event(&mut self, event: &Event<'_>, position: Position) {
        let names = names_hash(event.organization, event.subscription);
        let slot = slot_of(names, u16::from(self.subject.store.slots()));
        if !self.applied(slot, &position) {
            return;
        }
        *self.consumed += 1;
        if event.subscription.is_none() {
            // Nothing is a copy of it.
            self.ranges.add(names, event.transaction, &position);
            return;
        }
        let hasher = &self.subject.hasher;
        let account = hasher.account(event.organization, event.subscription);
        let IdKey { transaction, identity } =
            hasher.id(account, event.organization, event.transaction);
        let key = StoredKey { slot, transaction, id: identity };
        let transaction = event.transaction.to_owned();
        self.waiting.push(Waiting { key, names, transaction, position });
    }

    fn applied(&self, slot: u8, position: &Position) -> bool {
        self.slots.get(usize::from(slot)).is_some_and(|progress| progress.covers(position))
    }
}

/// Whether two positions are those of one event. Their log times depend on how far back the log
/// was read.
fn is_same(a: &Position, b: &Position) -> bool {
    (a.source, a.offset, a.index) == (b.source, b.offset, b.index)
}

/// Whether one position is before another.
fn is_before(a: &Position, b: &Position) -> bool {
    if a.source == b.source { (a.offset, a.index) < (b.offset, b.index) } else { a < b }
}

fn progress(store: &Store) -> Result<Vec<Progress>, Fatal> {
    let slots = (0..store.slots()).map(|slot| Ok(progress_of(&store.slot(slot)?.head)));
    slots.collect::<Result<_, _>>().map_err(Fatal::store("reading the heads of the slots"))
}

/// Places of the refused records that the store has. An event of an organisation that was not known
/// and found no room is among them.
fn refusals(store: &Store) -> HashSet<(String, i64, u32)> {
    let mut found = HashSet::new();
    each_refused(store, |refused| {
        found.insert((refused.source, refused.offset, refused.index));
    });
    found
}

/// Whether a refused record may have been replayed: those that have left tell nothing.
fn any_replayed(store: &Store) -> bool {
    let mut any = store.rejected_state().dropped > 0;
    each_refused(store, |refused| any |= refused.replayed.is_some());
    any
}

/// Visits the refused records, up to one that cannot be read.
fn each_refused(store: &Store, mut visit: impl FnMut(Rejected)) {
    let mut from = 0;
    while let Ok(page) = store.rejected(from, REFUSED_PAGE) {
        page.entries.into_iter().for_each(|(_, refused)| visit(refused));
        let Some(next) = page.next else { break };
        from = next;
    }
}
