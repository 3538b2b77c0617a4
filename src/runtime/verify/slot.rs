//! One slot: all its accounts, and what they add up to.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::Subject;
use super::account::{Checking, Sums};
use super::findings::{Difference, Findings};
use super::ids::IdCheck;
use super::tail::{Gathered, Tail};
use crate::engine::counters::Counters;
use crate::engine::digest::Digest;
use crate::engine::ledger::AccountKey;
use crate::store::{SlotState, StoreError};

/// Verifies one slot. What cannot be read is a difference.
pub fn verify(subject: &Subject, slot: u8) -> Findings {
    let mut findings = Findings::default();
    match check(subject, slot) {
        Ok(found) => findings.merge(found),
        Err(error) => findings.differ(of_slot(slot, error.to_string())),
    }
    findings
}

fn check(subject: &Subject, slot: u8) -> Result<Findings, StoreError> {
    let state = subject.store.slot(slot)?;
    let ledger = subject.store.ledger(slot)?;
    let mut checking = Checking {
        subject,
        slot,
        state: &state,
        ledger: &ledger,
        folding: subject.folding(),
        ids: IdCheck::new(subject, slot),
        sums: Sums::default(),
        findings: Findings::default(),
    };
    cursors(slot, &state, &mut checking.findings);
    let findings = &mut checking.findings;
    let tail = Tail::read(&subject.store, slot, &state, &mut |found| findings.differ(found));
    let mut accounts: BTreeSet<AccountKey> = ledger.accounts()?.into_iter().collect();
    accounts.extend(&tail.accounts);
    subject.store.each_totals(slot, None, |account, _, _| {
        accounts.insert(account);
        ControlFlow::Continue(())
    })?;
    let accounts: Vec<AccountKey> = accounts.into_iter().collect();
    let none = Gathered::default();
    let mut left = accounts.as_slice();
    while !left.is_empty() {
        let (gathered, fitting) = tail.gather(&subject.store, slot, left);
        let (now, later) = left.split_at(fitting);
        for account in now {
            let rows = gathered.get(account).unwrap_or(&none);
            checking.account(*account, tail.names.get(account), rows);
        }
        left = later;
    }
    let Checking { ids, sums, mut findings, .. } = checking;
    ids.end(&mut findings);
    sum(slot, &state, &sums, &mut findings);
    Ok(findings)
}

/// What is derived never includes what is not committed, and the history only what is derived.
fn cursors(slot: u8, state: &SlotState, findings: &mut Findings) {
    let SlotState { head, ids_upto, totals_upto, history_upto } = state;
    let derived = *ids_upto.min(totals_upto);
    if *ids_upto.max(totals_upto) > head.next_sequence || *history_upto > derived {
        let what = format!(
            "{} blocks are committed, ids include {ids_upto}, totals {totals_upto}, the history \
             {history_upto}",
            head.next_sequence
        );
        findings.differ(of_slot(slot, what));
    }
}

/// The digest and the counters of the head against what the accounts add up to.
fn sum(slot: u8, state: &SlotState, sums: &Sums, findings: &mut Findings) {
    if sums.partial {
        return;
    }
    let saved = Digest(state.head.digest);
    if saved != sums.digest {
        let what =
            format!("digest {:032x} is saved, the events give {:032x}", saved.0, sums.digest.0);
        findings.differ(of_slot(slot, what));
    }
    let counters = Counters::from_list(&state.head.counters);
    let counted = counters.accepted + counters.set_aside;
    if counted != sums.events {
        let what = format!("{counted} events were accepted, the ledger has {}", sums.events);
        findings.differ(of_slot(slot, what));
    }
    if counted + counters.replaced != sums.rows {
        let what = format!(
            "{counted} events were accepted and {} replaced, the accounts have {} rows",
            counters.replaced, sums.rows
        );
        findings.differ(of_slot(slot, what));
    }
}

fn of_slot(slot: u8, what: String) -> Difference {
    Difference::new(Some(slot), "slot", "head".to_owned(), what)
}
