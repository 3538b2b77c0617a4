//! What binds when an event is taken in, and what versions of the past decide: expressions,
//! deletions of metrics, zones that change, plans that follow one another. Every answer is asked
//! for again after a restart and after a crash.

use odometer::core::catalog::lifecycle::{Creation, Decided, Situation, create, terminate};
use odometer::core::catalog::record::{Body, Change, EntityId, EntityKey};
use odometer::core::catalog::version::Versioned;
use odometer::core::catalog::{
    Aggregation, BillableMetric, BillingTime, Charge, Customer, Interval, Organization, Plan,
    Status, Subscription,
};
use odometer::core::instant::{Instant, SECOND};
use odometer::core::period::Zone;
use odometer::core::pricing::{Model, ModelKind};
use odometer::runtime::clock::Stopwatch;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::scenario_seeds::api_key;
use crate::service::{Answer, TestService};
use crate::trees::to_value;
use crate::usage_inputs::instant;

pub const ACME: &str = "acme";
const START: &str = "2025-05-20T12:00:00Z";
/// Longest that an answer may take that needs nothing but a look.
const AT_ONCE_SECONDS: u64 = 5;

pub fn at(text: &str) -> Instant {
    instant(&json!(text)).unwrap()
}

pub fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub fn organization(timezone: Option<&str>) -> Body {
    Body::Organization(Organization {
        external_id: ACME.to_owned(),
        id: id(1),
        name: ACME.to_owned(),
        timezone: timezone.map(str::to_owned),
        api_keys: vec![api_key(ACME)],
        ..Organization::default()
    })
}

/// A sum of the field `total`.
pub fn metric(number: u128, code: &str, expression: Option<&str>) -> Body {
    Body::BillableMetric(BillableMetric {
        id: id(number),
        code: code.to_owned(),
        name: code.to_owned(),
        description: None,
        aggregation: Aggregation::Sum,
        field_name: Some("total".to_owned()),
        recurring: false,
        rounding: None,
        expression: expression.map(str::to_owned),
        filters: Vec::new(),
        created_at: Instant(0),
    })
}

/// A plan that asks a cent per unit of each metric.
pub fn plan(number: u128, amount_cents: i64, metrics: &[u128]) -> Plan {
    let charges = metrics.iter().map(|metric| {
        let properties = to_value(&json!({"amount": "0.01"}));
        Charge {
            id: id(number * 1_000 + metric),
            code: format!("charge-{metric}"),
            metric: id(*metric),
            invoice_display_name: None,
            model: Model::from_properties(ModelKind::Standard, &properties),
            pricing_group_keys: Vec::new(),
            presentation_group_keys: Vec::new(),
            properties,
            pay_in_advance: false,
            prorated: false,
            invoiceable: true,
            min_amount_cents: 0,
            accepts_target_wallet: false,
            pricing_unit: None,
            taxes: Vec::new(),
            filters: Vec::new(),
            echo: odometer::core::catalog::Echo::default(),
            created_at: Instant(0),
        }
    });
    Plan {
        id: id(number),
        code: format!("plan-{number}"),
        name: String::new(),
        interval: Interval::Monthly,
        amount_cents,
        currency: "EUR".to_owned(),
        pay_in_advance: false,
        bill_charges_monthly: false,
        charges: charges.collect(),
        taxes: Vec::new(),
        parent: None,
        echo: odometer::core::catalog::Echo::default(),
        created_at: Instant(0),
    }
}

pub fn customer(external_id: &str, timezone: Option<&str>) -> Body {
    Body::Customer(Customer {
        id: id(7),
        external_id: external_id.to_owned(),
        name: None,
        timezone: timezone.map(str::to_owned),
        currency: None,
        taxes: Vec::new(),
        echo: odometer::core::catalog::Echo::default(),
        created_at: Instant(0),
    })
}

pub fn subscription(number: u128, external_id: &str, plan: u128, started_at: &str) -> Subscription {
    Subscription {
        id: id(number),
        external_id: external_id.to_owned(),
        customer: "one".to_owned(),
        plan: id(plan),
        name: None,
        billing_time: BillingTime::Calendar,
        subscription_at: at(started_at),
        started_at: Some(at(started_at)),
        ending_at: None,
        terminated_at: None,
        status: Status::Active,
        previous: None,
        created_at: at(started_at),
    }
}

/// A service with an organization, a customer and a subscription to plan 20, which has a charge on
/// metric 10.
fn service(metrics: Vec<Body>) -> TestService {
    let service = TestService::start(at(START), &[("store.slots", "2")]);
    let seeds = [
        organization(None),
        Body::Plan(plan(20, 1_000, &[10])),
        customer("one", None),
        Body::Subscription(subscription(30, "sub", 20, "2025-04-10T00:00:00Z")),
    ];
    service.put(ACME, seeds.into_iter().chain(metrics));
    service
}

