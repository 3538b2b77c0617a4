//! Cases of the golden kinds that none of the golden ones is like, worked out by hand from the text
//! of the rules: what a harness must not pass over when other cases are given to it.

use serde_json::{Value as Json, json};

use crate::vectors_run::runner;

/// A case with some members in place of others, at any depth.
fn with(mut case: Json, further: Json) -> Json {
    match (&mut case, further) {
        (Json::Object(own), Json::Object(further)) => {
            for (name, value) in further {
                let known = own.remove(&name).unwrap_or(Json::Null);
                own.insert(name, with(known, value));
            }
            case
        }
        (_, further) => further,
    }
}

/// Runs a case of which each path is to have a value.
fn check(case: Json, expected: &[(Json, Json)]) {
    let assertion = |(path, value): &(Json, Json)| {
        if value.is_null() {
            return json!({"path": path, "op": "null"});
        }
        json!({"path": path, "op": "equals", "value": value})
    };
    let assertions: Vec<Json> = expected.iter().map(assertion).collect();
    let case = with(case, json!({"expect": {"assertions": assertions}}));
    let verdict = runner(case["kind"].as_str().unwrap()).unwrap()(&case);
    assert_eq!(verdict.failures, Vec::<String>::new(), "{case}");
    assert!(verdict.skipped.is_empty() && !verdict.is_skipped, "{case}");
}

/// A sum over April.
fn sum(further: Json) -> Json {
    let case = json!({
        "kind": "aggregation", "family": "plain", "operation": "aggregate", "timezone": "UTC",
        "billable_metric": {"code": "m", "aggregation_type": "sum_agg", "field_name": "value",
            "recurring": false},
        "subscription": {"started_at": "2024-01-01T00:00:00Z", "status": "active"},
        "boundaries": {"from_datetime": "2024-04-01T00:00:00Z",
            "to_datetime": "2024-04-30T23:59:59.999999Z", "charges_duration": 30},
        "events": [],
    });
    with(case, further)
}

/// A question to the store about the same month.
fn stored(operation: &str, further: Json) -> Json {
    let options = json!({"aggregation_property": "value"});
    let case = json!({"family": "store", "operation": operation, "store_options": options});
    with(sum(case), further)
}

fn event(transaction: &str, day: &str, properties: Json) -> Json {
    let mut event = json!({"transaction_id": transaction, "timestamp": format!("{day}T00:00:00Z")});
    event["properties"] = properties;
    event
}

fn record(day: &str, current: u32, max: u32, group: Json) -> Json {
    let timestamp = format!("{day}T00:00:00Z");
    let mut record = json!({"event_transaction_id": "earlier", "timestamp": timestamp,
        "current_aggregation": current, "max_aggregation": max});
    record["grouped_by"] = group;
    record
}

#[test]
fn a_record_is_that_of_the_very_group() {
    let of_x = record("2024-04-02", 4, 9, json!({"agent": "x"}));
    let seven = event("e", "2024-04-20", json!({"value": 7, "agent": "x"}));
    let case = sum(json!({
        "prior_state": [of_x], "arguments": {"options": {"is_pay_in_advance": true}},
        "filters": {"event": seven, "grouped_by_values": {"agent": "x"}},
    }));
    let found =
        [(json!(["pay_in_advance_aggregation"]), json!(2)), (json!(["units_applied"]), Json::Null)];
    check(case, &found);

    let advance = json!({"options": {"is_pay_in_advance": true, "is_current_usage": true}});
    let five = json!([event("1", "2024-04-10", json!({"value": 5}))]);
    let usage = json!({"arguments": advance, "events": five});
    let ungrouped = with(sum(usage.clone()), json!({"prior_state": [of_x]}));
    check(ungrouped, &[(json!(["aggregation"]), json!(5))]);
    let grouped = json!({"filters": {"grouped_by": ["agent"]},
        "prior_state": [record("2024-04-02", 3, 9, json!({}))]});
    check(with(sum(usage), grouped), &[(json!(["aggregations", 0, "aggregation"]), json!(5))]);
}

