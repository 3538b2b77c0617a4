//! Requests for past and lifetime usage, and their answers.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::client::{Server, start};
use super::mock::{ETAG, OFFSETS};
use crate::core::catalog::record::Body;
use crate::core::catalog::{BillingTime, Status, Subscription};
use crate::core::instant::Instant;

const PAST: &str = "/api/v1/customers/c/past_usage";
const LIFETIME: &str = "/api/v1/subscriptions/s.1/lifetime_usage";

fn not_found(resource: &str) -> String {
    format!("{{\"status\":404,\"error\":\"Not Found\",\"code\":\"{resource}_not_found\"}}")
}

fn invalid(field: &str, code: &str) -> String {
    format!(
        "{{\"status\":422,\"error\":\"Unprocessable Entity\",\"code\":\"validation_errors\",\
         \"error_details\":{{\"{field}\":[\"{code}\"]}}}}"
    )
}

#[test]
fn closed_windows_are_a_list_with_pages() {
    let server = start();
    let query = "external_subscription_id=s&page=2&per_page=2&periods_count=7\
                 &min_offset=events_raw-0:1&wait=5";
    let answer = server.get(&format!("{PAST}?{query}"));
    assert_eq!(
        answer.body,
        "{\"usage_periods\":[{\"from_datetime\":\"2024-03-01T00:00:00Z\",\
         \"to_datetime\":\"2024-03-31T23:59:59Z\",\"issuing_date\":\"2024-03-31\",\
         \"currency\":\"EUR\",\"amount_cents\":70,\"total_amount_cents\":84,\
         \"taxes_amount_cents\":14,\"lago_invoice_id\":\"00000000-0000-0000-0000-000000000009\",\
         \"charges_usage\":[]}],\"meta\":{\"current_page\":2,\"next_page\":3,\"prev_page\":1,\
         \"total_pages\":3,\"total_count\":5}}"
    );
    assert_eq!(answer.header("etag"), Some(&*format!("\"{ETAG}\"")));
    assert_eq!(answer.header("odometer-offsets"), Some(OFFSETS));
    let asked = server.mock.past.lock().unwrap().take().unwrap();
    assert_eq!((asked.customer.as_str(), asked.subscription.as_str()), ("c", "s"));
    assert_eq!((asked.skip, asked.take, asked.periods_max, asked.metric), (2, 2, Some(7), None));
    assert!(asked.wait_for.is_some());

    let known = format!("GET {PAST}?{query} HTTP/1.1\r\nAuthorization: Bearer KEY");
    let answer = server.ask(&format!("{known}\r\nIf-None-Match: \"{ETAG}\""));
    assert_eq!((answer.status, answer.body.as_str()), (304, ""));
    assert_eq!(answer.header("odometer-offsets"), Some(OFFSETS));

    server.get(&format!("{PAST}?external_subscription_id=s&periods_count=few"));
    let asked = server.mock.past.lock().unwrap().take().unwrap();
    assert_eq!((asked.skip, asked.take, asked.periods_max), (0, 100, None));
}

#[test]
fn a_request_for_closed_windows_is_checked_in_order() {
    let server = start();
    let mandatory = invalid("external_subscription_id", "value_is_mandatory");
    let metric = not_found("billable_metric");
    let forbidden = "{\"status\":403,\"error\":\"Forbidden\",\
                     \"code\":\"read_action_not_allowed_for_customer_usage\"}";
    for (key, query, status, body) in [
        ("WRONG", "", 401, "{\"status\":401,\"error\":\"Unauthorized\"}"),
        ("LIMITED", "", 403, forbidden),
        ("KEY", "?billable_metric_code=none", 422, &mandatory),
        ("KEY", "?external_subscription_id=&min_offset=x", 422, &mandatory),
        ("KEY", "?external_subscription_id=s&billable_metric_code=none", 404, &metric),
    ] {
        let answer = server.send(key, "GET", &format!("{PAST}{query}"), "");
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{key} {query}");
    }
    let made = json!({"billable_metric":
        {"name": "Calls", "code": "calls", "aggregation_type": "count_agg"}});
    let made = server.send("KEY", "POST", "/api/v1/billable_metrics", &made.to_string());
    let id =
        serde_json::from_str::<Json>(&made.body).unwrap()["billable_metric"]["lago_id"].clone();
    let of_metric = format!("{PAST}?external_subscription_id=s&billable_metric_code=calls");
    assert_eq!(server.get(&of_metric).status, 200);
    let asked = server.mock.past.lock().unwrap().take().unwrap();
    assert_eq!(asked.metric.map(|id| id.to_string()).as_deref(), id.as_str());
    // The metric of another organisation is none.
    assert_eq!(server.send("OTHER", "GET", &of_metric, "").body, metric);
    for (customer, status) in [("behind", 409), ("late", 504), ("cold", 503), ("busy", 429)] {
        let target = format!("/api/v1/customers/{customer}/past_usage?external_subscription_id=s");
        assert_eq!(server.get(&target).status, status, "{customer}");
    }
}