pub fn event(transaction: &str, timestamp: &str, properties: &Json) -> Json {
    json!({
        "organization_id": ACME,
        "external_subscription_id": "sub",
        "transaction_id": transaction,
        "code": "work",
        "timestamp": timestamp,
        "properties": properties,
    })
}

/// An event of now with the factors `a` and `b`.
fn factors(service: &TestService, transaction: &str, a: &Json, b: &Json) -> Json {
    let seconds = (service.now().micros() / SECOND).to_string();
    event(transaction, &seconds, &json!({"a": a, "b": b, "total": 1}))
}

pub fn append(service: &TestService, events: &[Json]) {
    let records: Vec<String> = events.iter().map(Json::to_string).collect();
    service.append(&records);
}

fn ask(service: &TestService, customer: &str, subscription: &str) -> Answer {
    let query = [("external_subscription_id".to_owned(), subscription.to_owned())];
    service.current_usage(ACME, customer, &query)
}

/// Units of each charge of a subscription of customer `one`.
fn units(service: &TestService, subscription: &str) -> Vec<String> {
    let body = ask(service, "one", subscription).json();
    let charges = body["customer_usage"]["charges_usage"].as_array();
    let charges = charges.unwrap_or_else(|| panic!("{body}"));
    charges.iter().map(|charge| charge["units"].as_str().unwrap().to_owned()).collect()
}

fn window(service: &TestService) -> (String, String) {
    let body = ask(service, "one", "sub").json();
    let member = |name: &str| body["customer_usage"][name].as_str().unwrap().to_owned();
    (member("from_datetime"), member("to_datetime"))
}

/// Checks something now, after a restart and after a crash.
pub fn lasting(service: &mut TestService, check: impl Fn(&TestService)) {
    check(service);
    service.running().service.checkpoint().unwrap();
    service.crash();
    check(service);
    service.restart();
    check(service);
}

pub fn later(service: &TestService, seconds: i64) {
    service.set_clock(service.now().plus_micros(seconds * SECOND));
}

const PRODUCT: Option<&str> = Some("event.properties.a * event.properties.b");
const SUM: Option<&str> = Some("event.properties.a + event.properties.b");

#[test]
fn an_expression_binds_when_the_event_is_taken_in() {
    let mut service = service(vec![metric(10, "work", None)]);
    append(&service, &[factors(&service, "sent", &json!(2), &json!(3))]);
    later(&service, 1);
    service.put(ACME, [metric(10, "work", PRODUCT)]);
    let mut of_api = factors(&service, "of the api", &json!(2), &json!(3));
    of_api["source"] = json!("http_ruby");
    append(&service, &[of_api, factors(&service, "product", &json!("10"), &json!(3))]);
    assert_eq!(units(&service, "sub"), ["32.0"], "1 and 1 as sent, and 30");
    later(&service, 1);
    service.put(ACME, [metric(10, "work", SUM)]);
    append(&service, &[factors(&service, "sum", &json!(100), &json!(0.5))]);
    lasting(&mut service, |service| assert_eq!(units(service, "sub"), ["132.5"]));
}

#[test]
fn an_event_on_which_the_expression_fails_is_refused() {
    let mut service = service(vec![metric(10, "work", PRODUCT)]);
    append(
        &service,
        &[
            factors(&service, "t1", &json!("much"), &json!(3)),
            event("t2", "1747742400", &json!({"a": 1})),
            factors(&service, "t1", &json!(5), &json!(3)),
            factors(&service, "t1", &json!(6), &json!(3)),
        ],
    );
    let counters = service.counters();
    assert_eq!((counters.rejected, counters.accepted, counters.duplicate), (2, 1, 1));
    lasting(&mut service, |service| assert_eq!(units(service, "sub"), ["15.0"]));
}

#[test]
fn a_catalogue_that_is_read_late_counts_as_if_it_had_been_read_in_time() {
    late_versions(Aggregation::Sum, ["2.0", "7.0", "10.0", "19.0", "3.0"]);
}

/// The greatest value, for which the events themselves are looked at.
#[test]
fn what_is_read_from_the_events_counts_late_versions_too() {
    late_versions(Aggregation::Max, ["1.0", "7.0", "10.0", "10.0", "1.0"]);
}

