//! A service that merges its ledger in the background: what is read back for an account is what was
//! written, across restarts and crashes.

use std::fmt::Write;

use odometer::core::instant::Instant;
use odometer::runtime::scan::cut_now;

use crate::service::{TestService, wait_until};

const ORGANIZATION: &str = "org";
const ACCOUNTS: i64 = 3;
/// 2024-03-15T12:00:00Z.
const NOW: Instant = Instant::from_seconds(1_710_504_000);
/// Checkpoints within which blocks have to be merged: they are due after 256, once ids and totals
/// include them.
const CHECKPOINTS_MAX: i64 = 3_000;

/// An event of each account, in another order than that of its time.
fn events(number: i64) -> Vec<String> {
    let event = |account: i64| {
        let seconds = NOW.micros() / 1_000_000 - number * 7_919 % 5_000_000;
        let mut text = String::new();
        write!(
            text,
            r#"{{"organization_id":"{ORGANIZATION}","external_subscription_id":"sub-{account}","#
        )
        .unwrap();
        write!(
            text,
            r#""transaction_id":"{account}-{number}","code":"calls","timestamp":"{seconds}"}}"#
        )
        .unwrap();
        text
    };
    (0..ACCOUNTS).map(event).collect()
}

/// Compares the ledger of every account with the events up to a number.
fn assert_ledger(service: &TestService, written: i64) {
    let shared = &service.running().service.shared;
    for account in 0..ACCOUNTS {
        let (slot, key) = shared.account(ORGANIZATION, Some(&format!("sub-{account}")));
        wait_until("the slot", || shared.board.slot(slot).ready);
        let mut expected: Vec<(Instant, String)> = (0..written)
            .map(|number| {
                let seconds = NOW.micros() / 1_000_000 - number * 7_919 % 5_000_000;
                (Instant::from_seconds(seconds), format!("{account}-{number}"))
            })
            .collect();
        expected.sort();
        wait_until("the events of the log", || {
            let cut = cut_now(shared, slot, key).unwrap().cut;
            let found = cut.events(&shared.store, key).unwrap();
            assert!(found.is_sorted_by_key(|event| (event.timestamp, event.position)));
            let mut found: Vec<(Instant, String)> = found
                .iter()
                .map(|event| (event.timestamp, event.transaction.to_string()))
                .collect();
            found.sort();
            found == expected
        });
    }
}

#[test]
fn the_ledger_is_merged_and_loses_nothing() {
    let settings =
        [("checkpoint.interval_ms", "3600000"), ("checkpoint.totals_interval_ms", "100")];
    let mut service = TestService::start(NOW, &settings);
    let merged = |service: &TestService| service.running().metrics.merged_events.get();
    let mut written = 0;
    let step = |service: &TestService, written: &mut i64| {
        service.append(&events(*written));
        *written += 1;
        service.counters();
        service.running().service.checkpoint().unwrap();
    };
    while merged(&service) == 0 {
        assert!(written < CHECKPOINTS_MAX, "nothing was merged");
        step(&service, &mut written);
    }
    assert_ledger(&service, written);
    service.crash();
    assert_ledger(&service, written);
    let shared = &service.running().service.shared;
    let states = (0..64).map(|slot| shared.store.slot(slot).unwrap());
    assert!(states.map(|state| state.history_upto).sum::<u64>() > 0);
    // What is not merged yet is merged with what comes.
    while merged(&service) == 0 {
        assert!(written < 2 * CHECKPOINTS_MAX, "nothing more was merged");
        step(&service, &mut written);
    }
    service.restart();
    step(&service, &mut written);
    assert_ledger(&service, written);
}
