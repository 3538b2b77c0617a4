//! Records that make the program panic, by a panic that is planted in the decoder, in the fold, in
//! the ledger and in the totals: each costs itself alone, is kept with its reason, and counts once
//! what was wrong is mended.
//!
//! The mend is a switch of the whole process, so this is one test.

use std::sync::atomic::Ordering;

use odometer::core::instant::Instant;
use odometer::core::planted::{MENDED, Stumble};
use odometer::log::decode::Limits;
use odometer::runtime::replay::{Replayed, Selection, replay};
use odometer::store::Rejected;
use serde_json::{Value as Json, json};

use crate::service::TestService;

const KEY: &str = "odometer-demo-key";
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/catalog.example.yaml");
/// 2026-03-15T12:00:00Z.
const NOW: Instant = Instant::from_seconds(1_773_576_000);
const TOKYO: &str = "subscription_tokyo";
const OSAKA: &str = "subscription_osaka";

fn call(subscription: &str, transaction: &str, remark: &str) -> Json {
    json!({
        "organization_id": "demo", "external_subscription_id": subscription, "code": "api_calls",
        "transaction_id": transaction, "timestamp": "1773500000.25",
        "properties": {"region": "eu", "remark": remark},
    })
}

/// Units of the API calls of a subscription, or the status that refuses to tell.
fn calls(service: &TestService, subscription: &str) -> Result<String, u16> {
    let of = ("external_subscription_id".to_owned(), subscription.to_owned());
    let answer = service.current_usage(KEY, "customer_tokyo", &[of]);
    if answer.status != 200 {
        return Err(answer.status);
    }
    let body = answer.json();
    let charges = body["customer_usage"]["charges_usage"].as_array().unwrap();
    let of_calls = charges.iter().find(|c| c["billable_metric"]["code"] == "api_calls").unwrap();
    Ok(of_calls["units"].as_str().unwrap().to_owned())
}

fn rejected(service: &TestService) -> Vec<Rejected> {
    service.running().service.checkpoint().unwrap();
    let page = service.running().service.shared.store.rejected(0, 100).unwrap();
    page.entries.into_iter().map(|(_, entry)| entry).collect()
}

fn replay_all(service: &TestService) -> Replayed {
    let all = Selection { from: 0, to: None, reason: None };
    replay(&service.running().service.shared, Limits::default(), &all).unwrap()
}

#[test]
fn a_record_that_panics_costs_itself_alone_and_counts_once_it_is_mended() {
    let mut service = TestService::start(NOW, &[("catalog.file", CATALOG)]);
    let (decode, fold) = (Stumble::Decode.mark(), Stumble::Fold.mark());
    let append = Stumble::Append.mark();
    let list = json!([call(TOKYO, "b", ""), call(TOKYO, decode, ""), call(TOKYO, "c", "")]);
    let with_fold = json!([call(TOKYO, "d", ""), call(TOKYO, "e", fold), call(TOKYO, "f", "")]);
    // All in one batch; the account is in memory when the panic comes, and read before and after.
    service.append(&[call(TOKYO, "a", "").to_string()]);
    assert_eq!(calls(&service, TOKYO), Ok("1.0".to_owned()));
    let records = [
        call(TOKYO, "a", ""),
        list.clone(),
        with_fold,
        json!("no event"),
        call(TOKYO, "g", fold),
        call(TOKYO, "h", ""),
        call(TOKYO, "j", append),
    ];
    service.append(&records.map(|record| record.to_string()));
    assert_eq!(calls(&service, TOKYO), Ok("4.0".to_owned()), "a, d, f and h");
    let counters = service.counters();
    assert_eq!((counters.accepted, counters.duplicate, counters.rejected), (4, 1, 5));
    let kept = rejected(&service);
    let reasons: Vec<_> = kept.iter().map(|kept| (&*kept.reason, kept.index)).collect();
    let expected = [("internal_decode", 0), ("not_an_object", 0), ("internal", 1), ("internal", 0)];
    assert!(expected.iter().all(|one| reasons.contains(one)) && reasons.len() == 5, "{reasons:?}");
    let first = |reason: &str| kept.iter().find(|kept| kept.reason == reason).unwrap();
    assert_eq!(first("internal_decode").bytes, list.to_string().into_bytes());
    assert!(first("internal").detail.contains("a planted panic in Fold"));
    let metrics = service.running().metrics.encode();
    for line in ["{reason=\"internal\"} 3", "{reason=\"internal_decode\"} 1"] {
        assert!(metrics.lines().any(|own| own.ends_with(line)), "{line}\n{metrics}");
    }

    // Not mended yet: a replay refuses them again, and costs nobody anything either.
    let again = replay_all(&service);
    assert_eq!((again.replayed, again.refused, again.waiting), (0, 5, 0));
    service.restart();
    assert_eq!(calls(&service, TOKYO), Ok("4.0".to_owned()));
    service.crash();
    assert_eq!(calls(&service, TOKYO), Ok("4.0".to_owned()));

    // An event that is in the ledger when it first meets a total: its account has no totals, and
    // its figure comes from a scan.
    service.append(&[call(OSAKA, "z", Stumble::Total.mark()).to_string()]);
    assert_eq!(service.counters().accepted, 5);
    let osaka = json!({"subscription": {
        "external_id": OSAKA, "external_customer_id": "customer_tokyo", "plan_code": "starter",
        "subscription_at": "2024-01-01T00:00:00Z"}});
    assert_eq!(service.post(KEY, "/api/v1/subscriptions", &osaka).status, 200);
    assert_eq!(calls(&service, OSAKA), Ok("1.0".to_owned()));
    service.append(&[call(OSAKA, "y", "").to_string()]);
    assert_eq!(calls(&service, OSAKA), Ok("2.0".to_owned()));
    assert_eq!(calls(&service, TOKYO), Ok("4.0".to_owned()));
    service.append(&[call(TOKYO, "i", "").to_string()]);
    assert_eq!(calls(&service, TOKYO), Ok("5.0".to_owned()));
    service.restart();
    assert_eq!(calls(&service, TOKYO), Ok("5.0".to_owned()));

    MENDED.store(true, Ordering::SeqCst);
    let mended = replay_all(&service);
    // Four records and events, one of which holds three; the one that is no event is refused.
    assert_eq!((mended.replayed, mended.refused), (4, 1));
    assert_eq!(calls(&service, TOKYO), Ok("11.0".to_owned()), "a to j");
    assert_eq!(calls(&service, OSAKA), Ok("2.0".to_owned()));
    assert_eq!(replay_all(&service).replayed, 0);
    service.crash();
    assert_eq!(calls(&service, TOKYO), Ok("11.0".to_owned()));
}
