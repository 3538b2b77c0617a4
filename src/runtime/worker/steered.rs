//! What an operator has decided: places behind gaps, and events that were refused once.

use super::{Worker, count};
use crate::core::event::Rejection;
use crate::core::instant::Instant;
use crate::core::position::{Position, Source};
use crate::engine::batch::Batch;
use crate::engine::progress::Reached;
use crate::engine::slot::{Context, Turn};
use crate::runtime::fatal::Fatal;
use crate::runtime::on_board::OnBoard;
use crate::runtime::poison;

/// Where every slot stands in a partition from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The partition.
    pub source: Source,
    /// The offset from which it is read on.
    pub next: i64,
    /// The log time there.
    pub log_time: Instant,
    /// Whether the offsets begin anew: slots that stand behind the place go back to it. Log time
    /// must be past all that was read then, so that no two records have one position.
    pub anew: bool,
}

impl Worker {
    /// Puts the slots behind a gap.
    pub(super) fn move_to(&mut self, to: Move) {
        for owned in &mut self.slots {
            let mut reached = Reached { source: to.source, next: to.next, log_time: to.log_time };
            if let Some(own) = owned.slot.progress.get(to.source).filter(|_| !to.anew) {
                reached.next = reached.next.max(own.next);
                reached.log_time = reached.log_time.max(own.log_time);
            }
            owned.slot.progress.set(reached);
            owned.changed = true;
            owned.announce(&self.shared.board);
        }
        self.shared.wake();
    }

    /// Applies events that were refused once, at their places. Returns those that are again, and
    /// why.
    pub(super) fn replay(&mut self, batch: &Batch) -> Result<Vec<(Position, Rejection)>, Fatal> {
        let now = self.shared.clock.now();
        let mut refused = Vec::new();
        for at in 0..self.slots.len() {
            if batch.events_len(self.slots[at].slot.number) > 0 {
                self.bring_in_for(at, batch)?;
                refused.extend(self.replay_to(at, batch, now));
            }
        }
        self.shared.wake();
        Ok(refused)
    }

    fn replay_to(&mut self, at: usize, batch: &Batch, now: Instant) -> Vec<(Position, Rejection)> {
        let ids: Vec<_> = batch.ids(self.slots[at].slot.number).map(|(id, _)| id).collect();
        let found = match self.positions_of(at, &ids) {
            Ok(found) => found,
            Err(error) => {
                // Whether they count already is not known, so they stay refused.
                tracing::error!(%error, "replayed records are refused, since ids cannot be read");
                let why = Rejection::Internal(error.to_string());
                let events = batch.events(self.slots[at].slot.number);
                return events.map(|event| (event.position, why.clone())).collect();
            }
        };
        let shared = &self.shared;
        let owned = &mut self.slots[at];
        let number = owned.batch + 1;
        let before = owned.slot.counters;
        let mut view = (*shared.board.slot(owned.slot.number)).clone();
        view.running = Some((number, std::sync::Arc::clone(&view.progress)));
        shared.board.announce(owned.slot.number, view);
        let mut accounts = OnBoard { shared, now, seen: &mut owned.accounts };
        let turned = owned.slot.apply(
            batch,
            &mut Context {
                accounts: &mut accounts,
                ledger: &mut owned.open,
                tenants: &*shared.catalogue,
                lookup: &found,
                folding: &mut self.folding,
                number,
                turn: Turn::Replayed,
                sequence: owned.sequence,
            },
        );
        let unknown = turned.unknown.iter();
        let unknown = unknown.map(|incoming| (incoming.position, Rejection::UnknownOrganization));
        let failed = turned.failed.iter();
        let failed = failed.map(|(incoming, panicked)| poison::event(shared, incoming, panicked));
        let failed = failed.map(|refused| (refused.position, refused.rejection));
        let refused = unknown.chain(failed).collect();
        owned.batch = number;
        owned.changed = true;
        owned.announce(&shared.board);
        count(&shared.metrics, before, owned.slot.counters);
        refused
    }
}