fn row(number: u128, status: Status, ended: Option<i64>) -> Body {
    Body::Subscription(Subscription {
        id: Uuid::from_u128(number),
        external_id: "s.1".into(),
        customer: "c".into(),
        plan: Uuid::from_u128(1),
        name: None,
        billing_time: BillingTime::Calendar,
        subscription_at: Instant(1_700_000_000_000_000),
        started_at: Some(Instant(1_700_000_000_000_000)),
        ending_at: None,
        terminated_at: ended.map(Instant),
        status,
        previous: None,
        created_at: Instant(1_700_000_000_000_000),
    })
}

impl Server {
    fn lifetime(&self, method: &str, query: &str, body: &Json) -> (u16, String) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send("KEY", method, &format!("{LIFETIME}{query}"), &body);
        (answer.status, answer.body)
    }
}

#[test]
fn a_lifetime_usage_is_printed_and_its_history_set() {
    let server = start();
    let set = |cents: Json| {
        json!({"lifetime_usage": {
        "external_historical_usage_amount_cents": cents, "external_subscription_id": "s.1"}})
    };
    let unknown = (404, not_found("subscription"));
    assert_eq!(server.lifetime("GET", "", &Json::Null), unknown);
    assert_eq!(server.lifetime("PUT", "", &set(json!(1))), unknown);
    let ended = 1_701_000_000_000_000;
    server.mock.world.put("a", row(1, Status::Terminated, Some(ended)));
    server.mock.world.put("a", row(2, Status::Terminated, Some(ended + 1)));
    assert_eq!(server.lifetime("GET", "", &Json::Null), unknown);
    server.mock.world.put("a", row(3, Status::Active, None));

    let answer = server.get(LIFETIME);
    let shown: Json = serde_json::from_str(&answer.body).unwrap();
    let id = shown["lifetime_usage"]["lago_id"].as_str().unwrap();
    Uuid::parse_str(id).unwrap();
    let body = |historical: i64, row: u128| {
        format!(
            "{{\"lifetime_usage\":{{\"lago_id\":\"{id}\",\"lago_subscription_id\":\"{}\",\
             \"external_subscription_id\":\"s.1\",\
             \"external_historical_usage_amount_cents\":{historical},\
             \"invoiced_usage_amount_cents\":30,\"current_usage_amount_cents\":4,\
             \"from_datetime\":\"2023-11-14T22:13:20Z\",\
             \"to_datetime\":\"2024-03-01T00:00:00Z\"}}}}",
            Uuid::from_u128(row)
        )
    };
    assert_eq!((answer.status, &answer.body), (200, &body(0, 3)));
    assert_eq!(answer.header("odometer-offsets"), Some(OFFSETS));
    assert_eq!(answer.header("etag"), None);

    assert_eq!(server.lifetime("PUT", "", &set(json!(100))), (200, body(100, 3)));
    assert_eq!(server.lifetime("PUT", "", &set(json!("250"))), (200, body(250, 3)));
    assert_eq!(server.lifetime("PUT", "", &set(Json::Null)), (200, body(250, 3)));
    assert_eq!(server.lifetime("GET", "", &Json::Null), (200, body(250, 3)));
    // Rows with the same beginning share it; of several that have ended the latest is shown.
    for query in ["?subscription_status=terminated&status=active", "?status=terminated"] {
        assert_eq!(server.lifetime("GET", query, &Json::Null), (200, body(250, 2)));
    }
    assert_eq!(server.lifetime("GET", "?status=pending", &Json::Null), unknown);

    let field = "external_historical_usage_amount_cents";
    let refused = |cents: Json| server.lifetime("PUT", "", &set(cents));
    assert_eq!(refused(json!(-1)), (422, invalid(field, "value_is_out_of_range")));
    assert_eq!(refused(json!("much")), (422, invalid(field, "is not a number")));
    assert_eq!(server.lifetime("PUT", "", &json!({"x": 1})).0, 400);
    let other = server.send("OTHER", "GET", LIFETIME, "");
    assert_eq!((other.status, other.body), unknown);
    let limited = server.send("LIMITED", "PUT", LIFETIME, "{}");
    assert_eq!(limited.status, 403);
    assert!(limited.body.contains("write_action_not_allowed_for_lifetime_usage"));
}
