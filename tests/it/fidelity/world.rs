//! A service that many cases share, each in an organisation of its own.

use std::collections::BTreeMap;

use odometer::core::instant::Instant;
use serde_json::{Value as Json, json};

use super::case::Case;
use super::coverage::Coverage;
use super::events::Sent;
use super::feed::{Feed, Outgoing};
use crate::oracle::{Event, Expected, Question, Tenant, answer, difference, zone};
use crate::scenario_seeds::api_key;
use crate::service::TestService;

/// Organisations whose changes go into one catalogue record.
const ORGANIZATIONS_PER_RECORD: usize = 20;

/// An answer that is not the expected one.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Place of the case in the world.
    pub at: usize,
    /// Number of the case.
    pub case: u64,
    pub round: usize,
    /// After what.
    pub when: &'static str,
    pub question: Question,
    pub expected: Expected,
    pub actual: Expected,
}

/// One case with what is known of it so far.
struct Lived {
    case: Case,
    name: String,
    shown: Option<Tenant>,
    /// All its records.
    events: Vec<Event>,
    /// The zones that each customer had, by external id, with the log times from which on.
    zones: BTreeMap<String, Vec<(i64, String)>>,
}

impl Lived {
    /// Notes the zones in force from a log time on.
    fn note_zones(&mut self, at: i64) {
        let Some(tenant) = &self.shown else { return };
        for customer in &tenant.customers {
            let zones = self.zones.entry(customer.external_id.clone()).or_default();
            zones.retain(|(from, _)| *from < at);
            let zone = zone(tenant, customer);
            if zones.last().is_none_or(|(_, last)| last != zone) {
                zones.push((at, zone.to_owned()));
            }
        }
    }
}

/// Cases on their way through one service.
pub struct World {
    pub service: TestService,
    feed: Feed,
    lived: Vec<Lived>,
    /// What was answered.
    pub coverage: Coverage,
}

impl World {
    /// A world of these cases. `first` sets their ids apart from those of all others on the
    /// service.
    pub fn new(service: TestService, feed: Feed, cases: &[Case], first: u64) -> Self {
        let lived = cases.iter().zip(first..).map(|(case, high)| Lived {
            case: case.renumbered(high),
            name: format!("case-{high}"),
            shown: None,
            events: Vec::new(),
            zones: BTreeMap::new(),
        });
        Self { lived: lived.collect(), service, feed, coverage: Coverage::default() }
    }

    /// Rounds of the longest case.
    pub fn rounds(&self) -> usize {
        self.lived.iter().map(|lived| lived.case.rounds.len()).max().unwrap_or_default()
    }

    /// The changes of a round, then its records, or the other way round.
    pub fn happen(&mut self, round: usize) {
        if round.is_multiple_of(2) {
            self.change(round);
            self.send(round);
        } else {
            self.send(round);
            self.change(round);
        }
    }

    fn change(&mut self, round: usize) {
        for part in self.lived.chunks_mut(ORGANIZATIONS_PER_RECORD) {
            let mut changes = Vec::new();
            for lived in part.iter_mut() {
                let Some(round) = lived.case.rounds.get(round) else { continue };
                let Some(tenant) = &round.tenant else { continue };
                let mut tenant = tenant.clone();
                tenant.organization.external_id.clone_from(&lived.name);
                tenant.organization.api_keys = vec![api_key(&lived.name)];
                changes.extend(difference(lived.shown.as_ref(), &tenant));
                lived.shown = Some(tenant);
            }
            if !changes.is_empty() {
                let at = self.feed.change(&self.service, changes);
                for lived in part.iter_mut() {
                    lived.note_zones(at);
                }
            }
        }
    }

    fn send(&mut self, round: usize) {
        let mut records = Vec::new();
        let mut events = Vec::new();
        for (at, lived) in self.lived.iter().enumerate() {
            for sent in lived.case.rounds.get(round).map_or(&[][..], |round| &round.events) {
                let record = named(sent, &lived.name);
                records.push(Outgoing {
                    partition: sent.partition,
                    behind_ms: sent.behind_ms,
                    payload: record.to_string(),
                });
                events.push((at, record));
            }
        }
        let places = self.feed.send(&self.service, round, &records);
        for ((at, record), place) in events.into_iter().zip(places) {
            let list = match &record {
                Json::Array(list) => list.as_slice(),
                one => std::slice::from_ref(one),
            };
            for (event, index) in list.iter().zip(0..) {
                let place = (place.0, place.1, place.2, index);
                self.lived[at].events.push(Event::read(event, place));
            }
        }
    }

    /// Asks the questions of a round. `most` bounds their number for each case.
    pub fn ask(&mut self, round: usize, when: &'static str, most: usize) -> Vec<Mismatch> {
        let mut mismatches = Vec::new();
        let offsets = self.feed.end(&self.service);
        for (at, lived) in self.lived.iter().enumerate() {
            let (now, number) = (lived.case.rounds.get(round), round);
            let (Some(round), Some(tenant)) = (now, &lived.shown) else { continue };
            self.service.set_clock(Instant(round.now));
            for question in round.questions.iter().take(most) {
                let expected = answer(tenant, &lived.zones, &lived.events, question, round.now);
                let actual = self.answer(&lived.name, question, &offsets);
                if expected.status == 200 {
                    self.coverage.note(lived.case.number, tenant, &expected.body);
                }
                if actual != expected {
                    mismatches.push(Mismatch {
                        at,
                        case: lived.case.number,
                        round: number,
                        when,
                        question: question.clone(),
                        expected,
                        actual,
                    });
                    break;
                }
            }
        }
        mismatches
    }

    /// Asks the questions of every case's last round again.
    pub fn ask_again(&mut self, when: &'static str, most: usize) -> Vec<Mismatch> {
        let mut mismatches = Vec::new();
        for round in 0..self.rounds() {
            let mut found = self.ask(round, when, most);
            found.retain(|found| self.lived[found.at].case.rounds.len() == round + 1);
            mismatches.extend(found);
        }
        mismatches
    }

    fn answer(&self, organization: &str, question: &Question, offsets: &str) -> Expected {
        let answer =
            self.service.usage_at(organization, &question.customer, &question.query(), offsets);
        Expected { status: answer.status, body: answer.body }
    }
}

/// The record with its organisation.
fn named(sent: &Sent, organization: &str) -> Json {
    let named = |event: &Json| {
        let mut event = event.clone();
        event["organization_id"] = json!(organization);
        event
    };
    match &sent.record {
        Json::Array(list) => list.iter().map(named).collect(),
        event => named(event),
    }
}
