//! Past usage over the real service: windows are priced with the catalogue as it stood when they
//! closed, now, after a restart and after a crash.

use odometer::core::catalog::record::{Body, Change, EntityId, EntityKey};
use odometer::core::catalog::{Charge, Customer, Organization, Plan, Tax};
use odometer::core::double::Double;
use odometer::core::instant::Instant;
use odometer::core::pricing::{Model, ModelKind};
use odometer::log::embedded::EVENTS_TOPIC;
use serde_json::{Value as Json, json};

use crate::ingestion::{
    ACME, append, at, customer, event, id, lasting, metric, organization, plan, subscription,
};
use crate::scenario_seeds::api_key;
use crate::service::{Answer, TestService};
use crate::trees::to_value;

/// A plan with one charge on metric 10 at a price per unit.
pub fn priced(number: u128, amount_cents: i64, price: &str) -> Plan {
    let mut plan = plan(number, amount_cents, &[10]);
    for charge in &mut plan.charges {
        charge.properties = to_value(&json!({"amount": price}));
        charge.model = Model::from_properties(ModelKind::Standard, &charge.properties);
    }
    plan
}

/// A service with a subscription of customer `one` to plan 20, which asks 2 a unit of metric 10.
pub fn service(now: &str, started_at: &str) -> TestService {
    let service = TestService::start(at(now), &[("store.slots", "2")]);
    let seeds = [
        organization(None),
        metric(10, "work", None),
        Body::Plan(priced(20, 1_000, "2")),
        customer("one", None),
        Body::Subscription(subscription(30, "sub", 20, started_at)),
    ];
    service.put(ACME, seeds);
    service
}

/// Asks for past usage, all events in the log included.
pub fn ask(service: &TestService, key: &str, query: &str, headers: &[(&str, &str)]) -> Answer {
    let path = format!(
        "/api/v1/customers/one/past_usage?external_subscription_id=sub&wait=10000\
         &min_offset={EVENTS_TOPIC}-0:{}{query}",
        service.end()
    );
    service.send(("GET", key, &path), headers, &Json::Null)
}

