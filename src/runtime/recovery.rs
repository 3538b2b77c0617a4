//! Recovery: brings slots back from the store at start.
//!
//! A slot's saved totals, then the blocks after them; ids that the store's index lacks are read from
//! the same blocks. Slots that somebody asks for come first.

use std::collections::HashMap;
use std::sync::Arc;

use super::fatal::Fatal;
use super::owner::{OpenBlock, Owned, progress_of};
use super::shared::Shared;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::properties::Properties;
use crate::engine::account::{Account, Folding};
use crate::engine::counters::Counters;
use crate::engine::digest::Digest;
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::engine::slot::{ROW_BYTES, Slot, Tenants};
use crate::engine::dedup::Ids;
use crate::log::account::{decode_account, encode_account};
use crate::store::{BlockReader, SlotState};

/// Brings one slot back. Readers see its accounts once the caller announces it.
pub fn recover(
    shared: &Shared,
    number: SlotNumber,
    ids_bytes_max: usize,
    folding: &mut Folding,
) -> Result<Owned, Fatal> {
    let state = shared.store.slot(number).map_err(Fatal::store("reading a slot's head"))?;
    let now = shared.clock.now();
    let mut owned = Owned {
        slot: Slot {
            number,
            progress: progress_of(&state.head),
            ids: Ids::new(ids_bytes_max, state.ids_upto > 0),
            counters: Counters::from_list(&state.head.counters),
            digest: Digest(state.head.digest),
        },
        open: OpenBlock::default(),
        sequence: state.head.next_sequence,
        unsaved: std::collections::VecDeque::new(),
        batch: 0,
        accounts: Vec::new(),
        totals_upto: state.totals_upto,
        changed: false,
    };
    let saved = load_totals(shared, number, now, &mut owned.accounts)?;
    refold(shared, &state, now, &saved, &mut owned, folding)?;
    settle_aside(shared, now, &mut owned);
    Ok(owned)
}

/// Puts the saved accounts on the board. Returns, by account, the sequence they include all before.
fn load_totals(
    shared: &Shared,
    slot: SlotNumber,
    now: Instant,
    accounts: &mut Vec<AccountKey>,
) -> Result<HashMap<AccountKey, u64>, Fatal> {
    let mut saved = HashMap::new();
    let mut damaged = None;
    let visited = shared.store.each_totals(slot, |key, upto, bytes| {
        let account = match decode_account(bytes) {
            Ok(account) => account,
            Err(error) => {
                damaged = Some(error.to_string());
                return;
            }
        };
        shared.board.change(key, || Some(account), |account, _| {
            account.changed_at = upto.saturating_sub(1);
            let windows = std::mem::take(&mut account.windows);
            let (frame_digest, uncached) = (account.saved_digest, account.uncached);
            shared.catalogue.reframe(account, now);
            // Totals that were folded under the rules that still hold are good as they are.
            if account.frame.as_ref().map(|frame| frame.digest) == frame_digest {
                account.windows = windows;
                account.uncached = uncached;
            }
        });
        accounts.push(key);
        saved.insert(key, upto);
    });
    visited.map_err(Fatal::store("reading saved totals"))?;
    match damaged {
        None => Ok(saved),
        Some(detail) => Err(Fatal::Damaged { slot, sequence: 0, detail }),
    }
}
