//! Looking at the history for its own sake: which accounts it has, and what is wrong with one.

use crate::core::instant::Instant;
use crate::engine::ledger::AccountKey;
use crate::store::codec::Damage;
use crate::store::error::StoreError;
use crate::store::keys::{Family, Key};

use super::chunk::{self, ChunkId};
use super::record::KeptName;
use super::rows::RowSet;
use super::view::{LedgerView, READING, account_prefix};

/// What is wrong with the history of an account, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The account's record cannot be read.
    Record(Damage),
    /// A chunk cannot be read.
    Chunk(ChunkId, Damage),
    /// The record names a chunk that is not there.
    Missing(ChunkId),
    /// The rows of a chunk do not begin where its key says.
    Misplaced(ChunkId),
}

impl Flaw {
    /// The instant of event time around which the history is flawed, if it is known.
    pub fn at(&self) -> Option<Instant> {
        match self {
            Self::Record(_) => None,
            Self::Chunk(id, _) | Self::Missing(id) | Self::Misplaced(id) => Some(id.first),
        }
    }
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record(damage) => damage.fmt(f),
            Self::Chunk(id, damage) => {
                write!(
                    f,
                    "chunk {} of the merge before block {}: {damage}",
                    id.number, id.generation
                )
            }
            Self::Missing(id) => {
                write!(f, "chunk {} of the merge before block {} is lost", id.number, id.generation)
            }
            Self::Misplaced(id) => {
                let (number, generation) = (id.number, id.generation);
                write!(f, "chunk {number} of the merge before block {generation} has other rows")
            }
        }
    }
}

impl LedgerView<'_> {
    /// The accounts that have something in the history, in ascending order.
    pub fn accounts(&self) -> Result<Vec<AccountKey>, StoreError> {
        let damaged = || self.store.damaged(READING)(Damage::Unreadable("history key"));
        let mut walk = self.walk(Family::History, &[self.slot()])?;
        let mut accounts = Vec::new();
        walk.seek_to_first();
        while let Some(key) = walk.key() {
            let account = key.get(1..).and_then(<[u8]>::first_chunk).ok_or_else(damaged)?;
            let account = AccountKey(u128::from_be_bytes(*account));
            accounts.push(account);
            let Some(next) = account.0.checked_add(1) else { break };
            walk.seek(account_prefix(self.slot(), AccountKey(next)));
        }
        walk.status().map_err(self.store.engine(READING))?;
        Ok(accounts)
    }

    /// The names behind an account, if a block that brought them is merged.
    pub fn name(&self, account: AccountKey) -> Result<Option<KeptName>, StoreError> {
        Ok(self.record(account)?.name)
    }

    /// Reads the history of an account and returns the first thing that is wrong with it by itself.
    pub fn flaw(&self, account: AccountKey) -> Result<Option<Flaw>, StoreError> {
        let record = match self.record(account) {
            Ok(record) => record,
            Err(StoreError::Damaged { damage, .. }) => return Ok(Some(Flaw::Record(damage))),
            Err(error) => return Err(error),
        };
        let mut partial: Vec<ChunkId> = record.partial.iter().map(|partial| partial.id).collect();
        let mut walk = self.walk(Family::History, &account_prefix(self.slot(), account))?;
        // The record's own key is the prefix; chunks follow it.
        let id = ChunkId { first: Instant::MIN, generation: 0, number: 0 };
        walk.seek(Key::History { slot: self.slot(), account, chunk: id }.to_bytes());
        while let Some((key, value)) = walk.item() {
            if let Some(id) = self.visible(key)? {
                partial.retain(|own| *own != id);
                match first_row(value, account) {
                    Ok(first) if first == Some(id.first) => {}
                    Ok(_) => return Ok(Some(Flaw::Misplaced(id))),
                    Err(damage) => return Ok(Some(Flaw::Chunk(id, damage))),
                }
            }
            walk.next();
        }
        walk.status().map_err(self.store.engine(READING))?;
        Ok(partial.first().copied().map(Flaw::Missing))
    }
}

/// Timestamp of the first row of a chunk, all of which is read.
fn first_row(value: &[u8], account: AccountKey) -> Result<Option<Instant>, Damage> {
    let (_, block) = chunk::open(value)?;
    let mut rows = RowSet::default();
    chunk::read(block, account, &mut rows)?;
    Ok(rows.timestamps(0).next())
}
