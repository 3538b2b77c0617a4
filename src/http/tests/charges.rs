//! Charges and filters of a plan, one at a time, over HTTP.

use serde_json::{Value as Json, json};

use super::client::Server;
use super::plans::{plan, standard, subscribe, with_metrics};

fn charge(members: &Json) -> Json {
    json!({"charge": members})
}

/// A server with the plan `starter` and a charge `gb` with a filter on `eu`; the id of the metric.
fn with_charge() -> (Server, String) {
    let (server, _, gb) = with_metrics();
    let mut sent = standard(&gb);
    sent["filters"] = json!([{"values": {"region": ["eu"]}, "properties": {"amount": "1"}}]);
    server.post_json("plans", &plan(&json!([sent]))).ok();
    (server, gb)
}

#[test]
fn charges_are_added_read_changed_and_removed() {
    let (server, gb) = with_charge();
    let mut sent = standard(&gb);
    sent["code"] = json!("extra");
    let created = server.post_json("plans/starter/charges", &charge(&sent)).ok();
    assert_eq!(created["charge"]["code"], "extra");
    assert_eq!(server.read("plans/starter/charges/extra").ok(), created);
    let list = server.read("plans/starter/charges?per_page=1&page=2").ok();
    assert_eq!(list["charges"][0], created["charge"]);
    assert_eq!(list["meta"]["total_count"], 2);
    assert_eq!(server.read("plans/starter").ok()["plan"]["charges"][1], created["charge"]);
    let change = json!({"charge_model": "graduated", "code": "tiers", "prorated": true,
        "min_amount_cents": "12.9", "invoice_display_name": "I"});
    let changed = server.put_json("plans/starter/charges/extra", &charge(&change)).ok();
    let row = &changed["charge"];
    assert_eq!(row["lago_id"], created["charge"]["lago_id"]);
    assert_eq!((&row["code"], &row["prorated"]), (&json!("tiers"), &json!(true)));
    assert_eq!(row["min_amount_cents"], 12);
    assert_eq!(
        row["properties"],
        json!({"graduated_ranges": [{"from_value": 0, "to_value": null, "per_unit_amount": "0",
            "flat_amount": "0"}]})
    );
    assert_eq!(server.delete("plans/starter/charges/tiers").ok(), changed);
    for answer in [
        server.read("plans/starter/charges/tiers"),
        server.delete("plans/starter/charges/tiers"),
        server.put_json("plans/starter/charges/tiers", &charge(&change)),
    ] {
        answer.refused(404, "charge_not_found");
    }
}

