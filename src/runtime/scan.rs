//! Scans of the ledger: rebuilding totals, and reading the events of an account.
//!
//! The owner of the slot cuts the ledger at one moment: blocks of the store before a sequence,
//! sealed blocks that are not in the store yet, and a copy of the open one. A scan reads just
//! these, on a thread of its own, so the fold goes on meanwhile.
//!
//! Most of the blocks are merged into the history, which gives an account's events in the order of
//! time without reading those of others. The blocks that are not are read as a whole, once for all
//! accounts of a scan.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashMap;

use super::owner::Sealed;
use super::shared::Shared;
use super::trouble;
use super::worker::{Command, CutAccount};
use crate::core::catalog::ingestion::{Ingestion, Settled};
use crate::core::event::{Usage, UsageBuf};
use crate::core::instant::Instant;
use crate::core::usage::UsageError;
use crate::engine::account::Folding;
use crate::engine::draft::Draft;
use crate::engine::frame::{Frame, Spell};
use crate::engine::isolate::{Panicked, isolated};
use crate::engine::ledger::{AccountKey, Row, RowKind};
use crate::store::{BlockReader, Damage, Hold, LedgerView, RowSet, Store, StoreError};

/// Bytes of events that one read may hold; beyond, the read is refused, never cut short (1.9).
pub const EVENTS_BYTES_MAX: usize = 256 << 20;

/// Bytes of rows that no chunk holds which one pass over them may gather. Beyond, there is another
/// pass for part of the accounts; one account is always gathered as a whole.
const UNMERGED_BYTES_MAX: usize = 64 << 20;

/// Looks at an event of the account in this place of a list, and says whether to go on.
pub type Visit<'a> = dyn FnMut(usize, &Row<'_>) -> Result<ControlFlow<()>, ScanError> + 'a;

/// The ledger of one slot at one moment.
#[derive(Clone)]
pub struct Cut {
    /// The slot.
    pub slot: u8,
    /// The store's blocks before this one belong to the cut.
    pub committed: u64,
    /// The blocks after them, in order.
    pub recent: Vec<Sealed>,
    /// Keeps what comes after the cut out of the history until the cut has been read.
    pub hold: Arc<Hold>,
}

/// Why a scan gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block is damaged.
    #[error("a block of slot {slot} is damaged: {damage}")]
    Damaged {
        /// The slot.
        slot: u8,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The history holds more than the cut: the cut was not held.
    #[error("slot {slot} was merged beyond the moment at which it was cut")]
    Overtaken {
        /// The slot.
        slot: u8,
    },
    /// The account has more events than one read may hold.
    #[error("the account has more events than one read may hold")]
    TooLarge,
    /// The events were read, and have no figure.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

impl ScanError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(error) => trouble::hint(error),
            _ => trouble::HINT_DAMAGED,
        }
    }
}

/// A window of an account that was opened for a scan.
#[derive(Clone)]
pub struct Opened {
    /// The account.
    pub account: AccountKey,
    /// Its rules.
    pub frame: Arc<Frame>,
    /// The window.
    pub spell: Spell,
    /// Generation of the totals that the result is to be added to.
    pub generation: u64,
}

/// One account whose totals are to be rebuilt.
#[derive(Clone)]
pub struct Rebuild {
    /// What was opened for it.
    pub opened: Opened,
    /// The totals as they are so far.
    pub draft: Draft,
    /// An event panicked: the draft is of no use.
    pub failed: Option<Panicked>,
}

/// Puts an event under the rules of ingestion; false if it does not count.
pub fn settle(ingestion: &Ingestion, event: &mut UsageBuf) -> bool {
    let kept = event.properties.as_ref();
    match ingestion.settle(&event.code, event.position.log_time, event.timestamp, kept) {
        Settled::Kept => true,
        Settled::Changed(properties) => {
            event.properties = properties;
            true
        }
        Settled::Void => false,
    }
}

