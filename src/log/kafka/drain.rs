//! Array drain of librdkafka's queue: many records per call instead of one.
//!
//! The one file beside `topics.rs` that talks to librdkafka without its safe wrapper, which hands
//! over single records only. Everything here owns what it points to and frees it once.
#![allow(unsafe_code, reason = "the wrapper has no array drain; each block states why it is sound")]

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, NativeClient};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::{RDKafkaRespErr, RDKafkaType};

use super::error::{Trouble, TroubleKind};
use super::logging::Logging;

/// Records taken from librdkafka at once. Beyond some hundreds the cost per record stays the same;
/// fewer keep less memory aside when a drain ends at its bound.
const BATCH_MAX: usize = 4096;

/// Creates a reader whose errors and log lines come through its main queue.
pub(super) fn create_reader(config: &ClientConfig) -> Result<Client<Logging>, KafkaError> {
    let native = config.create_native_config()?;
    // SAFETY: the pointer is that of a configuration that lives until the end of this function.
    unsafe { sys::rd_kafka_conf_set_events(native.ptr(), sys::RD_KAFKA_EVENT_ERROR) };
    Client::new(config, native, RDKafkaType::RD_KAFKA_CONSUMER, Logging)
}

/// Replaces the partitions that a reader fetches.
pub(super) fn assign(
    client: &NativeClient,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    // SAFETY: both pointers belong to live values; librdkafka copies the list.
    let code = unsafe { sys::rd_kafka_assign(client.ptr(), partitions.ptr()) };
    match RDKafkaErrorCode::from(code) {
        RDKafkaErrorCode::NoError => Ok(()),
        code => Err(KafkaError::Global(code)),
    }
}

/// The consumer queue or the main queue of a reader. Must be dropped before the reader.
pub(super) struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the pointer holds one reference of its own, which is given back once.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

impl Queue {
    /// Where records arrive.
    pub(super) fn of_records(client: &NativeClient) -> Option<Self> {
        // SAFETY: the client is alive; the result is null or a reference of our own.
        NonNull::new(unsafe { sys::rd_kafka_queue_get_consumer(client.ptr()) }).map(Self)
    }

    /// Where errors and log lines arrive.
    pub(super) fn of_notices(client: &NativeClient) -> Option<Self> {
        // SAFETY: the client is alive; the result is null or a reference of our own.
        NonNull::new(unsafe { sys::rd_kafka_queue_get_main(client.ptr()) }).map(Self)
    }

    /// Writes waiting log lines to our log and returns the next error that concerns no single
    /// partition; `None` once nothing waits. Never blocks.
    pub(super) fn next_trouble(&self) -> Option<Trouble> {
        loop {
            // SAFETY: the queue is alive; the event is ours until it is destroyed below.
            let event = NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.0.as_ptr(), 0) })?;
            let trouble = read_event(event.as_ptr());
            // SAFETY: the event came from the poll above and is not used after this.
            unsafe { sys::rd_kafka_event_destroy(event.as_ptr()) };
            if trouble.is_some() {
                return trouble;
            }
        }
    }
}

/// Reads a live event of the main queue; what is neither a log line nor an error is passed over.
fn read_event(event: *mut sys::rd_kafka_event_t) -> Option<Trouble> {
    // SAFETY: the caller hands over an event that it owns, so it may be asked for its type; texts
    // live as long as the event and are copied here.
    unsafe {
        match sys::rd_kafka_event_type(event) {
            sys::RD_KAFKA_EVENT_LOG => {
                let (mut facility, mut line) = (ptr::null(), ptr::null());
                let mut level = 0;
                sys::rd_kafka_event_log(event, &raw mut facility, &raw mut line, &raw mut level);
                log_line(level, &copy(facility), &copy(line));
                None
            }
            sys::RD_KAFKA_EVENT_ERROR => {
                let fatal = sys::rd_kafka_event_error_is_fatal(event) != 0;
                let code = RDKafkaErrorCode::from(sys::rd_kafka_event_error(event));
                let kind = if fatal { TroubleKind::Fatal } else { TroubleKind::of(code) };
                let detail = copy(sys::rd_kafka_event_error_string(event));
                Some(Trouble::new(kind, detail))
            }
            _ => None,
        }
    }
}

/// Syslog levels: up to 3 are errors, 4 is a warning, 5 and 6 are notes, 7 is debugging.
fn log_line(level: c_int, facility: &str, line: &str) {
    match level {
        0..=3 => tracing::error!(target: "librdkafka", "{facility}: {line}"),
        4 => tracing::warn!(target: "librdkafka", "{facility}: {line}"),
        5..=6 => tracing::info!(target: "librdkafka", "{facility}: {line}"),
        _ => tracing::debug!(target: "librdkafka", "{facility}: {line}"),
    }
}

/// Copies a text of librdkafka.
///
/// # Safety
///
/// The pointer is null or that of a text that ends in NUL and lives during the call.
unsafe fn copy(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned()
}

/// Records that were taken from librdkafka and not handed on yet.
pub(super) struct Batch {
    /// Every pointer from `next` on is a message that we own.
    messages: Vec<*mut sys::rd_kafka_message_t>,
    next: usize,
}