#[test]
fn charges_are_checked_in_order() {
    let (server, gb) = with_charge();
    let path = "plans/starter/charges";
    server.post("plans/none/charges", "{}").refused(404, "plan_not_found");
    server.post(path, "{}").missing_root("charge");
    server.put(&format!("{path}/none"), "{}").refused(404, "charge_not_found");
    server.put(&format!("{path}/gb"), "{}").missing_root("charge");
    let post = |members: &Json| server.post_json(path, &charge(members));
    post(&json!({"code": "c"})).refused(404, "billable_metric_not_found");
    post(&standard(&gb)).invalid(r#"{"code":["value_is_mandatory"]}"#);
    let mut sent = standard(&gb);
    sent["code"] = json!("gb");
    post(&sent).invalid(r#"{"code":["value_already_exist"]}"#);
    // With filters, the plain charge comes first, then they, then what is left of the charge.
    sent["code"] = json!("c");
    sent["min_amount_cents"] = json!("x");
    sent["filters"] = json!([{"values": {"region": ["mars"]}, "properties": {"amount": "1"}}]);
    sent["tax_codes"] = json!(["none"]);
    post(&sent).invalid(r#"{"values":["value_is_invalid"]}"#);
    sent["filters"] = json!([{"values": {"color": ["red"]}, "properties": {"amount": "1"}}]);
    post(&sent).invalid(
        r#"{"billable_metric_filter":["relation_must_exist"],"values":["value_is_invalid"]}"#,
    );
    sent["filters"] = json!([{"values": {"region": ["eu"]}, "properties": {"amount": 1}}]);
    post(&sent).invalid(r#"{"properties":["invalid_amount"]}"#);
    // Values that are no object are none, and nothing else is looked at then.
    for values in [json!("eu"), json!(["eu"]), json!(5), json!(true)] {
        let mut sent = sent.clone();
        let another = json!({"values": values, "properties": {"amount": "1"}});
        sent["filters"].as_array_mut().unwrap().push(another);
        post(&sent).invalid(r#"{"values":["value_is_mandatory"]}"#);
        let alone = json!({"filter": {"values": values, "properties": {}}});
        let filters = "plans/starter/charges/gb/filters";
        server.post_json(filters, &alone).invalid(r#"{"values":["value_is_mandatory"]}"#);
    }
    sent["filters"][0]["properties"] = json!({"amount": "1"});
    post(&sent).invalid(r#"{"min_amount_cents":["is not a number"]}"#);
    sent["min_amount_cents"] = json!(-5);
    post(&sent).invalid(r#"{"min_amount_cents":["value_is_out_of_range"]}"#);
    sent["min_amount_cents"] = json!(null);
    sent["applied_pricing_unit"] = json!({"code": "credits"});
    post(&sent).invalid(
        r#"{"pricing_unit":["relation_must_exist"],"conversion_rate":["value_is_mandatory",
            "is not a number"]}"#,
    );
    sent["applied_pricing_unit"] = json!({});
    post(&sent).refused(404, "tax_not_found");
    sent["tax_codes"] = json!([]);
    post(&sent).ok();
    // Everything that is wrong with a charge comes at once.
    let mut worst = json!({"billable_metric_id": gb, "code": "gb", "charge_model": "volume",
        "properties": {"volume_ranges": []}, "pay_in_advance": true, "prorated": true,
        "min_amount_cents": 500, "regroup_paid_fees": "invoice"});
    post(&worst).invalid(
        r#"{"properties":["missing_volume_ranges"],"code":["value_already_exist"],
            "pay_in_advance":["invalid_aggregation_type_or_charge_model"],
            "regroup_paid_fees":["only_compatible_with_pay_in_advance_and_non_invoiceable"],
            "prorated":["invalid_billable_metric_or_charge_model"],
            "min_amount_cents":["not_compatible_with_pay_in_advance"]}"#,
    );
    worst["min_amount_cents"] = json!("x");
    worst["charge_model"] = json!(["volume"]);
    worst["regroup_paid_fees"] = json!({"x": 1});
    post(&worst).invalid(
        r#"{"charge_model":["value_is_invalid"],"min_amount_cents":["is not a number"],
            "code":["value_already_exist"],"regroup_paid_fees":["value_is_invalid"],
            "prorated":["invalid_billable_metric_or_charge_model"]}"#,
    );
}

#[test]
fn a_charge_is_changed_in_two_steps() {
    let (server, gb) = with_charge();
    let path = "plans/starter/charges/gb";
    let put = |members: &Json| server.put_json(path, &charge(members));
    put(&json!({"code": "x"}))
        .invalid(r#"{"charge_model":["value_is_invalid","value_is_mandatory"]}"#);
    put(&json!({"charge_model": "standard", "billable_metric_id": null}))
        .invalid(r#"{"billable_metric":["relation_must_exist"]}"#);
    // What does not need the metric is told with it.
    put(&json!({"charge_model": "standard", "billable_metric_id": null, "invoiceable": false,
        "min_amount_cents": -1}))
    .invalid(
        r#"{"billable_metric":["relation_must_exist"],
            "min_amount_cents":["value_is_out_of_range"],
            "invoiceable":["must_be_true_unless_pay_in_advance"]}"#,
    );
    let advance = json!({"charge_model": "standard", "pay_in_advance": true,
        "invoiceable": false, "regroup_paid_fees": "invoice"});
    let changed = put(&advance).ok();
    assert_eq!(changed["charge"]["regroup_paid_fees"], "invoice");
    // Properties that are not sent are the default, filters that are not sent stay.
    assert_eq!(changed["charge"]["properties"], json!({"amount": "0"}));
    assert_eq!(changed["charge"]["filters"].as_array().unwrap().len(), 1);
    let volume = json!({"charge_model": "volume", "pay_in_advance": false});
    put(&volume).invalid(r#"{"pay_in_advance":["invalid_aggregation_type_or_charge_model"]}"#);
    let plan = server.read("plans/starter").ok();
    subscribe(&server, &plan);
    // The model that is sent decides the default, and the one that stays what is kept of it.
    put(&json!({"code": "x"})).invalid(r#"{"properties":["invalid_amount"]}"#);
    put(&json!({"charge_model": "percentage"})).invalid(r#"{"properties":["invalid_amount"]}"#);
    let kept = put(&json!({"charge_model": "package", "properties": {"amount": "3"}, "code": "x",
        "billable_metric_id": gb, "filters": []}));
    let kept = kept.ok();
    assert_eq!(kept["charge"]["code"], "gb");
    assert_eq!(kept["charge"]["charge_model"], "standard");
    assert_eq!(kept["charge"]["properties"], json!({"amount": "3"}));
    assert_eq!(kept["charge"]["filters"], json!([]));
}

#[test]
fn filters_are_added_read_changed_and_removed() {
    let (server, _) = with_charge();
    let path = "plans/starter/charges/gb/filters";
    let filter = |members: Json| json!({ "filter": members });
    let first = server.read(path).ok()["filters"][0].clone();
    let us = json!({"invoice_display_name": "US", "values": {"region": ["us", null]},
        "properties": {"amount": "2", "presentation_group_keys": [{"value": "x"}]}});
    let created = server.post_json(path, &filter(us)).ok();
    let id = created["filter"]["lago_id"].as_str().unwrap().to_owned();
    assert_eq!(
        created["filter"],
        json!({"lago_id": id, "charge_code": "gb", "invoice_display_name": "US",
            "properties": {"amount": "2"}, "values": {"region": ["us"]},
            "created_at": created["filter"]["created_at"]})
    );
    assert!(created["filter"]["created_at"].is_string());
    let one = format!("{path}/{id}");
    assert_eq!(server.read(&one).ok(), created);
    // Properties are replaced as a whole, values never.
    let change = json!({"values": {"region": ["eu"]}, "properties": {"amount": "5"}});
    let changed = server.put_json(&one, &filter(change)).ok();
    assert_eq!(changed["filter"]["values"], json!({"region": ["us"]}));
    assert_eq!(changed["filter"]["properties"], json!({"amount": "5"}));
    assert_eq!(changed["filter"]["invoice_display_name"], "US");
    let named = server.put_json(&one, &filter(json!({"invoice_display_name": null}))).ok();
    assert_eq!(named["filter"]["properties"], json!({"amount": "5"}));
    let empty = filter(json!({"properties": {}}));
    server.put_json(&one, &empty).invalid(r#"{"properties":["invalid_amount"]}"#);
    let blank = filter(json!({"values": {}, "properties": {"amount": "x"}}));
    server.post_json(path, &blank).invalid(r#"{"values":["value_is_mandatory"]}"#);
    server.post(path, "{}").missing_root("filter");
    server.put(&one, "{}").missing_root("filter");
    // Filters stand in the order of their last change.
    let touched = format!("{path}/{}", first["lago_id"].as_str().unwrap());
    server.put_json(&touched, &filter(json!({"invoice_display_name": "EU"}))).ok();
    let list = server.read(path).ok();
    assert_eq!(list["filters"][0]["lago_id"], id.as_str());
    assert_eq!(list["meta"]["total_count"], 2);
    assert_eq!(server.delete(&one).ok(), named);
    for answer in [
        server.read(&one),
        server.delete(&one),
        server.put(&one, "{}"),
        server.read(&format!("{path}/nonsense")),
    ] {
        answer.refused(404, "charge_filter_not_found");
    }
    for (path, code) in [("none/charges/gb", "plan"), ("starter/charges/none", "charge")] {
        let answer = server.post(&format!("plans/{path}/filters"), "{}");
        answer.refused(404, &format!("{code}_not_found"));
        let answer = server.read(&format!("plans/{path}/filters"));
        answer.refused(404, &format!("{code}_not_found"));
    }
}

#[test]
fn a_list_of_filters_changes_those_with_the_same_values() {
    let (server, _) = with_charge();
    let path = "plans/starter/charges/gb";
    let old = server.read(path).ok()["charge"]["filters"][0].clone();
    let body = charge(&json!({"charge_model": "standard", "properties": {"amount": "1"},
    "filters": [
        {"values": {"region": ["us"]}, "properties": {"amount": "2"}},
        {"values": {"region": ["eu"]}, "properties": {"amount": "3"}},
        {"values": {"region": ["us"]}, "properties": {"amount": "4"}},
    ]}));
    let filters = server.put_json(path, &body).ok()["charge"]["filters"].clone();
    let amounts: Vec<_> =
        filters.as_array().unwrap().iter().map(|f| f["properties"]["amount"].clone()).collect();
    assert_eq!(amounts, [json!("2"), json!("3"), json!("4")]);
    assert_eq!(filters[1]["lago_id"], old["lago_id"]);
    assert_ne!(filters[0]["lago_id"], filters[2]["lago_id"]);
    let body = charge(&json!({"charge_model": "standard", "properties": {"amount": "1"},
        "filters": [{"values": {"region": ["us"]}}, {"values": {}}]}));
    server.put_json(path, &body).invalid(r#"{"values":["value_is_mandatory"]}"#);
}

#[test]
fn charges_and_filters_belong_to_one_organisation() {
    let (server, _) = with_charge();
    let filter = server.read("plans/starter/charges/gb/filters").ok();
    let id = filter["filters"][0]["lago_id"].as_str().unwrap();
    // The other has a plan of the same code without the charge, or no plan at all.
    for own in [false, true] {
        let code = if own { "charge_not_found" } else { "plan_not_found" };
        for path in ["charges/gb".to_owned(), format!("charges/gb/filters/{id}")] {
            let target = format!("/api/v1/plans/starter/{path}");
            for method in ["GET", "PUT", "DELETE"] {
                server.send("OTHER", method, &target, "{}").refused(404, code);
                server.send("LIMITED", method, &target, "{}").status_is(403);
                server.send("WRONG", method, &target, "{}").refused(401, "");
            }
        }
        let body = charge(&json!({"code": "c"})).to_string();
        let posted = server.send("OTHER", "POST", "/api/v1/plans/starter/charges", &body);
        let code = if own { "billable_metric_not_found" } else { "plan_not_found" };
        posted.refused(404, code);
        if !own {
            let body = plan(&json!([])).to_string();
            server.send("OTHER", "POST", "/api/v1/plans", &body).ok();
        }
    }
    server.read("plans/starter/charges/gb").ok();
}
