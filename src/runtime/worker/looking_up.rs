//! What the store's index says about transaction ids that memory cannot decide.

use std::collections::HashMap;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Command, Worker};
use crate::core::position::Position;
use crate::engine::batch::Batch;
use crate::engine::dedup::{IdKey, Lookup};
use crate::runtime::clock::Stopwatch;
use crate::runtime::fatal::Fatal;
use crate::store::{IdKey as StoreIdKey, StoreError};

/// Pause before the store is asked again after an error.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// What is being done when the index of ids does not answer.
const LOOKING_UP: &str = "looking up transaction ids";

/// Answers of the store's id index for one batch.
#[derive(Default)]
pub(super) struct Found(HashMap<u128, Position>);

impl Lookup for Found {
    fn position(&self, identity: u128) -> Option<Position> {
        self.0.get(&identity).copied()
    }
}

impl Worker {
    /// Asks the store's index about the ids that memory cannot decide. It is asked until it
    /// answers, since a guess would count an event twice or not at all; meanwhile commands are
    /// obeyed, so that readers and checkpoints do not wait for it.
    pub(super) fn look_up(
        &mut self,
        at: usize,
        batch: &Batch,
        commands: &Receiver<Command>,
    ) -> Result<Found, Fatal> {
        loop {
            // What is doubtful may change with the commands that were obeyed.
            let slot = &self.slots[at].slot;
            let doubtful = slot.doubtful(batch);
            let error = match self.positions_of(at, &doubtful) {
                Ok(found) => {
                    let lookups = &self.shared.metrics.ids_lookups;
                    lookups.store.inc_by(doubtful.len() as u64);
                    let known = batch.events_len(slot.number) - doubtful.len();
                    lookups.memory.inc_by(known as u64);
                    self.shared.troubles.works(LOOKING_UP);
                    return Ok(found);
                }
                Err(error) => error,
            };
            self.shared.troubles.failed(LOOKING_UP, &error);
            let watch = Stopwatch::start();
            while let Some(left) = RETRY_PAUSE.checked_sub(watch.elapsed()) {
                if self.shared.is_stopping() {
                    return Err(Fatal::store(LOOKING_UP)(error));
                }
                match commands.recv_timeout(left) {
                    Ok(command) => self.obey(command),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(Fatal::store(LOOKING_UP)(error));
                    }
                }
            }
        }
    }

    /// What the store's index says about ids.
    pub(super) fn positions_of(&self, at: usize, doubtful: &[IdKey]) -> Result<Found, StoreError> {
        let slot = &self.slots[at].slot;
        if doubtful.is_empty() {
            return Ok(Found::default());
        }
        let keys: Vec<StoreIdKey> = doubtful
            .iter()
            .map(|id| StoreIdKey {
                slot: slot.number,
                transaction: id.transaction,
                id: id.identity,
            })
            .collect();
        let positions = self.shared.store.lookup_ids(&keys)?;
        let pairs = doubtful.iter().zip(positions);
        let hits = pairs.filter_map(|(key, found)| Some((key.identity, found?)));
        Ok(Found(hits.collect()))
    }
}
