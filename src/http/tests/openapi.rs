//! The description of the service: what is served is described, what is described is served, and
//! answers are as they are described.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{DESCRIPTION, start};
use super::conformance::{Description, Seen};
use super::mock::Mock;
use crate::http::openapi;
use crate::http::router::routes;

fn document() -> Value {
    openapi::document(&routes::<Mock>())
}

fn checked(document: Value, seen: &Seen<'_>) -> Result<(), String> {
    Description::new(document).check(seen)
}

fn json_header() -> [(String, String); 1] {
    [("content-type".to_owned(), "application/json; charset=utf-8".to_owned())]
}

#[test]
fn the_document_is_served_and_whole() {
    let server = start();
    let answer = server.ask("GET /openapi.json HTTP/1.1");
    assert_eq!(answer.ok(), document());
    let mut ids = BTreeSet::new();
    for (path, method) in DESCRIPTION.operations() {
        let operation = &document()["paths"][&path][method.to_lowercase()];
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id.clone()), "{id} is there twice");
        assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{id}");
        let variables = path.matches('{').count();
        let parameters = operation["parameters"].as_array().unwrap();
        let named = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(variables, named, "{id}");
        let writes = matches!(method.as_str(), "POST" | "PUT");
        assert_eq!(writes, !operation["requestBody"].is_null(), "{id}");
    }
}

/// Every path answers the methods that are described, and no others. A route cannot be registered
/// without its description, so this finds what the other direction would miss: a description of
/// something that is not there.
#[test]
fn what_is_described_is_served_and_nothing_else() {
    let server = start();
    let unknown = "\"code\":\"resource_not_found\"";
    let described: BTreeSet<_> = DESCRIPTION.operations().into_iter().collect();
    let paths: BTreeSet<_> = described.iter().map(|(path, _)| path.clone()).collect();
    for path in paths {
        let target = path.replace(['{', '}'], "").replace("docs/file", "docs/start.js");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = server.send("KEY", method, &target, "");
            let served = answer.status != 404 || !answer.body.contains(unknown);
            let expected = described.contains(&(path.clone(), method.to_owned()));
            assert_eq!(served, expected, "{method} {target}: {}", answer.body);
        }
    }
}

#[test]
fn keys_are_asked_for_where_the_description_says_so() {
    let server = start();
    for (path, method) in DESCRIPTION.operations() {
        let target = path.replace(['{', '}'], "");
        let answer = server.ask(&format!("{method} {target} HTTP/1.1"));
        let keyed = document()["paths"][&path][method.to_lowercase()]["security"] != json!([]);
        assert_eq!(answer.status == 401, keyed, "{method} {target}: {}", answer.body);
    }
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let server = start();
    let page = server.ask("GET /docs/ HTTP/1.1");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self';"));
    assert!(!page.body.contains("://"), "{}", page.body);
    let links = page.body.split('"').filter(|text| text.starts_with('/'));
    let mut files = 0;
    for link in links {
        let file = server.ask(&format!("GET {link} HTTP/1.1"));
        assert!(file.status == 200 && !file.body.is_empty(), "{link}");
        files += 1;
    }
    assert_eq!(files, 4, "two scripts, a style sheet, and the document");
    assert_eq!(server.ask("GET /docs/index.html HTTP/1.1").status, 404);
}

/// The check itself: every way in which an answer may differ is found.
#[test]
fn answers_that_are_not_described_are_found() {
    let tax = json!({
        "lago_id": "1a901a90-1a90-1a90-1a90-1a901a901a90", "name": "VAT", "code": "vat",
        "rate": 20.0, "description": null, "applied_to_organization": false,
        "add_ons_count": 0, "customers_count": 0, "plans_count": 0, "charges_count": 0,
        "commitments_count": 0, "created_at": "2024-03-05T06:07:08Z",
        "applied_to_billing_entities_codes": [],
    });
    let headers = json_header();
    let check = |method: &str, target: &str, status: u16, body: &Value| {
        let body = &body.to_string();
        checked(document(), &Seen { method, target, status, headers: &headers, body })
    };
    assert_eq!(check("GET", "/api/v1/taxes/vat", 200, &json!({"tax": tax})), Ok(()));
    assert_eq!(check("GET", "//api/v1/taxes/v/a/t?x=1", 200, &json!({"tax": tax})), Ok(()));
    for (member, value) in [
        ("rate", json!("20.0")),
        ("name", json!(null)),
        ("lago_id", json!("vat")),
        ("created_at", json!("2024-03-05")),
        ("surplus", json!(1)),
    ] {
        let mut other = tax.clone();
        other[member] = value;
        assert!(
            check("GET", "/api/v1/taxes/vat", 200, &json!({"tax": other})).is_err(),
            "{member}"
        );
    }
    let mut short = tax.clone();
    short.as_object_mut().unwrap().remove("rate");
    assert!(check("GET", "/api/v1/taxes/vat", 200, &json!({"tax": short})).is_err());
    assert!(check("GET", "/api/v1/taxes/vat", 200, &json!({"taxes": tax})).is_err());
    assert!(check("GET", "/api/v1/taxes/vat", 201, &json!({"tax": tax})).is_err(), "a status");
    assert!(check("PATCH", "/api/v1/taxes/vat", 200, &json!({"tax": tax})).is_err(), "a method");
    assert!(check("GET", "/api/v1/levies/vat", 200, &json!({"tax": tax})).is_err(), "a path");
    let plain = [("content-type".to_owned(), "text/plain".to_owned())];
    let body = &json!({"tax": tax}).to_string();
    let seen =
        Seen { method: "GET", target: "/api/v1/taxes/vat", status: 200, headers: &plain, body };
    assert!(checked(document(), &seen).is_err(), "a media type");
    let mut more = json_header().to_vec();
    more.push(("odometer-new".to_owned(), "1".to_owned()));
    assert!(checked(document(), &Seen { headers: &more, ..seen }).is_err(), "a header");
    let mut without = document();
    without["paths"].as_object_mut().unwrap().remove("/api/v1/taxes/{code}");
    assert!(checked(without, &Seen { headers: &json_header(), ..seen }).is_err(), "no description");
}
