//! The blocks of a slot that are not merged: read one at a time, and gathered by account.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::engine::ledger::AccountKey;
use crate::store::{BlockReader, KeptName, RowSet, SlotState, Store};

use super::findings::Difference;

/// Bytes of rows that one pass over the blocks gathers. Beyond, there is another pass for part of
/// the accounts; one account is always gathered as a whole.
const GATHERED_BYTES_MAX: usize = 64 << 20;

/// Blocks of a slot that could be read.
#[derive(Default)]
pub struct Tail {
    sequences: Vec<u64>,
    /// Accounts that have rows in them.
    pub accounts: BTreeSet<AccountKey>,
    /// Names that they brought.
    pub names: HashMap<AccountKey, KeptName>,
}

/// Rows of one account in the order in which they were appended, each with its block.
#[derive(Default)]
pub struct Gathered {
    /// The rows.
    pub rows: RowSet,
    /// The block of each.
    pub sequences: Vec<u64>,
}

impl Tail {
    /// Reads every block that the head says there is. What cannot be read is a difference.
    pub fn read(
        store: &Store,
        slot: u8,
        state: &SlotState,
        differ: &mut dyn FnMut(Difference),
    ) -> Self {
        let mut tail = Self::default();
        for sequence in state.history_upto..state.head.next_sequence {
            let read = match store.tail_block(slot, sequence) {
                Ok(Some(bytes)) => tail.take(slot, sequence, &bytes),
                Ok(None) => Err("the block is lost".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(what) = read {
                differ(Difference::new(Some(slot), "block", format!("block {sequence}"), what));
            }
        }
        tail
    }

    fn take(&mut self, slot: u8, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        let reader = BlockReader::open(bytes).map_err(|damage| damage.to_string())?;
        if (reader.slot(), reader.sequence()) != (Some(slot), Some(sequence)) {
            return Err("another block stands in its place".to_owned());
        }
        let places = reader.places().map_err(|damage| damage.to_string())?;
        let names = reader.names().map_err(|damage| damage.to_string())?;
        let mut rows = reader.all();
        while rows.next_row().map_err(|damage| damage.to_string())?.is_some() {}
        self.accounts.extend(places.into_iter().map(|(account, _)| account));
        for (account, name) in names {
            self.names.entry(account).or_insert_with(|| name.into());
        }
        self.sequences.push(sequence);
        Ok(())
    }

    /// The rows of as many of these accounts as there is room for, and how many those are.
    /// `accounts` are sorted. Blocks that could be read once and now cannot are left out: the
    /// digests tell.
    pub fn gather(
        &self,
        store: &Store,
        slot: u8,
        accounts: &[AccountKey],
    ) -> (HashMap<AccountKey, Gathered>, usize) {
        let mut found: HashMap<AccountKey, Gathered> = HashMap::new();
        let (mut fitting, mut bytes) = (accounts.len(), 0);
        for sequence in &self.sequences {
            let Ok(Some(block)) = store.tail_block(slot, *sequence) else { continue };
            let Ok(reader) = BlockReader::open(&block) else { continue };
            let Ok(mut rows) = reader.of(&accounts[..fitting]) else { continue };
            while let Ok(Some(row)) = rows.next_row() {
                let own = found.entry(row.account).or_default();
                let before = own.rows.bytes();
                own.rows.push(&row);
                own.sequences.push(*sequence);
                bytes += own.rows.bytes() - before;
            }
            while bytes > GATHERED_BYTES_MAX && fitting > 1 {
                // The latter half of the accounts has to wait for another pass.
                fitting = fitting.div_ceil(2);
                let last = accounts[fitting - 1];
                found.retain(|account, _| *account <= last);
                bytes = found.values().map(|own| own.rows.bytes()).sum();
            }
        }
        (found, fitting)
    }
}
