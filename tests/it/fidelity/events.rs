//! Random events of one organisation.

use odometer::core::catalog::Subscription;
use serde_json::{Map, Value as Json, json};

use super::catalog::ZONES;
use super::dice::Dice;
use crate::oracle::{Tenant, window_of};

/// A record of a log of events.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Which partition, modulo their number.
    pub partition: usize,
    /// Milliseconds by which its time differs from that of its round.
    pub behind_ms: i64,
    /// An event, or a list of some; without the organisation.
    pub record: Json,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Different texts of transaction ids in one case: repetitions are sought.
const TRANSACTIONS: usize = 300;

/// The records of one round. `seen` are the moments of earlier events.
pub fn events(dice: &mut Dice, tenant: &Tenant, now: i64, seen: &mut Vec<i64>) -> Vec<Sent> {
    let edges = edges(tenant, now);
    let count = *dice.pick(&[0, 3, 8, 8, 15, 25]);
    let mut sent = Vec::new();
    for _ in 0..count {
        let record = if dice.percent(4) {
            (0..dice.below(4)).map(|_| event(dice, tenant, now, &edges, seen)).collect()
        } else {
            event(dice, tenant, now, &edges, seen)
        };
        let partition = dice.below(3);
        // Partitions run ahead and lag behind, so that some read late what comes first.
        let behind_ms = [0, 90_000, -90_000][partition] + dice.within(-5_000, 5_000);
        sent.push(Sent { partition, behind_ms, record });
    }
    sent
}

/// Moments at which something begins or ends.
fn edges(tenant: &Tenant, now: i64) -> Vec<i64> {
    let mut edges = Vec::new();
    for row in &tenant.rows {
        let Subscription { started_at, terminated_at, .. } = row;
        edges.extend(started_at.iter().chain(terminated_at).map(|at| at.0));
        if let Some((from, to)) = window_of(tenant, row, now) {
            edges.extend([from, to, from + DAY, to - DAY, to - SECOND / 2]);
        }
    }
    edges
}

fn moment(dice: &mut Dice, now: i64, edges: &[i64], seen: &[i64]) -> i64 {
    match dice.below(20) {
        0..=2 if !edges.is_empty() => {
            let steps = [-SECOND, -1_000, -1, 0, 0, 1, 999, 1_000, SECOND];
            *dice.pick(edges) + dice.pick(&steps)
        }
        3..=4 if !seen.is_empty() => *dice.pick(seen),
        5 if !seen.is_empty() => *dice.pick(seen) + dice.within(-DAY, DAY),
        6 => now + dice.within(0, 60 * DAY),
        7..=8 => now - dice.within(20 * DAY, 500 * DAY),
        9 => (now - dice.within(0, 30 * DAY)).div_euclid(DAY) * DAY,
        10 => now,
        _ => now - dice.within(0, 30 * DAY),
    }
}

fn event(dice: &mut Dice, tenant: &Tenant, now: i64, edges: &[i64], seen: &mut Vec<i64>) -> Json {
    let at = moment(dice, now, edges, seen);
    seen.push(at);
    let codes: Vec<&str> = tenant.metrics.iter().map(|metric| metric.code.as_str()).collect();
    let code = if codes.is_empty() || dice.percent(4) { "nothing" } else { *dice.pick(&codes) };
    let subscription = match dice.below(20) {
        0 => Json::Null,
        1..=2 => json!("sub-1"),
        3 => json!("sub-9"),
        _ => json!("sub-0"),
    };
    let seconds = format!("{}.{:06}", at.div_euclid(SECOND), at.rem_euclid(SECOND));
    let mut event = json!({
        "external_subscription_id": subscription,
        "transaction_id": format!("t{}", dice.below(TRANSACTIONS)),
        "code": code,
        "timestamp": seconds,
        "properties": properties(dice),
    });
    if dice.percent(60) {
        let prices =
            [json!("12.5"), json!(3), json!("0.0000000000000005"), json!("7x"), json!("x")];
        event["precise_total_amount_cents"] = dice.pick(&prices).clone();
    }
    event
}

fn properties(dice: &mut Dice) -> Json {
    let mut properties = Map::new();
    for name in ["value", "other"] {
        if let Some(value) = value(dice) {
            properties.insert(name.to_owned(), value);
        }
    }
    let items = ["a", "b", "c", "d", "1"].map(|item| json!(item));
    let odd = [json!(1), json!(""), Json::Null, json!(true), json!([1])];
    let names: [(&str, &[Json]); 5] = [
        ("item", &items),
        ("team", &["x", "y", "z", "1"].map(|team| json!(team))),
        ("region", &["eu", "us", "asia", "1"].map(|region| json!(region))),
        ("cloud", &["aws", "gcp", "azure", "own"].map(|cloud| json!(cloud))),
        ("user", &["u1", "u2"].map(|user| json!(user))),
    ];
    for (name, usual) in names {
        match dice.below(12) {
            0 => {
                properties.insert(name.to_owned(), dice.pick(&odd[..4]).clone());
            }
            1 => {}
            _ => {
                properties.insert(name.to_owned(), dice.pick(usual).clone());
            }
        }
    }
    if dice.percent(30) {
        let zone = *dice.pick(&ZONES[..3]);
        properties.insert("zone".to_owned(), json!(zone));
    }
    if dice.percent(20) {
        properties.insert("target_wallet_code".to_owned(), json!(*dice.pick(&["w1", "w2"])));
    }
    match dice.below(10) {
        0..=2 => properties.insert("operation_type".to_owned(), json!("remove")),
        3..=4 => properties.insert("operation_type".to_owned(), json!("add")),
        5 if dice.percent(20) => properties.insert("operation_type".to_owned(), json!("swap")),
        _ => None,
    };
    Json::Object(properties)
}

/// A quantity: mostly a number, sometimes what only looks like one.
fn value(dice: &mut Dice) -> Option<Json> {
    let number = |text: &str| serde_json::from_str(text).unwrap();
    Some(match dice.below(24) {
        0 => return None,
        1 => Json::Null,
        2 => json!(*dice.pick(&["much", "+1", ".5", "5.", "1e3", " 1", "", "1,5", "-"])),
        3 => number(*dice.pick(&["1e2", "2.50", "-0", "1e-7", "10.0"])),
        4 => json!(dice.percent(50)),
        5..=8 => json!(dice.within(0, 30)),
        9..=11 => json!(dice.within(-12, 3).to_string()),
        12 => json!(*dice.pick(&["0", "0.00", "-0.0", "007"])),
        13 => json!("123456789.123456789"),
        14..=16 => json!(format!("{}.{}", dice.within(0, 20), dice.below(100))),
        _ => json!(dice.within(0, 12).to_string()),
    })
}
