//! Plans over HTTP.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::catalogue::check_foreign;
use super::client::{Server, start};
use crate::core::catalog::record::Body;
use crate::core::catalog::{BillingTime, Status, Subscription};
use crate::core::instant::Instant;

/// A server with the metrics `calls` (count) and `gb` (sum, recurring, filtered by region), whose
/// ids it returns.
pub fn with_metrics() -> (Server, String, String) {
    let server = start();
    let id = |body: Json| {
        let created = server.post("billable_metrics", &body.to_string()).ok();
        created["billable_metric"]["lago_id"].as_str().unwrap().to_owned()
    };
    let calls = id(json!({"billable_metric":
        {"name": "Calls", "code": "calls", "aggregation_type": "count_agg"}}));
    let gb = id(json!({"billable_metric": {"name": "GB", "code": "gb",
        "aggregation_type": "sum_agg", "field_name": "gb", "recurring": true,
        "filters": [{"key": "region", "values": ["eu", "us"]}]}}));
    (server, calls, gb)
}

/// A plan with these charges.
pub fn plan(charges: &Json) -> Json {
    json!({"plan": {"name": "Starter", "code": "starter", "interval": "monthly",
        "amount_cents": 1000, "amount_currency": "EUR", "pay_in_advance": false,
        "charges": charges}})
}

pub fn standard(metric: &str) -> Json {
    json!({"billable_metric_id": metric, "charge_model": "standard",
        "properties": {"amount": "1.50"}})
}

impl Server {
    #[track_caller]
    pub fn post_json(&self, path: &str, body: &Json) -> super::client::Answer {
        self.post(path, &body.to_string())
    }

    #[track_caller]
    pub fn put_json(&self, path: &str, body: &Json) -> super::client::Answer {
        self.put(path, &body.to_string())
    }
}

/// Points the subscription `s`, which has ended, at a plan.
pub fn subscribe(server: &Server, plan: &Json) {
    subscribe_as(server, plan, Status::Terminated);
}

/// Points the subscription `s` at a plan.
pub fn subscribe_as(server: &Server, plan: &Json, status: Status) {
    let row = Subscription {
        id: Uuid::from_u128(77),
        external_id: "s".to_owned(),
        customer: "c".to_owned(),
        plan: plan["plan"]["lago_id"].as_str().unwrap().parse().unwrap(),
        name: None,
        billing_time: BillingTime::Calendar,
        subscription_at: Instant(0),
        started_at: (status != Status::Pending).then_some(Instant(0)),
        ending_at: None,
        terminated_at: (status == Status::Terminated).then_some(Instant(1)),
        status,
        previous: None,
        created_at: Instant(0),
    };
    server.mock.world.put("a", Body::Subscription(row));
}

#[test]
fn a_plan_is_printed_in_order() {
    let (server, calls, _) = with_metrics();
    let mut body = plan(&json!([standard(&calls)]));
    body["plan"]["charges"][0]["properties"]["pricing_group_keys"] = json!(["team", ""]);
    body["plan"]["charges"][0]["properties"]["rate"] = json!("9");
    let created = server.post_json("plans", &body);
    let parsed = created.ok();
    let id = parsed["plan"]["lago_id"].as_str().unwrap();
    let charge = parsed["plan"]["charges"][0]["lago_id"].as_str().unwrap();
    let expected = format!(
        "{{\"plan\":{{\"lago_id\":\"{id}\",\"name\":\"Starter\",\"invoice_display_name\":null,\
         \"created_at\":\"2024-03-05T06:07:10Z\",\"code\":\"starter\",\"interval\":\"monthly\",\
         \"description\":null,\"amount_cents\":1000,\"amount_currency\":\"EUR\",\
         \"trial_period\":0.0,\"pay_in_advance\":false,\"bill_charges_monthly\":null,\
         \"bill_fixed_charges_monthly\":null,\"customers_count\":0,\
         \"active_subscriptions_count\":0,\"draft_invoices_count\":0,\"parent_id\":null,\
         \"pending_deletion\":false,\"charges\":[{{\"lago_id\":\"{charge}\",\
         \"lago_billable_metric_id\":\"{calls}\",\"code\":\"calls\",\
         \"invoice_display_name\":null,\"billable_metric_code\":\"calls\",\
         \"created_at\":\"2024-03-05T06:07:10Z\",\"charge_model\":\"standard\",\
         \"invoiceable\":true,\"regroup_paid_fees\":null,\"pay_in_advance\":false,\
         \"prorated\":false,\"min_amount_cents\":0,\"accepts_target_wallet\":false,\
         \"properties\":{{\"amount\":\"1.50\",\"pricing_group_keys\":[\"team\"],\
         \"grouped_by\":[\"team\"]}},\"applied_pricing_unit\":null,\"lago_parent_id\":null,\
         \"filters\":[],\"taxes\":[]}}],\"fixed_charges\":[],\"entitlements\":[],\
         \"usage_thresholds\":[],\"applicable_usage_thresholds\":[],\"taxes\":[]}}}}"
    );
    assert_eq!(created.body, expected);
    assert_eq!(server.read("plans/starter").body, expected);
    let list = server.read("plans").ok();
    assert_eq!(list["plans"][0], parsed["plan"]);
    assert_eq!(list["meta"]["total_count"], 1);
    assert_eq!(server.delete("plans/starter").body, expected);
    server.read("plans/starter").refused(404, "plan_not_found");
    server.delete("plans/starter").refused(404, "plan_not_found");
    server.put_json("plans/starter", &body).refused(404, "plan_not_found");
    server.put("plans/starter", "{}").missing_root("plan");
}

