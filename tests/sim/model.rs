//! What must have become of the records: computed from nothing but the records as they were sent,
//! for any offsets up to which they may have been applied.

use std::collections::{BTreeMap, BTreeSet};

use odometer::core::instant::Instant;
use odometer::core::position::{Position, Source};
use odometer::engine::digest::Digest;
use odometer::engine::keys::{names_hash, remainder, slot_of};
use odometer::engine::progress::Progress;

use crate::oracle::Event;

/// One event of a record, or what was no event.
struct Element {
    partition: u16,
    offset: i64,
    index: u32,
    slot: u8,
    what: What,
}

enum What {
    Event { organization: usize, names: u64, event: Event },
    Refused(&'static str),
}

/// What a slot must say of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Transactions.
    pub transactions: u64,
    /// Those of organisations that are not known.
    pub aside: u64,
    /// Further copies of them, whichever of them counts.
    pub copies: u64,
    /// What was no event.
    pub rejected: u64,
    /// Of the events that count.
    pub digest: Digest,
}

/// A refused record: partition, offset, index, reason.
pub type Refused = (u16, i64, u32, String);

/// All records so far.
pub struct Model {
    /// The topic as positions name it, once it has been read.
    pub label: u16,
    slots: u16,
    names: Vec<String>,
    elements: Vec<Element>,
}

/// A moment of the log in a partition: partition, offset, log time in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub partition: u16,
    pub offset: i64,
    pub log_ms: i64,
}

impl Model {
    /// No records yet, of organisations with these names.
    pub fn new(slots: u16, names: Vec<String>) -> Self {
        Self { label: 0, slots, names, elements: Vec::new() }
    }

    /// The partition as positions name it.
    pub fn source(&self, partition: u16) -> Source {
        Source::new(self.label, partition)
    }

    /// A record holds an event. Returns whether it is a copy of one before, and its time.
    pub fn event(
        &mut self,
        sent: Sent,
        index: u32,
        organization: usize,
        event: &serde_json::Value,
    ) -> (bool, i64) {
        let place = (sent.log_ms * 1_000, sent.partition, sent.offset, index);
        let event = Event::read(event, place);
        let names = names_hash(&self.names[organization], event.subscription.as_deref());
        let is_copy = |element: &Element| match &element.what {
            What::Event { organization: of, event: other, .. } => {
                *of == organization
                    && event.subscription.is_some()
                    && (&other.subscription, &other.transaction)
                        == (&event.subscription, &event.transaction)
            }
            What::Refused(_) => false,
        };
        let told = (self.elements.iter().any(is_copy), event.timestamp);
        self.elements.push(Element {
            partition: sent.partition,
            offset: sent.offset,
            index,
            slot: slot_of(names, self.slots),
            what: What::Event { organization, names, event },
        });
        told
    }

    /// A record, or part of it, is no event.
    pub fn refused(&mut self, sent: Sent, index: u32, reason: &'static str) {
        self.elements.push(Element {
            partition: sent.partition,
            offset: sent.offset,
            index,
            slot: remainder(u64::from(sent.partition), self.slots),
            what: What::Refused(reason),
        });
    }

    fn below<'m>(&'m self, progress: &'m Progress) -> impl Iterator<Item = &'m Element> {
        let below = |e: &&Element| e.offset < progress.next(self.source(e.partition));
        self.elements.iter().filter(below)
    }

    /// What a slot that has applied everything below these offsets must say of itself.
    pub fn expected(
        &self,
        slot: u8,
        progress: &Progress,
        known: impl Fn(usize) -> bool,
    ) -> Expected {
        let mut expected = Expected::default();
        let mut seen: BTreeMap<(usize, &str, &str), Position> = BTreeMap::new();
        for element in self.below(progress).filter(|element| element.slot == slot) {
            let What::Event { organization, names, event } = &element.what else {
                expected.rejected += 1;
                continue;
            };
            let position = Position {
                log_time: Instant(event.place.0),
                source: self.source(element.partition),
                offset: element.offset,
                index: element.index,
            };
            let share = |at: &Position| Digest::of(*names, &event.transaction, at);
            if let Some(subscription) = &event.subscription {
                let id = (*organization, subscription.as_str(), event.transaction.as_str());
                if let Some(first) = seen.get_mut(&id) {
                    expected.copies += 1;
                    if position < *first {
                        expected.digest.remove(share(first));
                        expected.digest.add(share(&position));
                        *first = position;
                    }
                    continue;
                }
                seen.insert(id, position);
            }
            expected.digest.add(share(&position));
            expected.transactions += 1;
            expected.aside += u64::from(!known(*organization));
        }
        expected
    }

    /// The events of an organisation below these offsets, copies included.
    pub fn events(&self, organization: usize, progress: &Progress) -> Vec<Event> {
        let own = |element: &Element| match &element.what {
            What::Event { organization: of, event, .. } if *of == organization => {
                Some(event.clone())
            }
            _ => None,
        };
        self.below(progress).filter_map(own).collect()
    }

    /// What slots that have applied everything below these offsets must have refused.
    pub fn all_refused(&self, slots: &[Progress]) -> BTreeSet<Refused> {
        let of_slot = |(slot, progress)| {
            self.below(progress).filter(move |e| e.slot == slot).filter_map(|element| {
                let What::Refused(reason) = element.what else { return None };
                Some((element.partition, element.offset, element.index, reason.to_owned()))
            })
        };
        (0..).zip(slots).flat_map(of_slot).collect()
    }
}