#[test]
fn a_weighted_sum_begins_with_the_latest_record_and_shows_no_options() {
    let weighted = json!({"billable_metric": {"aggregation_type": "weighted_sum_agg",
        "recurring": true}});
    let latest =
        [record("2024-03-31", 1000, 0, Json::Null), record("2024-02-29", 500, 0, Json::Null)];
    let case = with(sum(weighted.clone()), json!({"prior_state": latest}));
    check(
        case,
        &[(json!(["total_aggregated_units"]), json!(1000)), (json!(["options"]), json!({}))],
    );
    // One that is not remembered is 0, whatever the events say.
    let before = event("1", "2024-03-10", json!({"value": 7}));
    let later = record("2024-04-02", 1000, 0, Json::Null);
    let case = with(sum(weighted), json!({"prior_state": [later], "events": [before]}));
    check(case, &[(json!(["total_aggregated_units"]), json!(0))]);
}

#[test]
fn a_store_is_asked_within_the_bounds_and_for_the_columns_it_is_told() {
    let events = json!([
        event("before", "2024-03-31", json!({"value": "1", "cloud": "aws"})),
        event("inside", "2024-04-10", json!({"value": "2", "cloud": "aws"})),
        event("latest", "2024-04-11", json!({"value": "abc", "cloud": "gcp"})),
    ]);
    let ask = |operation: &str, further: Json| {
        with(stored(operation, json!({"events": events})), further)
    };
    let unbounded = json!({"store_options": {"use_from_boundary": false}});
    check(ask("count", unbounded.clone()), &[(json!(["value"]), json!(3))]);
    check(ask("max", unbounded.clone()), &[(json!(["events_count"]), json!(2))]);
    let forced = with(unbounded, json!({"arguments": {"force_from": true}}));
    check(ask("count", forced), &[(json!(["value"]), json!(2))]);
    let valid = json!({"store_options": {"numeric_property": true}});
    check(ask("count", valid.clone()), &[(json!(["value"]), json!(1))]);
    check(ask("last_event", json!({})), &[(json!(["transaction_id"]), json!("latest"))]);
    check(ask("last_event", valid), &[(json!(["transaction_id"]), json!("inside"))]);
    let by_cloud = json!({"arguments": [["cloud"]]});
    let cloud = |name: &str, day: &str, value: Json| {
        let timestamp = format!("{day}T00:00:00Z");
        json!({"groups": {"cloud": name}, "timestamp": timestamp, "value": value})
    };
    let clouds =
        json!([cloud("aws", "2024-04-10", json!(2)), cloud("gcp", "2024-04-11", json!("abc"))]);
    check(ask("grouped_last_event", by_cloud), &[(json!([]), clouds)]);
    let uncounted = json!({"arguments": {"with_count": false, "period_duration": 30}});
    let found = [(json!(["value"]), json!(2)), (json!(["events_count"]), Json::Null)];
    check(ask("prorated_sum", uncounted), &found);
    let grouped = json!({"filters": {"grouped_by": ["cloud"]}, "events": []});
    check(ask("sum", grouped), &[(json!(["value"]), json!(0))]);
}

#[test]
fn events_are_what_the_service_takes_in() {
    let tiny: Json = serde_json::from_str("1e-05").unwrap();
    let events = json!([event("1", "2024-04-10", json!({"value": tiny}))]);
    let found = [(json!(["aggregation"]), json!("0.00001")), (json!(["count"]), json!(1))];
    check(sum(json!({"events": events})), &found);
    // An id is taken for good, whatever becomes of its event.
    let five = event("1", "2024-04-10", json!({"value": 5}));
    let deleted = with(five.clone(), json!({"deleted_at": "2024-04-11T00:00:00Z"}));
    let events = json!({"events": [deleted, five], "deduplicate_transactions": true});
    check(sum(events), &[(json!(["count"]), json!(0))]);
}

