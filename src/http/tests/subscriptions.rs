//! Subscriptions over HTTP.

use serde_json::{Value as Json, json};

use super::client::{Answer, Server};
use super::plans::{plan, standard, with_metrics};
use crate::core::catalog::Subscription;

/// Plans by code, yearly worth and all: `starter` for 10 a month, `large` for 20, `small` for 5.
fn with_plans() -> (Server, Json) {
    let (server, calls, gb) = with_metrics();
    let mut charge = standard(&gb);
    charge["filters"] = json!([{"values": {"region": ["eu"]}, "properties": {"amount": "1"}}]);
    let starter = plan(&json!([standard(&calls), charge]));
    let created = server.post_json("plans", &starter).ok();
    for (code, amount) in [("large", 2000), ("small", 500)] {
        let mut other = plan(&json!([]));
        other["plan"]["code"] = json!(code);
        other["plan"]["amount_cents"] = json!(amount);
        server.post_json("plans", &other).ok();
    }
    (server, created)
}

impl Server {
    /// Asks for the subscription `s` of `acme` to a plan, with further members.
    fn subscribe(&self, plan: &str, further: &Json) -> Answer {
        let mut members =
            json!({"external_customer_id": "acme", "external_id": "s", "plan_code": plan});
        for (name, value) in further.as_object().unwrap() {
            members[name] = value.clone();
        }
        self.post_json("subscriptions", &json!({ "subscription": members }))
    }

    fn rows(&self) -> Vec<Subscription> {
        let seen = self.mock.world.snapshot("KEY").unwrap();
        let rows = seen.directory.subscriptions("a", "s");
        rows.iter().map(|row| Subscription::clone(&row.entity)).collect()
    }
}

#[test]
fn a_subscription_is_printed_in_order() {
    let (server, plan) = with_plans();
    let answer = server.subscribe("starter", &json!({"name": " My name "}));
    let shown = &answer.ok()["subscription"];
    let id = |name: &str| shown[name].as_str().unwrap();
    let customer = server.read("customers/acme").ok();
    assert_eq!(shown["lago_customer_id"], customer["customer"]["lago_id"]);
    let (before, after) = answer.body.split_once(",\"plan\":{").unwrap();
    let expected = format!(
        "{{\"subscription\":{{\"lago_id\":\"{}\",\"external_id\":\"s\",\"lago_customer_id\":\"{}\",\
         \"external_customer_id\":\"acme\",\"name\":\"My name\",\"plan_code\":\"starter\",\
         \"plan_amount_cents\":1000,\"plan_amount_currency\":\"EUR\",\"status\":\"active\",\
         \"billing_time\":\"calendar\",\"subscription_at\":\"2024-03-05T06:07:13Z\",\
         \"started_at\":\"2024-03-05T06:07:13.000Z\",\"trial_ended_at\":null,\"ending_at\":null,\
         \"terminated_at\":null,\"canceled_at\":null,\"created_at\":\"2024-03-05T06:07:13Z\",\
         \"previous_plan_code\":null,\"next_plan_code\":null,\"downgrade_plan_date\":null,\
         \"current_billing_period_started_at\":\"2024-03-05T06:07:13Z\",\
         \"current_billing_period_ending_at\":\"2024-03-31T23:59:59Z\",\
         \"on_termination_credit_note\":null,\"on_termination_invoice\":\"generate\",\
         \"progressive_billing_disabled\":false,\"consolidate_invoice\":null,\
         \"purchase_order_number\":null,\"cancellation_reason\":null,\
         \"activated_at\":\"2024-03-05T06:07:13Z\",\"payment_method\":{{\
         \"payment_method_id\":null,\"payment_method_type\":\"provider\"}}",
        id("lago_id"),
        id("lago_customer_id"),
    );
    assert_eq!(before, expected);
    assert!(after.ends_with(
        "},\"entitlements\":[],\"applicable_usage_thresholds\":[],\
         \"applied_invoice_custom_sections\":[]}}"
    ));
    assert_eq!(shown["plan"], plan["plan"]);
    assert_eq!(server.read("subscriptions/s").ok(), answer.ok());
    // The same request again changes nothing.
    assert_eq!(server.subscribe("starter", &json!({"name": "other"})).ok(), answer.ok());
    assert_eq!(server.rows().len(), 1);
}

