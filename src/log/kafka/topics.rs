//! What a cluster says about itself and its topics: ids, partitions, watermarks.
#![allow(
    unsafe_code,
    reason = "the wrapper does not give topic ids; each block says why it is sound"
)]

use std::ffi::{CString, c_int};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;

use super::client::{self, Properties};
use super::drain::{self, Queue};
use super::error::{ConnectError, Trouble, TroubleKind};
use super::logging::Logging;

/// A topic of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id: a topic that was deleted and created again has another one.
    pub id: u128,
    /// Number of partitions; they are numbered from 0.
    pub partitions: i32,
}

/// The ends of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// Offset of the oldest record that is kept.
    pub low: i64,
    /// The offset after the newest record that a reader of committed records may see.
    pub high: i64,
}

/// Asks a cluster about its topics.
pub struct KafkaTopics {
    /// Goes before the client that it belongs to: fields drop in this order.
    notices: Queue,
    client: Client<Logging>,
}

impl KafkaTopics {
    /// Makes a client; brokers are contacted at the first question.
    pub fn connect(properties: &Properties) -> Result<Self, ConnectError> {
        let client = drain::create_reader(&client::reader(properties))?;
        let notices = Queue::of_notices(client.native_client())
            .ok_or_else(|| ConnectError::Client("the client has no queue".to_owned()))?;
        Ok(Self { notices, client })
    }

    /// The id of the cluster.
    pub fn cluster_id(&self, timeout: Duration) -> Result<String, Trouble> {
        let id = self.client.fetch_cluster_id(timeout);
        let unreachable =
            || Trouble::new(TroubleKind::Unreachable, "no broker has named its cluster");
        id.ok_or_else(|| self.first_trouble().unwrap_or_else(unreachable))
    }

    /// The named topics, in the order of the names. A topic that does not exist is an error.
    pub fn describe(&self, names: &[String], timeout: Duration) -> Result<Vec<Topic>, Trouble> {
        let mut topics = Vec::with_capacity(names.len());
        for name in names {
            topics.push(self.describe_one(name, timeout)?);
        }
        Ok(topics)
    }

    /// The ends of a partition.
    pub fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<Watermarks, Trouble> {
        let (low, high) = self
            .client
            .fetch_watermarks(topic, partition, timeout)
            .map_err(|error| Trouble::of(&error).at(topic, partition))?;
        Ok(Watermarks { low, high })
    }

    /// Empties the notices; the first of them says more than a timeout would.
    fn first_trouble(&self) -> Option<Trouble> {
        let first = self.notices.next_trouble();
        while self.notices.next_trouble().is_some() {}
        first
    }

    fn describe_one(&self, name: &str, timeout: Duration) -> Result<Topic, Trouble> {
        let invalid = |_| Trouble::new(TroubleKind::UnknownTopic, "the name holds a NUL");
        let name_c = CString::new(name).map_err(invalid)?;
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        let answer = Answer::ask(&self.client, &name_c, millis);
        let trouble = self.first_trouble();
        let silent =
            || Trouble::new(TroubleKind::Unreachable, format!("no answer about the topic {name}"));
        match answer.map(|answer| answer.topic(name)) {
            Some(Err(late)) if late.kind == TroubleKind::Unreachable => {
                Err(trouble.unwrap_or(late))
            }
            Some(told) => told,
            None => Err(trouble.unwrap_or_else(silent)),
        }
    }
}

/// The event that answers a question about one topic.
struct Answer(NonNull<sys::rd_kafka_event_t>);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: the event is ours and is not used after this.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

impl Answer {
    /// Asks and waits. Every object made on the way is freed here; the event is kept.
    fn ask(client: &Client<Logging>, name: &CString, millis: c_int) -> Option<Self> {
        let rk = client.native_ptr();
        let mut names = [name.as_ptr()];
        // SAFETY: `rk` is alive during the call. The list copies the name. Options, list and queue
        // are made here, outlive the request call, which copies what it needs, and are freed once;
        // librdkafka keeps its own reference to the queue while the request is under way.
        unsafe {
            let queue = sys::rd_kafka_queue_new(rk);
            let list = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
            let options = sys::rd_kafka_AdminOptions_new(
                rk,
                sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            );
            sys::rd_kafka_AdminOptions_set_request_timeout(options, millis, ptr::null_mut(), 0);
            sys::rd_kafka_DescribeTopics(rk, list, options, queue);
            let event = sys::rd_kafka_queue_poll(queue, millis);
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_TopicCollection_destroy(list);
            sys::rd_kafka_queue_destroy(queue);
            NonNull::new(event).map(Self)
        }
    }

    fn topic(&self, name: &str) -> Result<Topic, Trouble> {
        let event = self.0.as_ptr();
        let trouble = |code, detail: String| {
            Trouble::new(TroubleKind::of(code), format!("topic {name}: {detail}"))
        };
        // SAFETY: the event is alive during the call, and so is all that it lends out; everything
        // is copied. Pointers are checked where librdkafka may give null.
        unsafe {
            let code = RDKafkaErrorCode::from(sys::rd_kafka_event_error(event));
            if code != RDKafkaErrorCode::NoError {
                return Err(trouble(code, code.to_string()));
            }
            let mut count = 0;
            let result = sys::rd_kafka_event_DescribeTopics_result(event);
            let topics = if result.is_null() {
                ptr::null_mut()
            } else {
                sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count)
            };
            if topics.is_null() || count != 1 {
                return Err(trouble(RDKafkaErrorCode::Unknown, "no description".to_owned()));
            }
            let topic = *topics;
            let error = sys::rd_kafka_TopicDescription_error(topic);
            if !error.is_null() {
                let code = RDKafkaErrorCode::from(sys::rd_kafka_error_code(error));
                if code != RDKafkaErrorCode::NoError {
                    return Err(trouble(code, code.to_string()));
                }
            }
            let id = sys::rd_kafka_TopicDescription_topic_id(topic);
            let mut partitions = 0;
            sys::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
            Ok(Topic {
                name: name.to_owned(),
                id: if id.is_null() { 0 } else { uuid(id) },
                partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
            })
        }
    }
}

/// # Safety
///
/// The pointer is that of a live id.
unsafe fn uuid(id: *const sys::rd_kafka_Uuid_t) -> u128 {
    // SAFETY: the caller vouches for the pointer.
    let (high, low) = unsafe {
        (
            sys::rd_kafka_Uuid_most_significant_bits(id),
            sys::rd_kafka_Uuid_least_significant_bits(id),
        )
    };
    (u128::from(high.cast_unsigned()) << 64) | u128::from(low.cast_unsigned())
}
