//! Scans of the ledger: rebuilding totals, and reading the events of an account.
//!
//! The owner of the slot cuts the ledger at one moment: blocks of the store before a sequence,
//! sealed blocks that are not in the store yet, and a copy of the open one. A scan reads just
//! these, on a thread of its own, so the fold goes on meanwhile.

use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::owner::Sealed;
use crate::core::catalog::ingestion::{Ingestion, Settled};
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::Buckets;
use crate::core::period::Window;
use crate::core::position::Position;
use crate::core::properties::PropertiesBuf;
use crate::engine::account::Limits;
use crate::engine::frame::Frame;
use crate::engine::ledger::{AccountKey, Row, RowKind};
use crate::engine::totals::Cells;
use crate::store::{BlockReader, Damage, Store, StoreError};

/// Bytes of events that one read may hold; beyond, the read is refused, never cut short (1.9).
pub const EVENTS_BYTES_MAX: usize = 256 << 20;

/// The ledger of one slot at one moment.
#[derive(Clone)]
pub struct Cut {
    /// The slot.
    pub slot: u8,
    /// The store's blocks before this one belong to the cut.
    pub committed: u64,
    /// The blocks after them, in order.
    pub recent: Vec<Sealed>,
    /// Whether any row of the slot retracts another; most slots never see one.
    pub retracts: bool,
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
    /// The account has more events than one read may hold.
    #[error("the account has more events than one read may hold")]
    TooLarge,
}

/// One account whose totals are to be rebuilt.
#[derive(Clone)]
pub struct Rebuild {
    /// The account.
    pub account: AccountKey,
    /// Its rules.
    pub frame: Arc<Frame>,
    /// The window.
    pub window: Window,
    /// Generation of the totals that the result is to be added to.
    pub generation: u64,
}

/// An event that was read back from the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Code of the billable metric.
    pub code: Box<str>,
    /// When the usage happened.
    pub timestamp: Instant,
    /// Where the event stands in the logs.
    pub position: Position,
    /// The producer's id.
    pub transaction: Box<str>,
    /// What was used.
    pub properties: PropertiesBuf,
    /// Price in cents, for dynamic charges.
    pub precise_cents: Option<Decimal>,
}

impl StoredEvent {
    /// Puts the event under the rules of ingestion; false if it does not count.
    pub fn settle(&mut self, ingestion: &Ingestion) -> bool {
        let kept = self.properties.as_ref();
        match ingestion.settle(&self.code, self.position.log_time, self.timestamp, kept) {
            Settled::Kept => true,
            Settled::Changed(properties) => {
                self.properties = properties;
                true
            }
            Settled::Void => false,
        }
    }

    /// The event as aggregations read it.
    pub fn usage(&self) -> Usage<'_> {
        Usage {
            timestamp: self.timestamp,
            position: self.position,
            transaction: &self.transaction,
            properties: self.properties.as_ref(),
            precise_cents: self.precise_cents.clone(),
        }
    }
}

impl Cut {
    /// Calls `visit` with every row of these accounts, in ledger order, those included that were
    /// retracted later.
    fn rows(
        &self,
        store: &Store,
        accounts: &[AccountKey],
        visit: &mut dyn FnMut(&Row<'_>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        let mut block = |bytes: &[u8]| {
            let damaged = |damage| ScanError::Damaged { slot: self.slot, damage };
            let reader = BlockReader::open(bytes).map_err(damaged)?;
            let mut rows = reader.of(accounts).map_err(damaged)?;
            while let Some(row) = rows.next_row().map_err(damaged)? {
                visit(&row)?;
            }
            Ok(())
        };
        for stored in store.tail(self.slot, 0)? {
            let (sequence, bytes) = stored?;
            if sequence >= self.committed {
                break;
            }
            block(&bytes)?;
        }
        self.recent.iter().try_for_each(|sealed| block(&sealed.bytes))
    }

    /// Positions of the copies that were replaced by one with a smaller position.
    fn retracted(
        &self,
        store: &Store,
        accounts: &[AccountKey],
    ) -> Result<HashSet<Position>, ScanError> {
        let mut retracted = HashSet::new();
        if !self.retracts {
            return Ok(retracted);
        }
        self.rows(store, accounts, &mut |row| {
            if let RowKind::Replacement { retracted: position } = row.kind {
                retracted.insert(position);
            }
            Ok(())
        })?;
        Ok(retracted)
    }

    /// The totals of many accounts of the slot, each for one window.
    pub fn rebuild(
        &self,
        store: &Store,
        wanted: &[Rebuild],
        limits: &Limits,
    ) -> Result<Vec<Cells>, ScanError> {
        let mut accounts: Vec<AccountKey> = wanted.iter().map(|rebuild| rebuild.account).collect();
        accounts.sort_unstable();
        accounts.dedup();
        // At the turn of a period an account may be wanted for two windows.
        let mut places: HashMap<AccountKey, Vec<usize>> = HashMap::new();
        for (at, rebuild) in wanted.iter().enumerate() {
            places.entry(rebuild.account).or_default().push(at);
        }
        let retracted = self.retracted(store, &accounts)?;
        let mut cells = vec![Cells::default(); wanted.len()];
        let mut buckets = Buckets::default();
        self.rows(store, &accounts, &mut |row| {
            for &at in places.get(&row.account).into_iter().flatten() {
                let Rebuild { frame, window, .. } = &wanted[at];
                if window.holds(row.timestamp) && !retracted.contains(&row.position) {
                    frame.settle(row.code, &usage(row), |usage| {
                        cells[at].fold(&frame.shape, row.code, usage, limits, &mut buckets);
                    });
                }
            }
            Ok(())
        })?;
        Ok(cells)
    }

    /// The events of one account that count, in ascending order of (timestamp, position).
    pub fn events(
        &self,
        store: &Store,
        account: AccountKey,
    ) -> Result<Vec<StoredEvent>, ScanError> {
        let mut events = Vec::new();
        let mut retracted = HashSet::new();
        let mut bytes = 0;
        self.rows(store, &[account], &mut |row| {
            if let RowKind::Replacement { retracted: position } = row.kind {
                retracted.insert(position);
            }
            let event = stored(row);
            bytes += size_of::<StoredEvent>() + row.properties.as_bytes().len();
            if bytes > EVENTS_BYTES_MAX {
                return Err(ScanError::TooLarge);
            }
            events.push(event);
            Ok(())
        })?;
        events.retain(|event| !retracted.contains(&event.position));
        events.sort_unstable_by_key(|event| (event.timestamp, event.position));
        Ok(events)
    }
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

fn stored(row: &Row<'_>) -> StoredEvent {
    StoredEvent {
        code: row.code.into(),
        timestamp: row.timestamp,
        position: row.position,
        transaction: row.transaction.into(),
        properties: row.properties.to_owned(),
        precise_cents: row.precise_cents.clone(),
    }
}