impl Cut {
    /// The rows of some accounts that are in no chunk of the history, in one pass over the blocks:
    /// by account, sorted, and how many of the accounts there was room for. `accounts` are sorted,
    /// and rows are left out that are `older` than what the account is read for.
    fn unmerged(
        &self,
        ledger: &LedgerView<'_>,
        accounts: &[AccountKey],
        older: impl Fn(&Row<'_>) -> bool,
        bytes_max: usize,
    ) -> Result<(HashMap<AccountKey, RowSet>, usize), ScanError> {
        let mut sets: HashMap<AccountKey, RowSet> = HashMap::new();
        let (mut fitting, mut bytes) = (accounts.len(), 0);
        let mut read = |block: &[u8]| {
            let damaged = |damage| ScanError::Damaged { slot: self.slot, damage };
            let reader = BlockReader::open(block).map_err(damaged)?;
            let mut rows = reader.of(&accounts[..fitting]).map_err(damaged)?;
            while let Some(row) = rows.next_row().map_err(damaged)? {
                // A copy that takes the place of another says so whatever its time.
                if row.kind == RowKind::Accepted && older(&row) {
                    continue;
                }
                let set = sets.entry(row.account).or_default();
                let before = set.bytes();
                set.push(&row);
                bytes += set.bytes() - before;
            }
            while bytes > bytes_max && fitting > 1 {
                // The latter half of the accounts has to wait for another pass.
                fitting = fitting.div_ceil(2);
                let last = accounts[fitting - 1];
                sets.retain(|account, _| *account <= last);
                bytes = sets.values().map(RowSet::bytes).sum();
            }
            Ok::<(), ScanError>(())
        };
        for stored in ledger.tail()? {
            let (sequence, bytes) = stored?;
            if sequence >= self.committed {
                break;
            }
            read(&bytes)?;
        }
        let recent = self.recent.iter().filter(|sealed| sealed.sequence >= ledger.merged());
        for sealed in recent {
            read(&sealed.bytes)?;
        }
        sets.values_mut().for_each(RowSet::sort);
        Ok((sets, fitting))
    }

    /// The ledger of the slot, of which nothing beyond the cut is merged.
    fn ledger<'s>(&self, store: &'s Store) -> Result<LedgerView<'s>, ScanError> {
        let ledger = store.ledger(self.slot)?;
        if ledger.merged() > self.hold.sequence() {
            return Err(ScanError::Overtaken { slot: self.slot });
        }
        Ok(ledger)
    }

    /// Feeds the drafts of many accounts of the slot, each for one window: in ascending order of
    /// (timestamp, position), from [`Draft::from`] to the end of the window. Returns the number of
    /// events that were read for it.
    pub fn rebuild(
        &self,
        store: &Store,
        wanted: &mut [Rebuild],
        folding: &mut Folding,
    ) -> Result<u64, ScanError> {
        // At the turn of a period an account may be wanted for two windows.
        let mut places: BTreeMap<AccountKey, Vec<usize>> = BTreeMap::new();
        for (at, rebuild) in wanted.iter().enumerate() {
            places.entry(rebuild.opened.account).or_default().push(at);
        }
        let accounts: Vec<AccountKey> = places.keys().copied().collect();
        let begins: HashMap<AccountKey, Instant> = places
            .iter()
            .filter_map(|(key, own)| {
                Some((*key, own.iter().map(|at| wanted[*at].draft.from()).min()?))
            })
            .collect();
        let older = |row: &Row<'_>| begins.get(&row.account).is_some_and(|at| row.timestamp < *at);
        let ledger = self.ledger(store)?;
        let mut read = 0;
        let none = RowSet::default();
        let mut left = accounts.as_slice();
        while !left.is_empty() {
            let (sets, fitting) = self.unmerged(&ledger, left, older, UNMERGED_BYTES_MAX)?;
            let (now, later) = left.split_at(fitting);
            for account in now {
                let unmerged = sets.get(account).unwrap_or(&none);
                for &at in places.get(account).into_iter().flatten() {
                    let Rebuild { opened, draft, failed } = &mut wanted[at];
                    let Opened { frame, spell, .. } = opened;
                    draft.begin(frame, *spell);
                    let bounds = (draft.from(), spell.window.to);
                    let mut events = ledger.events(*account, unmerged, bounds)?;
                    while let Some(row) = events.next_row()? {
                        read += 1;
                        let fold = || {
                            frame.settle(row.code, &usage(&row), |usage| {
                                draft.fold(frame, *spell, row.code, usage, folding);
                            });
                        };
                        if let Err(panicked) = isolated(fold) {
                            *failed = Some(panicked);
                            break;
                        }
                    }
                }
            }
            left = later;
        }
        Ok(read)
    }

    /// Calls `visit` with the events of one account that count, in ascending order of (timestamp,
    /// position), from one instant to another, both included.
    pub fn each_event(
        &self,
        store: &Store,
        account: AccountKey,
        bounds: (Instant, Instant),
        visit: &mut dyn FnMut(&Row<'_>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        self.walk(store, &[account], bounds, &mut |_, row| {
            visit(row).map(|()| ControlFlow::Continue(()))
        })
    }

    /// Calls `visit` with the events of some accounts that count, one account after the other, each
    /// in ascending order of (timestamp, position), from one instant to another, both included, and
    /// until it breaks. `accounts` are sorted; `visit` is told the place of the event's account.
    pub fn walk(
        &self,
        store: &Store,
        accounts: &[AccountKey],
        bounds: (Instant, Instant),
        visit: &mut Visit<'_>,
    ) -> Result<(), ScanError> {
        let ledger = self.ledger(store)?;
        let older = |row: &Row<'_>| row.timestamp < bounds.0;
        let none = RowSet::default();
        let mut done = 0;
        while done < accounts.len() {
            let left = &accounts[done..];
            let (sets, fitting) = self.unmerged(&ledger, left, older, UNMERGED_BYTES_MAX)?;
            for (place, account) in (done..).zip(&left[..fitting]) {
                let unmerged = sets.get(account).unwrap_or(&none);
                let mut events = ledger.events(*account, unmerged, bounds)?;
                while let Some(row) = events.next_row()? {
                    if visit(place, &row)?.is_break() {
                        return Ok(());
                    }
                }
            }
            done += fitting;
        }
        Ok(())
    }

    /// The events of one account that count, in ascending order of (timestamp, position).
    pub fn events(&self, store: &Store, account: AccountKey) -> Result<Vec<UsageBuf>, ScanError> {
        let mut events = Vec::new();
        let mut bytes = 0;
        self.each_event(store, account, (Instant::MIN, Instant::MAX), &mut |row| {
            let event = UsageBuf::of(row.code, &usage(row));
            bytes += event.weight();
            if bytes > EVENTS_BYTES_MAX {
                return Err(ScanError::TooLarge);
            }
            events.push(event);
            Ok(())
        })?;
        Ok(events)
    }
}

/// Has the owner of a slot cut its ledger for an account, and waits for it. For threads that may
/// block. None: the service has ended.
pub fn cut_now(shared: &Shared, slot: u8, account: AccountKey) -> Option<CutAccount> {
    let (reply, cut) = tokio::sync::oneshot::channel();
    shared.owner(slot).send(Command::Cut(slot, account, reply)).ok()?;
    cut.blocking_recv().ok()
}

/// A row as aggregations read it.
pub fn usage<'a>(row: &Row<'a>) -> Usage<'a> {
    Usage {
        timestamp: row.timestamp,
        position: row.position,
        transaction: row.transaction,
        properties: row.properties,
        precise_cents: row.precise_cents.clone(),
    }
}

#[cfg(test)]
mod tests;
