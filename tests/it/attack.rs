//! Bounds of what one tenant may bring, each met exactly and passed by one; and a tenant that
//! brings as much that is new as it can: its memory stays within its bounds, the others are left
//! alone.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use odometer::core::instant::Instant;
use odometer::store::account::encode_account;
use serde_json::{Value as Json, json};

use crate::abuse::{Polite, amid, has_run_alone, median_of, resident, unharmed};
use crate::service::TestService;

const ATTACKER: &str = "attacker-key";
const VICTIM: &str = "victim-key";
/// 2026-03-15T12:00:00Z.
const NOW: Instant = Instant::from_seconds(1_773_576_000);
/// Two organisations that sell the same; their keys are the constants above.
const TENANTS: [(&str, &str); 2] = [
    ("attacker", "f1e1a645fb28fdc8e0692faa9a0934cfced23ad369514ee1ba0a6c6875bc5dee"),
    ("victim", "79545151ff56b3499fcd35335796b0f0a82d0b4d04bbfe6f235727129229619e"),
];
const SOLD: &str = r#"
    name: Tenant
    timezone: UTC
    default_currency: EUR
    billable_metrics:
      - { code: calls, name: Calls, aggregation_type: count_agg }
      - { code: users, name: Users, aggregation_type: unique_count_agg, field_name: user }
      - { code: sums, name: Sums, aggregation_type: sum_agg, field_name: value }
    plans:
      - code: plan
        name: Plan
        interval: monthly
        amount_cents: 0
        charges:
          - billable_metric_code: calls
            charge_model: standard
            properties: { amount: "1", pricing_group_keys: [group] }
          - { billable_metric_code: users, charge_model: standard, properties: { amount: "1" } }
          - { billable_metric_code: sums, charge_model: standard, properties: { amount: "1" } }
    customers:
      - { external_id: customer, name: Customer }
    subscriptions:
      - external_id: subscription
        external_customer_id: customer
        plan_code: plan
        subscription_at: 2024-01-01
"#;
const SOFT_MAX: usize = 50;
const HARD_MAX: usize = 120;
const USAGE: &str =
    "/api/v1/customers/customer/current_usage?external_subscription_id=subscription";

fn start(settings: &[(&str, &str)]) -> (TestService, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "organizations:\n".to_owned();
    for (name, digest) in TENANTS {
        write!(text, "  - external_id: {name}\n    api_keys:\n      - sha256: {digest}").unwrap();
        text.push_str(SOLD);
    }
    let file = folder.path().join("catalog.yaml");
    std::fs::write(&file, text).unwrap();
    let (soft, hard) = (SOFT_MAX.to_string(), HARD_MAX.to_string());
    let mut all = vec![
        ("catalog.file", file.to_str().unwrap()),
        ("limits.groups_soft_max", &soft),
        ("limits.groups_hard_max", &hard),
        ("limits.unique_values_soft_max", &soft),
        ("limits.unique_values_hard_max", &hard),
    ];
    all.extend(settings);
    (TestService::start(NOW, &all), folder)
}

fn event(tenant: &str, subscription: &str, code: &str, number: usize, properties: &Json) -> String {
    json!({
        "organization_id": tenant, "external_subscription_id": subscription, "code": code,
        "transaction_id": format!("{code}-{number}"), "timestamp": "1773500000",
        "properties": properties,
    })
    .to_string()
}

fn usage(service: &TestService) -> (u16, String) {
    let of = ("external_subscription_id".to_owned(), "subscription".to_owned());
    let answer = service.current_usage(ATTACKER, "customer", &[of]);
    (answer.status, answer.body)
}

/// Units of a metric's charge.
fn units(body: &str, code: &str) -> String {
    let body: Json = serde_json::from_str(body).unwrap();
    let charges = body["customer_usage"]["charges_usage"].as_array().unwrap();
    let own = charges.iter().find(|charge| charge["billable_metric"]["code"] == code).unwrap();
    own["units"].as_str().unwrap().to_owned()
}