// SAFETY: messages may be read and destroyed by any thread; `Batch` is their only owner.
unsafe impl Send for Batch {}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { messages: Vec::with_capacity(BATCH_MAX), next: 0 }
    }

    /// Throws away what is left.
    pub(super) fn clear(&mut self) {
        while self.pop() {}
    }

    /// Takes up to `count` records from the queue. A positive `timeout` waits for one; the records
    /// that follow it are for the next call, since librdkafka would wait for all of them.
    pub(super) fn fill(&mut self, queue: &Queue, count: usize, timeout: Duration) {
        if self.next < self.messages.len() {
            return;
        }
        self.messages.clear();
        self.next = 0;
        let count = if timeout.is_zero() { count.clamp(1, BATCH_MAX) } else { 1 };
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        let room = self.messages.spare_capacity_mut();
        let count = count.min(room.len());
        // SAFETY: the queue is alive, and `room` has space for `count` pointers.
        let taken = unsafe {
            let pointers = room.as_mut_ptr().cast();
            sys::rd_kafka_consume_batch_queue(queue.0.as_ptr(), millis, pointers, count)
        };
        let taken = usize::try_from(taken).unwrap_or(0).min(count);
        // SAFETY: librdkafka has written that many pointers, each a message that is now ours.
        unsafe { self.messages.set_len(taken) };
    }

    /// The next record.
    pub(super) fn peek(&self) -> Option<Raw<'_>> {
        let message = *self.messages.get(self.next)?;
        // SAFETY: the message is owned by this batch, and so it and its bytes live unchanged while
        // `self` is borrowed. The error is read as a number: brokers may send codes that the
        // bindings have no name for. Payload and key are null or have the lengths beside them.
        unsafe {
            Some(Raw {
                error: (&raw const (*message).err).cast::<i32>().read(),
                topic: (*message).rkt,
                partition: (*message).partition,
                offset: (*message).offset,
                payload: slice((*message).payload.cast(), (*message).len),
                key: slice((*message).key.cast(), (*message).key_len),
                message,
            })
        }
    }

    /// Frees the next record; false if there is none.
    pub(super) fn pop(&mut self) -> bool {
        let Some(message) = self.messages.get(self.next) else { return false };
        // SAFETY: the message is owned by this batch, and no borrow of it is left since `self` is
        // borrowed mutably. Moving on keeps it from being freed twice.
        unsafe { sys::rd_kafka_message_destroy(*message) };
        self.next += 1;
        true
    }
}

/// A record as librdkafka hands it over, or a message about its partition.
#[derive(Clone, Copy)]
pub(super) struct Raw<'b> {
    message: *const sys::rd_kafka_message_t,
    error: i32,
    topic: *const sys::rd_kafka_topic_t,
    /// Partition of the topic.
    pub partition: i32,
    /// Offset of the record; at the end of a partition the one to go on from.
    pub offset: i64,
    /// The value.
    pub payload: Option<&'b [u8]>,
    /// The key.
    pub key: Option<&'b [u8]>,
}

impl Raw<'_> {
    /// What went wrong, if this is no record. The end of the partition is an error too.
    pub(super) fn error(&self) -> Option<RDKafkaErrorCode> {
        if self.error == 0 {
            return None;
        }
        let known = RDKafkaRespErr::try_from(self.error);
        Some(known.map_or(RDKafkaErrorCode::Unknown, RDKafkaErrorCode::from))
    }

    /// librdkafka's words about the error.
    pub(super) fn error_text(&self) -> String {
        // SAFETY: the message lives while this value borrows its batch; the text is copied.
        unsafe { copy(sys::rd_kafka_message_errstr(self.message)) }
    }

    /// Names the topic for as long as it is assigned: equal topics have equal addresses.
    pub(super) fn topic_address(&self) -> usize {
        self.topic.addr()
    }

    /// The topic's name; empty if the message concerns none.
    pub(super) fn topic_name(&self) -> String {
        if self.topic.is_null() {
            return String::new();
        }
        // SAFETY: the message holds a reference to its topic, so the name lives; it is copied.
        unsafe { copy(sys::rd_kafka_topic_name(self.topic)) }
    }

    /// Bytes of key and value.
    pub(super) fn bytes(&self) -> usize {
        self.payload.map_or(0, <[u8]>::len) + self.key.map_or(0, <[u8]>::len)
    }

    /// Milliseconds since the epoch, by the producer's or the broker's clock.
    pub(super) fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message lives while this value borrows its batch, and `kind` may be written.
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.message, &raw mut kind) };
        let known = kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        (known && millis >= 0).then_some(millis)
    }
}

/// # Safety
///
/// The pointer is null, or that of `length` bytes that live and do not change during `'b`.
unsafe fn slice<'b>(bytes: *const u8, length: usize) -> Option<&'b [u8]> {
    // SAFETY: not null here, and the caller vouches for the rest.
    (!bytes.is_null()).then(|| unsafe { std::slice::from_raw_parts(bytes, length) })
}
