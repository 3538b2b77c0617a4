//! Decoding of a typical event against serde_json in the same run: ratios, since machines differ.
//!
//! Prints nanoseconds per event, the best of several rounds, and how many times ours is faster.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use odometer::log::decode::{Decoder, Limits};
use serde::Deserialize;
use serde_json::Value;

const EVENTS: u32 = 2_000;
const ROUNDS: u32 = 200;

#[derive(Deserialize)]
#[allow(dead_code, reason = "read to be measured")]
struct Typed {
    organization_id: String,
    external_subscription_id: String,
    transaction_id: String,
    code: String,
    timestamp: Value,
    precise_total_amount_cents: String,
    properties: HashMap<String, Value>,
    ingested_at: String,
    source: String,
}

/// Events as Lago's API writes them to the raw topic, of about 348 bytes.
fn payloads() -> Vec<String> {
    (0..EVENTS)
        .map(|i| {
            format!(
                concat!(
                    r#"{{"organization_id":"1a901a90-1a90-1a90-1a90-1a901a901a90","#,
                    r#""external_customer_id":null,"external_subscription_id":"sub_{:08}","#,
                    r#""transaction_id":"tx_{:016}","timestamp":"1741007009.{:03}","#,
                    r#""code":"api_calls","precise_total_amount_cents":"0.0","#,
                    r#""properties":{{"value":{},"region":"eu-west-1"}},"#,
                    r#""ingested_at":"2025-03-03T13:03:29.123","source":"http_ruby","#,
                    r#""source_metadata":{{"api_post_processed":true}}}}"#
                ),
                i % 977,
                i * 7_919,
                i % 1000,
                i % 50
            )
        })
        .collect()
}

/// Nanoseconds per event of the fastest round.
fn measure(payloads: &[String], mut decode: impl FnMut(&[u8])) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for payload in payloads {
            decode(black_box(payload.as_bytes()));
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(EVENTS));
    }
    best
}

fn main() {
    let payloads = payloads();
    let bytes: usize = payloads.iter().map(String::len).sum();
    println!("{} events of {} bytes", EVENTS, bytes / payloads.len());

    let limits = Limits::default();
    let mut decoder = Decoder::new();
    let mut accepted = 0_u64;
    let ours = measure(&payloads, |payload| {
        decoder.decode(Some(payload), &limits, &mut |_, outcome| {
            accepted += u64::from(black_box(outcome).is_ok());
        });
    });
    assert_eq!(accepted, u64::from(EVENTS * ROUNDS));
    println!("ours            {ours:7.0} ns");
    let utf8 = measure(&payloads, |payload| {
        black_box(std::str::from_utf8(payload).is_ok());
    });
    println!("utf-8 check     {utf8:7.0} ns");
    let ignored = measure(&payloads, |payload| {
        black_box(serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok());
    });
    println!("serde ignored   {ignored:7.0} ns  {:5.1} x", ignored / ours);
    let typed = measure(&payloads, |payload| {
        black_box(serde_json::from_slice::<Typed>(payload).is_ok());
    });
    println!("serde typed     {typed:7.0} ns  {:5.1} x", typed / ours);
    let value = measure(&payloads, |payload| {
        black_box(serde_json::from_slice::<Value>(payload).is_ok());
    });
    println!("serde value     {value:7.0} ns  {:5.1} x", value / ours);
}