fn left(service: &TestService) -> bool {
    let metrics = service.running().metrics.encode();
    let line = "odometer_buckets_left_total{reason=\"over_cap\"} ";
    metrics.lines().any(|own| own.strip_prefix(line).is_some_and(|count| count != "0"))
}

/// Up to the soft bound a bucket is kept, beyond it is scanned and says the same; up to the hard
/// bound there is a figure, beyond there is an error with a name. An event more is never a guess.
#[test]
fn groups_and_values_have_bounds_that_are_met_exactly() {
    for (code, key, field) in [("calls", "group", "groups"), ("users", "user", "unique_values")] {
        let (service, _folder) = start(&[]);
        let mut sent = 0;
        let mut fill = |upto: usize| {
            let events: Vec<_> = (sent..upto)
                .map(|n| event("attacker", "subscription", code, n, &json!({key: format!("v{n}")})))
                .collect();
            sent = upto;
            service.append(&events);
            let (status, body) = usage(&service);
            (status, body, left(&service))
        };
        for (count, over_soft) in
            [(SOFT_MAX - 1, false), (SOFT_MAX, false), (SOFT_MAX + 1, true), (HARD_MAX, true)]
        {
            let (status, body, left) = fill(count);
            assert_eq!((status, left), (200, over_soft), "{code} {count}: {body}");
            assert_eq!(units(&body, code), format!("{count}.0"), "{code}");
        }
        let (status, body, _) = fill(HARD_MAX + 1);
        assert_eq!(status, 503, "{body}");
        let body: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(body["code"], "bucket_limit_exceeded");
        assert_eq!(body["error_details"][field], json!(["value_is_out_of_range"]), "{body}");
    }
}

#[test]
fn records_have_bounds_that_are_met_exactly() {
    const BYTES_MAX: usize = 2_000;
    let (service, _folder) = start(&[
        ("events.record_bytes_max", "2000"),
        ("events.depth_max", "5"),
        ("events.events_per_record_max", "3"),
    ]);
    let of_length = |length: usize, number: usize| {
        let short = event("attacker", "subscription", "calls", number, &json!({"x": ""}));
        let fill = "y".repeat(length - short.len());
        event("attacker", "subscription", "calls", number, &json!({"x": fill}))
    };
    // The record, its properties, and the lists in them.
    let of_depth = |depth: usize, number: usize| {
        let mut tree = json!(1);
        (2..depth).for_each(|_| tree = json!([tree]));
        event("attacker", "subscription", "calls", number, &json!({"x": tree}))
    };
    let list = |from: usize, count: usize| {
        let one = |n| event("attacker", "subscription", "calls", n, &json!({}));
        format!("[{}]", (from..from + count).map(one).collect::<Vec<_>>().join(","))
    };
    let mut accepted = 0;
    let mut rejected = 0;
    for (record, fits) in [
        (of_length(BYTES_MAX, 1), 1),
        (of_length(BYTES_MAX + 1, 2), 0),
        (of_depth(5, 3), 1),
        (of_depth(6, 4), 0),
        (list(5, 3), 3),
        (list(8, 4), 0),
    ] {
        service.append(&[&record]);
        accepted += fits;
        rejected += u64::from(fits == 0);
        let counters = service.counters();
        assert_eq!((counters.accepted, counters.rejected), (accepted, rejected), "{record}");
    }
    let metrics = service.running().metrics.encode();
    for reason in ["too_large", "too_deep", "too_many_events"] {
        let line = format!("{{reason=\"{reason}\"}} 1");
        assert!(metrics.lines().any(|own| own.ends_with(&line)), "{reason}");
    }
}

