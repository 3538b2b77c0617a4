//! The organisation over HTTP.

use serde_json::json;

use super::client::start;

#[test]
fn an_organisation_reads_and_changes_itself_alone() {
    let server = start();
    let shown = server.read("organizations").ok();
    let organization = &shown["organization"];
    assert_eq!(organization["name"], "a Inc");
    assert_eq!(organization["default_currency"], "USD");
    assert_eq!(organization["timezone"], "UTC");
    assert_eq!(organization["taxes"], json!([]));
    // Clients in typed languages read a boolean.
    assert_eq!(organization["finalize_zero_amount_invoice"], json!(true));
    assert!(organization["created_at"].as_str().unwrap().ends_with('Z'));
    let tax = r#"{"tax":{"name":"VAT","code":"vat","rate":20,"applied_to_organization":true}}"#;
    server.post("taxes", tax).ok();
    let change =
        r#"{"organization":{"timezone":"Asia/Tokyo","default_currency":"JPY","name":"x"}}"#;
    let changed = server.put("organizations", change).ok();
    assert_eq!(changed, server.read("organizations").ok());
    let organization = &changed["organization"];
    assert_eq!(organization["timezone"], "Asia/Tokyo");
    assert_eq!(organization["default_currency"], "JPY");
    assert_eq!(organization["name"], "a Inc");
    assert_eq!(organization["taxes"][0]["code"], "vat");
    let foreign = server.send("OTHER", "GET", "/api/v1/organizations", "").ok();
    assert_eq!(foreign["organization"]["timezone"], "UTC");
    assert_eq!(foreign["organization"]["lago_id"], "00000000-0000-0000-0000-000000000002");
}

#[test]
fn members_are_checked() {
    let server = start();
    let body = r#"{"organization":{"timezone":"Mars","default_currency":"XYZ"}}"#;
    let details = r#"{"timezone":["invalid_timezone"],"default_currency":["value_is_invalid"]}"#;
    server.put("organizations", body).invalid(details);
    server.put("organizations", "{}").missing_root("organization");
    server.send("WRONG", "GET", "/api/v1/organizations", "").refused(401, "");
    let limited = server.send("LIMITED", "PUT", "/api/v1/organizations", "");
    limited.refused(403, "write_action_not_allowed_for_organization");
}
