//! The event decoder against the strict parser.

use super::{Target, no_seeds};
use crate::log::decode::Limits;
use crate::log::decode::reference::{decoded, judge, without_message};

pub(super) const TARGET: Target = Target {
    name: "decoder",
    run,
    seeds: no_seeds,
    words: &[
        "{\"organization_id\":\"o\",\"transaction_id\":\"t\",\"code\":\"c\",\"timestamp\":1}",
        "\"external_subscription_id\":",
        "\"properties\":{",
        "\"precise_total_amount_cents\":",
        "\"timestamp\":\"2024-03-15T12:00:00.123456789Z\"",
        "\"timestamp\":1e3",
        "\"source\":\"http_ruby\"",
        "\\u0000",
        "\\ud83d\\ude00",
        "\\ud83d",
        "1e400",
        "-0.0",
        "null",
        "[[",
    ],
};

/// The usual limits, and small ones, which short inputs meet.
const LIMITS: [Limits; 2] = [
    Limits { record_bytes_max: 1 << 20, depth_max: 64, events_per_record_max: 10_000 },
    Limits { record_bytes_max: 600, depth_max: 4, events_per_record_max: 1_000 },
];

fn run(bytes: &[u8]) {
    for limits in &LIMITS {
        let fast: Vec<_> = decoded(Some(bytes), limits).into_iter().map(without_message).collect();
        let slow: Vec<_> = judge(bytes, limits).into_iter().map(without_message).collect();
        assert_eq!(fast, slow);
    }
}
