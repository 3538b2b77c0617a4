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

/// Events of a stream.
const STREAM: i64 = 500;
/// Days that a stream covers at most.
const STREAM_DAYS: i64 = 28;
/// A stream holds back one event of so many at random, to come with a later round.
const HELD_BACK_OF: usize = 150;

/// What the events of one round have in common.
struct Scene<'t> {
    tenant: &'t Tenant,
    now: i64,
    edges: Vec<i64>,
    /// Whether few values are used, and more of the past, so that events meet each other.
    narrow: bool,
}

/// The records of one round. `seen` are the moments of earlier events.
pub fn events(dice: &mut Dice, tenant: &Tenant, now: i64, seen: &mut Vec<i64>) -> Vec<Sent> {
    let scene = Scene { tenant, now, edges: edges(tenant, now), narrow: dice.percent(40) };
    let count = *dice.pick(&[0, 3, 8, 8, 15, 25]);
    let mut sent = Vec::new();
    for _ in 0..count {
        let record = if dice.percent(4) {
            (0..dice.below(4)).map(|_| event(dice, &scene, seen)).collect()
        } else {
            event(dice, &scene, seen)
        };
        let partition = dice.below(3);
        // Partitions run ahead and lag behind, so that some read late what comes first.
        let behind_ms = [0, 90_000, -90_000][partition] + dice.within(-5_000, 5_000);
        sent.push(Sent { partition, behind_ms, record });
    }
    sent
}

/// Many events on the first charge, in the order of time up to now, by round: the first round has
/// most of them, each later one some that come late.
pub fn stream(dice: &mut Dice, tenant: &Tenant, now: i64, rounds: usize) -> Vec<Vec<Sent>> {
    let metric = tenant.plans[0].charges[0].metric;
    let code = tenant.metrics.iter().find(|own| own.id == metric).map(|own| own.code.as_str());
    let windows = tenant.rows.iter().filter_map(|row| window_of(tenant, row, now));
    let from = windows.map(|(from, _)| from).max().unwrap_or(now).max(now - STREAM_DAYS * DAY);
    let mut sent: Vec<Vec<Sent>> = (0..rounds).map(|_| Vec::new()).collect();
    for number in 0..STREAM {
        let at = from + (now - from) / STREAM * number;
        let mut properties = properties(dice, true);
        // Filters and groups would leave little for each bucket.
        for (name, value) in [("team", "x"), ("region", "eu"), ("cloud", "aws"), ("user", "u1")] {
            properties[name] = json!(value);
        }
        let record = json!({
            "external_subscription_id": "sub-0",
            "transaction_id": format!("s{number}"),
            "code": code,
            "timestamp": format!("{}.{:06}", at.div_euclid(SECOND), at.rem_euclid(SECOND)),
            "properties": properties,
        });
        let round = if dice.below(HELD_BACK_OF) == 0 { dice.below(rounds) } else { 0 };
        sent[round].push(Sent { partition: 0, behind_ms: 0, record });
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

fn moment(dice: &mut Dice, scene: &Scene<'_>, seen: &[i64]) -> i64 {
    let Scene { now, edges, narrow, .. } = scene;
    match dice.below(if *narrow { 24 } else { 20 }) {
        0..=3 if !edges.is_empty() => {
            let steps = [-SECOND, -1_000, -1, 0, 0, 1, 999, 1_000, SECOND, SECOND - 1];
            *dice.pick(edges) + dice.pick(&steps)
        }
        4 if !seen.is_empty() => *dice.pick(seen),
        5 | 20 | 21 if !seen.is_empty() => *dice.pick(seen) + dice.within(-DAY, DAY),
        6 => now + dice.within(0, 60 * DAY),
        7..=8 | 22..=23 => now - dice.within(20 * DAY, 500 * DAY),
        9 => (now - dice.within(0, 30 * DAY)).div_euclid(DAY) * DAY,
        10 => *now,
        _ => now - dice.within(0, 30 * DAY),
    }
}

fn event(dice: &mut Dice, scene: &Scene<'_>, seen: &mut Vec<i64>) -> Json {
    let at = moment(dice, scene, seen);
    seen.push(at);
    let tenant = scene.tenant;
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
        "properties": properties(dice, scene.narrow),
    });
    if dice.percent(60) {
        let prices =
            [json!("12.5"), json!(3), json!("0.0000000000000005"), json!("7x"), json!("x")];
        event["precise_total_amount_cents"] = dice.pick(&prices).clone();
    }
    event
}

fn properties(dice: &mut Dice, narrow: bool) -> Json {
    let mut properties = Map::new();
    for name in ["value", "other"] {
        if let Some(value) = value(dice) {
            properties.insert(name.to_owned(), value);
        }
    }
    let items = ["1", "a", "b", "c", "d"].map(|item| json!(item));
    let odd = [json!(1), json!(""), Json::Null, json!(true)];
    let names: [(&str, &[Json]); 5] = [
        ("item", &items),
        ("team", &["x", "1", "y", "z"].map(|team| json!(team))),
        ("region", &["eu", "us", "asia", "1"].map(|region| json!(region))),
        ("cloud", &["aws", "gcp", "azure", "own"].map(|cloud| json!(cloud))),
        ("user", &["u1", "u2"].map(|user| json!(user))),
    ];
    for (name, usual) in names {
        let usual = if narrow { &usual[..2] } else { usual };
        let value = match dice.below(12) {
            0 => dice.pick(&odd),
            1 => continue,
            2 if narrow => &odd[0],
            _ => dice.pick(usual),
        };
        properties.insert(name.to_owned(), value.clone());
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
        3 => number(dice.pick::<&str>(&["1e2", "2.50", "-0", "1e-7", "10.0"])),
        4 => json!(dice.percent(50)),
        5..=8 => json!(dice.within(0, 30)),
        9..=11 => json!(dice.within(-12, 3).to_string()),
        12 => json!(*dice.pick(&["0", "0.00", "-0.0", "007"])),
        13 => json!("123456789.123456789"),
        14..=16 => json!(format!("{}.{}", dice.within(0, 20), dice.below(100))),
        _ => json!(dice.within(0, 12).to_string()),
    })
}