#[test]
fn prorated_figures_in_advance() {
    let case = sum(json!({
        "charge": {"charge_model": "standard", "prorated": true, "pay_in_advance": true},
        "arguments": {"options": {"is_pay_in_advance": true}},
    }));
    let ten = event("1", "2024-04-10", json!({"value": 10}));
    let nothing = event("e", "2024-04-10", json!({}));
    let triggered = with(case.clone(), json!({"filters": {"event": nothing}, "events": [ten]}));
    check(triggered, &[(json!(["full_units_number"]), json!(0))]);

    let user = |name: &str| event(name, "2024-04-10", json!({"value": name}));
    let billed = with(
        case,
        json!({"billable_metric": {"aggregation_type": "unique_count_agg", "recurring": true,
            "rounding_function": "ceil", "rounding_precision": -1},
            "events": [user("a"), user("b"), user("c")]}),
    );
    check(billed, &[(json!(["aggregation"]), json!(10)), (json!(["count"]), json!(3))]);
}

fn priced(further: Json) -> Json {
    let case = json!({"kind": "charge_model", "mode": "fee", "charge_model": "standard",
        "prorated": false, "properties": {"amount": "10"}});
    with(case, further)
}

#[test]
fn groups_add_up_and_a_price_without_events_has_plain_tiers() {
    let groups = priced(json!({"groups": [{"aggregation": 1}, {"aggregation": 2}]}));
    check(groups, &[(json!(["amount"]), json!(30)), (json!(["units"]), json!(3))]);
    let passed =
        priced(json!({"aggregation": {"aggregation": "5.96667", "full_units_number": 14}}));
    check(
        passed,
        &[(json!(["full_units_number"]), json!(14)), (json!(["current_usage_units"]), Json::Null)],
    );
    let tier = |from: u32, to: Json, price: &str| {
        let bounds = json!({"from_value": from, "to_value": to});
        with(bounds, json!({"per_unit_amount": price, "flat_amount": "0"}))
    };
    let ranges = [tier(0, json!(2), "2"), tier(3, Json::Null, "3")];
    let what_if = priced(json!({"charge_model": "graduated", "prorated": true,
        "properties": {"graduated_ranges": ranges}, "aggregation": {"aggregation": 5}}));
    check(what_if, &[(json!(["amount"]), json!(13)), (json!(["unit_amount"]), json!("2.6"))]);
}

/// Two calls at so much each.
fn charged(further: Json) -> Json {
    let event = |transaction: &str| event(transaction, "2024-04-10", json!({}));
    let case = json!({
        "kind": "charge_fee", "context": "finalize", "premium_license": true,
        "billable_metric": {"code": "m", "aggregation_type": "count_agg", "recurring": false},
        "charge": {"charge_model": "standard", "invoiceable": true, "pay_in_advance": false,
            "prorated": false, "properties": {"amount": "0.619"}},
        "subscription": {"started_at": "2024-01-01T00:00:00Z", "status": "active"},
        "boundaries": {"charges_from_datetime": "2024-04-01T00:00:00Z",
            "charges_to_datetime": "2024-04-30T23:59:59.999999Z", "charges_duration": 30,
            "timestamp": "2024-05-01T00:00:00Z"},
        "events": [event("1"), event("2")],
    });
    with(case, further)
}

