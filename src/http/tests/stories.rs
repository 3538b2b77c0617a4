//! Stories of events, and usages of many subscriptions, over HTTP.

use uuid::Uuid;

use super::client::start;
use super::mock::{ETAG, OFFSETS};
use super::sample;
use crate::core::catalog::record::Body;
use crate::core::catalog::{BillingTime, Customer, Echo, Status, Subscription};
use crate::core::instant::Instant;

const STORY: &str = concat!(
    r#"{"story":{"transaction_id":"t","external_subscription_id":"s","#,
    r#""told_at":"2024-03-15T00:00:00Z","copies":[{"outcome":"applied","reason":null,"#,
    r#""position":"events_raw-1:7","index":2,"received_at":"2024-03-05T00:00:00.000Z","#,
    r#""external_subscription_id":"s","code":"api_calls","#,
    r#""timestamp":"2024-03-04T00:00:00.000Z","properties":{"region":"eu"},"waiting_for":[],"#,
    r#""subscription":{"lago_id":"00000000-0000-0000-0000-000000000005","#,
    r#""external_customer_id":"c","status":"active","plan_code":null,"#,
    r#""started_at":"2024-01-01T00:00:00Z","ends_at":null},"#,
    r#""window":{"from_datetime":"2024-03-01T00:00:00Z","to_datetime":"2024-03-31T23:59:59Z","#,
    r#""relation":"current"},"fates":[{"fate":"applied","charge":{"#,
    r#""lago_id":"1a901a90-1a90-1a90-1a90-1a901a901a90","code":"api_calls","#,
    r#""charge_model":"standard"},"billable_metric":{"#,
    r#""lago_id":"2a901a90-1a90-1a90-1a90-1a901a901a90","code":"api_calls","#,
    r#""aggregation_type":"count_agg","field_name":null},"value":"1.0","operation":null,"#,
    r#""buckets":[{"filter":{"lago_id":"FILTER","invoice_display_name":null,"#,
    r#""values":{"region":["eu"]}},"grouped_by":{"cloud":"aws","zone":null}}]}]},"#,
    r#"{"outcome":"duplicate","reason":"a copy with a smaller position counts","#,
    r#""position":"events_raw-0:9","index":0,"received_at":"2024-03-06T00:00:00.000Z","#,
    r#""duplicate_of":{"position":"events_raw-1:7","index":2}},"#,
    r#"{"outcome":"rejected","reason":"invalid_format","detail":"timestamp: invalid_format","#,
    r#""position":"events_raw-0:3","index":1,"received_at":"2024-03-06T00:00:00.000Z","#,
    r#""record":"{\"a\":1}"}],"more_copies":false,"#,
    r#""rejected_records":{"looked_at":1,"kept":2}}}"#,
);

#[test]
fn a_story_is_printed_with_all_its_members() {
    let server = start();
    let answer = server.get("/odometer/v1/events/t/story?external_subscription_id=s");
    let filter = sample::charge().filters[0].id.to_string();
    assert_eq!((answer.status, answer.body), (200, STORY.replace("FILTER", &filter)));
    let answer = server.get("/odometer/v1/events/a%2Fb/story");
    let start = r#"{"story":{"transaction_id":"a/b","external_subscription_id":null,"#;
    assert!(answer.body.starts_with(start), "{}", answer.body);
}

#[test]
fn an_unknown_event_is_told_with_where_it_was_looked_for() {
    let server = start();
    for (id, rejected) in [("nobody", "not_found"), ("lost", "not_found_in_newest")] {
        let answer = server.get(&format!("/odometer/v1/events/{id}/story"));
        let expected = format!(
            "{{\"status\":404,\"error\":\"Not Found\",\"code\":\"event_story_not_found\",\
             \"error_details\":{{\"ledger\":[\"not_found\"],\"rejected\":[\"{rejected}\"]}}}}"
        );
        assert_eq!((answer.status, answer.body), (404, expected));
    }
    assert_eq!(server.get("/odometer/v1/events/busy/story").status, 429);
    assert_eq!(server.get("/odometer/v1/events/long/story").status, 503);
    let malformed = server.get("/odometer/v1/events/t/story?external_subscription_id=%ff");
    assert_eq!(malformed.status, 422);
    for (key, status) in [("WRONG", 401), ("LIMITED", 200)] {
        assert_eq!(server.send(key, "GET", "/odometer/v1/events/t/story", "").status, status);
    }
    assert_eq!(server.send("KEY", "POST", "/odometer/v1/events/t/story", "{}").status, 404);
}

#[test]
fn every_usage_answer_is_refused_if_it_is_old() {
    let server = start();
    server.mock.world.put("a", customer());
    server.mock.world.put("a", subscription("s", 1));
    for path in
        ["customers/c/past_usage?external_subscription_id=s", "subscriptions/s/lifetime_usage?"]
    {
        let ask = |max: &str| server.get(&format!("/api/v1/{path}&max_staleness={max}"));
        assert_eq!(ask("12").status, 200, "{path}");
        let old = ask("11");
        assert_eq!((old.status, old.header("odometer-lag-ms")), (503, Some("12")), "{path}");
        assert_eq!((old.header("etag"), old.header("retry-after")), (None, Some("1")), "{path}");
        assert!(old.body.contains("\"code\":\"too_stale\""), "{}", old.body);
        assert_eq!(ask("soon").status, 422, "{path}");
    }
}

