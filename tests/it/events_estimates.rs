//! Estimates against a whole service: the worked figures of the specification (9.9), and that
//! nothing is stored for them.

use odometer::core::instant::Instant;
use serde_json::{Value as Json, json};

use crate::scenario_seeds::Seeds;
use crate::service::{Answer, TestService};
use crate::usage_inputs::instant;

const FEES: &str = "/api/v1/events/estimate_fees";
const INSTANT: &str = "/api/v1/events/estimate_instant_fees";
const BATCH: &str = "/api/v1/events/batch_estimate_instant_fees";
const KEY: &str = "org";

/// A service at an instant, with one plan with one charge.
struct World(TestService);

impl World {
    fn new(now: &str, metric: &Json, charge: &Json, currency: &str, taxes: &Json) -> Self {
        let service = TestService::start(instant(&json!(now)).unwrap(), &[("store.slots", "2")]);
        let mut metric = metric.clone();
        metric["code"] = json!("m");
        metric["name"] = json!("The metric");
        let mut charge = charge.clone();
        charge["id"] = json!("1");
        charge["code"] = json!("charge");
        charge["billable_metric_code"] = json!("m");
        if charge["pay_in_advance"].is_null() {
            charge["pay_in_advance"] = json!(true);
        }
        let case = json!({"id": KEY, "setup": {
            "taxes": taxes, "billable_metrics": [metric],
            "customers": [{"external_id": "c", "currency": currency}],
            "plans": [{"code": "p", "interval": "monthly", "amount_cents": 0,
                       "amount_currency": currency, "charges": [charge]}],
            "subscriptions": [{"external_id": "s", "external_customer_id": "c",
                "plan_code": "p", "started_at": "2024-01-01T00:00:00Z", "status": "active"}],
        }});
        for (organization, bodies) in Seeds::new(&case, 1).setup {
            service.put(&organization, bodies);
        }
        Self(service)
    }

    fn simple(metric: &Json, charge: &Json) -> Self {
        Self::new("2024-04-11T12:00:00Z", metric, charge, "EUR", &json!([]))
    }