fn late_versions(aggregation: Aggregation, expected: [&str; 5]) {
    let metric =
        |number, code: &str, expression: Option<&str>| match metric(number, code, expression) {
            Body::BillableMetric(metric) => {
                Body::BillableMetric(BillableMetric { aggregation, ..metric })
            }
            other => other,
        };
    let mut service = service(vec![metric(10, "work", None)]);
    later(&service, 60);
    append(&service, &[factors(&service, "early", &json!(2), &json!(5))]);
    append(&service, &[factors(&service, "failing", &json!("much"), &json!(5))]);
    assert_eq!(units(&service, "sub"), [expected[0]]);
    // The next versions are older than the events.
    later(&service, -40);
    service.put(ACME, [metric(10, "work", SUM)]);
    assert_eq!(units(&service, "sub"), [expected[1]], "one of the two gives nothing now");
    later(&service, 10);
    service.put(ACME, [metric(10, "work", PRODUCT)]);
    assert_eq!(units(&service, "sub"), [expected[2]]);
    later(&service, 60);
    append(&service, &[factors(&service, "late", &json!(3), &json!(3))]);
    assert_eq!(units(&service, "sub"), [expected[3]]);
    // The catalogue's log time is still before the events.
    later(&service, -50);
    service.put(ACME, [metric(10, "work", None)]);
    lasting(&mut service, |service| {
        assert_eq!(units(service, "sub"), [expected[4]], "all as sent");
    });
}

fn delete_metric(service: &TestService) {
    let key = EntityKey { organization: ACME.to_owned(), id: EntityId::BillableMetric(id(10)) };
    service.change(vec![Change::Delete(key)]);
}

#[test]
fn the_deletion_of_a_metric_voids_what_was_taken_in_until_then() {
    let mut service = service(vec![metric(10, "work", None), metric(11, "rest", None)]);
    service.put(
        ACME,
        [
            Body::Plan(plan(21, 1_000, &[11])),
            Body::Subscription(subscription(31, "apart", 21, "2025-04-10T00:00:00Z")),
        ],
    );
    let sent = |service: &TestService, transaction: &str, subscription: &str, total: i64| {
        let mut event = factors(service, transaction, &json!(1), &json!(1));
        event["external_subscription_id"] = json!(subscription);
        event["properties"]["total"] = json!(total);
        append(service, &[event]);
    };
    sent(&service, "t1", "sub", 1);
    sent(&service, "t1", "apart", 1);
    assert_eq!(units(&service, "sub"), ["1.0"]);
    later(&service, 10);
    delete_metric(&service);
    sent(&service, "t2", "sub", 10);
    later(&service, 10);
    sent(&service, "t3", "sub", 100);
    sent(&service, "t1", "sub", 100_000);
    assert!(units(&service, "sub").is_empty(), "the charge has no metric");
    later(&service, 10);
    service.put(ACME, [metric(12, "work", None), Body::Plan(plan(20, 1_000, &[12]))]);
    sent(&service, "t4", "sub", 1_000);
    lasting(&mut service, |service| {
        assert_eq!(units(service, "sub"), ["1100.0"], "t1 and t2 are void, their ids are taken");
    });
    // No plan of the other subscription ever had a charge on the deleted metric.
    service.put(ACME, [Body::Plan(plan(21, 1_000, &[12]))]);
    lasting(&mut service, |service| assert_eq!(units(service, "apart"), ["1.0"]));
}

#[test]
fn a_deletion_finds_the_plans_and_rows_of_its_own_time() {
    let mut service = service(vec![metric(10, "work", None)]);
    append(&service, &[factors(&service, "t1", &json!(1), &json!(1))]);
    assert_eq!(units(&service, "sub"), ["1.0"]);
    later(&service, 10);
    // The charge goes before the metric does; the plan had it all the same.
    service.put(ACME, [Body::Plan(plan(20, 1_000, &[]))]);
    delete_metric(&service);
    service.put(ACME, [Body::Plan(plan(20, 1_000, &[12])), metric(12, "work", None)]);
    lasting(&mut service, |service| assert_eq!(units(service, "sub"), ["0.0"]));
}

