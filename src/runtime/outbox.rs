//! Sends what waits in the outbox. At least once: an entry leaves the store when it is
//! acknowledged.

use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use crate::log::kafka::producer::SendError;
use crate::log::kafka::{KafkaProducer, Record};
use crate::store::OutboxEntry;

/// Entries sent before their acknowledgements are awaited.
const ENTRIES_MAX: usize = 256;
/// Bytes sent before their acknowledgements are awaited.
const BYTES_MAX: usize = 4 << 20;
/// Pause when nothing waits, and after a failure.
const PAUSE: Duration = Duration::from_millis(200);

/// Sends until the service stops.
pub fn run(shared: &Arc<Shared>, producer: &KafkaProducer) {
    while !shared.is_stopping() {
        let sent = send_some(shared, producer).unwrap_or_else(|detail| {
            tracing::warn!(detail, "dead letters wait");
            false
        });
        if !sent {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Sends what waits, within bounds. Returns whether there was anything.
fn send_some(shared: &Shared, producer: &KafkaProducer) -> Result<bool, String> {
    let state = shared.store.outbox_state();
    shared.metrics.outbox_pending.set(state.next - state.first);
    let entries = shared
        .store
        .outbox(state.first, ENTRIES_MAX, BYTES_MAX)
        .map_err(|error| error.to_string())?;
    let Some((last, _)) = entries.last() else { return Ok(false) };
    let last = *last;
    let deliveries: Result<Vec<_>, SendError> =
        entries.iter().map(|(_, entry)| producer.send(&record(entry, &headers(entry)))).collect();
    for delivery in deliveries.map_err(|error| error.to_string())? {
        delivery.wait().map_err(|trouble| trouble.to_string())?;
    }
    shared.store.acknowledge(last + 1).map_err(|error| error.to_string())?;
    Ok(true)
}

fn headers(entry: &OutboxEntry) -> Vec<(&str, &[u8])> {
    entry.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}

fn record<'a>(entry: &'a OutboxEntry, headers: &'a [(&'a str, &'a [u8])]) -> Record<'a> {
    Record {
        topic: &entry.topic,
        partition: None,
        key: entry.key.as_deref(),
        payload: Some(&entry.payload),
        timestamp_ms: None,
        headers,
    }
}
