//! One tenant sends events for very many subscriptions that do not exist: memory keeps its bound,
//! and others are read and folded at their pace.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;
use std::time::Duration;

use odometer::cli::settings_of;
use odometer::core::instant::Instant;
use odometer::runtime::catalog_apply::apply_text;
use odometer::runtime::clock::Stopwatch;

use crate::service::{PATIENCE, TestService};

const KEY: &str = "odometer-demo-key";
const NOW: i64 = 1_709_618_828;
/// Memory for accounts, and what a batch may add to it before the fold waits.
const BYTES_MAX: usize = 24 << 20;
const BATCH_BYTES: usize = 4 << 20;
/// Events of a record that are the neighbour's, and those of whoever attacks.
const OWN: usize = 100;
const OTHERS: usize = 900;
/// Records of each phase: the attack is for 300 000 subscriptions.
const RECORDS: usize = 334;
/// Records that may wait to be folded.
const AHEAD_MAX: u64 = 6;
/// Subscriptions of the neighbour.
const SUBSCRIPTIONS: usize = 20;
/// Pause between two questions of the neighbour.
const PAUSE: Duration = Duration::from_millis(2);
/// How much longer the middle question of a neighbour may take under attack.
const SLOWER_MAX: u32 = 6;
/// How much more the fold of an event of a new subscription may cost than that of a known one: its
/// rules are looked for, and it is written and dropped again.
const NEW_COSTS_MAX: u32 = 25;

fn catalogue() -> String {
    let mut text = String::from(
        "
organizations:
  - external_id: crowd
    name: Crowd
  - external_id: neighbour
    name: Neighbour
    api_keys:
      - sha256: f6a3793baedef58938740b4dc02c4c3f43ef154d62bc83239aaf4416cc4e5e8d
    billable_metrics:
      - {code: calls, name: Calls, aggregation_type: count_agg}
    plans:
      - code: plain
        name: Plain
        interval: monthly
        amount_cents: 0
        amount_currency: EUR
        charges:
          - billable_metric_code: calls
            charge_model: standard
            properties: {amount: '1'}
    customers:
      - external_id: customer
        currency: EUR
    subscriptions:
",
    );
    for number in 0..SUBSCRIPTIONS {
        writeln!(
            text,
            "      - {{external_id: own-{number}, external_customer_id: customer, \
             plan_code: plain, subscription_at: 2024-03-01}}"
        )
        .unwrap();
    }
    text
}

/// One record: events of the neighbour, and of subscriptions that nobody has.
fn record(number: usize, other: impl Fn(usize) -> usize) -> String {
    let mut text = String::from("[");
    let mut event = |organization: &str, subscription: String, which: usize| {
        let comma = if text.len() > 1 { "," } else { "" };
        write!(
            text,
            "{comma}{{\"organization_id\":\"{organization}\",\
             \"transaction_id\":\"{number}-{which}\",\
             \"external_subscription_id\":\"{subscription}\",\"code\":\"calls\",\
             \"timestamp\":{NOW},\"properties\":{{}}}}"
        )
        .unwrap();
    };
    for which in 0..OWN {
        event("neighbour", format!("own-{}", which % SUBSCRIPTIONS), which);
    }
    for which in 0..OTHERS {
        event("crowd", format!("nobody-{}", other(which)), OWN + which);
    }
    text.push(']');
    text
}

/// What a phase has shown.
struct Phase {
    took: Duration,
    questions: Vec<Duration>,
    bytes: usize,
}

impl Phase {
    fn middle(&self) -> Duration {
        self.questions[self.questions.len() / 2]
    }
}