#[test]
fn dearer_plans_begin_at_once() {
    let (server, _) = with_plans();
    let first = server.subscribe("starter", &json!({"billing_time": "anniversary"})).ok();
    let second = server.subscribe("large", &json!({})).ok();
    let (first, second) = (&first["subscription"], &second["subscription"]);
    assert_ne!(first["lago_id"], second["lago_id"]);
    for name in ["subscription_at", "billing_time", "lago_customer_id"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    assert_eq!(second["started_at"], "2024-03-05T06:07:14.000Z");
    assert_eq!(second["previous_plan_code"], "starter");
    assert_eq!(second["plan_code"], "large");
    let ended = server.read("subscriptions/s?status=terminated").ok();
    let ended = &ended["subscription"];
    assert_eq!(ended["lago_id"], first["lago_id"]);
    assert_eq!(ended["terminated_at"], "2024-03-05T06:07:14Z");
    assert_eq!(ended["next_plan_code"], "large");
    assert_eq!(ended["current_billing_period_ending_at"], "2024-03-05T06:07:14Z");
}

#[test]
fn cheaper_plans_wait_and_can_be_given_up() {
    let (server, _) = with_plans();
    let first = server.subscribe("starter", &json!({})).ok();
    let shown = server.subscribe("small", &json!({})).ok();
    let shown = &shown["subscription"];
    assert_eq!(shown["lago_id"], first["subscription"]["lago_id"]);
    for (member, value) in [
        ("status", json!("active")),
        ("plan_code", json!("starter")),
        ("terminated_at", json!(null)),
        ("next_plan_code", json!("small")),
        ("downgrade_plan_date", json!("2024-04-01")),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    let waiting = server.read("subscriptions/s?status=pending").ok();
    let waiting = &waiting["subscription"];
    for (member, value) in [
        ("status", json!("pending")),
        ("plan_code", json!("small")),
        ("previous_plan_code", json!("starter")),
        ("started_at", json!(null)),
        ("activated_at", json!(null)),
        ("current_billing_period_started_at", json!(null)),
    ] {
        assert_eq!(waiting[member], value, "{member}");
    }
    let canceled = server.delete("subscriptions/s?status=pending").ok();
    let canceled = &canceled["subscription"];
    assert_eq!(canceled["lago_id"], waiting["lago_id"]);
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(canceled["canceled_at"], "2024-03-05T06:07:15Z");
    assert_eq!(canceled["terminated_at"], json!(null));
    let goes_on = server.read("subscriptions/s").ok();
    assert_eq!(goes_on["subscription"]["next_plan_code"], json!(null));
    assert_eq!(goes_on["subscription"]["downgrade_plan_date"], json!(null));
    server.delete("subscriptions/s?status=pending").refused(404, "subscription_not_found");
}

#[test]
fn what_ends_can_begin_again() {
    let (server, _) = with_plans();
    server.delete("subscriptions/s").refused(404, "subscription_not_found");
    let first = server.subscribe("starter", &json!({})).ok();
    let ended = server.delete("subscriptions/s?on_termination_invoice=skip").ok();
    assert_eq!(ended["subscription"]["lago_id"], first["subscription"]["lago_id"]);
    assert_eq!(ended["subscription"]["status"], "terminated");
    assert_eq!(ended["subscription"]["terminated_at"], "2024-03-05T06:07:14Z");
    server.delete("subscriptions/s").refused(404, "subscription_not_found");
    server.read("subscriptions/s").refused(404, "subscription_not_found");
    assert_eq!(server.read("subscriptions/s?status=terminated").ok(), ended);
    server
        .put("subscriptions/s", r#"{"subscription":{"name":"x"}}"#)
        .refused(404, "subscription_not_found");
    let again = server.subscribe("starter", &json!({})).ok();
    assert_ne!(again["subscription"]["lago_id"], first["subscription"]["lago_id"]);
    assert_eq!(server.rows().len(), 2);
}

#[test]
fn a_later_start_waits_and_moves() {
    let (server, _) = with_plans();
    let later = json!({"subscription_at": "2024-04-10T12:00:00Z"});
    let created = server.subscribe("starter", &later).ok();
    assert_eq!(created["subscription"]["status"], "pending");
    assert_eq!(created["subscription"]["subscription_at"], "2024-04-10T12:00:00Z");
    assert_eq!(created["subscription"]["started_at"], json!(null));
    server.read("subscriptions/s").refused(404, "subscription_not_found");
    // Another plan takes the place of the first one.
    let replanned = server.subscribe("small", &json!({})).ok();
    assert_eq!(replanned["subscription"]["lago_id"], created["subscription"]["lago_id"]);
    assert_eq!(replanned["subscription"]["plan_code"], "small");
    // The only row needs no status to be found.
    let moved = r#"{"subscription":{"subscription_at":"2024-03-01"}}"#;
    let moved = server.put("subscriptions/s", moved).ok();
    assert_eq!(moved["subscription"]["status"], "active");
    assert_eq!(moved["subscription"]["started_at"], "2024-03-01T00:00:00.000Z");
}

#[test]
fn members_change() {
    let (server, _) = with_plans();
    let created = server.subscribe("starter", &json!({"name": "old"})).ok();
    let put =
        |members: Json| server.put_json("subscriptions/s", &json!({ "subscription": members }));
    let changed = put(json!({"name": "new", "ending_at": "2024-06-01T00:00:00Z"})).ok();
    assert_eq!(changed["subscription"]["name"], "new");
    assert_eq!(changed["subscription"]["ending_at"], "2024-06-01T00:00:00Z");
    assert_eq!(changed["subscription"]["terminated_at"], json!(null));
    let kept = put(json!({"ending_at": null})).ok();
    assert_eq!(kept["subscription"]["name"], "new");
    assert_eq!(kept["subscription"]["ending_at"], json!(null));
    assert_eq!(kept["subscription"]["lago_id"], created["subscription"]["lago_id"]);
    put(json!({"ending_at": "2024-03-05T23:00:00Z"})).invalid(r#"{"ending_at":["invalid_date"]}"#);
    put(json!({"ending_at": "soon"})).invalid(r#"{"ending_at":["invalid_date"]}"#);
    server.put("subscriptions/s", "{}").missing_root("subscription");
    let pending = server.put("subscriptions/s?status=pending", r#"{"subscription":{"name":"x"}}"#);
    pending.refused(404, "subscription_not_found");
}

#[test]
fn overrides_are_kept_in_a_private_plan() {
    let (server, plan) = with_plans();
    let charges = plan["plan"]["charges"].as_array().unwrap();
    let overrides = json!({"plan_overrides": {"amount_cents": 1, "name": "Own",
        "charges": [{"id": charges[1]["lago_id"], "properties": {"amount": "9"}}]}});
    let created = server.subscribe("starter", &overrides).ok();
    let own = &created["subscription"]["plan"];
    assert_eq!(created["subscription"]["plan_amount_cents"], 1);
    assert_eq!(created["subscription"]["plan_code"], "starter");
    assert_eq!((&own["name"], &own["parent_id"]), (&json!("Own"), &plan["plan"]["lago_id"]));
    assert_eq!(own["charges"][0]["properties"], charges[0]["properties"]);
    assert_eq!(own["charges"][1]["properties"], json!({"amount": "9"}));
    assert_eq!(own["charges"][1]["lago_parent_id"], charges[1]["lago_id"]);
    assert_eq!(own["charges"][1]["filters"][0]["values"], json!({"region": ["eu"]}));
    // The plan itself stays, and a repetition makes no second copy.
    assert_eq!(server.read("plans/starter").ok(), plan);
    assert_eq!(server.subscribe("starter", &overrides).ok(), created);
    // Later overrides go into the same copy.
    let body = json!({"subscription": {"plan_overrides": {"charges":
        [{"id": own["charges"][0]["lago_id"], "properties": {"amount": "7"}}]}}});
    let changed = server.put_json("subscriptions/s", &body).ok();
    let changed = &changed["subscription"]["plan"];
    assert_eq!(changed["lago_id"], own["lago_id"]);
    assert_eq!(changed["charges"][0]["properties"], json!({"amount": "7"}));
    assert_eq!(changed["charges"][1], own["charges"][1]);
    // A subscription to the plan itself gets its copy with the first override.
    let other = json!({"external_id": "t"});
    server.subscribe("starter", &other).ok();
    let body = json!({"subscription": {"plan_overrides": {"amount_cents": 3}}});
    let copied = server.put_json("subscriptions/t", &body).ok();
    assert_eq!(copied["subscription"]["plan"]["parent_id"], plan["plan"]["lago_id"]);
    assert_eq!(copied["subscription"]["plan_amount_cents"], 3);
    // What waits keeps its copy, too, when it is asked for again.
    let mut later = overrides.clone();
    later["external_id"] = json!("l");
    later["subscription_at"] = json!("2024-05-01T00:00:00Z");
    let waiting = server.subscribe("starter", &later).ok();
    assert_eq!(waiting["subscription"]["plan"]["name"], "Own");
    assert_eq!(server.subscribe("starter", &later).ok(), waiting);
    let wrong = json!({"external_id": "u", "plan_overrides": {"charges":
        [{"id": charges[0]["lago_id"], "properties": {"amount": "x"}}]}});
    server.subscribe("starter", &wrong).invalid(r#"{"properties":["invalid_amount"]}"#);
    server.read("subscriptions/u").refused(404, "subscription_not_found");
}

#[test]
fn checks_come_in_order() {
    let (server, _) = with_plans();
    server.post("subscriptions", "{}").missing_root("subscription");
    let all = json!({"external_customer_id": "", "external_id": " ", "billing_time": "daily",
        "subscription_at": "soon", "ending_at": "2020-01-01"});
    let mut with = all.clone();
    server.subscribe("none", &with).refused(404, "plan_not_found");
    server
        .subscribe("starter", &with)
        .invalid(r#"{"subscription_at":["invalid_date"],"ending_at":["invalid_date"]}"#);
    with["subscription_at"] = json!("2024-03-05T01:02");
    server.subscribe("starter", &with).invalid(r#"{"ending_at":["invalid_date"]}"#);
    with["ending_at"] = json!("");
    let mandatory = r#"{"external_customer_id":["value_is_mandatory"]}"#;
    server.subscribe("starter", &with).invalid(mandatory);
    with["external_customer_id"] = json!("acme");
    server.subscribe("starter", &with).invalid(r#"{"billing_time":["value_is_invalid"]}"#);
    with["billing_time"] = json!("calendar");
    server.subscribe("starter", &with).invalid(r#"{"external_id":["value_is_mandatory"]}"#);
    // A refusal leaves nothing behind.
    server.read("customers/acme").refused(404, "customer_not_found");
    server.subscribe("starter", &json!({})).ok();
    let stranger = json!({"external_customer_id": "emca", "billing_time": "daily"});
    server.subscribe("large", &stranger).invalid(r#"{"external_id":["value_already_exist"]}"#);
    server.read("customers/emca").refused(404, "customer_not_found");
}

#[test]
fn lists_are_filtered_and_paged() {
    let (server, _) = with_plans();
    for (id, plan, customer) in
        [("s1", "starter", "acme"), ("s2", "large", "acme"), ("s3", "starter", "emca")]
    {
        let members = json!({"external_id": id, "external_customer_id": customer});
        server.subscribe(plan, &members).ok();
    }
    server.subscribe("starter", &json!({"external_id": "s4"})).ok();
    server.delete("subscriptions/s4").ok();
    for (query, expected) in [
        ("", vec!["s3", "s2", "s1"]),
        ("?external_customer_id=acme", vec!["s2", "s1"]),
        ("?plan_code=starter", vec!["s3", "s1"]),
        ("?plan_code=none", vec![]),
        ("?external_customer_id=none", vec![]),
        ("?status[]=terminated", vec!["s4"]),
        ("?status[]=terminated&status[]=active", vec!["s4", "s3", "s2", "s1"]),
        ("?status=pending", vec![]),
        ("?status=incomplete", vec![]),
        ("?per_page=2&page=2", vec!["s1"]),
    ] {
        let list = server.read(&format!("subscriptions{query}")).ok();
        let rows = list["subscriptions"].as_array().unwrap().iter();
        let ids: Vec<&str> = rows.map(|row| row["external_id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{query}");
        if !query.contains("page") {
            assert_eq!(list["meta"]["total_count"], expected.len(), "{query}");
        }
    }
    // The subscriptions of one customer, on the route that clients take for them.
    let own = server.read("customers/acme/subscriptions").ok();
    assert_eq!(own, server.read("subscriptions?external_customer_id=acme").ok());
    let other = server.read("customers/emca/subscriptions?external_customer_id=acme").ok();
    assert_eq!(other, server.read("subscriptions?external_customer_id=emca").ok());
    server.read("customers/none/subscriptions").refused(404, "customer_not_found");
    let foreign = server.send("OTHER", "GET", "/api/v1/customers/acme/subscriptions", "");
    foreign.refused(404, "customer_not_found");
    let one = server.read("subscriptions?per_page=1").ok();
    assert_eq!(one["meta"]["total_count"], 3);
    assert_eq!(one["subscriptions"][0], server.read("subscriptions/s3").ok()["subscription"]);
}

#[test]
fn organisations_see_their_own_subscriptions() {
    let (server, _) = with_plans();
    let created = server.subscribe("starter", &json!({})).ok();
    let body = json!({"subscription": {"external_customer_id": "acme", "external_id": "s",
        "plan_code": "starter", "name": "x"}})
    .to_string();
    let collection = "/api/v1/subscriptions";
    server.send("OTHER", "POST", collection, &body).refused(404, "plan_not_found");
    let one = format!("{collection}/s");
    for method in ["GET", "PUT", "DELETE"] {
        server.send("OTHER", method, &one, &body).refused(404, "subscription_not_found");
    }
    let foreign = server.send("OTHER", "GET", collection, "").ok();
    assert_eq!(foreign["meta"]["total_count"], 0);
    // The same external id is free in another organisation.
    let own = plan(&json!([])).to_string();
    server.send("OTHER", "POST", "/api/v1/plans", &own).ok();
    let other = server.send("OTHER", "POST", collection, &body).ok();
    assert_ne!(other["subscription"]["lago_id"], created["subscription"]["lago_id"]);
    assert_eq!(server.read("subscriptions/s").ok(), created);
    for (method, path) in
        [("GET", collection), ("POST", collection), ("GET", &one), ("PUT", &one), ("DELETE", &one)]
    {
        server.send("WRONG", method, path, "{").refused(401, "");
        let mode = if method == "GET" { "read" } else { "write" };
        let code = format!("{mode}_action_not_allowed_for_subscription");
        server.send("LIMITED", method, path, "{").refused(403, &code);
    }
}

#[test]
fn what_a_subscription_points_at_may_be_gone() {
    let (server, _) = with_plans();
    server.subscribe("starter", &json!({"external_id": "a.b@c|d"})).ok();
    server.delete("plans/starter").ok();
    let shown = server.read("subscriptions/a.b@c%7Cd").ok();
    for (member, value) in [
        ("plan_code", json!("")),
        ("plan_amount_cents", json!(0)),
        ("plan", json!(null)),
        ("status", json!("active")),
        ("current_billing_period_started_at", json!(null)),
    ] {
        assert_eq!(shown["subscription"][member], value, "{member}");
    }
    let body = r#"{"subscription":{"plan_overrides":{"amount_cents":1}}}"#;
    server.put("subscriptions/a.b@c%7Cd", body).refused(404, "plan_not_found");
    assert_eq!(server.read("subscriptions").ok()["meta"]["total_count"], 1);
    // Leaving a plan that is gone is an upgrade.
    let next = server.subscribe("small", &json!({"external_id": "a.b@c|d"})).ok();
    assert_eq!(next["subscription"]["plan_code"], "small");
    assert_eq!(next["subscription"]["previous_plan_code"], json!(null));
    server.delete("customers/acme").ok();
    let ended = server.read("subscriptions/a.b@c%7Cd?status=terminated").ok();
    let nobody = "00000000-0000-0000-0000-000000000000";
    assert_eq!(ended["subscription"]["lago_customer_id"], nobody);
}
