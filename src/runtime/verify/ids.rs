//! The index of ids against the events of the ledger: every event has its entry, and every entry
//! its event.

use std::collections::BTreeSet;

use crate::core::position::Position;
use crate::store::{IdKey, StoreError};

use super::Subject;
use super::findings::{Difference, Findings};

/// Ids that are looked up together: sorted, they share what is read.
const LOOKED_UP_MAX: usize = 4096;

/// An event whose entry is to be looked at.
struct Wanted {
    key: IdKey,
    position: Position,
    /// Positions that the entry may have instead, or none at all: the event is in a block that the
    /// index does not have to include yet.
    lagging: Option<BTreeSet<Position>>,
    account: String,
}

/// Looks at the entries of one slot's events.
pub struct IdCheck<'a> {
    subject: &'a Subject,
    slot: u8,
    waiting: Vec<Wanted>,
    found: u64,
}

impl<'a> IdCheck<'a> {
    /// Nothing looked at yet.
    pub fn new(subject: &'a Subject, slot: u8) -> Self {
        Self { subject, slot, waiting: Vec::new(), found: 0 }
    }

    /// Looks, now or a little later, whether the index has an event.
    pub fn want(
        &mut self,
        id: crate::engine::dedup::IdKey,
        position: Position,
        lagging: Option<BTreeSet<Position>>,
        account: &str,
        findings: &mut Findings,
    ) {
        let key = IdKey { slot: self.slot, transaction: id.transaction, id: id.identity };
        self.waiting.push(Wanted { key, position, lagging, account: account.to_owned() });
        if self.waiting.len() >= LOOKED_UP_MAX {
            self.look(findings);
        }
    }

    fn look(&mut self, findings: &mut Findings) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable_by_key(|wanted| wanted.key);
        let keys: Vec<IdKey> = waiting.iter().map(|wanted| wanted.key).collect();
        let stored = match self.subject.store.lookup_ids(&keys) {
            Ok(stored) => stored,
            Err(error) => return findings.differ(self.unreadable(&error)),
        };
        for (wanted, stored) in waiting.into_iter().zip(stored) {
            self.found += u64::from(stored.is_some());
            let fits = match (stored, &wanted.lagging) {
                (Some(stored), _) if stored == wanted.position => true,
                (Some(stored), Some(lagging)) => lagging.contains(&stored),
                (None, lagging) => lagging.is_some(),
                (Some(_), None) => false,
            };
            if fits {
                continue;
            }
            let named = |position: &Position| {
                format!("{} offset {}", self.subject.names.name(position.source), position.offset)
            };
            let what = match stored {
                None => format!("the event at {} has no id stored", named(&wanted.position)),
                Some(stored) => format!(
                    "the event at {} has its id stored with {}",
                    named(&wanted.position),
                    named(&stored)
                ),
            };
            findings.differ(Difference::new(Some(self.slot), "ids", wanted.account, what));
        }
    }

    /// Looks at what is left, and then at the index as a whole.
    pub fn end(mut self, findings: &mut Findings) {
        self.look(findings);
        let mut entries = 0;
        let walked = self.subject.store.each_id(self.slot, |_, _| entries += 1);
        if let Err(error) = walked {
            return findings.differ(self.unreadable(&error));
        }
        findings.tally.ids += entries;
        if entries != self.found {
            let what = format!("{entries} ids are stored, {} of them have an event", self.found);
            findings.differ(Difference::new(Some(self.slot), "ids", "ids".to_owned(), what));
        }
    }

    fn unreadable(&self, error: &StoreError) -> Difference {
        Difference::new(Some(self.slot), "ids", "ids".to_owned(), error.to_string())
    }
}
