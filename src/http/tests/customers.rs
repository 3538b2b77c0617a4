//! Customers over HTTP.

use serde_json::json;
use uuid::Uuid;

use super::client::start;
use crate::core::catalog::record::Body;
use crate::core::catalog::{BillingTime, Status, Subscription};
use crate::core::instant::Instant;

const ACME: &str = r#"{"customer":{"external_id":"acme","name":"Acme","email":"a@acme.io",
    "currency":"EUR","timezone":"Europe/Paris","net_payment_term":30,
    "shipping_address":{"city":"Paris","x":1}}}"#;

#[test]
fn a_customer_is_created_changed_and_deleted() {
    let server = start();
    let created = server.post("customers", ACME).ok();
    let customer = &created["customer"];
    for (member, value) in [
        ("external_id", json!("acme")),
        ("account_type", json!("customer")),
        ("name", json!("Acme")),
        ("email", json!("a@acme.io")),
        ("currency", json!("EUR")),
        ("timezone", json!("Europe/Paris")),
        ("applicable_timezone", json!("Europe/Paris")),
        ("net_payment_term", json!(30)),
        ("sequential_id", json!(null)),
        ("finalize_zero_amount_invoice", json!("inherit")),
        ("created_at", json!("2024-03-05T06:07:08Z")),
        ("updated_at", json!("2024-03-05T06:07:08Z")),
        ("metadata", json!([])),
        ("taxes", json!([])),
        ("integration_customers", json!([])),
        ("applicable_invoice_custom_sections", json!([])),
        ("error_details", json!([])),
    ] {
        assert_eq!(customer[member], value, "{member}");
    }
    assert_eq!(customer["shipping_address"]["city"], "Paris");
    assert!(customer["shipping_address"].get("x").is_none());
    assert!(customer["billing_configuration"].is_object());
    assert_eq!(server.read("customers/acme").ok(), created);
    // Absent members stay, and an explicit null clears one.
    let change = r#"{"customer":{"external_id":"acme","email":null,"timezone":null,
        "shipping_address":{"zipcode":"75001"}}}"#;
    let changed = server.post("customers", change).ok();
    let customer = &changed["customer"];
    assert_eq!(customer["lago_id"], created["customer"]["lago_id"]);
    assert_eq!(customer["created_at"], "2024-03-05T06:07:08Z");
    assert_eq!(customer["updated_at"], "2024-03-05T06:07:09Z");
    assert_eq!((&customer["name"], &customer["email"]), (&json!("Acme"), &json!(null)));
    assert_eq!(customer["applicable_timezone"], "UTC");
    assert_eq!(customer["shipping_address"]["city"], "Paris");
    assert_eq!(customer["shipping_address"]["zipcode"], "75001");
    // What changes nothing is no update.
    assert_eq!(server.post("customers", change).ok(), changed);
    assert_eq!(server.delete("customers/acme").ok(), changed);
    server.read("customers/acme").refused(404, "customer_not_found");
    server.delete("customers/acme").refused(404, "customer_not_found");
    let again = server.post("customers", ACME).ok();
    assert_ne!(again["customer"]["lago_id"], created["customer"]["lago_id"]);
}

#[test]
fn members_are_checked() {
    let server = start();
    let body = r#"{"customer":{"external_id":" ","timezone":"Mars","currency":"XYZ"}}"#;
    server.post("customers", body).invalid(
        r#"{"external_id":["value_is_mandatory"],"timezone":["invalid_timezone"],
            "currency":["value_is_invalid"]}"#,
    );
    server.post("customers", "{}").missing_root("customer");
    let body = r#"{"customer":{"external_id":"acme","tax_codes":["vat"]}}"#;
    server.post("customers", body).refused(404, "tax_not_found");
    server.read("customers/acme").refused(404, "customer_not_found");
    let tax = r#"{"tax":{"name":"VAT","code":"vat","rate":20}}"#;
    server.send("OTHER", "POST", "/api/v1/taxes", tax).ok();
    server.post("customers", body).refused(404, "tax_not_found");
    server.post("taxes", tax).ok();
    let created = server.post("customers", body).ok();
    assert_eq!(created["customer"]["taxes"][0]["code"], "vat");
    server.delete("taxes/vat").ok();
    assert_eq!(server.read("customers/acme").ok()["customer"]["taxes"], json!([]));
    for (method, path) in [
        ("GET", "customers"),
        ("POST", "customers"),
        ("GET", "customers/x"),
        ("DELETE", "customers/x"),
    ] {
        let target = format!("/api/v1/{path}");
        server.send("WRONG", method, &target, "{").refused(401, "");
        let mode = if method == "GET" { "read" } else { "write" };
        let code = format!("{mode}_action_not_allowed_for_customer");
        server.send("LIMITED", method, &target, "{").refused(403, &code);
    }
    server.put("customers/acme", body).refused(404, "resource_not_found");
}

#[test]
fn organisations_see_their_own_customers() {
    let server = start();
    for id in ["a.b@c", "x y", "1"] {
        let body = format!("{{\"customer\":{{\"external_id\":\"{id}\"}}}}");
        server.post("customers", &body).ok();
    }
    server.send("OTHER", "POST", "/api/v1/customers", ACME).ok();
    for path in ["/api/v1/customers/a.b@c", "/api/v1/customers/none"] {
        for method in ["GET", "DELETE"] {
            server.send("OTHER", method, path, "").refused(404, "customer_not_found");
        }
    }
    assert_eq!(server.read("customers/x%20y").ok()["customer"]["external_id"], "x y");
    let list = server.read("customers?per_page=2").ok();
    let ids: Vec<_> =
        list["customers"].as_array().unwrap().iter().map(|c| c["external_id"].clone()).collect();
    assert_eq!(ids, [json!("1"), json!("x y")]);
    assert_eq!(list["meta"]["total_count"], 3);
    let rest = server.read("customers?per_page=2&page=2").ok();
    assert_eq!(rest["customers"][0]["external_id"], "a.b@c");
    let foreign = server.send("OTHER", "GET", "/api/v1/customers", "").ok();
    assert_eq!(foreign["meta"]["total_count"], 1);
}

#[test]
fn subscriptions_end_with_their_customer() {
    let server = start();
    server.post("customers", ACME).ok();
    let row = |number: u128, external_id: &str, customer: &str, status: Status| {
        let row = Subscription {
            id: Uuid::from_u128(number),
            external_id: external_id.to_owned(),
            customer: customer.to_owned(),
            plan: Uuid::from_u128(9),
            name: None,
            billing_time: BillingTime::Calendar,
            subscription_at: Instant(0),
            started_at: (status != Status::Pending).then_some(Instant(0)),
            ending_at: None,
            terminated_at: None,
            status,
            previous: None,
            created_at: Instant(0),
        };
        server.mock.world.put("a", Body::Subscription(row));
    };
    row(1, "runs", "acme", Status::Active);
    row(2, "waits", "acme", Status::Pending);
    row(3, "other", "emca", Status::Active);
    server.delete("customers/acme").ok();
    let snapshot = server.mock.world.snapshot("KEY").unwrap();
    let status = |id: &str| {
        let rows = snapshot.directory.subscriptions("a", id);
        (rows[0].status, rows[0].terminated_at.is_some())
    };
    assert_eq!(status("runs"), (Status::Terminated, true));
    assert_eq!(status("waits"), (Status::Canceled, false));
    assert_eq!(status("other"), (Status::Active, false));
}
