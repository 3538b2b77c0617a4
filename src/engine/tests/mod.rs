//! The engine under random traffic, judged by scans that know nothing of it.

mod account;
mod repair;
mod shape;
mod slot;

use std::sync::Arc;

use super::account::Folding;
use super::draft::Draft;
use super::frame::{Frame, Spell};
use super::shape::Shape;
use super::totals::Cells;
use crate::core::aggregate::kept::{Caps, SetKey};
use crate::core::catalog::{
    Aggregation, BillableMetric, BillingTime, Charge, ChargeFilter, Interval, MetricFilter, Plan,
    fixtures,
};
use crate::core::event::Usage;
use crate::core::instant::{Instant, SECOND};
use crate::core::matching::Buckets;
use crate::core::period::{Terms, Zone};
use crate::core::position::{Position, Source};
use crate::core::properties::{Kind, PropertiesBuf};

const WEEK: i64 = 7 * 86_400 * SECOND;
/// Groups that are kept in these tests.
const GROUPS_MAX: usize = 3;
const CAPS: Caps = Caps { groups_max: GROUPS_MAX, values_max: 100 };

fn folding() -> Folding {
    Folding { caps: CAPS, key: SetKey::new([7; 16]), buckets: Buckets::default(), over_cap: 0 }
}

/// An event with everything that the tests vary.
#[derive(Clone, Debug)]
struct Sample {
    code: &'static str,
    timestamp: Instant,
    position: Position,
    transaction: String,
    properties: PropertiesBuf,
}

impl Sample {
    fn usage(&self) -> Usage<'_> {
        Usage {
            timestamp: self.timestamp,
            position: self.position,
            transaction: &self.transaction,
            properties: self.properties.as_ref(),
            precise_cents: None,
        }
    }
}

/// Properties with a value to add up and a region to group by.
fn properties(value: i64, region: u8) -> PropertiesBuf {
    let mut properties = PropertiesBuf::default();
    properties.push("value", Kind::Number, &value.to_string());
    properties.push("region", Kind::Text, &format!("r{region}"));
    properties
}

/// Properties of a megabyte.
fn long() -> PropertiesBuf {
    let mut properties = PropertiesBuf::default();
    properties.push("value", Kind::Text, &"x".repeat(1 << 20));
    properties
}

fn at(log_time: i64, partition: u16, offset: i64) -> Position {
    Position { log_time: Instant(log_time), source: Source::new(0, partition), offset, index: 0 }
}

fn metric(id: u128, code: &str, aggregation: Aggregation) -> BillableMetric {
    let values = vec!["r0".to_owned(), "r1".to_owned()];
    let filters = vec![MetricFilter { key: "region".to_owned(), values }];
    BillableMetric { filters, ..fixtures::metric(id, code, aggregation) }
}

fn charge(id: u128, metric: u128) -> Charge {
    fixtures::charge(id, metric, fixtures::free())
}

fn filter(id: u128, region: &str) -> ChargeFilter {
    fixtures::filter(id, ("region", region), fixtures::free())
}

/// A count, a sum with a filter, a sum split by region, and two metrics that look back: a sum and
/// the distinct values by region.
fn plan() -> Plan {
    let filtered = Charge { filters: vec![filter(10, "r0")], ..charge(2, 2) };
    let by_region = |charge| Charge { pricing_group_keys: vec!["region".to_owned()], ..charge };
    let grouped = by_region(charge(3, 2));
    let recurring = [charge(4, 3), by_region(charge(5, 4))];
    fixtures::plan(1, [charge(1, 1), filtered, grouped].into_iter().chain(recurring).collect())
}

fn metrics() -> [BillableMetric; 4] {
    let recurring = |metric| BillableMetric { recurring: true, ..metric };
    [
        metric(1, "calls", Aggregation::Count),
        metric(2, "bytes", Aggregation::Sum),
        recurring(metric(3, "seats", Aggregation::Sum)),
        recurring(metric(4, "users", Aggregation::UniqueCount)),
    ]
}

fn compiled(plan: &Plan, metrics: &[BillableMetric]) -> Shape {
    Shape::compile(plan, |id| metrics.iter().find(|metric| metric.id == id))
}

/// Weeks since long ago, under [`plan`].
fn frame() -> Arc<Frame> {
    let shape = Arc::new(compiled(&plan(), &metrics()));
    let terms = Terms {
        interval: Interval::Weekly,
        bill_charges_monthly: false,
        billing_time: BillingTime::Calendar,
        subscription_at: Instant(0),
        started_at: Some(Instant(0)),
        zone: Zone::UTC,
        previous: None,
    };
    let stints = Vec::new();
    Arc::new(Frame { digest: shape.digest, shape, terms, stints, ingestion: None })
}

/// What a scan of these events gives for a window.
fn scan<'s>(frame: &Frame, spell: Spell, events: impl IntoIterator<Item = &'s Sample>) -> Cells {
    let mut cells = Cells::default();
    let mut folding = folding();
    let reach = frame.reach(spell.window)..=spell.window.to;
    for event in events.into_iter().filter(|event| reach.contains(&event.timestamp)) {
        cells.fold(frame, spell, event.code, &event.usage(), &mut folding);
    }
    cells
}

/// What a scan gives a draft, and how many events it reads.
fn feed(frame: &Frame, spell: Spell, mut draft: Draft, events: &[Sample]) -> (Cells, usize) {
    let reach = draft.from()..=spell.window.to;
    let mut events: Vec<&Sample> =
        events.iter().filter(|event| reach.contains(&event.timestamp)).collect();
    events.sort_by_key(|event| (event.timestamp, event.position));
    draft.begin(frame, spell);
    let mut folding = folding();
    for event in &events {
        draft.fold(frame, spell, event.code, &event.usage(), &mut folding);
    }
    (draft.finish(frame, spell).0, events.len())
}
