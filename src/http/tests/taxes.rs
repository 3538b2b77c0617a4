//! Taxes over HTTP.

use super::catalogue::check_foreign;
use super::client::start;

const VAT: &str = r#"{"tax":{"name":"VAT","code":"vat","rate":20,"other":1}}"#;

#[test]
fn a_tax_is_created_read_changed_and_deleted() {
    let server = start();
    let created = server.post("taxes", VAT);
    let id = created.ok()["tax"]["lago_id"].as_str().unwrap().to_owned();
    let body = |name: &str, rate: &str, applied: &str, entities: &str| {
        format!(
            "{{\"tax\":{{\"lago_id\":\"{id}\",\"name\":\"{name}\",\"code\":\"vat\",\
             \"rate\":{rate},\"description\":null,\"applied_to_organization\":{applied},\
             \"add_ons_count\":0,\"customers_count\":0,\"plans_count\":0,\"charges_count\":0,\
             \"commitments_count\":0,\"created_at\":\"2024-03-05T06:07:08Z\",\
             \"applied_to_billing_entities_codes\":[{entities}]}}}}"
        )
    };
    assert_eq!(created.body, body("VAT", "20.0", "false", ""));
    assert_eq!(server.read("taxes/vat").body, created.body);
    let change = r#"{"tax":{"rate":"19.5","applied_to_organization":true}}"#;
    let changed = server.put("taxes/vat", change);
    assert_eq!(changed.body, body("VAT", "19.5", "true", "\"default\""));
    assert_eq!(server.read("taxes/vat").body, changed.body);
    // Nothing changes, so nothing is written and the answer is the same.
    assert_eq!(server.put("taxes/vat", change).body, changed.body);
    let renamed = server.put("taxes/vat", r#"{"tax":{"name":"Tax","applied_to_organization":0}}"#);
    assert_eq!(renamed.body, body("Tax", "19.5", "false", ""));
    assert_eq!(server.delete("taxes/vat").body, renamed.body);
    for answer in
        [server.read("taxes/vat"), server.delete("taxes/vat"), server.put("taxes/vat", VAT)]
    {
        answer.refused(404, "tax_not_found");
    }
    assert_ne!(server.post("taxes", VAT).ok()["tax"]["lago_id"], id.as_str());
}

#[test]
fn codes_may_change_and_are_unique_in_an_organisation() {
    let server = start();
    server.post("taxes", VAT).ok();
    server.post("taxes", VAT).invalid(r#"{"code":["value_already_exist"]}"#);
    server.send("OTHER", "POST", "/api/v1/taxes", VAT).ok();
    server.post("taxes", r#"{"tax":{"name":"B","code":"a/b c","rate":"7"}}"#).ok();
    let taken = r#"{"tax":{"code":"vat"}}"#;
    server.put("taxes/a%2Fb%20c", taken).invalid(r#"{"code":["value_already_exist"]}"#);
    server.put("taxes/a/b%20c", r#"{"tax":{"code":"c"}}"#).ok();
    server.read("taxes/a%2Fb%20c").refused(404, "tax_not_found");
    assert_eq!(server.read("taxes/c").ok()["tax"]["name"], "B");
}

#[test]
fn members_are_checked() {
    let server = start();
    for (body, details) in [
        (
            r#"{"tax":{"x":1}}"#,
            r#"{"name":["value_is_mandatory"],"rate":["value_is_mandatory"],
                "code":["value_is_mandatory"]}"#,
        ),
        (
            r#"{"tax":{"name":" ","code":null,"rate":"x"}}"#,
            r#"{"name":["value_is_mandatory"],"rate":["value_is_invalid"],
                "code":["value_is_mandatory"]}"#,
        ),
    ] {
        server.post("taxes", body).invalid(details);
    }
    server.post("taxes", VAT).ok();
    server
        .put("taxes/vat", r#"{"tax":{"name":null}}"#)
        .invalid(r#"{"name":["value_is_mandatory"]}"#);
    server.put("taxes/vat", "{}").missing_root("tax");
    // The body is looked at before the code.
    server.put("taxes/none", "{}").missing_root("tax");
}

#[test]
fn organisations_see_their_own_taxes() {
    let server = start();
    server.post("taxes", VAT).ok();
    check_foreign(&server, "taxes/vat", "tax", "tax_not_found");
    let foreign = server.send("OTHER", "GET", "/api/v1/taxes", "").ok();
    assert_eq!(foreign["meta"]["total_count"], 0);
    // An applied tax of one organisation is none of the other's.
    server.put("taxes/vat", r#"{"tax":{"applied_to_organization":true}}"#).ok();
    server.send("OTHER", "POST", "/api/v1/taxes", VAT).ok();
    let other = server.send("OTHER", "GET", "/api/v1/taxes/vat", "").ok();
    assert_eq!(other["tax"]["applied_to_organization"], false);
}

#[test]
fn lists_begin_with_the_newest() {
    let server = start();
    for code in ["x", "y", "z"] {
        server.post("taxes", &format!(r#"{{"tax":{{"name":"n","code":"{code}","rate":1}}}}"#)).ok();
    }
    let list = server.read("taxes?per_page=2").ok();
    let codes: Vec<_> = list["taxes"].as_array().unwrap().iter().map(|tax| &tax["code"]).collect();
    assert_eq!(codes, ["z", "y"]);
    assert_eq!(list["meta"]["next_page"], 2);
    let rest = server.read("taxes?per_page=2&page=2").ok();
    assert_eq!(rest["taxes"][0]["code"], "x");
    assert_eq!(rest["meta"]["total_count"], 3);
}