fn subscription(external_id: &str, number: u128) -> Body {
    Body::Subscription(Subscription {
        id: Uuid::from_u128(number),
        external_id: external_id.into(),
        customer: "c".into(),
        plan: Uuid::nil(),
        name: None,
        billing_time: BillingTime::Calendar,
        subscription_at: Instant(0),
        started_at: Some(Instant(0)),
        ending_at: None,
        terminated_at: (external_id == "ended").then_some(Instant(1)),
        status: if external_id == "ended" { Status::Terminated } else { Status::Active },
        previous: None,
        created_at: Instant(0),
    })
}

fn customer() -> Body {
    Body::Customer(Customer {
        id: Uuid::from_u128(77),
        external_id: "c".into(),
        name: None,
        timezone: None,
        currency: None,
        taxes: Vec::new(),
        echo: Echo::default(),
        created_at: Instant(0),
    })
}

fn element(customer: &str, subscription: Option<&str>, status: u16, body: &str) -> String {
    let subscription = subscription.map_or("null".to_owned(), |id| format!("\"{id}\""));
    let freshness = match status {
        404 => "null".to_owned(),
        _ => format!(
            "{{\"offsets\":\"{OFFSETS}\",\"lag_ms\":12,\"catalog_version\":34,\"etag\":{}}}",
            format_args!("\"{ETAG}\"")
        ),
    };
    format!(
        "{{\"external_customer_id\":\"{customer}\",\"external_subscription_id\":{subscription},\
         \"status\":{status},\"freshness\":{freshness},\"body\":{body}}}"
    )
}

#[test]
fn active_subscriptions_of_a_customer_come_in_one_answer() {
    let server = start();
    let path = "/odometer/v1/customers/c/usage";
    let missing = server.get(path);
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("customer_not_found"), "{}", missing.body);
    server.mock.world.put("a", customer());
    assert!(server.get(path).body.starts_with("{\"usages\":[],\"meta\":{"));
    for (number, id) in (1..).zip(["b", "a", "ended"]) {
        server.mock.world.put("a", subscription(id, number));
    }
    let answer = server.get(&format!("{path}?apply_taxes=0&max_staleness=5"));
    let [first, second] = ["a", "b"].map(|id| element("c", Some(id), 200, sample::BODY));
    let meta = "\"meta\":{\"current_page\":1,\"next_page\":null,\"prev_page\":null,\
                \"total_pages\":1,\"total_count\":2}";
    assert_eq!(answer.body, format!("{{\"usages\":[{first},{second}],{meta}}}"));
    assert_eq!(answer.header("odometer-offsets"), Some(OFFSETS));
    assert_eq!(answer.header("odometer-lag-ms"), Some("12"));
    let seen = server.mock.seen.lock().unwrap().pop().unwrap();
    assert!(!seen.usage.apply_taxes && seen.max_staleness == Some(5));
    let tag = answer.header("etag").unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer KEY\r\nIf-None-Match: {tag}");
    let known = server.ask(&head);
    assert_eq!((known.status, known.body.as_str(), known.header("etag")), (304, "", Some(tag)));
    let second = server.get(&format!("{path}?page=2&per_page=1"));
    assert!(second.body.contains("\"external_subscription_id\":\"b\""), "{}", second.body);
    assert_ne!(second.header("etag"), Some(tag));
    let other = server.send("OTHER", "GET", path, "");
    assert_eq!(other.status, 404, "of another organisation");
    assert_eq!(server.send("LIMITED", "GET", path, "").status, 403);
}

#[test]
fn pairs_are_answered_as_the_single_calls_would() {
    let server = start();
    let path = "/odometer/v1/usage/query";
    let ask = |key: &str, body: &str| server.send(key, "POST", path, body);
    let queries = r#"{"queries":[
        {"external_customer_id":"c","external_subscription_id":"s"},
        {"external_customer_id":"nobody"},
        {"external_customer_id":"old","external_subscription_id":"s"},
        {"external_customer_id":"c","external_subscription_id":null}]}"#;
    let answer = ask("KEY", queries);
    let single =
        |customer: &str| server.get(&format!("/api/v1/customers/{customer}/current_usage")).body;
    let expected = [
        element("c", Some("s"), 200, &single("c")),
        element("nobody", None, 404, &single("nobody")),
        element("old", Some("s"), 503, &single("old")),
        element("c", None, 200, &single("c")),
    ];
    assert_eq!(
        (answer.status, answer.body),
        (200, format!("{{\"usages\":[{}]}}", expected.join(",")))
    );
    for (body, status) in [
        ("", 400),
        ("{}", 400),
        (r#"{"queries":[]}"#, 400),
        (r#"{"queries":{}}"#, 400),
        (r#"{"queries":[{}]}"#, 422),
        (r#"{"queries":[7]}"#, 422),
        (r#"{"queries":[{"external_customer_id":[1]}]}"#, 422),
        ("{", 400),
    ] {
        assert_eq!(ask("KEY", body).status, status, "{body}");
    }
    let of = |count: usize| {
        let pair = r#"{"external_customer_id":"c"}"#;
        format!("{{\"queries\":[{}]}}", vec![pair; count].join(","))
    };
    assert_eq!(ask("KEY", &of(100)).status, 200);
    assert_eq!(ask("KEY", &of(101)).status, 422);
    assert_eq!((ask("WRONG", "{").status, ask("LIMITED", "{").status), (401, 403));
    assert_eq!(server.get(path).status, 404);
}
