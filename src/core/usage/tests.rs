use uuid::Uuid;

use super::*;
use crate::core::aggregate::{Frame, Records, Stint};
use crate::core::catalog::{
    Aggregation, ChargeFilter, Interval, MetricFilter, PricingUnit, fixtures,
};
use crate::core::double::Double;
use crate::core::event::Usage;
use crate::core::instant::{Instant, SECOND};
use crate::core::period::Zone;
use crate::core::position::Position;
use crate::core::pricing::{Model, ModelKind};
use crate::core::properties::{Kind, PropertiesBuf};
use crate::core::value::Value;

pub(super) const DAY: i64 = 86_400 * SECOND;
/// A window of thirty days that starts with the epoch.
pub(super) const WINDOW: Window = Window { from: Instant(0), to: Instant(30 * DAY - 1) };

pub(super) fn metric(aggregation: Aggregation) -> BillableMetric {
    let filters = vec![MetricFilter { key: "region".into(), values: texts(&["eu", "us"]) }];
    BillableMetric {
        name: "API calls".into(),
        filters,
        ..fixtures::metric(100, "calls", aggregation)
    }
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn standard(amount: &str) -> Model {
    let properties = Value::Object(vec![("amount".into(), Value::Text(amount.into()))]);
    Model::from_properties(ModelKind::Standard, &properties)
}

pub(super) fn graduated(flat: &str) -> Model {
    let text = |text: &str| Value::Text(text.into());
    let range = Value::Object(vec![
        ("from_value".into(), Value::Number("0".into())),
        ("to_value".into(), Value::Null),
        ("per_unit_amount".into(), text("1")),
        ("flat_amount".into(), text(flat)),
    ]);
    let properties = Value::Object(vec![("graduated_ranges".into(), Value::List(vec![range]))]);
    Model::from_properties(ModelKind::Graduated, &properties)
}

pub(super) fn filter(number: u128, value: &str, model: Model) -> ChargeFilter {
    fixtures::filter(number, ("region", value), model)
}

pub(super) fn charge(number: u128, model: Model, filters: Vec<ChargeFilter>) -> Charge {
    Charge { filters, ..fixtures::charge(number, 100, model) }
}

pub(super) fn plan(charges: Vec<Charge>) -> Plan {
    Plan {
        id: Uuid::from_u128(1),
        code: "plan".into(),
        name: "Plan".into(),
        interval: Interval::Monthly,
        amount_cents: 0,
        currency: "EUR".into(),
        pay_in_advance: false,
        bill_charges_monthly: false,
        charges,
        taxes: Vec::new(),
        parent: None,
        echo: crate::core::catalog::Echo::default(),
        created_at: Instant(0),
    }
}

fn tax(rate: &str) -> Tax {
    Tax {
        id: Uuid::from_u128(50),
        code: "vat".into(),
        name: "VAT".into(),
        rate: Double::parse_literal(rate).unwrap(),
        description: None,
        created_at: Instant(0),
    }
}

pub(super) fn properties(members: &[(&str, &str)]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for (key, text) in members {
        properties.push(key, Kind::Text, text);
    }
    properties
}

pub(super) fn event(day: i64, offset: i64, properties: &PropertiesBuf) -> Usage<'_> {
    Usage {
        timestamp: Instant(day * DAY),
        position: Position { offset, ..Position::default() },
        transaction: "t",
        properties: properties.as_ref(),
        precise_cents: None,
    }
}

pub(super) fn scan<'a>(events: &'a [Usage<'a>], zone: &'a Zone) -> impl Quantities + 'a {
    limited(events, zone, ScanLimits::NONE)
}

fn limited<'a>(
    events: &'a [Usage<'a>],
    zone: &'a Zone,
    limits: ScanLimits,
) -> impl Quantities + 'a {
    Scan {
        events: move |_: &BillableMetric| Ok(events),
        stints: |_: &Charge| Vec::<Stint>::new(),
        frame: Frame { from: WINDOW.from, to: WINDOW.to, days: 30, zone },
        current_usage: true,
        fewer_days: 0,
        records: Records::Replay,
        limits,
    }
}

