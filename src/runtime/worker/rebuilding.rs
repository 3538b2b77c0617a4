//! How an owner has windows of its accounts rebuilt.

use super::Worker;
use crate::core::instant::Instant;
use crate::core::period::Window;
use crate::engine::account::{Account, Installed};
use crate::engine::ledger::AccountKey;
use crate::engine::totals::Cells;
use crate::runtime::scan::{Opened, Rebuild};
use crate::runtime::sweeper::Swept;
use crate::telemetry::events::{BucketsLeft, Emit, LimitHit, WhyLeft};

/// Accounts that are rebuilt together when nobody waits for them: whoever comes and waits, waits
/// for these at most.
const REBUILDS_PER_SWEEP_MAX: usize = 64;
/// Accounts whose rules are looked up at once: each costs a read of the store, on the owner's
/// thread.
const REFRAMES_PER_SWEEP_MAX: usize = 256;
impl Worker {
    /// Opens the asked window for a scan, unless it can be had without one.
    pub(super) fn rebuild(&mut self, slot: u8, asked: AccountKey, window: Window) {
        let Some(at) = self.at(slot) else { return };
        let now = self.shared.clock.now();
        if let Some(rebuild) = self.open_for_scan(asked, Some(window), now) {
            if let Err((_, refused)) = self.rebuilds.ask((self.cut(at), vec![rebuild])) {
                // The scanners are busy: the window is closed again, and readers ask once more.
                self.close(refused);
                self.shared.wake();
            }
        } else {
            // Under way, or not needed any more: whoever asked is told to look again.
            self.shared.wake();
        }
    }

    /// Opens the running windows of accounts whose rules have changed, from the one at `from` on.
    pub(super) fn sweep(&mut self, slot: u8, from: usize) -> Swept {
        let Some(at) = self.at(slot) else { return Swept::All };
        let now = self.shared.clock.now();
        let epoch = self.shared.catalogue.epoch();
        let mut wanted = Vec::new();
        let mut next = from;
        let mut reframes = 0;
        for key in self.slots[at].accounts.iter().skip(from) {
            if wanted.len() >= REBUILDS_PER_SWEEP_MAX || reframes >= REFRAMES_PER_SWEEP_MAX {
                break;
            }
            next += 1;
            if self.shared.board.peek(*key, |account| account.epoch != epoch) == Some(true) {
                reframes += 1;
                wanted.extend(self.open_for_scan(*key, None, now));
            }
        }
        if next == from {
            return Swept::All;
        }
        if !wanted.is_empty()
            && let Err((_, refused)) = self.rebuilds.sweep((self.cut(at), wanted))
        {
            self.close(refused);
            return Swept::Busy;
        }
        Swept::UpTo(next)
    }

    /// Closes windows that were opened for a scan that does not take place. What was to be repaired
    /// stays as it was; the other accounts look for their rules again.
    fn close(&mut self, rebuilds: Vec<Rebuild>) {
        let folding = &mut self.folding;
        for Rebuild { opened, draft, .. } in rebuilds {
            let Opened { account, frame, spell, generation } = opened;
            let close = |account: &mut Account, _| {
                if let Some(cells) = draft.untouched() {
                    account.install(&frame, generation, spell.window, cells, folding);
                } else {
                    account.forget();
                    account.epoch = 0;
                }
            };
            self.shared.board.change(account, || None, close);
        }
    }

    fn open_for_scan(
        &self,
        key: AccountKey,
        window: Option<Window>,
        now: Instant,
    ) -> Option<Rebuild> {
        let catalogue = &self.shared.catalogue;
        let opened = self.shared.board.change(
            key,
            || None,
            |account, _| {
                if window.is_some() || account.epoch != catalogue.epoch() {
                    catalogue.reframe(account, now);
                }
                let frame = account.frame.clone()?;
                // The asked window may be of rules that are gone; the reader looks again then.
                let spell = match window {
                    Some(window) => frame.spell(window),
                    None => frame.spell_holding(now),
                }?;
                let generation = account.generation;
                let draft = account.open_for_scan(&frame, spell)?;
                let opened = Opened { account: key, frame, spell, generation };
                Some(Rebuild { opened, draft, failed: None })
            },
        );
        opened.flatten()
    }

    /// Adds what a scan found to the windows that were opened for it. No result means that the scan
    /// failed: the windows are closed again.
    pub(super) fn install(&mut self, slot: u8, rebuilds: Vec<(Opened, Option<Cells>)>) {
        let Some(at) = self.at(slot) else { return };
        let sequence = self.slots[at].sequence;
        for (opened, cells) in rebuilds {
            let folding = &mut self.folding;
            let take = |account: &mut Account, _| {
                let Opened { frame, generation, spell, .. } = &opened;
                if let Some(cells) = cells {
                    account.changed_at = sequence;
                    return account.install(frame, *generation, spell.window, cells, folding);
                }
                if account.generation == *generation {
                    account.forget();
                }
                Installed::Outdated
            };
            let installed = self.shared.board.change(opened.account, || None, take);
            if installed == Some(Installed::Overflowed) {
                LimitHit { limit: "NOTED_BYTES_MAX" }.emit(&self.shared.metrics);
            }
        }
        self.report_over_cap();
        self.shared.wake();
    }

    /// Counts the buckets that went over a cap since the last time.
    pub(super) fn report_over_cap(&mut self) {
        let buckets = std::mem::take(&mut self.folding.over_cap);
        BucketsLeft { why: WhyLeft::OverCap, buckets }.emit(&self.shared.metrics);
    }
}
