//! What is told of an event agrees with what is computed from it.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::core::catalog::{Aggregation, BillingTime, Charge, Interval};
use crate::core::decimal::Decimal;
use crate::core::instant::SECOND;
use crate::core::period::Zone;
use crate::core::position::Position;
use crate::core::usage::kept::lines::Line;
use crate::core::usage::kept::world::{Size, world};
use crate::core::usage::tests::{charge, filter, metric, plan, properties, standard};
use crate::core::usage::{Ask, Quantities, Request};

const DAY: i64 = 86_400 * SECOND;
/// 15 February 1970, noon.
const NOW: Instant = Instant(45 * DAY + DAY / 2);

fn row(id: u128, started_at: i64, ended_at: Option<i64>) -> Subscription {
    Subscription {
        id: Uuid::from_u128(id),
        external_id: "s".into(),
        customer: "c".into(),
        plan: Uuid::from_u128(1),
        name: None,
        billing_time: BillingTime::Calendar,
        subscription_at: Instant(started_at),
        started_at: Some(Instant(started_at)),
        ending_at: None,
        terminated_at: ended_at.map(Instant),
        status: if ended_at.is_some() { Status::Terminated } else { Status::Active },
        previous: None,
        created_at: Instant(started_at),
    }
}

fn terms(row: &Subscription) -> Terms {
    Terms {
        interval: Interval::Monthly,
        bill_charges_monthly: false,
        billing_time: row.billing_time,
        subscription_at: row.subscription_at,
        started_at: row.started_at,
        zone: Zone::UTC,
        previous: None,
    }
}

/// The rows of one external id on one plan, and the metric with the code of the events.
struct Setup {
    rows: Vec<Subscription>,
    plan: Plan,
    metric: Option<BillableMetric>,
}

impl Setup {
    /// A subscription that began on 10 January, and a charge that has a filter and a group.
    fn new(aggregation: Aggregation) -> Self {
        let mut priced = charge(1, standard("1"), vec![filter(2, "eu", standard("2"))]);
        priced.pricing_group_keys = vec!["cloud".into()];
        Self {
            rows: vec![row(1, 9 * DAY, None)],
            plan: plan(vec![priced, charge(3, standard("1"), Vec::new())]),
            metric: Some(metric(aggregation)),
        }
    }

