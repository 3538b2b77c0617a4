//! What is written to the logs: the events of the cases, copies of them, what is no event, and
//! changes of the catalogue.

use std::collections::BTreeMap;

use odometer::core::catalog::record::Record;
use odometer::log::catalog::encode_record;
use serde_json::{Value as Json, json};

use crate::cases::Dice;
use crate::cases::case::Case;
use crate::fired::Fired;
use crate::logs::Log;
use crate::model::{Model, Sent};
use crate::oracle::{Tenant, difference, zone};

const DAY: i64 = 86_400_000_000;
/// Cases that are chosen from: those whose rules the fidelity tests have gone through, so that what
/// is found here is a matter of order and of what was stored.
const CASES: usize = 2_000;
/// Time of the first round's records, milliseconds, and of how much later each further round is.
const BEGAN_MS: i64 = 1_600_000_000_000;
const ROUND_MS: i64 = 10_000;
/// Milliseconds by which copies may lie before what they are copies of.
const COPY_MS: i64 = 400_000;

/// The catalogue as one record of its log has left it.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// By organisation.
    pub tenants: Vec<Option<Tenant>>,
    /// By organisation and customer, with the log times from which on.
    pub zones: Vec<BTreeMap<String, Vec<(i64, String)>>>,
}

/// Something that is still to be written.
enum Todo {
    Change(usize),
    Event(usize, i64, Json),
}

/// Who writes.
pub struct Feed {
    pub cases: Vec<Case>,
    pub names: Vec<String>,
    /// By version of the catalogue.
    pub snapshots: Vec<Snapshot>,
    round: usize,
    todo: Vec<Todo>,
    written: Vec<(usize, Json, i64)>,
}