fn answer<'a>(
    plan: &'a Plan,
    metric: &'a BillableMetric,
    taxes: &'a [Tax],
    request: &Request,
    source: &impl Quantities,
) -> Result<CurrentUsage<'a>, UsageError> {
    let terms = Terms {
        plan,
        metrics: |id| (id == metric.id).then_some(metric),
        taxes: |_: &Charge| taxes.iter().collect(),
        window: WINDOW,
        issuing_date: Date::from_days(29),
        context: Context::CurrentUsage,
    };
    compute(&terms, request, source)
}

#[test]
fn the_complete_example_of_the_specification() {
    let plan = plan(vec![charge(1, standard("0.10"), vec![filter(2, "eu", standard("0.20"))])]);
    let (metric, taxes, zone) = (metric(Aggregation::Count), [tax("20")], Zone::UTC);
    let (eu, us) = (properties(&[("region", "eu")]), properties(&[("region", "us")]));
    let events: Vec<Usage<'_>> =
        [&eu, &us, &us, &eu, &us].iter().zip(0..).map(|(props, at)| event(at, at, props)).collect();
    let source = scan(&events, &zone);
    let usage = answer(&plan, &metric, &taxes, &Request::default(), &source).unwrap();
    let totals = (usage.amount_cents, usage.taxes_amount_cents, usage.total_amount_cents);
    assert_eq!(totals, (70, 14, 84));
    let [row] = &usage.charges[..] else { panic!("one charge") };
    assert_eq!((row.sum.events_count, row.sum.units.decstr()), (5, "5.0".into()));
    let filters: Vec<_> = row
        .filters
        .iter()
        .map(|row| (row.filter.is_some(), row.sum.units.decstr(), row.sum.amount_cents))
        .collect();
    assert_eq!(filters, [(true, "2.0".into(), 40), (false, "3.0".into(), 30)]);
    assert!(row.grouped.is_empty());

    let untaxed = Request { apply_taxes: false, ..Request::default() };
    let usage = answer(&plan, &metric, &taxes, &untaxed, &source).unwrap();
    assert_eq!((usage.taxes_amount_cents, usage.total_amount_cents), (0, 70));
}

#[test]
fn buckets_without_usage_still_pay_flat_amounts() {
    let mut grouped = charge(1, graduated("3"), vec![filter(2, "eu", graduated("2"))]);
    grouped.pricing_group_keys = texts(&["cloud"]);
    let (plan, metric, zone) = (plan(vec![grouped]), metric(Aggregation::Sum), Zone::UTC);
    let usage = answer(&plan, &metric, &[], &Request::default(), &scan(&[], &zone)).unwrap();
    let [row] = &usage.charges[..] else { panic!("one charge") };
    assert_eq!((usage.amount_cents, row.sum.events_count), (500, 0));
    // The filter has no group keys, so its fee is a group of its own.
    let groups: Vec<_> =
        row.grouped.iter().map(|row| (row.grouped_by.clone(), row.sum.amount_cents)).collect();
    assert_eq!(groups, [(vec![], 200), (vec![("cloud".into(), None)], 300)]);
}

#[test]
fn a_group_vanishes_only_beside_others() {
    let mut grouped = charge(1, standard("1"), Vec::new());
    grouped.pricing_group_keys = texts(&["cloud"]);
    grouped.pricing_unit = Some(PricingUnit {
        code: "credits".into(),
        short_name: "CR".into(),
        conversion_rate: Decimal::from_i128(5, 1),
    });
    let (plan, metric, zone) = (plan(vec![grouped]), metric(Aggregation::Sum), Zone::UTC);
    let aws = properties(&[("cloud", "aws"), ("value", "300")]);
    let events = [event(1, 1, &aws)];
    let usage = answer(&plan, &metric, &[], &Request::default(), &scan(&events, &zone)).unwrap();
    let [row] = &usage.charges[..] else { panic!("one charge") };
    let [group] = &row.grouped[..] else { panic!("one group") };
    assert_eq!(group.grouped_by, [("cloud".to_owned(), Some("aws".into()))]);
    assert_eq!(group.sum.amount_cents, 15_000);
    assert_eq!(row.sum.pricing_unit.as_ref().map(|sum| sum.amount_cents), Some(30_000));
}