    fn told<R>(&self, at: i64, sent: &[(&str, &str)], look: impl FnOnce(&Story<'_>) -> R) -> R {
        let event = UsageBuf {
            code: "calls".into(),
            timestamp: Instant(at),
            position: Position::default(),
            transaction: "t".into(),
            properties: properties(sent),
            precise_cents: None,
        };
        let terms: Vec<Terms> = self.rows.iter().map(terms).collect();
        let serves = |row: &Subscription| row.status_at(NOW) == Status::Active;
        let standings: Vec<Standing<'_>> = self
            .rows
            .iter()
            .zip(&terms)
            .map(|(row, terms)| Standing {
                subscription: row,
                plan: &self.plan,
                terms,
                stints: &[],
                serves: serves(row),
            })
            .collect();
        let metric = self.metric.as_ref();
        let case = Case { event: &event, standings: &standings, metric, ingestion: None, now: NOW };
        look(&case.story())
    }

    fn outcome(&self, at: i64, sent: &[(&str, &str)]) -> Outcome {
        self.told(at, sent, |story| story.outcome.clone())
    }
}

#[test]
fn an_applied_event_names_charges_filters_groups_and_its_worth() {
    let setup = Setup::new(Aggregation::Sum);
    setup.told(40 * DAY, &[("value", "2.5"), ("region", "eu"), ("cloud", "aws")], |story| {
        assert_eq!(story.outcome, Outcome::Applied);
        let february = Window { from: Instant(31 * DAY), to: Instant(59 * DAY - 1) };
        assert_eq!(story.window, Some((february, Relation::Current)));
        let [filtered, plain] = &story.fates[..] else { panic!("{:?}", story.fates) };
        assert_eq!((filtered.kind, plain.kind), (FateKind::Applied, FateKind::Applied));
        let worth = Worth::Number(Decimal::parse_numeric("2.5").unwrap());
        assert_eq!(filtered.worth, Some(worth));
        let ids: Vec<_> = filtered.buckets.iter().map(|own| own.filter.map(|f| f.id)).collect();
        assert_eq!(ids, [Some(Uuid::from_u128(2))]);
        assert_eq!(filtered.buckets[0].group, [], "a filter has keys of its own");
        assert_eq!(plain.buckets, [Taken { filter: None, group: Vec::new() }]);
    });
    setup.told(40 * DAY, &[("value", "1"), ("region", "us"), ("cloud", "aws")], |story| {
        let group = vec![("cloud".to_owned(), Some("aws".into()))];
        assert_eq!(story.fates[0].buckets, [Taken { filter: None, group }]);
    });
}

#[test]
fn every_reason_has_its_outcome() {
    let sum = Setup::new(Aggregation::Sum);
    let one = [("value", "1")];
    assert_eq!(sum.outcome(40 * DAY, &[("value", "1e3")]), Outcome::NotNumeric);
    assert_eq!(sum.outcome(20 * DAY, &one), Outcome::OtherWindow);
    assert_eq!(sum.outcome(60 * DAY, &one), Outcome::OtherWindow);
    assert_eq!(sum.outcome(8 * DAY, &one), Outcome::BeforeSubscription);
    assert_eq!(sum.outcome(20 * DAY, &[]), Outcome::NotNumeric, "in January it hid as well");
    let waiting =
        |subscription, metric, charge| Outcome::Waiting(Waiting { subscription, metric, charge });
    let unknown = Setup { metric: None, ..Setup::new(Aggregation::Sum) };
    assert_eq!(unknown.outcome(40 * DAY, &one), waiting(false, true, false));
    assert_eq!(unknown.outcome(8 * DAY, &one), waiting(false, true, false));
    let homeless = Setup { rows: Vec::new(), ..Setup::new(Aggregation::Sum) };
    assert_eq!(homeless.outcome(40 * DAY, &one), waiting(true, false, false));
    let both = Setup { rows: Vec::new(), metric: None, ..Setup::new(Aggregation::Sum) };
    assert_eq!(both.outcome(40 * DAY, &one), waiting(true, true, false));
    let free = Setup { plan: plan(Vec::new()), ..Setup::new(Aggregation::Sum) };
    assert_eq!(free.outcome(40 * DAY, &one), waiting(false, false, true));
    let ended = Setup { rows: vec![row(1, 9 * DAY, Some(44 * DAY))], ..sum };
    assert_eq!(ended.outcome(45 * DAY, &one), Outcome::AfterSubscription);
    ended.told(40 * DAY, &one, |story| {
        assert_eq!(story.outcome, Outcome::OtherWindow);
        let cut = Window { from: Instant(31 * DAY), to: Instant(44 * DAY) };
        assert_eq!(story.window, Some((cut, Relation::Past)));
    });
}

#[test]
fn a_recurring_metric_carries_what_came_before() {
    let mut setup = Setup::new(Aggregation::Sum);
    setup.metric = setup.metric.map(|metric| BillableMetric { recurring: true, ..metric });
    for at in [20 * DAY, 2 * DAY] {
        setup.told(at, &[("value", "1")], |story| {
            assert_eq!(story.outcome, Outcome::Applied);
            assert!(story.fates.iter().all(|fate| fate.kind == FateKind::Carried));
        });
    }
    assert_eq!(setup.outcome(60 * DAY, &[("value", "1")]), Outcome::OtherWindow);
}

#[test]
fn of_rows_that_follow_one_another_the_one_that_had_the_event_tells() {
    let mut setup = Setup::new(Aggregation::Count);
    setup.rows = vec![row(1, 9 * DAY, Some(40 * DAY)), row(2, 40 * DAY, None)];
    let of = |at: i64| {
        setup.told(at, &[], |story| {
            (story.outcome.clone(), story.subscription.map(|row| row.id.as_u128()))
        })
    };
    assert_eq!(of(35 * DAY), (Outcome::OtherWindow, Some(1)));
    assert_eq!(of(41 * DAY), (Outcome::Applied, Some(2)));
    assert_eq!(of(DAY), (Outcome::BeforeSubscription, Some(2)));
}

/// A charge of a line in a world, and what the scan makes of one event in one of its buckets.
fn shows(measured: &crate::core::usage::Measured) -> bool {
    measured.groups.iter().any(|(_, quantity)| {
        let amounts = [&quantity.count, &quantity.units];
        let total = quantity.total_aggregated_units.as_ref();
        amounts.into_iter().chain(total).any(|amount| !amount.is_zero())
    })
}

/// Whether an event that counts may leave every figure at zero.
fn is_silent(fate: &Fate<'_>) -> bool {
    match &fate.worth {
        Some(Worth::Distinct { adds, .. }) => !adds,
        // A carried value shows as itself alone.
        Some(Worth::Number(value)) => fate.kind == FateKind::Carried && value.is_zero(),
        None => false,
    }
}

proptest! {
    #[test]
    fn an_event_counts_where_the_scan_shows_it(
        world in world(Size::Small),
        line in prop::sample::select(Line::all()),
        second: bool,
    ) {
        let at = usize::from(second);
        let (metric, charge): (BillableMetric, Charge) = (world.metric(line), world.charge(line));
        let packed = world.properties();
        let (from, to, _) = world.windows[at];
        let window = Window { from, to };
        let carried = stretches(&world.stints, from);
        let ask = Ask::new(0, &charge, &metric, &Request::default());
        for event in world.usages(&packed) {
            let fate = fate((0, &charge, &metric), window, &carried, &event);
            let events = [event];
            let measured = world.scan(at, &events).measure(&ask);
            let measured = measured.map_err(|error| TestCaseError::fail(error.to_string()))?;
            for (bucket, measured) in ask.buckets.iter().zip(&measured) {
                let own = bucket.filter.map(|filter| filter.id);
                let taken = fate.buckets.iter().any(|t| t.filter.map(|filter| filter.id) == own);
                let counts = taken && fate.kind.counts();
                if counts != shows(measured) {
                    prop_assert!(counts && is_silent(&fate), "{fate:?} {measured:?}");
                }
            }
        }
    }
}
