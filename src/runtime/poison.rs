//! Records that make code of ours panic. Each is kept with what the panic said, the others go on.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use super::events::record;
use super::shared::Shared;
use crate::core::event::Rejection;
use crate::core::position::Position;
use crate::engine::batch::{Incoming, Refused};
use crate::engine::isolate::Panicked;
use crate::engine::keys::remainder;
use crate::engine::ledger::AccountKey;

/// Accounts that are remembered; beyond it all are tried once more.
const UNFIT_MAX: usize = 4_096;

/// Accounts whose totals cannot be folded, since an event of theirs panics while they are. Their
/// figures come from a scan of their events for each question, until the catalogue changes.
#[derive(Debug, Default)]
pub struct Unfit(Mutex<HashMap<AccountKey, u64>>);

impl Unfit {
    /// Remembers an account, in an epoch of the catalogue.
    pub fn add(&self, account: AccountKey, epoch: u64) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= UNFIT_MAX {
            accounts.clear();
        }
        accounts.insert(account, epoch);
    }

    /// Whether the totals of an account cannot be folded in this epoch.
    pub fn holds(&self, account: AccountKey, epoch: u64) -> bool {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(&account) == Some(&epoch)
    }
}

/// A record that could not be decoded, and counts for the fixed slot of its partition.
pub fn record(shared: &Shared, at: Position, bytes: &[u8], panicked: Panicked) -> Refused {
    tell(shared, at, &panicked);
    Refused {
        slot: remainder(u64::from(at.source.partition()), shared.slots),
        position: at,
        rejection: Rejection::InternalDecode(panicked.0),
        bytes: bytes.to_vec(),
    }
}

/// An event that could not be counted. It is kept as one record for itself, as it was read: the
/// one that it came with is no more at hand.
pub fn event(shared: &Shared, incoming: &Incoming<'_>, panicked: &Panicked) -> Refused {
    tell(shared, incoming.position, panicked);
    Refused {
        slot: 0,
        position: incoming.position,
        rejection: Rejection::Internal(panicked.0.clone()),
        bytes: record::of_event(&incoming.event).into_bytes(),
    }
}

fn tell(shared: &Shared, at: Position, panicked: &dyn Display) {
    tracing::error!(
        source = shared.sources.name(at.source),
        offset = at.offset,
        index = at.index,
        panic = %panicked,
        hint = "report this; the record is kept and can be replayed once it is mended",
        "a record made the program panic, and was rejected"
    );
}