#[test]
fn fees_have_the_pricing_unit_between_and_the_charges_own_taxes() {
    let unit = json!({"code": "u", "short_name": "CR", "conversion_rate": "2.5"});
    let converted = charged(json!({"charge": {"applied_pricing_unit": unit}}));
    let usage = |name: &str| json!(["fees", 0, "pricing_unit_usage", name]);
    check(
        converted,
        &[
            (usage("amount_cents"), json!(124)),
            (usage("precise_amount_cents"), json!("123.8")),
            (usage("unit_amount_cents"), json!(61)),
            (usage("precise_unit_amount"), json!("0.619")),
            (usage("short_name"), json!("CR")),
            (json!(["fees", 0, "amount_cents"]), json!(310)),
            (json!(["fees", 0, "amount_currency"]), json!("EUR")),
        ],
    );
    let taxes = [json!({"code": "own", "rate": 10}), json!({"code": "other", "rate": 20})];
    let taxed = charged(json!({"charge": {"tax_codes": ["own"], "properties": {"amount": "5"}},
        "apply_taxes": true, "taxes": taxes}));
    let applied = |name: &str| json!(["fees", 0, "applied_taxes", 0, name]);
    check(
        taxed,
        &[
            (json!(["fees", 0, "taxes_amount_cents"]), json!(100)),
            (applied("tax_code"), json!("own")),
            (applied("amount_cents"), json!(100)),
        ],
    );
}

#[test]
fn what_a_charge_bills_in_advance_may_be_told() {
    let record = record("2024-04-02", 4, 9, Json::Null);
    let case = charged(json!({
        "context": "current_usage", "prior_state": [record],
        "billable_metric": {"aggregation_type": "sum_agg", "field_name": "value"},
        "charge": {"pay_in_advance": true, "properties": {"amount": "1"}},
        "events": [event("1", "2024-04-10", json!({"value": 5}))],
    }));
    // 5 - 4 + 9 units are priced, 5 are shown.
    check(
        case,
        &[
            (json!(["fees", 0, "amount_cents"]), json!(1000)),
            (json!(["fees", 0, "units"]), json!(5)),
        ],
    );
}

#[test]
fn the_default_bucket_leaves_to_the_filters_what_is_theirs() {
    let case = json!({
        "kind": "filter_match", "mode": "match_and_ignore",
        "metric_filters": [{"key": "region", "values": ["eu", "us"]}],
        "charge_filters": [{"name": "f", "values": {"region": ["eu"]}}],
        "expect": {"matching_filters": {}, "ignored_filters": [{"region": ["eu"]}]},
    });
    let verdict = runner("filter_match").unwrap()(&case);
    assert_eq!(verdict.failures, Vec::<String>::new());
}

#[test]
fn plans_are_compared_by_the_year_and_a_running_window_ends_with_its_subscription() {
    let base = json!({"kind": "boundaries", "input": {
        "interval": "yearly", "billing_time": "calendar", "timezone": "UTC",
        "plan_pay_in_advance": false, "plan_amount_cents": 1000, "bill_charges_monthly": false,
        "bill_fixed_charges_monthly": false, "subscription_at": "2021-02-02T00:00:00Z",
        "started_at": "2021-02-02T00:00:00Z", "status": "terminated",
        "terminated_at": "2022-03-06T12:23:00Z", "billing_at": "2022-03-07T00:00:00Z",
        "current_usage": false,
        "next_subscription": {"status": "active", "plan_interval": "monthly",
            "plan_amount_cents": 100, "plan_pay_in_advance": false,
            "started_at": "2022-03-06T12:23:00Z"},
    }});
    let holds = |case: &Json| {
        let verdict = runner("boundaries").unwrap()(case);
        assert_eq!(verdict.failures, Vec::<String>::new(), "{case}");
    };
    holds(&with(
        base.clone(),
        json!({"expect": {"charges_from_datetime": "2022-01-01T00:00:00Z",
            "charges_to_datetime": "2022-03-06T12:23:00Z", "charges_duration_in_days": 365}}),
    ));
    let cheaper = json!({"input": {"next_subscription": {"plan_amount_cents": 50}},
        "expect": {"charges_from_datetime": "2021-02-02T00:00:00Z",
            "charges_to_datetime": "2021-12-31T23:59:59Z"}});
    holds(&with(base.clone(), cheaper));
    let running = json!({"input": {"interval": "monthly", "current_usage": true},
        "expect": {"charges_from_datetime": "2022-03-01T00:00:00Z",
            "charges_to_datetime": "2022-03-06T12:23:00Z"}});
    holds(&with(base, running));
}