impl Feed {
    /// Of so many cases.
    pub fn new(dice: &mut Dice, count: u64) -> Self {
        let case = |number: u64| Case::generate(0, dice.below(CASES) as u64).renumbered(number + 1);
        let cases: Vec<Case> = (0..count).map(case).collect();
        let names = (0..count).map(|number| format!("org-{number}")).collect();
        let empty = Snapshot {
            tenants: cases.iter().map(|_| None).collect(),
            zones: cases.iter().map(|_| BTreeMap::new()).collect(),
        };
        Self {
            cases,
            names,
            snapshots: vec![empty],
            round: 0,
            todo: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Begins a round. Returns whether there was one more.
    pub fn begin(&mut self, round: usize, dice: &mut Dice) -> bool {
        self.round = round;
        let mut todo = Vec::new();
        for (at, case) in self.cases.iter().enumerate() {
            let Some(round) = case.rounds.get(round) else { continue };
            if round.tenant.is_some() {
                todo.push(Todo::Change(at));
            }
            let event = |sent: &crate::cases::events::Sent| {
                Todo::Event(at, sent.behind_ms, named(&sent.record, &self.names[at]))
            };
            todo.extend(round.events.iter().map(event));
        }
        for at in (1..todo.len()).rev() {
            todo.swap(at, dice.below(at + 1));
        }
        self.todo = todo;
        self.cases.iter().any(|case| case.rounds.len() > round)
    }

    /// Whether all of the round is written.
    pub fn is_done(&self) -> bool {
        self.todo.is_empty()
    }

    /// What the clock shows in an organisation's present round.
    pub fn now(&self, organization: usize) -> i64 {
        let rounds = &self.cases[organization].rounds;
        rounds[self.round.min(rounds.len() - 1)].now
    }

    /// Writes something.
    pub fn write(
        &mut self,
        dice: &mut Dice,
        (events, catalogue): (&Log, &Log),
        now: i64,
        model: &mut Model,
        fired: &mut Fired,
    ) {
        let round_ms = BEGAN_MS + i64::try_from(self.round).unwrap() * ROUND_MS;
        match dice.below(20) {
            0 | 1 if !self.written.is_empty() => {
                let (at, record, behind_ms) = dice.pick(&self.written).clone();
                let at_ms = round_ms + behind_ms - dice.within(-ROUND_MS, COPY_MS);
                self.append(dice, events, (at, &record, at_ms), model, fired);
            }
            2 => poison(dice, events, round_ms, model, fired),
            3 => {
                events.skip(dice.below(events.len()));
                fired.note("a hole in the offsets");
            }
            _ => match self.todo.pop() {
                Some(Todo::Change(at)) => {
                    self.change(catalogue, at, now);
                    fired.note("a change of the catalogue");
                }
                Some(Todo::Event(at, behind_ms, record)) => {
                    self.append(dice, events, (at, &record, round_ms + behind_ms), model, fired);
                    self.written.push((at, record, behind_ms));
                }
                None => {}
            },
        }
    }

    fn append(
        &self,
        dice: &mut Dice,
        log: &Log,
        (at, record, at_ms): (usize, &Json, i64),
        model: &mut Model,
        fired: &mut Fired,
    ) {
        let timeless = dice.percent(4);
        if timeless {
            fired.note("a record without a time");
        }
        if self.snapshots.last().is_some_and(|last| last.tenants[at].is_none()) {
            fired.note("an event before its organisation");
        }
        let mut items = match record {
            Json::Array(items) => items.clone(),
            event => vec![event.clone()],
        };
        let partition = dice.below(log.len());
        let spoiled = record.is_array() && dice.percent(30);
        if spoiled {
            items.insert(0, json!(5));
        }
        let payload = if record.is_array() { json!(items) } else { record.clone() };
        let bytes = Some(payload.to_string().into_bytes());
        let sent = append(log, partition, (!timeless).then_some(at_ms), bytes);
        let now = self.now(at);
        for (item, index) in items.iter().zip(0..) {
            if item.is_number() {
                model.refused(sent, index, "not_an_object");
                fired.note("a record that is no event");
                continue;
            }
            let (copy, when) = model.event(sent, index, at, item);
            if copy {
                fired.note("a copy of a transaction");
            }
            if when > now {
                fired.note("an event of the future");
            }
            if when < now - 31 * DAY {
                fired.note("an event of a time long past");
            }
        }
    }

    fn change(&mut self, log: &Log, at: usize, now: i64) {
        let mut tenant = self.cases[at].rounds[self.round].tenant.clone().unwrap();
        tenant.organization.external_id.clone_from(&self.names[at]);
        tenant.organization.api_keys.clear();
        let mut snapshot = self.snapshots.last().unwrap().clone();
        let changes = difference(snapshot.tenants[at].as_ref(), &tenant);
        if changes.is_empty() {
            return;
        }
        let payload = encode_record(&Record { changes, expects: Vec::new() });
        let (_, log_ms) = log.append(0, Some(now.div_euclid(1_000)), Some(payload));
        for customer in &tenant.customers {
            let zones = snapshot.zones[at].entry(customer.external_id.clone()).or_default();
            zones.retain(|(from, _)| *from < log_ms * 1_000);
            let zone = zone(&tenant, customer);
            if zones.last().is_none_or(|(_, last)| last != zone) {
                zones.push((log_ms * 1_000, zone.to_owned()));
            }
        }
        snapshot.tenants[at] = Some(tenant);
        self.snapshots.push(snapshot);
    }
}

fn append(log: &Log, partition: usize, at_ms: Option<i64>, payload: Option<Vec<u8>>) -> Sent {
    let (offset, log_ms) = log.append(partition, at_ms, payload);
    Sent { partition: u16::try_from(partition).unwrap(), offset, log_ms }
}

/// Something that is no event.
fn poison(dice: &mut Dice, log: &Log, at_ms: i64, model: &mut Model, fired: &mut Fired) {
    let deep = vec![b'['; 100];
    let kinds: [(Option<&[u8]>, Option<&'static str>); 8] = [
        (None, Some("tombstone")),
        (Some(b"{"), Some("not_json")),
        (Some(b"\"\xff\xfe\""), Some("not_utf8")),
        (Some(b"5"), Some("not_an_object")),
        (Some(b"[]"), None),
        (Some(b"{}"), Some("value_is_mandatory")),
        (Some(&deep), Some("too_deep")),
        (Some(b""), Some("not_json")),
    ];
    let (payload, reason) = *dice.pick(&kinds);
    let partition = dice.below(log.len());
    let sent = append(log, partition, Some(at_ms), payload.map(<[u8]>::to_vec));
    fired.note("a record that is no event");
    if let Some(reason) = reason {
        model.refused(sent, 0, reason);
    }
}

/// The record with its organisation.
fn named(record: &Json, organization: &str) -> Json {
    let named = |event: &Json| {
        let mut event = event.clone();
        event["organization_id"] = json!(organization);
        event
    };
    match record {
        Json::Array(list) => list.iter().map(named).collect(),
        event => named(event),
    }
}
