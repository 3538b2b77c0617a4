//! Charges of one subscription over HTTP.

use serde_json::{Value as Json, json};

use super::client::{Server, start};
use super::plans::{plan, standard, subscribe_as, with_metrics};
use crate::core::catalog::Status;

const CHARGE: &str = "subscriptions/s/charges/gb";

/// The subscription `s` on the plan `starter`, whose charge `gb` has a filter on `eu`.
fn with_subscription() -> (Server, Json) {
    let (server, calls, gb) = with_metrics();
    let mut sent = standard(&gb);
    sent["filters"] = json!([{"values": {"region": ["eu"]}, "properties": {"amount": "1"}}]);
    let plan = server.post_json("plans", &plan(&json!([sent, standard(&calls)]))).ok();
    subscribe_as(&server, &plan, Status::Active);
    (server, plan)
}

/// The plan that the subscription is on, as the catalogue has it.
fn own_plan(server: &Server) -> crate::core::catalog::Plan {
    let seen = server.mock.world.snapshot("KEY").unwrap();
    let rows = seen.directory.subscriptions("a", "s");
    crate::core::catalog::Plan::clone(&seen.tenant.plan(rows[0].plan).unwrap().entity)
}

#[test]
fn the_first_change_gives_a_subscription_a_plan_of_its_own() {
    let (server, plan) = with_subscription();
    let parent = &plan["plan"]["charges"][0];
    assert_eq!(server.read(CHARGE).ok()["charge"], *parent);
    let body = json!({"charge": {"properties": {"amount": "9", "grouped_by": ["team"], "x": 1},
        "min_amount_cents": 7, "charge_model": "package", "code": "other", "prorated": true}});
    let changed = server.put_json(CHARGE, &body).ok();
    let charge = &changed["charge"];
    assert_eq!(charge["lago_parent_id"], parent["lago_id"]);
    assert_ne!(charge["lago_id"], parent["lago_id"]);
    assert_eq!((&charge["code"], &charge["charge_model"]), (&json!("gb"), &json!("standard")));
    assert_eq!((&charge["min_amount_cents"], &charge["prorated"]), (&json!(7), &json!(false)));
    // Taken as they are sent.
    assert_eq!(
        charge["properties"],
        json!({"amount": "9", "grouped_by": ["team"], "x": 1, "pricing_group_keys": ["team"]})
    );
    assert_ne!(charge["filters"][0]["lago_id"], parent["filters"][0]["lago_id"]);
    assert_eq!(server.read(CHARGE).ok(), changed);
    let own = own_plan(&server);
    assert_eq!(own.parent.unwrap().to_string(), plan["plan"]["lago_id"].as_str().unwrap());
    assert_eq!(own.charges.len(), 2);
    assert_eq!(own.charges[0].pricing_group_keys, ["team"]);
    // The plan itself is as it was, and the private one is found by nobody.
    assert_eq!(server.read("plans/starter").ok(), plan);
    assert_eq!(server.read("plans").ok()["meta"]["total_count"], 1);
    // The second change is made in the same private plan, and what is not sent stays.
    let second = server.put_json(
        CHARGE,
        &json!({"charge": {"min_amount_cents": null,
        "invoice_display_name": "I"}}),
    );
    let second = second.ok();
    assert_eq!(second["charge"]["lago_id"], charge["lago_id"]);
    assert_eq!(second["charge"]["min_amount_cents"], 7);
    assert_eq!(second["charge"]["properties"], charge["properties"]);
    assert_eq!(own_plan(&server).id, own.id);
    // Private plans go with the plan that they override.
    server.delete("plans/starter").ok();
    server.read(CHARGE).refused(404, "charge_not_found");
}

