//! Refused records that are taken in after all, once what was against them is gone.
//!
//! A record is decoded again and its events are applied at the position that they had when they
//! were refused, so that the figures are those of a log in which they were never refused. An event
//! whose transaction counts already is a duplicate, or takes the place of a later copy. The mark
//! that a record was replayed is written in the commit that holds its events: it is replayed whole
//! and once, whatever happens in between.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::bounded;

use super::checkpoint::{Extra, Request};
use super::shared::Shared;
use super::worker::Command;
use crate::core::event::{Event, Rejection};
use crate::core::position::{Position, Source};
use crate::engine::batch::{Batch, Refused};
use crate::engine::isolate::{Panicked, isolated};
use crate::engine::keys::{names_hash, remainder, slot_of};
use crate::log::decode::{Decoder, Limits};
use crate::store::{Rejected, StoreError};

/// Records of one commit. Their events are applied in one go, and slots are not sealed meanwhile.
pub const STEP_RECORDS_MAX: usize = 256;

/// Which records are replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Number of the first one looked at.
    pub from: u64,
    /// Number after the last one; none: all that are there when it begins.
    pub to: Option<u64>,
    /// Only those that were refused for this reason.
    pub reason: Option<String>,
}

/// What became of the records that were selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records whose events were taken in, wholly or in part.
    pub replayed: u64,
    /// Records that were replayed before.
    pub before: u64,
    /// Records that are refused again.
    pub refused: u64,
    /// Records that cannot be replayed yet: not every slot has read past them.
    pub waiting: u64,
}

/// Why nothing was replayed, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The refused records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service ends.
    #[error("the service is stopping\n  hint: what is not marked as replayed can be tried again")]
    Stopping,
}

/// Replays records, step by step, and returns once all is durable. Blocks.
///
/// # Errors
///
/// See [`ReplayError`]; what was replayed before stays so.
pub fn replay(
    shared: &Arc<Shared>,
    limits: Limits,
    selection: &Selection,
) -> Result<Replayed, ReplayError> {
    let end = selection.to.unwrap_or(u64::MAX).min(shared.store.rejected_state().next);
    let mut all = Replayed::default();
    let mut from = Some(selection.from);
    while let Some(first) = from.filter(|first| *first < end) {
        let page = shared.store.rejected(first, STEP_RECORDS_MAX)?;
        let chosen = page.entries.into_iter().filter(|(number, entry)| {
            *number < end && selection.reason.as_ref().is_none_or(|reason| *reason == entry.reason)
        });
        let step = step(shared, limits, chosen.map(|(number, _)| number).collect())?;
        all.replayed += step.replayed;
        all.before += step.before;
        all.refused += step.refused;
        all.waiting += step.waiting;
        from = page.next;
    }
    Ok(all)
}

fn step(shared: &Arc<Shared>, limits: Limits, numbers: Vec<u64>) -> Result<Replayed, ReplayError> {
    if numbers.is_empty() {
        return Ok(Replayed::default());
    }
    let (done, durable) = bounded(1);
    let (told, outcome) = bounded(1);
    let own = Arc::clone(shared);
    let prepare = Box::new(move || {
        let mut step = Step { shared: &own, limits, batch: Batch::default(), records: Vec::new() };
        let applied = step.read(&numbers).map_err(ReplayError::from).and_then(|replayed| {
            let extra = step.apply().ok_or(ReplayError::Stopping)?;
            Ok((replayed, extra))
        });
        match applied {
            Err(error) => {
                let _ = told.send(Err(error));
                None
            }
            Ok((mut replayed, (extra, refused))) => {
                replayed.replayed = extra.replayed.len() as u64;
                replayed.refused += refused;
                let _ = told.send(Ok(replayed));
                Some(extra)
            }
        }
    });
    let sent = shared.checkpoints.send(Request::With { prepare, done });
    sent.map_err(|_| ReplayError::Stopping)?;
    let replayed = outcome.recv().map_err(|_| ReplayError::Stopping)??;
    durable.recv().map_err(|_| ReplayError::Stopping)?;
    shared.metrics.rejected_replayed.inc_by(replayed.replayed);
    Ok(replayed)
}

/// One record that is decoded again.
struct Record {
    number: u64,
    entry: Rejected,
    /// Positions of the events that are applied.
    events: Vec<Position>,
    /// What is refused of it now.
    refused: Vec<(Position, Rejection)>,
}

/// One step, on the thread of the checkpoints: no other is under way.
struct Step<'s> {
    shared: &'s Shared,
    limits: Limits,
    batch: Batch,
    records: Vec<Record>,
}

