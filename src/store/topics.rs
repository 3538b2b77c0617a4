//! The topics a store reads: their numbers in positions, and what they were when they were first
//! read.
//!
//! Layout, formats 1 and 2: version u8 | label u16 big endian | topic id 16 bytes | cluster id text
//! with its length | partitions varint. Format 2 adds: number of waiting partitions varint | each
//! as a varint.

use std::collections::{BTreeMap, BTreeSet};

use rocksdb::WriteBatch;
use uuid::Uuid;

use super::codec::{Damage, Input, put_bytes, put_varint};
use super::error::{StoreError, TopicError};
use super::keys::{Family, Key, MetaKey};
use super::rocks::{Store, locked};

const FORMAT: u8 = 2;
const WHAT: &str = "topic record";
/// Labels lie between 0 and this, both excluded.
const LABELS_END: u32 = 1 << 16;

/// A topic as the broker shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSeen {
    /// Its name.
    pub name: String,
    /// Id of the cluster.
    pub cluster_id: String,
    /// Id of the topic; another one means that it was created again.
    pub topic_id: Uuid,
    /// How many partitions it has.
    pub partitions: u32,
}

/// A topic with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The upper half of [`crate::core::position::Source`]; compares as the names do.
    pub label: u16,
    /// What it was when it was last seen.
    pub seen: TopicSeen,
    /// Partitions of a topic that was made anew, for which nobody has said yet where to go on.
    pub waiting: BTreeSet<u16>,
}

impl Topic {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend(self.label.to_be_bytes());
        out.extend(self.seen.topic_id.as_bytes());
        put_bytes(&mut out, self.seen.cluster_id.as_bytes());
        put_varint(&mut out, u64::from(self.seen.partitions));
        put_varint(&mut out, self.waiting.len() as u64);
        self.waiting.iter().for_each(|partition| put_varint(&mut out, u64::from(*partition)));
        out
    }

    fn from_bytes(name: &[u8], bytes: &[u8]) -> Result<Self, Damage> {
        let name = std::str::from_utf8(name).map_err(|_| Damage::Unreadable(WHAT))?.to_owned();
        let mut input = Input(bytes);
        let version = input.version(FORMAT, WHAT)?;
        let label = u16::from_be_bytes(input.array(WHAT)?);
        let topic_id = Uuid::from_bytes(input.array(WHAT)?);
        let cluster_id = input.text(WHAT)?.to_owned();
        let partitions = input.varint32(WHAT)?;
        let mut waiting = BTreeSet::new();
        if version > 1 {
            for _ in 0..input.count(WHAT)? {
                let partition = u16::try_from(input.varint(WHAT)?);
                waiting.insert(partition.map_err(|_| Damage::Unreadable(WHAT))?);
            }
        }
        input.end(WHAT)?;
        let seen = TopicSeen { name, cluster_id, topic_id, partitions };
        Ok(Self { label, seen, waiting })
    }

    /// Refuses a topic that is not the one that was read before; it may have grown.
    ///
    /// # Errors
    ///
    /// [`TopicError::Changed`].
    pub fn check(&self, seen: &TopicSeen) -> Result<(), TopicError> {
        let stored = &self.seen;
        let ids = ("the topic id", stored.topic_id.to_string(), seen.topic_id.to_string());
        let clusters = ("the cluster id", stored.cluster_id.clone(), seen.cluster_id.clone());
        for (what, stored, found) in [clusters, ids] {
            if stored != found {
                return Err(TopicError::Changed { topic: seen.name.clone(), what, stored, found });
            }
        }
        if seen.partitions < stored.partitions {
            return Err(TopicError::Changed {
                topic: seen.name.clone(),
                what: "the number of partitions",
                stored: stored.partitions.to_string(),
                found: seen.partitions.to_string(),
            });
        }
        Ok(())
    }

    /// This topic once reading of one partition may go on in what is there under its name. If that
    /// is another topic, its other partitions wait until the same is said of them.
    #[must_use]
    pub fn accepted(&self, seen: TopicSeen, partition: u16) -> Self {
        let mut waiting = self.waiting.clone();
        if self.check(&seen).is_err() {
            let both = self.seen.partitions.min(seen.partitions);
            waiting = (0..u16::try_from(both).unwrap_or(u16::MAX)).collect();
        }
        waiting.remove(&partition);
        Self { label: self.label, seen, waiting }
    }
}

