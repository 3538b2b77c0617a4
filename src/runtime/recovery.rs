//! Recovery: brings slots back from the store at start.
//!
//! A slot's saved totals, then the blocks after them; ids that the store's index lacks are read
//! from the same blocks. Slots that somebody asks for come first.

use std::collections::HashMap;

use super::fatal::Fatal;
use super::owner::{OpenBlock, Owned, progress_of};
use super::shared::Shared;
use crate::core::instant::Instant;
use crate::engine::account::{Account, Folding};
use crate::engine::counters::Counters;
use crate::engine::dedup::Ids;
use crate::engine::digest::Digest;
use crate::engine::keys::{SlotNumber, names_hash};
use crate::engine::ledger::{AccountKey, AccountName, Row, RowKind};
use crate::engine::slot::{ROW_BYTES, Slot, Tenants};
use crate::runtime::scan::usage;
use crate::store::account::decode_account;
use crate::store::{BlockReader, Damage, SlotState};

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
    let saved = load_totals(shared, number, &mut owned.accounts)?;
    refold(shared, &state, now, &saved, &mut owned, folding)?;
    settle_aside(shared, &mut owned);
    Ok(owned)
}

/// Puts the saved accounts on the board. Returns, by account, the sequence they include all before.
fn load_totals(
    shared: &Shared,
    slot: SlotNumber,
    accounts: &mut Vec<AccountKey>,
) -> Result<HashMap<AccountKey, u64>, Fatal> {
    let mut saved = HashMap::new();
    let mut damaged = None;
    let visited = shared.store.each_totals(slot, |key, upto, bytes| match decode_account(bytes) {
        Ok(mut account) => {
            account.changed_at = upto.saturating_sub(1);
            shared.board.change(key, || Some(account), |_, _| ());
            accounts.push(key);
            saved.insert(key, upto);
        }
        Err(error) => damaged = Some(error.to_string()),
    });
    visited.map_err(Fatal::store("reading saved totals"))?;
    match damaged {
        None => Ok(saved),
        Some(detail) => Err(Fatal::Damaged { slot, sequence: 0, detail }),
    }
}

/// Folds the blocks after the saved totals, and takes back the ids that the store's index lacks.
fn refold(
    shared: &Shared,
    state: &SlotState,
    now: Instant,
    saved: &HashMap<AccountKey, u64>,
    owned: &mut Owned,
    folding: &mut Folding,
) -> Result<(), Fatal> {
    let slot = owned.slot.number;
    let from = state.totals_upto.min(state.ids_upto);
    let reading = || Fatal::store("reading the ledger");
    for block in shared.store.tail(slot, from).map_err(reading())? {
        let (sequence, bytes) = block.map_err(reading())?;
        let damaged =
            |detail: Damage| Fatal::Damaged { slot, sequence, detail: detail.to_string() };
        let reader = BlockReader::open(&bytes).map_err(damaged)?;
        for (key, name) in reader.names().map_err(damaged)? {
            introduce(shared, key, name, &mut owned.accounts);
        }
        let mut rows = reader.all();
        while let Some(row) = rows.next_row().map_err(damaged)? {
            let included = saved.get(&row.account).is_some_and(|upto| sequence < *upto);
            if sequence >= state.totals_upto && !included {
                refold_row(shared, &row, now, sequence, folding);
            }
            if sequence >= state.ids_upto {
                restore_id(shared, &row, &mut owned.slot.ids);
            }
        }
    }
    Ok(())
}

fn introduce(
    shared: &Shared,
    key: AccountKey,
    name: AccountName<'_>,
    accounts: &mut Vec<AccountKey>,
) {
    let made = shared.board.change(key, || Some(Account::new(name)), |_, new| new);
    if made == Some(true) {
        accounts.push(key);
    }
}

fn refold_row(shared: &Shared, row: &Row<'_>, now: Instant, sequence: u64, folding: &mut Folding) {
    let epoch = shared.catalogue.epoch();
    shared.board.change(
        row.account,
        || None,
        |account, _| {
            if account.epoch != epoch {
                shared.catalogue.reframe(account, now);
            }
            account.changed_at = sequence;
            let names = names_hash(&account.organization, account.subscription.as_deref());
            let share = |position| Digest::of(names, row.transaction, position);
            let new = share(&row.position);
            if let RowKind::Replacement { retracted } = &row.kind {
                let old = share(retracted);
                account.state.remove(old);
            }
            account.state.add(new);
            match row.kind {
                RowKind::Replacement { .. } => account.forget(),
                RowKind::Accepted if !shared.catalogue.knows(&account.organization) => {
                    account.aside.0 += 1;
                    account.aside.1 += row.properties.as_bytes().len() as u64 + ROW_BYTES;
                }
                RowKind::Accepted => {}
            }
            account.fold(row.code, &usage(row), folding);
        },
    );
}

fn restore_id(shared: &Shared, row: &Row<'_>, ids: &mut Ids) {
    shared.board.peek(row.account, |account| {
        if account.subscription.is_some() {
            let id = shared.hasher.id(row.account, &account.organization, row.transaction);
            ids.restore(id, row.position);
        }
    });
}

/// Counts what is set aside, and takes in what belongs to tenants that have appeared since: the
/// command that said so may have been lost with the process.
fn settle_aside(shared: &Shared, owned: &mut Owned) {
    let mut still = 0;
    for key in &owned.accounts {
        shared.board.change(
            *key,
            || None,
            |account, _| {
                if shared.catalogue.knows(&account.organization) {
                    account.aside = (0, 0);
                } else {
                    still += account.aside.0;
                    shared.catalogue.take_aside(account.aside.1);
                }
            },
        );
    }
    let counters = &mut owned.slot.counters;
    counters.take_in(counters.set_aside.saturating_sub(still));
}