/// Sends the records of a phase while the neighbour asks.
fn phase(service: &TestService, first: usize, other: impl Fn(usize, usize) -> usize) -> Phase {
    let shared = &service.running().service.shared;
    let consumed = || service.running().metrics.records_consumed.get();
    let before = consumed();
    let (done, bytes) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let each = (OWN + OTHERS) as u64;
    scope(|threads| {
        let reader = threads.spawn(|| {
            let mut times = Vec::new();
            while done.load(Ordering::Acquire) == 0 {
                let watch = Stopwatch::start();
                let path = format!(
                    "/api/v1/customers/customer/current_usage?external_subscription_id=own-{}",
                    times.len() % SUBSCRIPTIONS
                );
                assert_eq!(service.get(KEY, &path).status, 200);
                times.push(watch.elapsed());
                bytes.fetch_max(shared.board.bytes(), Ordering::AcqRel);
                std::thread::sleep(PAUSE);
            }
            times
        });
        let watch = Stopwatch::start();
        let await_folded = |records: u64| {
            let (mut seen, mut moved) = (0, Stopwatch::start());
            while consumed() - before < records * each {
                bytes.fetch_max(shared.board.bytes(), Ordering::AcqRel);
                if consumed() != seen {
                    (seen, moved) = (consumed(), Stopwatch::start());
                }
                assert!(moved.elapsed() < PATIENCE, "the fold stands still");
                std::thread::sleep(Duration::from_micros(500));
            }
        };
        for number in 0..RECORDS {
            await_folded((number as u64).saturating_sub(AHEAD_MAX));
            service.append(&[record(first + number, |which| other(number, which))]);
        }
        await_folded(RECORDS as u64);
        let took = watch.elapsed();
        done.store(1, Ordering::Release);
        let mut questions = reader.join().unwrap();
        questions.sort_unstable();
        Phase { took, questions, bytes: bytes.load(Ordering::Acquire) }
    })
}

#[test]
fn a_crowd_of_unknown_subscriptions_leaves_memory_and_its_neighbour_alone() {
    let bytes_max = BYTES_MAX.to_string();
    let settings = [
        ("memory.accounts_bytes_max", bytes_max.as_str()),
        ("fold.batch_events_max", "2000"),
        ("fold.worker_threads", "2"),
    ];
    let mut service = TestService::start(Instant::from_seconds(NOW), &settings);
    let running = service.running();
    apply_text(&running.service, &settings_of(&[]).unwrap(), &catalogue()).unwrap();
    let peace = phase(&service, 0, |_, which| which % 100);
    let attack = phase(&service, RECORDS, |number, which| 100 + number * OTHERS + which);
    let metrics = &service.running().metrics;
    println!(
        "peace: {:?}, middle of {} questions {:?}; attack: {:?}, middle of {} {:?}; \
         {} MiB at most, {} accounts left",
        peace.took,
        peace.questions.len(),
        peace.middle(),
        attack.took,
        attack.questions.len(),
        attack.middle(),
        attack.bytes >> 20,
        metrics.accounts_left.get(),
    );
    assert!(attack.bytes <= BYTES_MAX + BATCH_BYTES, "{} bytes of accounts", attack.bytes);
    let sent = (RECORDS * OTHERS) as u64;
    assert!(metrics.accounts_left.get() > sent / 2, "{} left", metrics.accounts_left.get());
    assert!(attack.middle() < SLOWER_MAX * peace.middle(), "{:?}", attack.middle());
    assert!(attack.took < NEW_COSTS_MAX * peace.took, "{:?}", attack.took);
    let accepted = service.counters().accepted;
    assert_eq!(accepted, (2 * RECORDS * (OWN + OTHERS)) as u64);
    service.crash();
    assert_eq!(service.counters().accepted, accepted, "what the last checkpoint lacked is back");
    let path = "/api/v1/customers/customer/current_usage?external_subscription_id=own-7";
    let usage = service.get(KEY, path).json();
    let units = (2 * RECORDS * OWN / SUBSCRIPTIONS).to_string() + ".0";
    assert_eq!(usage["customer_usage"]["charges_usage"][0]["units"], units, "{usage}");
    let shared = &service.running().service.shared;
    assert!(shared.board.bytes() <= BYTES_MAX + BATCH_BYTES, "after a start");
    // Some of those who have left come back for a copy, which does not count again.
    let (number, before) = (RECORDS + 5, service.counters());
    service.append(&[record(number, |which| 100 + 5 * OTHERS + which)]);
    let after = service.counters();
    assert_eq!(after.accepted, before.accepted);
    assert_eq!(after.duplicate, before.duplicate + (OWN + OTHERS) as u64);
    service.stop();
}