#[test]
fn the_members_of_a_plan_are_checked() {
    let (server, calls, _) = with_metrics();
    let check = |members: &Json, details: &str| {
        let mut body = plan(&json!([]));
        for (name, value) in members.as_object().unwrap() {
            body["plan"][name] = value.clone();
        }
        server.post_json("plans", &body).invalid(details);
    };
    server.post("plans", r#"{"plan":{"x":1}}"#).invalid(
        r#"{"code":["value_is_mandatory"],"name":["value_is_mandatory"],
            "interval":["value_is_mandatory"],"amount_cents":["value_is_mandatory"],
            "amount_currency":["value_is_mandatory"],"pay_in_advance":["value_is_invalid"]}"#,
    );
    for (members, details) in [
        (json!({"interval": "daily"}), r#"{"interval":["value_is_invalid"]}"#),
        (json!({"amount_cents": -1}), r#"{"amount_cents":["value_is_out_of_range"]}"#),
        (json!({"amount_cents": "x"}), r#"{"amount_cents":["is not a number"]}"#),
        (json!({"amount_cents": 1e40}), r#"{"amount_cents":["is not a number"]}"#),
        (json!({"amount_currency": "XYZ"}), r#"{"amount_currency":["value_is_invalid"]}"#),
        (json!({"pay_in_advance": null}), r#"{"pay_in_advance":["value_is_invalid"]}"#),
        (json!({"trial_period": "x"}), r#"{"trial_period":["is not a number"]}"#),
        (json!({"trial_period": -1}), r#"{"trial_period":["value_is_out_of_range"]}"#),
    ] {
        check(&members, details);
    }
    // Metrics come before the members, the members before taxes, taxes before charges.
    let unknown = standard("1a901a90-1a90-1a90-1a90-1a901a901a90");
    let mut body = plan(&json!([{"charge_model": "x"}, unknown]));
    body["plan"]["interval"] = json!("daily");
    body["plan"]["tax_codes"] = json!(["none"]);
    server.post_json("plans", &body).refused(404, "billable_metrics_not_found");
    body["plan"]["charges"][1]["billable_metric_id"] = json!("calls");
    server.post_json("plans", &body).refused(404, "billable_metrics_not_found");
    body["plan"]["charges"][1] = json!({"billable_metric_id": calls, "charge_model": "x"});
    server.post_json("plans", &body).invalid(r#"{"interval":["value_is_invalid"]}"#);
    body["plan"]["interval"] = json!("monthly");
    server.post_json("plans", &body).refused(404, "tax_not_found");
    body["plan"]["tax_codes"] = json!([]);
    server.post_json("plans", &body).refused(404, "billable_metric_not_found");
    body["plan"]["charges"] = json!([{"billable_metric_id": calls, "charge_model": "x"}]);
    server.post_json("plans", &body).invalid(r#"{"charge_model":["value_is_invalid"]}"#);
    // Nothing of all this is kept.
    assert_eq!(server.read("plans").ok()["meta"]["total_count"], 0);
    server.post_json("plans", &plan(&json!([]))).ok();
    server.post_json("plans", &plan(&json!([]))).invalid(r#"{"code":["value_already_exist"]}"#);
}

#[test]
fn charges_are_numbered_matched_and_removed() {
    let (server, calls, gb) = with_metrics();
    let sent = json!([standard(&calls), standard(&gb), standard(&calls)]);
    let created = server.post_json("plans", &plan(&sent)).ok();
    let codes = |plan: &Json| -> Vec<String> {
        let charges = plan["plan"]["charges"].as_array().unwrap();
        charges.iter().map(|charge| charge["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&created), ["calls", "gb", "calls_2"]);
    let mut kept = standard(&gb);
    kept["id"] = created["plan"]["charges"][1]["lago_id"].clone();
    kept["properties"] = json!({"amount": "2"});
    let body = json!({"plan": {"charges": [kept, standard(&calls)]}});
    let changed = server.put_json("plans/starter", &body).ok();
    // The old ones are there until the end, so the new one gets the next number.
    assert_eq!(codes(&changed), ["gb", "calls_3"]);
    let charge = &changed["plan"]["charges"][0];
    assert_eq!(charge["lago_id"], created["plan"]["charges"][1]["lago_id"]);
    assert_eq!(charge["properties"], json!({"amount": "2"}));
    assert_eq!(changed["plan"]["name"], "Starter");
    // Without the member they stay; a failing one changes nothing.
    let renamed = json!({"plan": {"name": "Other", "description": "d", "trial_period": 2,
        "interval": "yearly", "bill_charges_monthly": true}});
    let renamed = server.put_json("plans/starter", &renamed).ok();
    assert_eq!(codes(&renamed), ["gb", "calls_3"]);
    assert_eq!(renamed["plan"]["bill_charges_monthly"], true);
    assert_eq!(renamed["plan"]["description"], "d");
    assert_eq!(renamed["plan"]["trial_period"], 2.0);
    let bad = json!({"plan": {"name": "Third", "charges": [{"billable_metric_id": gb,
        "charge_model": "package"}, {"billable_metric_id": gb, "charge_model": "package",
        "properties": {"package_size": 2}}]}});
    let refused = server.put_json("plans/starter", &bad);
    refused.invalid(r#"{"properties":["invalid_amount","invalid_free_units"]}"#);
    assert_eq!(server.read("plans/starter").ok(), renamed);
    // A metric takes the charges on it along.
    server.delete("billable_metrics/calls").ok();
    assert_eq!(codes(&server.read("plans/starter").ok()), ["gb"]);
    server.read("plans/starter/charges/calls_3").refused(404, "charge_not_found");
}

#[test]
fn a_plan_with_subscriptions_keeps_what_decides_quantities() {
    let (server, calls, gb) = with_metrics();
    let created = server.post_json("plans", &plan(&json!([standard(&gb)]))).ok();
    subscribe(&server, &created);
    let charge = json!({"id": created["plan"]["charges"][0]["lago_id"], "charge_model": "package",
        "billable_metric_id": calls, "code": "x", "prorated": true, "invoice_display_name": "I",
        "properties": {"amount": "7", "package_size": 2, "free_units": 0}});
    let body = json!({"plan": {"name": "Other", "code": "other", "interval": "weekly",
        "amount_cents": 5, "amount_currency": "USD", "pay_in_advance": true,
        "charges": [charge, standard(&calls)]}});
    let changed = server.put_json("plans/starter", &body).ok();
    let plan = &changed["plan"];
    assert_eq!((&plan["name"], &plan["amount_cents"]), (&json!("Other"), &json!(5)));
    assert_eq!((&plan["code"], &plan["interval"]), (&json!("starter"), &json!("monthly")));
    assert_eq!(plan["amount_currency"], "EUR");
    assert_eq!(plan["pay_in_advance"], false);
    let charge = &plan["charges"][0];
    assert_eq!((&charge["code"], &charge["charge_model"]), (&json!("gb"), &json!("standard")));
    assert_eq!(
        (&charge["prorated"], &charge["billable_metric_code"]),
        (&json!(false), &json!("gb"))
    );
    assert_eq!(charge["properties"], json!({"amount": "7"}));
    assert_eq!(charge["invoice_display_name"], "I");
    assert_eq!(plan["charges"][1]["code"], "calls");
    // The metric has a charge on it, so of it, too, only the texts change.
    let body = json!({"billable_metric": {"name": "Bytes", "code": "b", "recurring": false}});
    let metric = server.put_json("billable_metrics/gb", &body).ok();
    assert_eq!(metric["billable_metric"]["name"], "Bytes");
    assert_eq!(metric["billable_metric"]["code"], "gb");
    assert_eq!(metric["billable_metric"]["recurring"], true);
}

#[test]
fn organisations_see_their_own_plans() {
    let (server, calls, _) = with_metrics();
    let body = plan(&json!([standard(&calls)]));
    // Metrics of one organisation are unknown to the other.
    let target = "/api/v1/plans";
    let foreign = server.send("OTHER", "POST", target, &body.to_string());
    foreign.refused(404, "billable_metrics_not_found");
    server.post_json("plans", &body).ok();
    check_foreign(&server, "plans/starter", "plan", "plan_not_found");
    server.send("OTHER", "POST", target, &plan(&json!([])).to_string()).ok();
    let list = server.send("OTHER", "GET", target, "").ok();
    assert_eq!(list["plans"][0]["charges"], json!([]));
    assert_eq!(list["meta"]["total_count"], 1);
}
