//! Saved totals: one entry an account, with the sequence it includes.
//!
//! An entry says "this includes all blocks of the slot before my sequence"; the slot's record says
//! it for all its accounts. Entries come in as one sorted file and the record follows, so after a
//! crash between the two some entries are ahead of the record. That is why each carries its own
//! sequence: a refold skips, for each account, the blocks before the greater of the two.
//!
//! Layout of an entry: sequence varint | the caller's bytes.

use std::ops::ControlFlow;

use rocksdb::WriteBatch;

use crate::engine::ledger::AccountKey;

use super::codec::{Damage, Input, put_varint};
use super::error::StoreError;
use super::ingest::SortedFile;
use super::keys::{Family, Key, MetaKey};
use super::rocks::Store;

const READING: &str = "reading totals";
const SAVING: &str = "saving totals";
const WHAT: &str = "totals entry";

/// The saved totals of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedTotals {
    /// All blocks before this sequence are included.
    pub upto: u64,
    /// What the caller saved.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Saves totals of a slot that include all blocks before `upto`, and then raises the slot's
    /// record. Returns the number of entries.
    ///
    /// Entries are strictly ascending; none as bytes removes the account's entry. Every account
    /// that has changed since the slot's last save must be among them. Only committed blocks may be
    /// included.
    pub fn save_totals<'b>(
        &self,
        slot: u8,
        upto: u64,
        entries: impl IntoIterator<Item = (AccountKey, Option<&'b [u8]>)>,
    ) -> Result<u64, StoreError> {
        self.check_committed(SAVING, slot, upto)?;
        let mut file = SortedFile::begin(self, Family::Totals, &self.totals_options, SAVING);
        let mut value = Vec::new();
        for (account, bytes) in entries {
            let key = Key::Total { slot, account }.to_bytes();
            match bytes {
                Some(bytes) => {
                    value.clear();
                    put_varint(&mut value, upto);
                    value.extend_from_slice(bytes);
                    file.put(&key, &value)?;
                }
                None => file.delete(&key)?,
            }
        }
        let count = file.bring_in()?;
        let mut batch = WriteBatch::default();
        self.put_cursor(&mut batch, MetaKey::TotalsUpto(slot), upto)?;
        self.write_synced(batch, SAVING)?;
        Ok(count)
    }

    /// The saved totals of one account. `upto` is at least the slot's record.
    pub fn totals(&self, slot: u8, account: AccountKey) -> Result<Option<SavedTotals>, StoreError> {
        let floor = self.cursor(MetaKey::TotalsUpto(slot))?;
        let Some(value) = self.get(Key::Total { slot, account }, READING)? else {
            return Ok(None);
        };
        let (upto, bytes) = read_entry(&value).map_err(self.damaged(READING))?;
        Ok(Some(SavedTotals { upto: upto.max(floor), bytes: bytes.to_vec() }))
    }

    /// The saved totals of several accounts of a slot, as [`Store::totals`]; quickest in ascending
    /// order.
    pub fn totals_of(
        &self,
        slot: u8,
        accounts: &[AccountKey],
    ) -> Result<Vec<Option<SavedTotals>>, StoreError> {
        let floor = self.cursor(MetaKey::TotalsUpto(slot))?;
        let keys = accounts.iter().map(|account| Key::Total { slot, account: *account }.to_bytes());
        let keys: Vec<_> = keys.collect();
        let family = self.family(Family::Totals)?;
        let found = self.db.batched_multi_get_cf(family, &keys, accounts.is_sorted());
        let read = found.into_iter().map(|found| {
            let Some(value) = found.map_err(self.engine(READING))? else { return Ok(None) };
            let (upto, bytes) = read_entry(&value).map_err(self.damaged(READING))?;
            Ok(Some(SavedTotals { upto: upto.max(floor), bytes: bytes.to_vec() }))
        });
        read.collect()
    }

    /// Visits the saved totals of a slot in the order of accounts, from the one after `after` on,
    /// until told to stop: account, the sequence before which all blocks are included, and the
    /// caller's bytes.
    pub fn each_totals(
        &self,
        slot: u8,
        after: Option<AccountKey>,
        mut visit: impl FnMut(AccountKey, u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.check_slot(slot)?;
        let floor = self.cursor(MetaKey::TotalsUpto(slot))?;
        let mut walk = self.walk(Family::Totals, &[slot])?;
        match after.map(|AccountKey(key)| key.checked_add(1)) {
            None => walk.seek_to_first(),
            Some(Some(next)) => {
                walk.seek(Key::Total { slot, account: AccountKey(next) }.to_bytes());
            }
            // There is no account after the greatest.
            Some(None) => return Ok(()),
        }
        while let Some((key, value)) = walk.item() {
            let account = key.get(1..).and_then(|bytes| bytes.try_into().ok());
            let account = account.ok_or(Damage::Unreadable("totals key"));
            let account = account.map_err(self.damaged(READING))?;
            let (upto, bytes) = read_entry(value).map_err(self.damaged(READING))?;
            let account = AccountKey(u128::from_be_bytes(account));
            if visit(account, upto.max(floor), bytes).is_break() {
                return Ok(());
            }
            walk.next();
        }
        walk.status().map_err(self.engine(READING))
    }
}

fn read_entry(value: &[u8]) -> Result<(u64, &[u8]), Damage> {
    let mut input = Input(value);
    Ok((input.varint(WHAT)?, input.0))
}
