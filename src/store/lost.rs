//! A store whose last writes are not there: whether it may be opened without them.
//!
//! The engine goes back to one moment of its write-ahead log. Sorted files of ids and totals do not
//! go back with it, since they are no part of that log. If one of them includes what was lost, the
//! brokers' second delivery would be taken for a copy or be added twice; then only a backup helps.

use std::ops::ControlFlow;

use super::codec::head::SlotHead;
use super::error::{OpenError, StoreError};
use super::rocks::Store;
use crate::core::position::Position;

/// What of its last writes was not there when a store was opened. It is at one moment all the same:
/// positions are written with what they lead up to, so the brokers give again what came after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The last write was not finished; nobody has been told that it was.
    CutOff,
    /// Writes that were finished are damaged; they are gone, and all that came after them.
    Damaged(String),
}

impl Store {
    /// What of its last writes was not there when it was opened.
    pub fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    /// Refuses a store that went back if anything in it is ahead of its heads. Reads all saved
    /// totals and all ids once.
    pub(super) fn refuse_ahead(&self) -> Result<(), OpenError> {
        for slot in 0..self.slots() {
            let head = self.head(slot)?.unwrap_or_default();
            let what = if self.totals_ahead(slot, &head)? {
                "saved totals"
            } else if self.ids_ahead(slot, &head)? {
                "the index of ids"
            } else {
                continue;
            };
            let path = self.path.clone();
            let detail = format!("{what} of slot {slot} include writes that are gone");
            return Err(OpenError::Damaged { path, detail });
        }
        Ok(())
    }

    fn totals_ahead(&self, slot: u8, head: &SlotHead) -> Result<bool, StoreError> {
        let mut ahead = false;
        self.each_totals(slot, None, |_, upto, _| {
            ahead = upto > head.next_sequence;
            if ahead { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(ahead)
    }

    fn ids_ahead(&self, slot: u8, head: &SlotHead) -> Result<bool, StoreError> {
        let mut ahead = false;
        self.each_id(slot, |_, position| ahead |= is_ahead(&position, head))?;
        Ok(ahead)
    }
}

/// Whether a position lies behind what a slot has read. Where offsets began anew, log time has gone
/// on, so what was read before that is known by it.
fn is_ahead(position: &Position, head: &SlotHead) -> bool {
    let read = head.sources.iter().find(|read| read.source == position.source);
    read.is_none_or(|read| {
        position.offset >= read.next_offset && position.log_time >= read.log_time
    })
}