#[test]
fn a_window_that_another_zone_has_closed_stays_closed() {
    let mut service = service(vec![metric(10, "work", None)]);
    service.set_clock(at("2025-06-10T12:00:00Z"));
    let early = event("early", "2025-06-01T03:00:00Z", &json!({"total": 1}));
    append(&service, &[early]);
    service.put(ACME, [customer("one", Some("America/Los_Angeles"))]);
    // Midnight of June 1st is 07:00Z there, but May was closed at 00:00Z.
    let june = ("2025-06-01T00:00:00Z".to_owned(), "2025-07-01T06:59:59Z".to_owned());
    lasting(&mut service, |service| {
        assert_eq!(window(service), june);
        assert_eq!(units(service, "sub"), ["1.0"]);
    });
    service.set_clock(at("2025-07-10T12:00:00Z"));
    let july = ("2025-07-01T07:00:00Z".to_owned(), "2025-08-01T06:59:59Z".to_owned());
    lasting(&mut service, |service| assert_eq!(window(service), july));
    // The organization's zone means nothing to a customer that has one, until it has none.
    service.put(ACME, [organization(Some("Asia/Tokyo"))]);
    lasting(&mut service, |service| assert_eq!(window(service), july));
    service.put(ACME, [customer("one", None)]);
    let july = ("2025-07-01T07:00:00Z".to_owned(), "2025-07-31T14:59:59Z".to_owned());
    lasting(&mut service, |service| assert_eq!(window(service), july));
}

#[test]
fn an_external_id_that_two_customers_claim_answers_one_of_them() {
    let mut service = service(vec![metric(10, "work", None)]);
    append(&service, &[factors(&service, "t1", &json!(1), &json!(1))]);
    let other = Subscription {
        customer: "two".to_owned(),
        ..subscription(31, "sub", 20, "2025-04-11T00:00:00Z")
    };
    service.put(ACME, [customer("two", Some("Asia/Tokyo")), Body::Subscription(other)]);
    let watch = Stopwatch::start();
    lasting(&mut service, |service| {
        assert_eq!(units(service, "sub"), ["1.0"]);
        let refused = ask(service, "two", "sub");
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (405, Some("no_active_subscription"))
        );
    });
    assert!(watch.elapsed().as_secs() < AT_ONCE_SECONDS, "nobody waits");
    let ended = Subscription {
        status: Status::Terminated,
        terminated_at: Some(service.now()),
        ..subscription(30, "sub", 20, "2025-04-10T00:00:00Z")
    };
    service.put(ACME, [Body::Subscription(ended)]);
    lasting(&mut service, |service| {
        assert_eq!(ask(service, "one", "sub").status, 405);
        assert_eq!(ask(service, "two", "sub").status, 200);
    });
}

#[test]
fn plans_follow_one_another_without_a_word() {
    let mut service = service(vec![metric(10, "work", None), metric(11, "rest", None)]);
    let plans = [plan(20, 1_000, &[10]), plan(21, 500, &[11]), plan(22, 2_000, &[10, 11])];
    service.put(ACME, plans.iter().cloned().map(Body::Plan));
    let mut rows = vec![subscription(30, "sub", 20, "2025-04-10T00:00:00Z")];
    let change = |service: &TestService, rows: &mut Vec<Subscription>, plan: Option<usize>| {
        let known: Vec<_> =
            rows.iter().map(|row| Versioned::new(row.clone(), 1, Instant(0))).collect();
        let find = |id| plans.iter().find(|plan| plan.id == id);
        let now = service.now();
        let situation = Situation { rows: &known, plans: &find, zone: &Zone::UTC, now };
        let decided: Decided = match plan {
            None => terminate(&situation),
            Some(plan) => {
                let creation = Creation {
                    id: id(40 + rows.len() as u128),
                    external_id: "sub",
                    customer: "one",
                    plan: &plans[plan],
                    name: None,
                    billing_time: None,
                    subscription_at: None,
                    ending_at: None,
                };
                create(&creation, &situation)
            }
        }
        .unwrap();
        for row in &decided.writes {
            rows.retain(|known| known.id != row.id);
            rows.push(row.clone());
        }
        rows.sort_by_key(|row| (row.created_at, row.id));
        service.put(ACME, decided.writes.into_iter().map(Body::Subscription));
    };
    let mut june = event("june", "2025-06-02T00:00:00Z", &json!({"total": 4}));
    june["code"] = json!("rest");
    append(&service, &[factors(&service, "may", &json!(1), &json!(1)), june]);
    change(&service, &mut rows, Some(1));
    lasting(&mut service, |service| assert_eq!(units(service, "sub"), ["1.0"]));
    // A downgrade needs nobody when its time has come.
    service.set_clock(at("2025-06-01T00:00:00Z"));
    lasting(&mut service, |service| assert_eq!(units(service, "sub"), ["4.0"]));
    service.set_clock(at("2025-06-03T00:00:00Z"));
    change(&service, &mut rows, Some(2));
    lasting(&mut service, |service| assert_eq!(units(service, "sub"), ["0.0", "0.0"]));
    change(&service, &mut rows, None);
    lasting(&mut service, |service| assert_eq!(ask(service, "one", "sub").status, 405));
}