#[test]
fn rows_are_sorted_by_metric_name_unless_charges_are_selected() {
    let mut second = charge(1, standard("1"), Vec::new());
    second.metric = Uuid::from_u128(101);
    let plan = plan(vec![second, charge(2, standard("1"), Vec::new())]);
    let (named_a, mut named_b) = (metric(Aggregation::Count), metric(Aggregation::Count));
    named_b.name = "b".into();
    let terms = Terms {
        plan: &plan,
        metrics: |id: Uuid| Some(if id == named_a.id { &named_a } else { &named_b }),
        taxes: |_: &Charge| Vec::new(),
        window: WINDOW,
        issuing_date: Date::from_days(29),
        context: Context::CurrentUsage,
    };
    let zone = Zone::UTC;
    let order = |selection| {
        let request = Request { selection, ..Request::default() };
        compute(&terms, &request, &scan(&[], &zone)).map(|usage| {
            usage.charges.iter().map(|row| row.charge.id.as_u128()).collect::<Vec<_>>()
        })
    };
    assert_eq!(order(None), Ok(vec![2, 1]));
    assert_eq!(order(Some(Selection::MetricCode("calls".into()))), Ok(vec![1, 2]));
    assert_eq!(order(Some(Selection::ChargeCode("charge_2".into()))), Ok(vec![2]));
    assert_eq!(
        order(Selection::from_params(Some("x"), None, None)),
        Err(UsageError::ChargeNotFound)
    );
}

#[test]
fn the_first_parameter_that_is_not_blank_selects() {
    let id = "00000000-0000-0000-0000-000000000001";
    let by = |charge, code, metric| Selection::from_params(charge, code, metric);
    assert_eq!(by(Some(id), Some("c"), None), Some(Selection::Charge(Some(Uuid::from_u128(1)))));
    assert_eq!(by(Some(""), Some("c"), Some("m")), Some(Selection::ChargeCode("c".into())));
    assert_eq!(by(None, Some(" "), Some("m")), Some(Selection::MetricCode("m".into())));
    assert_eq!(by(None, None, None), None);
}

#[test]
fn beyond_its_limits_a_scan_has_no_figure() {
    let mut grouped = charge(1, standard("1"), Vec::new());
    grouped.pricing_group_keys = texts(&["cloud"]);
    let (plan, zone) = (plan(vec![grouped]), Zone::UTC);
    let aws = properties(&[("cloud", "aws"), ("value", "1")]);
    let gcp = properties(&[("cloud", "gcp"), ("value", "2")]);
    let events = [event(1, 1, &aws), event(1, 2, &gcp)];
    let outcome = |aggregation, groups_max, unique_values_max| {
        let limits = ScanLimits { groups_max, unique_values_max };
        let (metric, source) = (metric(aggregation), limited(&events, &zone, limits));
        answer(&plan, &metric, &[], &Request::default(), &source).map(|usage| usage.amount_cents)
    };
    assert_eq!(outcome(Aggregation::UniqueCount, 2, 2), Ok(200));
    let exceeded = |what| Err(UsageError::LimitExceeded(what));
    assert_eq!(outcome(Aggregation::Sum, 1, 2), exceeded("groups"));
    assert_eq!(outcome(Aggregation::UniqueCount, 2, 1), exceeded("unique_values"));
    assert_eq!(outcome(Aggregation::Sum, 2, 1), Ok(300));
}