impl Step<'_> {
    /// Decodes the records. Whether one was replayed is asked of the store now, since another
    /// request may have been faster.
    fn read(&mut self, numbers: &[u64]) -> Result<Replayed, StoreError> {
        let mut replayed = Replayed::default();
        for number in numbers {
            let Some(entry) = self.shared.store.rejected_at(*number)? else { continue };
            if entry.replayed.is_some() {
                replayed.before += 1;
                continue;
            }
            let Some(source) = source_of(self.shared, &entry.source) else {
                replayed.waiting += 1;
                continue;
            };
            let passed = self.decode(*number, entry, source);
            replayed.waiting += u64::from(!passed);
        }
        self.batch.seal(self.shared.slots);
        Ok(replayed)
    }

    /// Decodes one record into the batch; false if a slot of its events is not past it yet, and
    /// would read it a second time.
    fn decode(&mut self, number: u64, entry: Rejected, source: Source) -> bool {
        let shared = self.shared;
        let mut passed = true;
        let mark = self.batch.mark();
        let looked = self.each_event(&entry, source, &mut |at, outcome| {
            if let Ok(event) = outcome {
                let names = names_hash(event.organization, event.subscription);
                let view = shared.board.slot(slot_of(names, shared.slots));
                passed &= view.ready && view.progress.passed(&at);
            }
        });
        if !passed {
            return false;
        }
        let (mut events, mut refused) = (Vec::new(), Vec::new());
        let mut batch = std::mem::take(&mut self.batch);
        let read = self.each_event(&entry, source, &mut |at, outcome| match outcome {
            Err(rejection) => refused.push((at, rejection)),
            Ok(event) => {
                batch.push(event, at, None, &shared.hasher, shared.slots);
                events.push(at);
            }
        });
        if looked.and(read).is_err() {
            // It cannot be decoded yet: none of its events is taken, and so it is refused again.
            batch.rewind(mark);
            events.clear();
        }
        self.batch = batch;
        self.records.push(Record { number, entry, events, refused });
        true
    }

    /// Hands out what a record is now found to hold: the one event that was refused, or all if the
    /// record was. An object is one event, whatever its place was among those it came with.
    ///
    /// # Errors
    ///
    /// What a panic said: what was handed out until then is not all.
    fn each_event(
        &self,
        entry: &Rejected,
        source: Source,
        sink: &mut dyn FnMut(Position, Result<&Event<'_>, Rejection>),
    ) -> Result<(), Panicked> {
        let whole = is_whole(&entry.reason);
        let Rejected { log_time, offset, .. } = *entry;
        let payload = (entry.reason != Rejection::Tombstone.reason()).then_some(&*entry.bytes);
        let alone = entry.bytes.trim_ascii_start().first() == Some(&b'{');
        let mut each = |index, outcome: Result<Event<'_>, Rejection>| {
            let index = if alone { entry.index } else { index };
            if !whole && index != entry.index {
                return;
            }
            let at = Position { log_time, source, offset, index };
            let admitted = outcome.and_then(|event| {
                let admitted = self.shared.catalogue.admit(&event, log_time)?;
                Ok((event, admitted))
            });
            match admitted {
                Err(rejection) => sink(at, Err(rejection)),
                Ok((mut event, admitted)) => {
                    if let Some(properties) = &admitted.properties {
                        event.properties = properties.as_ref();
                    }
                    sink(at, Ok(&event));
                }
            }
        };
        isolated(|| Decoder::new().decode(payload, &self.limits, &mut each))
    }

    /// Has the workers apply the batch. Returns what is to be written, and how many records are
    /// refused again. None: the service ends.
    fn apply(&mut self) -> Option<(Extra, u64)> {
        let batch = Arc::new(std::mem::take(&mut self.batch));
        let replies = self.shared.commands.iter().map(|worker| {
            let (reply, refused) = bounded(1);
            worker.send(Command::Replay(Arc::clone(&batch), reply)).ok()?;
            Some(refused)
        });
        let replies: Vec<_> = replies.collect::<Option<_>>()?;
        let mut unfit = HashMap::new();
        for reply in replies {
            unfit.extend(reply.recv().ok()?);
        }
        let mut extra = Extra::default();
        let mut again = 0;
        let now = self.shared.clock.now();
        for record in std::mem::take(&mut self.records) {
            let Record { number, entry, events, mut refused } = record;
            let count = events.len();
            let left = events.into_iter().filter_map(|at| unfit.remove_entry(&at));
            let left: Vec<_> = left.collect();
            if count == left.len() {
                again += 1;
                continue;
            }
            extra.replayed.push((number, now));
            refused.extend(left);
            // What is refused of a record whose other events are taken is kept by itself.
            for (position, rejection) in refused {
                self.shared.metrics.count_rejected(rejection.reason(), 1);
                let slot = remainder(u64::from(position.source.partition()), self.shared.slots);
                let bytes = entry.bytes.clone();
                let refused = Refused { slot, position, rejection, bytes };
                extra.rejected.push(self.shared.rejected_row(&refused));
            }
        }
        Some((extra, again))
    }
}

/// Whether a reason concerns a record as a whole, and so all events that it is found to hold.
fn is_whole(reason: &str) -> bool {
    let items = [
        Rejection::NotAnObject.reason(),
        Rejection::Mandatory("").reason(),
        Rejection::Invalid("").reason(),
        Rejection::OutOfRange("").reason(),
        Rejection::UnknownOrganization.reason(),
        Rejection::Expression(String::new()).reason(),
        Rejection::Internal(String::new()).reason(),
    ];
    !items.contains(&reason)
}

/// The partition that a kept record names.
fn source_of(shared: &Shared, name: &str) -> Option<Source> {
    let (topic, partition) = name.rsplit_once('-')?;
    shared.sources.find(topic, partition.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_concerns_a_record_or_one_event_of_it() {
        for whole in [
            Rejection::Tombstone,
            Rejection::TooLarge { bytes: 2, limit: 1 },
            Rejection::NotUtf8,
            Rejection::NotJson(String::new()),
            Rejection::TooDeep(1),
            Rejection::TooManyEvents(1),
            Rejection::InternalDecode(String::new()),
        ] {
            assert!(is_whole(whole.reason()), "{whole}");
        }
        for item in [
            Rejection::NotAnObject,
            Rejection::Mandatory("code"),
            Rejection::Invalid("code"),
            Rejection::OutOfRange("code"),
            Rejection::UnknownOrganization,
            Rejection::Expression(String::new()),
            Rejection::Internal(String::new()),
        ] {
            assert!(!is_whole(item.reason()), "{item}");
        }
    }
}