impl Store {
    /// All topics that were ever registered, by name.
    pub fn topics(&self) -> Result<Vec<Topic>, StoreError> {
        const OPERATION: &str = "reading the topics";
        let prefix = Key::Meta(MetaKey::Topic("")).to_bytes();
        let mut walk = self.walk(Family::Meta, &prefix)?;
        walk.seek_to_first();
        let mut topics = Vec::new();
        while let Some((key, value)) = walk.item() {
            let name = key.get(prefix.len()..).unwrap_or_default();
            topics.push(Topic::from_bytes(name, value).map_err(self.damaged(OPERATION))?);
            walk.next();
        }
        walk.status().map_err(self.engine(OPERATION))?;
        Ok(topics)
    }

    /// Numbers the topics that are new and checks those that are known. Returns all that were
    /// given, by name. Topics that are given together leave the same room on all sides, so a first
    /// start should name them all at once.
    pub fn register_topics(&self, seen: &[TopicSeen]) -> Result<Vec<Topic>, TopicError> {
        let _turn = locked(&self.topics);
        let known: BTreeMap<_, _> =
            self.topics()?.into_iter().map(|topic| (topic.seen.name.clone(), topic)).collect();
        let mut labels: BTreeMap<_, _> =
            known.iter().map(|(name, topic)| (name.as_str(), Some(topic.label))).collect();
        for topic in seen {
            if topic.partitions > u32::from(u16::MAX) {
                let (topic, partitions) = (topic.name.clone(), topic.partitions);
                return Err(TopicError::Partitions { topic, partitions });
            }
            if let Some(known) = known.get(&topic.name) {
                known.check(topic)?;
            }
            labels.entry(&topic.name).or_insert(None);
        }
        let labels = fill_labels(&labels)?;
        let mut batch = WriteBatch::default();
        let mut topics = Vec::new();
        for topic in seen {
            // Every name was entered above.
            let label = labels.get(topic.name.as_str()).copied().unwrap_or_default();
            let waiting = known.get(&topic.name).map(|known| known.waiting.clone());
            let waiting = waiting.unwrap_or_default();
            let topic = Topic { label, seen: topic.clone(), waiting };
            if known.get(&topic.seen.name) != Some(&topic) {
                self.put_topic(&mut batch, &topic)?;
            }
            topics.push(topic);
        }
        if !batch.is_empty() {
            self.write_synced(batch, "registering topics")?;
        }
        topics.sort_by(|a, b| a.seen.name.cmp(&b.seen.name));
        Ok(topics)
    }

    /// Has a partition wait until somebody says where to go on, whatever the next start finds.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub fn await_decision(&self, topic: &str, partition: u16) -> Result<(), TopicError> {
        let _turn = locked(&self.topics);
        let known = self.topics()?.into_iter().find(|known| known.seen.name == topic);
        let Some(mut known) = known else { return Ok(()) };
        known.waiting.insert(partition);
        let mut batch = WriteBatch::default();
        self.put_topic(&mut batch, &known)?;
        Ok(self.write_synced(batch, "stopping a partition")?)
    }

    pub(super) fn put_topic(
        &self,
        batch: &mut WriteBatch,
        topic: &Topic,
    ) -> Result<(), StoreError> {
        self.put(batch, Key::Meta(MetaKey::Topic(&topic.seen.name)), topic.to_bytes())
    }
}

/// Gives every topic without a label one between its neighbours: those of one gap share it evenly,
/// so a single one lands in the middle.
fn fill_labels<'a>(
    labels: &BTreeMap<&'a str, Option<u16>>,
) -> Result<BTreeMap<&'a str, u16>, TopicError> {
    let mut filled = BTreeMap::new();
    let mut gap: Vec<&str> = Vec::new();
    let mut low = 0;
    let ends = labels.iter().map(|(name, label)| (Some(*name), *label)).chain([(None, None)]);
    for (name, label) in ends {
        if let (Some(name), None) = (name, label) {
            gap.push(name);
            continue;
        }
        let high = label.map_or(LABELS_END, u32::from);
        let parts = u32::try_from(gap.len()).unwrap_or(u32::MAX).saturating_add(1);
        let step = (high - low) / parts;
        for name in gap.drain(..) {
            low += step;
            let label = u16::try_from(low).ok().filter(|_| step > 0);
            let label = label.ok_or_else(|| TopicError::NoLabel { topic: name.to_owned() })?;
            filled.insert(name, label);
        }
        if let (Some(name), Some(label)) = (name, label) {
            filled.insert(name, label);
        }
        low = high;
    }
    Ok(filled)
}
