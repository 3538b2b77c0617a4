//! Dead letters: refused records that leave the process again, once they are durable.

use crate::store::{OutboxEntry, Rejected};

/// Kind of outbox entries that are dead letters.
pub const KIND: u8 = 1;

/// The outbox entry that sends a refused record to a topic: its bytes as they came, and what is
/// known of it as headers.
pub fn entry(topic: &str, rejected: &Rejected) -> OutboxEntry {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    OutboxEntry {
        kind: KIND,
        topic: topic.to_owned(),
        key: None,
        payload: rejected.bytes.clone(),
        headers: vec![
            header("odometer-reason", &rejected.reason),
            header("odometer-detail", &rejected.detail),
            header("odometer-source", &rejected.source),
            header("odometer-offset", &rejected.offset.to_string()),
            header("odometer-index", &rejected.index.to_string()),
        ],
    }
}