#[test]
fn filters_of_a_subscription_are_added_and_changed() {
    let (server, plan) = with_subscription();
    let filters = format!("{CHARGE}/filters");
    let filter = |members: Json| json!({ "filter": members });
    // The filter of the plan's charge is changed in a copy.
    let parent = plan["plan"]["charges"][0]["filters"][0]["lago_id"].as_str().unwrap();
    let body = filter(json!({"properties": {"amount": "4", "rate": "1"}}));
    let changed = server.put_json(&format!("{filters}/{parent}"), &body).ok();
    assert_ne!(changed["filter"]["lago_id"], parent);
    assert_eq!(changed["filter"]["properties"], json!({"amount": "4"}));
    assert_eq!(changed["filter"]["values"], json!({"region": ["eu"]}));
    let id = changed["filter"]["lago_id"].as_str().unwrap();
    let odd = filter(json!({"properties": {"amount": "4", "presentation_group_keys": ["x"]}}));
    server.put_json(&format!("{filters}/{id}"), &odd).invalid(r#"{"properties":["invalid_type"]}"#);
    let empty = filter(json!({"properties": {}}));
    server
        .put_json(&format!("{filters}/{id}"), &empty)
        .invalid(r#"{"properties":["invalid_amount"]}"#);
    let equal = filter(json!({"values": {"region": ["eu"]}, "properties": {"amount": "x"}}));
    server.post_json(&filters, &equal).invalid(r#"{"values":["value_already_exists"]}"#);
    let blank = filter(json!({"values": {}, "properties": {"amount": "1"}}));
    server.post_json(&filters, &blank).invalid(r#"{"values":["value_is_mandatory"]}"#);
    let us = filter(json!({"values": {"region": ["us"]}, "properties": {"amount": "2"}}));
    let added = server.post_json(&filters, &us).ok();
    assert_eq!(added["filter"]["charge_code"], "gb");
    let shown = server.read(CHARGE).ok();
    assert_eq!(shown["charge"]["filters"], json!([changed["filter"], added["filter"]]));
    assert_eq!(server.read("plans/starter").ok(), plan);
    server.put_json(&format!("{filters}/{parent}"), &body).refused(404, "charge_filter_not_found");
}

#[test]
fn charges_and_filters_are_listed_and_shown() {
    let (server, plan) = with_subscription();
    let list = server.read("subscriptions/s/charges?per_page=1&page=2").ok();
    assert_eq!(list["charges"], json!([plan["plan"]["charges"][1]]));
    assert_eq!(list["meta"]["total_count"], 2);
    let parent = &plan["plan"]["charges"][0]["filters"][0];
    assert_eq!(server.read(&format!("{CHARGE}/filters")).ok()["filters"], json!([parent]));
    let one = format!("{CHARGE}/filters/{}", parent["lago_id"].as_str().unwrap());
    assert_eq!(server.read(&one).ok()["filter"], *parent);
    server.read(&format!("{CHARGE}/filters/x")).refused(404, "charge_filter_not_found");
    server.read("subscriptions/none/charges").refused(404, "subscription_not_found");
    server.read("subscriptions/s/charges/none/filters").refused(404, "charge_not_found");
    for path in ["subscriptions/s/charges", &format!("{CHARGE}/filters"), &one] {
        let target = format!("/api/v1/{path}");
        server.send("OTHER", "GET", &target, "").refused(404, "subscription_not_found");
        server.send("LIMITED", "GET", &target, "").status_is(403);
    }
}

#[test]
fn refusals_come_in_order() {
    let (server, _) = with_subscription();
    let put = |members: Json| server.put_json(CHARGE, &json!({ "charge": members }));
    server.put("subscriptions/none/charges/gb", "{}").refused(404, "subscription_not_found");
    server.put("subscriptions/s/charges/none", "{}").refused(404, "charge_not_found");
    server.put(CHARGE, "{}").missing_root("charge");
    server.post(&format!("{CHARGE}/filters"), "{}").missing_root("filter");
    put(json!({"properties": {}})).invalid(r#"{"properties":["invalid_amount"]}"#);
    put(json!({"filters": [{"values": {"region": ["mars"]}, "properties": {"amount": "1"}}],
        "tax_codes": ["none"]}))
    .invalid(r#"{"values":["value_is_invalid"]}"#);
    put(json!({"tax_codes": ["none"]})).refused(404, "tax_not_found");
    assert!(own_plan(&server).parent.is_none(), "a refusal makes no plan");
    let filter = format!("{CHARGE}/filters/1a901a90-1a90-1a90-1a90-1a901a901a90");
    for (method, path) in [
        ("GET", CHARGE.to_owned()),
        ("PUT", CHARGE.to_owned()),
        ("POST", format!("{CHARGE}/filters")),
        ("PUT", filter),
    ] {
        let target = format!("/api/v1/{path}");
        server.send("OTHER", method, &target, "{}").refused(404, "subscription_not_found");
        server.send("WRONG", method, &target, "{}").refused(401, "");
        server.send("LIMITED", method, &target, "{}").status_is(403);
    }
}

#[test]
fn a_subscription_that_does_not_run_has_no_charges() {
    let server = start();
    server.read(CHARGE).refused(404, "subscription_not_found");
    let (server, calls, _) = with_metrics();
    let plan = server.post_json("plans", &plan(&json!([standard(&calls)]))).ok();
    subscribe_as(&server, &plan, Status::Pending);
    server.read("subscriptions/s/charges/calls").refused(404, "subscription_not_found");
}

#[test]
fn nulls_in_lists_are_dropped_wherever_they_stand() {
    let (server, _) = with_subscription();
    let sent = json!({"amount": "9", "pricing_group_keys": ["team", null], "x": [[null, 1]]});
    let changed = server.put_json(CHARGE, &json!({"charge": {"properties": sent}})).ok();
    let properties = &changed["charge"]["properties"];
    assert_eq!(properties["pricing_group_keys"], json!(["team"]));
    assert_eq!(properties["x"], json!([[1]]));
}