    /// Stores an event of the running window.
    fn store(&self, id: &str, properties: &Json) {
        let event = json!({"transaction_id": id, "external_subscription_id": "s", "code": "m",
                           "properties": properties});
        let answer = self.0.post(KEY, "/api/v1/events", &json!({"event": event}));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn ask(&self, path: &str, properties: &Json) -> Answer {
        let before = self.0.end();
        let event = json!({"transaction_id": "sent", "external_subscription_id": "s",
                           "code": "m", "properties": properties});
        let answer = self.0.post(KEY, path, &json!({"event": event}));
        assert_eq!(self.0.end(), before, "nothing is stored");
        answer
    }

    fn fee(&self, path: &str, properties: &Json) -> Json {
        let answer = self.ask(path, properties);
        assert_eq!(answer.status, 200, "{answer:?}");
        let fees = answer.json()["fees"].clone();
        assert_eq!(fees.as_array().unwrap().len(), 1, "{fees}");
        fees[0].clone()
    }

    /// Cents and units of an event with this value.
    #[track_caller]
    fn costs(&self, value: &Json, cents: i64, units: &str) {
        let fee = self.fee(FEES, &json!({"v": value}));
        assert_eq!((&fee["amount_cents"], &fee["units"]), (&json!(cents), &json!(units)), "{fee}");
        assert_eq!(fee["total_aggregated_units"], fee["units"]);
    }
}

fn sum() -> Json {
    json!({"aggregation_type": "sum_agg", "field_name": "v"})
}

fn standard(amount: &str) -> Json {
    json!({"charge_model": "standard", "properties": {"amount": amount}})
}

#[test]
fn a_sum_pays_for_what_it_raises_the_highest_level_by() {
    let world = World::simple(&sum(), &standard("3"));
    world.costs(&json!(-4), 0, "0.0");
    world.store("1", &json!({"v": 2}));
    world.costs(&json!(4), 1200, "4.0");
    world.costs(&json!(" 4_0e-1 "), 1200, "4.0");
    // Level 10, then 5: the highest stays 10.
    world.store("2", &json!({"v": "8"}));
    world.store("3", &json!({"v": -5}));
    world.costs(&json!(2), 0, "2.0");
    world.costs(&json!(7), 600, "2.0");
    assert_eq!(world.fee(FEES, &json!({}))["amount_cents"], 0);
    assert_eq!(world.fee(FEES, &json!({"w": 1}))["units"], "0.0");
}

#[test]
fn free_units_are_used_up_by_what_is_stored() {
    let charge = json!({"charge_model": "percentage",
        "properties": {"rate": "10", "free_units_per_events": 1}});
    let world = World::simple(&sum(), &charge);
    world.costs(&json!(50), 0, "50.0");
    world.store("1", &json!({"v": 50}));
    world.costs(&json!(50), 500, "50.0");
}

#[test]
fn a_prorated_charge_pays_for_the_rest_of_the_period() {
    let mut metric = sum();
    metric["recurring"] = json!(true);
    let mut charge = standard("10");
    charge["prorated"] = json!(true);
    let world = World::simple(&metric, &charge);
    world.costs(&json!(6), 4000, "6.0");
}

#[test]
fn a_value_that_is_active_adds_nothing() {
    let metric = json!({"aggregation_type": "unique_count_agg", "field_name": "v"});
    let world = World::simple(&metric, &standard("7"));
    world.costs(&json!("a"), 700, "1.0");
    world.store("1", &json!({"v": "a"}));
    world.0.set_clock(world.0.now().plus_micros(1_000_000));
    world.costs(&json!("a"), 0, "0.0");
    world.costs(&json!("b"), 700, "1.0");
}

#[test]
fn the_filter_with_most_keys_prices_and_groups_are_apart() {
    let charge = json!({"charge_model": "graduated", "properties": {"graduated_ranges": [
        {"from_value": 0, "to_value": 1, "per_unit_amount": "1", "flat_amount": "5"},
        {"from_value": 2, "to_value": null, "per_unit_amount": "2", "flat_amount": "0"}]},
    "filters": [{"id": "f", "invoice_display_name": null, "values": {"region": ["eu"]},
        "properties": {"pricing_group_keys": ["team"], "graduated_ranges": [
            {"from_value": 0, "to_value": 1, "per_unit_amount": "10", "flat_amount": "5"},
            {"from_value": 2, "to_value": null, "per_unit_amount": "3", "flat_amount": "0"},
        ]}}]});
    let mut metric = json!({"aggregation_type": "count_agg", "field_name": null});
    metric["filters"] = json!([{"key": "region", "values": ["eu", "us"]}]);
    let world = World::simple(&metric, &charge);
    let cents = |properties: &Json| world.fee(FEES, properties)["amount_cents"].clone();
    let of = |region: &str, team: &str| json!({"region": region, "team": team});
    // The flat fee of the first tier cancels out.
    assert_eq!(cents(&of("eu", "a")), 1000);
    world.store("1", &of("eu", "a"));
    assert_eq!(cents(&of("eu", "a")), 300);
    assert_eq!(cents(&of("eu", "b")), 1000, "another group begins anew");
    assert_eq!(cents(&of("us", "a")), 100, "the default bucket");
    let fee = world.fee(FEES, &of("eu", "a"));
    assert_eq!(fee["item"]["filters"], json!({"region": ["eu"]}));
    assert_eq!(fee["item"]["filter_invoice_display_name"], "eu");
    assert_eq!(fee["item"]["grouped_by"], json!({"team": "a"}));
    assert_eq!(fee["precise_unit_amount"], "3.0");
}

#[test]
fn a_fee_has_its_members_in_order_and_carries_taxes() {
    let taxes = json!([
        {"code": "vat", "rate": 20.0, "applied_to": ["billing_entity"]},
        {"code": "city", "rate": 5.5, "applied_to": ["billing_entity"]},
    ]);
    let world = World::new("2024-03-15T12:00:00Z", &sum(), &standard("3.334"), "EUR", &taxes);
    let fee = world.fee(FEES, &json!({"v": 1}));
    let names: Vec<&str> = fee.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "lago_id lago_charge_id lago_charge_filter_id lago_fixed_charge_id \
        lago_invoice_id lago_true_up_fee_id lago_true_up_parent_fee_id lago_original_fee_id \
        lago_subscription_id external_subscription_id lago_customer_id external_customer_id item \
        pay_in_advance invoiceable amount_cents amount_currency precise_amount \
        precise_total_amount taxes_amount_cents taxes_precise_amount taxes_rate \
        total_aggregated_units total_amount_cents total_amount_currency units description \
        precise_unit_amount precise_coupons_amount_cents sub_total_excluding_taxes_amount_cents \
        sub_total_excluding_taxes_precise_amount_cents events_count payment_status created_at \
        succeeded_at failed_at refunded_at amount_details self_billed pricing_unit_details \
        presentation_breakdowns from_date to_date event_transaction_id applied_taxes";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    for (name, value) in [
        ("amount_cents", json!(333)),
        ("precise_amount", json!("3.334")),
        ("taxes_amount_cents", json!(85)),
        ("taxes_precise_amount", json!("0.85017")),
        ("precise_total_amount", json!("4.18417")),
        ("total_amount_cents", json!(418)),
        ("units", json!("1.0")),
        ("precise_unit_amount", json!("3.33")),
        ("sub_total_excluding_taxes_precise_amount_cents", json!("333.4")),
        ("from_date", json!("2024-03-01T00:00:00+00:00")),
        ("to_date", json!("2024-03-31T23:59:59+00:00")),
        ("pricing_unit_details", Json::Null),
        ("amount_details", json!({})),
    ] {
        assert_eq!(fee[name], value, "{name}");
    }
    assert_eq!(fee["taxes_rate"].to_string(), "25.5");
    assert_ne!(fee["event_transaction_id"], "sent", "a fresh one");
    let applied = &fee["applied_taxes"];
    assert_eq!(
        (&applied[0]["amount_cents"], &applied[1]["amount_cents"]),
        (&json!(67), &json!(18))
    );
    assert_eq!(applied[0]["tax_rate"].to_string(), "20.0");
    assert_eq!(fee["item"]["invoice_display_name"], fee["item"]["name"]);
}

#[test]
fn what_is_wrong_is_told_in_its_order() {
    let world = World::simple(&sum(), &standard("3"));
    let told = |event: Json| {
        let answer = world.0.post(KEY, FEES, &json!({"event": event}));
        let body = answer.json();
        (answer.status, body.get("error_details").unwrap_or(&body["code"]).clone())
    };
    let subscription = (404, json!("subscription_not_found"));
    assert_eq!(told(json!({"code": "m", "timestamp": "soon"})), subscription);
    assert_eq!(told(json!({"code": "m", "external_subscription_id": "none"})), subscription);
    let about = |code: &str, rest: Json| {
        let mut event = json!({"external_subscription_id": "s", "code": code});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        told(event)
    };
    let timestamp = (422, json!({"timestamp": ["invalid_format"]}));
    assert_eq!(about("x", json!({"timestamp": "2024-04-11T12:00:00Z"})), timestamp);
    assert_eq!(about("x", json!({})), (404, json!("billable_metric_not_found")));
    let number = (422, json!({"properties": ["value_is_not_valid_number"]}));
    assert_eq!(about("m", json!({"properties": {"v": "much"}})), number);
    let arrears = json!({"charge_model": "standard", "pay_in_advance": false,
                         "properties": {"amount": "1"}});
    let world = World::simple(&sum(), &arrears);
    for path in [FEES, INSTANT] {
        let answer = world.ask(path, &json!({"v": 1}));
        assert_eq!(answer.status, 422);
        let expected = json!({"code": ["does_not_match_an_instant_charge"]});
        assert_eq!(answer.json()["error_details"], expected, "{path}");
    }
}

#[test]
fn an_event_alone_is_priced_without_what_is_stored() {
    let charge = json!({"charge_model": "percentage", "properties": {
        "rate": "2", "fixed_amount": "0.5", "per_transaction_max_amount": "3",
        "free_units_per_events": 5}});
    let world = World::simple(&sum(), &charge);
    for (value, cents, unit_amount) in
        [(json!(50), "150.0", "3.0"), (json!("500"), "300.0", "0.6"), (Json::Null, "50.0", "0.0")]
    {
        let fee = world.fee(INSTANT, &json!({"v": value}));
        assert_eq!(fee["amount_cents"], cents, "{value}");
        assert_eq!(fee["total_amount_cents"], cents);
        assert_eq!(fee["precise_unit_amount"], unit_amount, "{value}");
        assert_eq!(fee["event_transaction_id"], "sent");
    }
    let fee = world.fee(INSTANT, &json!({"v": -1}));
    assert_eq!((&fee["amount_cents"], &fee["precise_amount"]), (&json!(0), &json!(0)));
    assert_eq!((&fee["units"], &fee["taxes_rate"]), (&json!("0.0"), &json!(0)));
    let names: Vec<&str> = fee.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "lago_id lago_charge_id lago_charge_filter_id lago_invoice_id \
        lago_true_up_fee_id lago_true_up_parent_fee_id lago_subscription_id \
        external_subscription_id lago_customer_id external_customer_id item pay_in_advance \
        invoiceable amount_cents amount_currency precise_amount precise_total_amount \
        taxes_amount_cents taxes_precise_amount taxes_rate total_amount_cents \
        total_amount_currency units description precise_unit_amount precise_coupons_amount_cents \
        events_count payment_status created_at succeeded_at failed_at refunded_at amount_details \
        event_transaction_id";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    let answer = world.ask(INSTANT, &json!({"v": "many"}));
    let expected = json!({"properties": ["value_is_not_valid_number"]});
    assert_eq!(answer.json()["error_details"], expected);
    let yen = World::new("2024-04-11T12:00:00Z", &sum(), &standard("1.5"), "JPY", &json!([]));
    let fee = yen.fee(INSTANT, &json!({"v": 3}));
    assert_eq!((&fee["amount_cents"], &fee["precise_amount"]), (&json!(5), &json!("4.5")));
}

#[test]
fn a_batch_is_grouped_by_subscription() {
    let world = World::simple(&sum(), &standard("1"));
    let event = |id: &str, subscription: &str, code: &str| {
        json!({"transaction_id": id, "external_subscription_id": subscription, "code": code,
               "properties": {"v": 1}})
    };
    let ask = |events: &[Json]| world.0.post(KEY, BATCH, &json!({ "events": events }));
    let answer = ask(&[event("1", "s", "m"), event("2", "s", "other"), event("3", "s", "m")]);
    let fees = answer.json()["fees"].clone();
    let ids: Vec<&str> = fees
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["event_transaction_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["1", "3"], "one that no charge prices is left out");
    let answer = ask(&[event("1", "s", "m"), event("2", "none", "m")]);
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("subscription_not_found")));
    assert_eq!(world.0.now(), Instant(1_712_836_800_000_000));
}