/// Start, end and amount of each window.
pub fn windows(service: &TestService) -> Vec<(String, String, i64)> {
    let answer = ask(service, ACME, "", &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let periods = answer.json()["usage_periods"].as_array().unwrap().clone();
    let shown = periods.iter().map(|period| {
        let amount = period["amount_cents"].as_i64().unwrap();
        (text(&period["from_datetime"]), text(&period["to_datetime"]), amount)
    });
    shown.collect()
}

pub fn window(from: &str, to: &str, cents: i64) -> (String, String, i64) {
    (from.to_owned(), to.to_owned(), cents)
}

pub fn used(service: &TestService, transaction: &str, timestamp: &str, total: i64) {
    append(service, &[event(transaction, timestamp, &json!({ "total": total }))]);
}

const MARCH: [&str; 2] = ["2025-03-01T00:00:00Z", "2025-03-31T23:59:59Z"];

#[test]
fn later_prices_leave_a_closed_window_alone_and_late_events_do_not() {
    let mut service = service(MARCH[0], MARCH[0]);
    used(&service, "t1", "2025-03-10T00:00:00Z", 5);
    service.set_clock(at("2025-03-31T23:59:59Z"));
    let open = ask(&service, ACME, "", &[]);
    assert_eq!(
        open.body,
        "{\"usage_periods\":[],\"meta\":{\"current_page\":0,\"next_page\":null,\
         \"prev_page\":null,\"total_pages\":0,\"total_count\":0}}"
    );
    service.set_clock(at("2025-04-01T00:00:00Z"));
    let march = |cents| vec![window(MARCH[0], MARCH[1], cents)];
    lasting(&mut service, |service| assert_eq!(windows(service), march(1_000)));
    service.set_clock(at("2025-04-02T00:00:00Z"));
    service.put(ACME, [Body::Plan(priced(20, 1_000, "3"))]);
    lasting(&mut service, |service| assert_eq!(windows(service), march(1_000)));
    service.set_clock(at("2025-04-05T00:00:00Z"));
    used(&service, "t2", "2025-03-30T00:00:00Z", 1);
    used(&service, "t3", "2025-04-03T00:00:00Z", 7);
    lasting(&mut service, |service| assert_eq!(windows(service), march(1_200)));

    // Neither the charge nor the metric nor the plan's currency of today matters.
    let key = EntityKey { organization: ACME.to_owned(), id: EntityId::BillableMetric(id(10)) };
    let gone = Plan { currency: "USD".to_owned(), ..plan(20, 1_000, &[]) };
    service.put(ACME, [Body::Plan(gone)]);
    service.change(vec![Change::Delete(key)]);
    used(&service, "t4", "2025-03-30T00:00:00Z", 1);
    lasting(&mut service, |service| assert_eq!(windows(service), march(1_400)));
    let shown = ask(&service, ACME, "", &[]).json();
    let shown = &shown["usage_periods"][0];
    assert_eq!(shown["currency"], "EUR");
    assert_eq!(shown["issuing_date"], "2025-04-01");
    assert_eq!(shown["charges_usage"][0]["units"], "7.0");
    assert_eq!(shown["charges_usage"][0]["billable_metric"]["code"], "work");
    // April closes without the charge, and with what it had in its place.
    service.set_clock(at("2025-05-01T00:00:00Z"));
    let april = window("2025-04-01T00:00:00Z", "2025-04-30T23:59:59Z", 0);
    let expected = vec![april, window(MARCH[0], MARCH[1], 1_400)];
    lasting(&mut service, |service| assert_eq!(windows(service), expected));
}

#[test]
fn a_price_changed_at_the_moment_of_closing_counts() {
    let service = service(MARCH[0], MARCH[0]);
    used(&service, "t1", "2025-03-10T00:00:00Z", 5);
    service.set_clock(at("2025-04-01T00:00:00Z"));
    service.put(ACME, [Body::Plan(priced(20, 1_000, "3"))]);
    assert_eq!(windows(&service), [window(MARCH[0], MARCH[1], 1_500)]);
}

fn tax(number: u128, rate: &str) -> Tax {
    Tax {
        id: id(number),
        code: format!("tax-{number}"),
        name: String::new(),
        rate: Double::parse_literal(rate).unwrap(),
        description: None,
        created_at: Instant(0),
    }
}

#[test]
fn taxes_are_those_of_the_close_and_rounded_by_fee() {
    let mut service = service(MARCH[0], MARCH[0]);
    // Two charges of 5 cents each: 10 % of either rounds up to 1, and of both together is 1.
    let mut two = priced(20, 1_000, "0.05");
    let other = Charge { id: id(99), code: "other".to_owned(), ..two.charges[0].clone() };
    two.charges.push(other);
    let taxed = Customer { taxes: vec![id(50)], ..customer_of("one") };
    let of_organization = Organization { taxes: vec![id(51)], ..organization_of() };
    let bodies = [
        Body::Plan(two),
        Body::Tax(tax(50, "10")),
        Body::Tax(tax(51, "20")),
        Body::Organization(of_organization.clone()),
        Body::Customer(taxed),
    ];
    service.put(ACME, bodies);
    used(&service, "t1", "2025-03-10T00:00:00Z", 1);
    service.set_clock(at("2025-04-01T00:00:01Z"));
    service.put(ACME, [Body::Tax(tax(50, "100")), Body::Customer(customer_of("one"))]);
    service.put(ACME, [Body::Organization(Organization { taxes: Vec::new(), ..of_organization })]);
    let taxes = |service: &TestService| -> Vec<[i64; 3]> {
        let shown = ask(service, ACME, "", &[]).json();
        let periods = shown["usage_periods"].as_array().unwrap().clone();
        let names = ["amount_cents", "taxes_amount_cents", "total_amount_cents"];
        periods.iter().map(|period| names.map(|name| period[name].as_i64().unwrap())).collect()
    };
    lasting(&mut service, |service| assert_eq!(taxes(service), [[10, 2, 12]]));
    // In April nothing is taxed, and nothing is used.
    service.set_clock(at("2025-05-01T00:00:01Z"));
    lasting(&mut service, |service| assert_eq!(taxes(service), [[0, 0, 0], [10, 2, 12]]));
    let shown = ask(&service, ACME, "", &[]).json();
    assert_eq!(shown["usage_periods"][0]["charges_usage"], json!([]));
    assert_eq!(shown["usage_periods"][1]["charges_usage"].as_array().unwrap().len(), 2);
}

fn customer_of(external_id: &str) -> Customer {
    match customer(external_id, None) {
        Body::Customer(customer) => customer,
        other => panic!("{other:?}"),
    }
}

fn organization_of() -> Organization {
    match organization(None) {
        Body::Organization(organization) => organization,
        other => panic!("{other:?}"),
    }
}

#[test]
fn charges_in_advance_are_priced_at_the_highest_level_of_the_window() {
    let service = service(MARCH[0], MARCH[0]);
    let mut in_advance = priced(20, 1_000, "1");
    in_advance.charges[0].pay_in_advance = true;
    service.put(ACME, [Body::Plan(in_advance)]);
    for (transaction, day, total) in [("t1", 10, 10), ("t2", 11, -5), ("t3", 12, 2)] {
        used(&service, transaction, &format!("2025-03-{day}T00:00:00Z"), total);
    }
    service.set_clock(at("2025-04-01T00:00:00Z"));
    let shown = ask(&service, ACME, "", &[]).json();
    let shown = &shown["usage_periods"][0];
    assert_eq!(shown["amount_cents"], 1_000);
    assert_eq!(shown["charges_usage"][0]["units"], "7.0");
    // In arrears it would be what is left.
    let later = ask_current(&service);
    assert_eq!(later["customer_usage"]["amount_cents"], 0);
}

fn ask_current(service: &TestService) -> Json {
    let query = [("external_subscription_id".to_owned(), "sub".to_owned())];
    service.current_usage(ACME, "one", &query).json()
}

#[test]
fn windows_come_in_pages_and_by_metric() {
    let service = service(MARCH[0], MARCH[0]);
    let both = plan(20, 1_000, &[10, 11]);
    service.put(ACME, [metric(11, "rest", None), Body::Plan(both)]);
    for month in 3..8 {
        used(&service, &format!("t{month}"), &format!("2025-0{month}-10T00:00:00Z"), month);
    }
    service.set_clock(at("2025-08-01T00:00:00Z"));
    let page = |query: &str| {
        let answer = ask(&service, ACME, query, &[]);
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let shown = answer.json();
        let amounts: Vec<i64> = shown["usage_periods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|period| period["amount_cents"].as_i64().unwrap())
            .collect();
        let meta = &shown["meta"];
        let names = ["current_page", "next_page", "prev_page", "total_pages", "total_count"];
        (amounts, names.map(|name| meta[name].as_i64()))
    };
    let some = |numbers: [i64; 5]| numbers.map(|number| (number > 0).then_some(number));
    assert_eq!(page(""), (vec![7, 6, 5, 4, 3], some([1, 0, 0, 1, 5])));
    assert_eq!(page("&page=2&per_page=2"), (vec![5, 4], some([2, 3, 1, 3, 5])));
    assert_eq!(page("&page=3&per_page=2"), (vec![3], some([3, 0, 2, 3, 5])));
    assert_eq!(page("&page=9&per_page=2"), (vec![], some([9, 0, 0, 3, 5])));
    assert_eq!(page("&periods_count=3&per_page=2"), (vec![7, 6], some([1, 2, 0, 2, 3])));
    assert_eq!(page("&periods_count=1"), (vec![7], some([1, 0, 0, 1, 1])));
    assert_eq!(page("&billable_metric_code=rest").0, [0; 5]);
    assert_eq!(page("&billable_metric_code=work").0, [7, 6, 5, 4, 3]);
    let none = ask(&service, ACME, "&billable_metric_code=none", &[]);
    assert_eq!(
        (none.status, none.json()["code"].as_str()),
        (404, Some("billable_metric_not_found"))
    );
    // An unknown customer or subscription has no windows.
    for path in [
        "/api/v1/customers/nobody/past_usage?external_subscription_id=sub",
        "/api/v1/customers/one/past_usage?external_subscription_id=other",
    ] {
        let answer = service.get(ACME, path);
        assert_eq!((answer.status, answer.json()["usage_periods"].clone()), (200, json!([])));
    }
    let missing = service.get(ACME, "/api/v1/customers/one/past_usage");
    assert_eq!(missing.status, 422);
}

#[test]
fn a_tag_changes_with_what_a_page_shows() {
    let mut service = service(MARCH[0], MARCH[0]);
    used(&service, "t1", "2025-03-10T00:00:00Z", 5);
    service.set_clock(at("2025-04-01T00:00:00Z"));
    let first = ask(&service, ACME, "", &[]);
    let tag = first.tag.clone().unwrap();
    let known = [("If-None-Match", tag.as_str())];
    lasting(&mut service, |service| {
        let again = ask(service, ACME, "", &known);
        assert_eq!((again.status, again.body.as_str(), &again.tag), (304, "", &first.tag));
        let offsets = format!("{EVENTS_TOPIC}-0:1");
        assert_eq!(again.offsets.as_deref(), Some(offsets.as_str()));
    });
    // A price of today is not in it; an event of March is.
    service.set_clock(at("2025-04-02T00:00:00Z"));
    service.put(ACME, [Body::Plan(priced(20, 1_000, "3"))]);
    assert_eq!(ask(&service, ACME, "", &known).status, 304);
    assert_eq!(ask(&service, ACME, "&per_page=7", &known).status, 200, "another question");
    used(&service, "t2", "2025-03-11T00:00:00Z", 5);
    let moved = ask(&service, ACME, "", &[("If-None-Match", &*tag)]);
    assert_eq!((moved.status, windows(&service)[0].2), (200, 2_000));
    let behind = format!(
        "/api/v1/customers/one/past_usage?external_subscription_id=sub\
         &min_offset={EVENTS_TOPIC}-0:99"
    );
    assert_eq!(service.get(ACME, &behind).status, 409);
    assert_eq!(service.get(ACME, &format!("{behind}&wait=1")).status, 504);
}

#[test]
fn organisations_do_not_see_each_other() {
    let service = service(MARCH[0], MARCH[0]);
    let other = Organization {
        external_id: "globex".to_owned(),
        id: id(2),
        name: "globex".to_owned(),
        api_keys: vec![api_key("globex")],
        ..Organization::default()
    };
    let seeds = [
        Body::Organization(other),
        metric(10, "work", None),
        Body::Plan(priced(20, 1_000, "7")),
        customer("one", None),
        Body::Subscription(subscription(31, "sub", 20, MARCH[0])),
    ];
    service.put("globex", seeds);
    used(&service, "t1", "2025-03-10T00:00:00Z", 5);
    let mut theirs = event("t1", "2025-03-11T00:00:00Z", &json!({"total": 1}));
    theirs["organization_id"] = json!("globex");
    append(&service, &[theirs]);
    service.set_clock(at("2025-04-01T00:00:00Z"));
    let amounts = ["acme", "globex"]
        .map(|key| ask(&service, key, "", &[]).json()["usage_periods"][0]["amount_cents"].clone());
    assert_eq!(amounts, [json!(1_000), json!(700)]);
    let key = EntityKey { organization: "globex".to_owned(), id: EntityId::Customer("one".into()) };
    service.change(vec![Change::Delete(key)]);
    assert_eq!(ask(&service, "globex", "", &[]).json()["usage_periods"], json!([]));
    assert_eq!(windows(&service).len(), 1);
}
