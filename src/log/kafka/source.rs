//! Reading records of assigned partitions, from stored offsets, many at a time.

use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{self, Properties};
use super::drain::{self, Batch, Queue, Raw};
use super::error::{ConnectError, Trouble, TroubleKind};
use super::logging::Logging;

/// A record, borrowed until the sink returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'b> {
    /// Index into the list of topics that the source was made with.
    pub topic: usize,
    /// Partition of the topic.
    pub partition: i32,
    /// Offset of the record. Offsets grow along a partition and may have holes.
    pub offset: i64,
    /// Milliseconds since the epoch, if the record has a time.
    pub timestamp_ms: Option<i64>,
    /// The value; none is a tombstone.
    pub payload: Option<&'b [u8]>,
    /// The key.
    pub key: Option<&'b [u8]>,
}

/// All records of a partition have been read for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionEnd {
    /// Index into the list of topics that the source was made with.
    pub topic: usize,
    /// Partition of the topic.
    pub partition: i32,
    /// The offset to go on from: past transaction markers and aborted records at the end, too.
    pub next_offset: i64,
}

/// What one drain has given. The order of ends relative to records of the same partition is kept:
/// no record of a partition comes after its end within one drain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records handed to the sink.
    pub messages: usize,
    /// Bytes of their keys and values.
    pub bytes: usize,
    /// Partitions that were read to their end.
    pub ends: Vec<PartitionEnd>,
    /// What went wrong. A partition named here gives no more records, unless the trouble is
    /// transient; the others go on.
    pub troubles: Vec<Trouble>,
}

/// A reader of its own partitions; several may live side by side, one per thread.
///
/// A topic that is deleted, or deleted and created again, is not told here: librdkafka falls silent
/// about it. Ask [`super::KafkaTopics::describe`] before assigning and from time to time, and
/// compare ids.
///
/// Backpressure is by not draining: librdkafka then stops fetching at its queue bounds.
pub struct KafkaSource {
    // Messages and queues go before the client that they belong to: fields drop in this order.
    batch: Batch,
    records: Queue,
    notices: Queue,
    client: Client<Logging>,
    properties: Vec<(String, String)>,
    topics: Vec<String>,
    /// Addresses of librdkafka's topics with their indexes. They hold while the assignment does.
    addresses: Vec<(usize, usize)>,
}

impl KafkaSource {
    /// Makes a reader; brokers are contacted in the background. `topics` are those that may be
    /// assigned.
    pub fn connect(properties: &Properties, topics: &[String]) -> Result<Self, ConnectError> {
        let client = drain::create_reader(&client::reader(properties))?;
        let queue = |queue: Option<Queue>| {
            queue.ok_or_else(|| ConnectError::Client("the client has no queue".to_owned()))
        };
        Ok(Self {
            batch: Batch::new(),
            records: queue(Queue::of_records(client.native_client()))?,
            notices: queue(Queue::of_notices(client.native_client()))?,
            client,
            properties: properties.to_vec(),
            topics: topics.to_vec(),
            addresses: Vec::new(),
        })
    }

    /// Takes a new client in place of this one, which reads nothing until it is assigned something.
    pub fn renew(&mut self) -> Result<(), ConnectError> {
        *self = Self::connect(&self.properties, &self.topics)?;
        Ok(())
    }

    /// Reads these partitions from now on, and no others: (index of the topic, partition, offset
    /// of the first record wanted). Records taken for an earlier assignment are forgotten.
    pub fn assign(&mut self, partitions: &[(usize, i32, i64)]) -> Result<(), Trouble> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for &(topic, partition, offset) in partitions {
            let name = self.topics.get(topic).ok_or_else(|| {
                Trouble::new(TroubleKind::UnknownTopic, format!("no topic has the index {topic}"))
            })?;
            list.add_partition_offset(name, partition, Offset::Offset(offset))
                .map_err(|error| Trouble::of(&error).at(name, partition))?;
        }
        drain::assign(self.client.native_client(), &list).map_err(|error| Trouble::of(&error))?;
        self.batch.clear();
        self.addresses.clear();
        Ok(())
    }

    /// Hands what is there to `sink`, at most `events_max` records and `bytes_max` bytes; the first
    /// record is handed over whatever its size. If nothing is there, waits up to `timeout` for the
    /// first record or event. Records beyond the bounds stay for the next drain.
    pub fn drain(
        &mut self,
        events_max: usize,
        bytes_max: usize,
        timeout: Duration,
        sink: &mut impl FnMut(Message<'_>),
    ) -> Drained {
        let mut drained = Drained::default();
        self.take_notices(&mut drained);
        let mut waited = false;
        while drained.messages < events_max {
            self.batch.fill(&self.records, events_max - drained.messages, Duration::ZERO);
            if self.batch.peek().is_none() {
                let nothing =
                    drained.messages == 0 && drained.ends.is_empty() && drained.troubles.is_empty();
                if !nothing || waited || timeout.is_zero() {
                    break;
                }
                waited = true;
                self.batch.fill(&self.records, 1, timeout);
            }
            if !self.hand_over(events_max, bytes_max, &mut drained, sink) {
                break;
            }
        }
        if waited {
            self.take_notices(&mut drained);
        }
        drained
    }

    /// Hands over the batch; false once a bound is reached.
    fn hand_over(
        &mut self,
        events_max: usize,
        bytes_max: usize,
        drained: &mut Drained,
        sink: &mut impl FnMut(Message<'_>),
    ) -> bool {
        while let Some(raw) = self.batch.peek() {
            let topic = find_topic(&mut self.addresses, &self.topics, &raw);
            match (raw.error(), topic) {
                (None, Some(topic)) => {
                    let bytes = drained.bytes.saturating_add(raw.bytes());
                    let full = drained.messages >= events_max || bytes > bytes_max;
                    if drained.messages > 0 && full {
                        return false;
                    }
                    drained.messages += 1;
                    drained.bytes = bytes;
                    sink(message(&raw, topic));
                }
                (Some(RDKafkaErrorCode::PartitionEOF), Some(topic)) => {
                    let (partition, next_offset) = (raw.partition, raw.offset);
                    drained.ends.push(PartitionEnd { topic, partition, next_offset });
                }
                (Some(code), _) => {
                    let trouble = Trouble::new(TroubleKind::of(code), raw.error_text());
                    drained.troubles.push(match topic.and_then(|topic| self.topics.get(topic)) {
                        Some(name) => trouble.at(name, raw.partition),
                        None => trouble,
                    });
                }
                // Only assigned topics are fetched, so this record is nobody's.
                (None, None) => {}
            }
            self.batch.pop();
        }
        true
    }

    fn take_notices(&self, drained: &mut Drained) {
        while let Some(trouble) = self.notices.next_trouble() {
            drained.troubles.push(trouble);
        }
    }
}

fn message<'b>(raw: &Raw<'b>, topic: usize) -> Message<'b> {
    Message {
        topic,
        partition: raw.partition,
        offset: raw.offset,
        timestamp_ms: raw.timestamp_ms(),
        payload: raw.payload,
        key: raw.key,
    }
}

/// The index of a message's topic; names are compared once per topic and assignment.
fn find_topic(
    addresses: &mut Vec<(usize, usize)>,
    topics: &[String],
    raw: &Raw<'_>,
) -> Option<usize> {
    let address = raw.topic_address();
    if let Some((_, topic)) = addresses.iter().find(|(known, _)| *known == address) {
        return Some(*topic);
    }
    let name = raw.topic_name();
    let topic = topics.iter().position(|topic| *topic == name)?;
    addresses.push((address, topic));
    Some(topic)
}
