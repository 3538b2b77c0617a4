//! The saved totals of one account against a fold of its events from zero, in the order of time:
//! the way in which they are rebuilt.

use std::cell::Cell;
use std::sync::Arc;

use super::Subject;
use super::findings::Tally;
use crate::core::catalog::directory::Directory;
use crate::core::instant::Instant;
use crate::core::period;
use crate::core::usage::{Ask, Measured, Quantities, Request};
use crate::engine::account::{Account, Folding};
use crate::engine::draft::Draft;
use crate::engine::frame::{Frame, Spell};
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::{AccountKey, Row};
use crate::engine::totals::Cells;
use crate::engine::window::WindowTotals;
use crate::runtime::catalogue::Resolved;
use crate::runtime::scan::usage;
use crate::runtime::target::{Kept, Target};

/// The windows of an account, folded anew.
pub struct Refold<'a> {
    account: &'a Account,
    /// What the totals were folded under; none if there are none, or the rules are gone.
    resolved: Option<Resolved>,
    windows: Vec<Draft>,
    /// An event that would be missing from every figure.
    missed: Option<Instant>,
}

impl<'a> Refold<'a> {
    /// Finds the rules that an account was folded under, among those that its subscription's rows
    /// have now.
    pub fn of(subject: &Subject, account: &'a Account, tally: &mut Tally) -> Self {
        let resolved = resolved(subject, account);
        if resolved.is_none() && account.folded_under.is_some() {
            tally.accounts_to_rebuild += 1;
        }
        let windows = resolved.iter().flat_map(|resolved| {
            account.windows.iter().map(|kept| Draft::anew(&resolved.frame, kept.spell))
        });
        Self { account, windows: windows.collect(), resolved, missed: None }
    }

    /// Takes the next event of the account.
    pub fn fold(&mut self, row: &Row<'_>, folding: &mut Folding) {
        let Some(Resolved { frame, .. }) = &self.resolved else {
            if self.account.folded_under.is_none() && !self.is_left_out(row.timestamp) {
                self.missed.get_or_insert(row.timestamp);
            }
            return;
        };
        let event = usage(row);
        let mut held = !frame.shape.folds(row.code) || self.is_left_out(row.timestamp);
        for (kept, draft) in self.account.windows.iter().zip(&mut self.windows) {
            held |= kept.window().holds(row.timestamp);
            if draft.from() <= row.timestamp && row.timestamp <= kept.window().to {
                frame.settle(row.code, &event, |event| {
                    draft.fold(frame, kept.spell, row.code, event, folding);
                });
            }
        }
        if !held {
            self.missed.get_or_insert(row.timestamp);
        }
    }

    fn is_left_out(&self, at: Instant) -> bool {
        self.account.uncached.is_some_and(|stretch| stretch.meets(at, at))
    }

    /// Compares, once all events have been taken. Each difference is told in words.
    pub fn compare(self, slot: SlotNumber, key: AccountKey, tally: &mut Tally) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(at) = self.missed {
            differences
                .push(format!("the event of {at:?} is in no total and not known as left out"));
        }
        let Some(resolved) = self.resolved else { return differences };
        for (kept, draft) in self.account.windows.iter().zip(self.windows) {
            if kept.needs_repair(&resolved.frame) {
                tally.windows_to_scan += 1;
                continue;
            }
            let (scanned, _) = draft.finish(&resolved.frame, kept.spell);
            if kept.cells == scanned {
                tally.windows_equal += 1;
                continue;
            }
            match figures_differ(&resolved, (slot, key), kept, &scanned) {
                None => tally.windows_alike += 1,
                Some(charge) => differences.push(format!(
                    "the totals of the window {:?} to {:?} differ from a fold of its events in \
                     charge {charge}",
                    kept.window().from,
                    kept.window().to
                )),
            }
        }
        differences
    }
}

/// The first charge whose figures differ. What is kept may be in another form than what a fold in
/// the order of time gives: what counts then is every figure that is read from it.
fn figures_differ(
    resolved: &Resolved,
    (slot, key): (SlotNumber, AccountKey),
    kept: &WindowTotals,
    scanned: &Cells,
) -> Option<String> {
    let Spell { window, .. } = kept.spell;
    let Some(period) = period::current(&resolved.frame.terms, window.to) else {
        return Some("none, since the window is in no period".to_owned());
    };
    let target = Target {
        resolved: resolved.clone(),
        slot,
        key,
        period,
        window,
        now: window.to,
        catalog_version: 0,
    };
    let request = Request::default();
    let charges = resolved.plan.charges.iter().enumerate().filter_map(|(index, charge)| {
        let metric = resolved.tenant.metrics.get(charge.metric)?;
        Some(Ask::new(index, charge, &metric.entity, &request))
    });
    for ask in charges {
        let read = |cells: &Cells| -> Option<Vec<Measured>> {
            Kept { cells, target: &target, lacks: Cell::default() }.measure(&ask).ok()
        };
        // What is kept may leave a charge to the events, and a cap that was changed may do so on
        // the other side: then nothing is claimed.
        if let (Some(saved), Some(scanned)) = (read(&kept.cells), read(scanned))
            && saved != scanned
        {
            return Some(ask.charge.code.clone());
        }
    }
    None
}

/// The rules that an account was folded under, if they are those of one of its rows today.
fn resolved(subject: &Subject, account: &Account) -> Option<Resolved> {
    let digest = account.folded_under?;
    let subscription = account.subscription.as_deref()?;
    let book = subject.catalogue.book();
    let tenant = book.tenant(&account.organization)?;
    let rows = subject.catalogue.subscriptions(&account.organization, subscription);
    let is_own = |frame: &Arc<Frame>| frame.digest == digest;
    rows.iter()
        .filter_map(|row| subject.catalogue.resolve_row(tenant, row))
        .find(|resolved| is_own(&resolved.frame))
}