#[test]
fn bodies_have_a_bound_that_is_met_exactly() {
    let (service, _folder) = start(&[("http.request_bytes_max", "3000")]);
    for (length, statuses) in [(3_000, [200]), (3_001, [413])] {
        let tax = r#"{"tax":{"name":"x","code":"x","rate":1}}"#;
        let body = format!("{tax}{}", " ".repeat(length - tax.len()));
        for framing in ["length", "chunks"] {
            let head = "POST /api/v1/taxes HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
            let key = format!("Authorization: Bearer {VICTIM}\r\n");
            let framed = match framing {
                "length" => format!("Content-Length: {length}\r\n\r\n{body}"),
                _ => format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
            };
            let stream = crate::abuse::open(
                service.running().address,
                format!("{head}{key}{framed}").as_bytes(),
            );
            let text = crate::abuse::read_all(stream);
            let got = crate::abuse::statuses(&text);
            // The second one is told that the code is taken.
            let taken = framing == "chunks" && length == 3_000;
            let expected = if taken { [422] } else { statuses };
            assert_eq!(got, expected, "{length} {framing}: {text}");
        }
    }
}

/// Everything that a tenant can make up: groups, values, properties, customers, transactions.
/// Another tenant is answered as quickly as amid the same number of ordinary events, and what is
/// kept of the attacker's account is what its caps allow.
#[test]
fn a_tenant_that_brings_nothing_but_new_things_harms_nobody() {
    const EVENTS_PER_RECORD: usize = 200;
    /// What the attacker's account may take in a checkpoint: caps of two buckets, and some room.
    const ACCOUNT_BYTES_MAX: usize = 2 * SOFT_MAX * 64 + 4_096;
    /// Memory beside the bounds: batches, blocks that are not saved yet, tables of the store.
    const MEMORY_MAX: u64 = 384 << 20;
    if has_run_alone("attack::a_tenant_that_brings_nothing_but_new_things_harms_nobody") {
        return;
    }
    let (service, _folder) =
        start(&[("dedup.memory_bytes_max", "4194304"), ("checkpoint.interval_ms", "200")]);
    let address = service.running().address;
    let next = AtomicUsize::new(0);
    let feed = |new: bool| {
        let from = next.fetch_add(EVENTS_PER_RECORD, Ordering::Relaxed);
        let one = |n: usize| {
            let code = ["calls", "users", "sums"][n % 3];
            let name = if new { n } else { 0 };
            let properties = json!({
                "group": format!("group-{name}"), "user": format!("user-{name}"), "value": 1,
                format!("key-{name}"): "x".repeat(64),
            });
            event("attacker", "subscription", code, n, &properties)
        };
        let all: Vec<_> = (from..from + EVENTS_PER_RECORD).map(one).collect();
        service.append(&[format!("[{}]", all.join(","))]);
        service.counters();
        if new {
            let path = format!("/api/v1/customers/customer-{from}/current_usage");
            assert_eq!(service.get(ATTACKER, &path).status, 404);
        }
    };
    let mut victim = Polite::new(address);
    victim.ask_for(VICTIM, USAGE);
    let mut measure = || median_of(|| victim.ask_for(VICTIM, USAGE));
    let before = amid(1, |_| feed(false), || (0..3).map(|_| measure()).min().unwrap());
    let memory = resident();
    amid(
        1,
        |_| feed(true),
        || {
            unharmed("a flood of new groups, values and properties", || before, &mut measure);
            // Long enough to fill every cap many times over.
            while next.load(Ordering::Relaxed) < 60_000 {
                measure();
            }
        },
    );
    let grown = resident().saturating_sub(memory);
    let shared = &service.running().service.shared;
    let (_, key) = shared.account("attacker", Some("subscription"));
    let bytes = shared.board.peek(key, |account| encode_account(account).len()).unwrap();
    let events = next.load(Ordering::Relaxed);
    println!("{events} events: the account takes {bytes} bytes, the process {grown} more");
    assert!(bytes < ACCOUNT_BYTES_MAX, "{bytes}");
    assert!(grown < MEMORY_MAX, "{grown}");
    // The attacker is told which bound it has passed; its other customers and the victim are not.
    assert_eq!(usage(&service).0, 503);
    assert_eq!(service.get(VICTIM, USAGE).status, 200);
}
