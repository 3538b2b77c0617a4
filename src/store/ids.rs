//! Where the event with a transaction id stands: judge of duplicates beyond memory.
//!
//! Filled by sorted files from committed blocks, so that an id costs well under a microsecond. A
//! file that came in later wins, so a smaller position overwrites the one before it.

use rocksdb::WriteBatch;

use crate::core::planted::{Fault, planted};
use crate::core::position::Position;

use super::codec::Damage;
use super::codec::position::{read_position, write_position};
use super::error::StoreError;
use super::ingest::SortedFile;
use super::keys::{Family, IdKey, MetaKey};
use super::rocks::{Store, locked};

const LOOKING_UP: &str = "looking up ids";

impl Store {
    /// Brings in ids and then raises, by slot, the sequence before which all blocks are covered.
    /// Returns the number of ids.
    ///
    /// Entries are strictly ascending: of several positions of one id only the smallest is given.
    /// A crash between the two steps is harmless, since the same ids may be brought in again.
    /// Only committed blocks are accepted: an id that is ahead of its tail would make the event a
    /// duplicate of itself when it is read again.
    pub fn ingest_ids(
        &self,
        entries: impl IntoIterator<Item = (IdKey, Position)>,
        upto: &[(u8, u64)],
    ) -> Result<u64, StoreError> {
        const OPERATION: &str = "bringing in ids";
        for (slot, sequence) in upto {
            self.check_committed(OPERATION, *slot, *sequence)?;
        }
        let mut file = SortedFile::begin(self, Family::Ids, &self.ids_options, OPERATION);
        let mut value = Vec::new();
        for (key, position) in entries {
            value.clear();
            write_position(&mut value, position);
            file.put(&key.to_bytes(), &value)?;
        }
        let count = if planted(Fault::IdsNotStored) { 0 } else { file.bring_in()? };
        let mut batch = WriteBatch::default();
        for (slot, sequence) in upto {
            let raised = (*sequence).max(self.cursor(MetaKey::IdsUpto(*slot))?);
            self.put_cursor(&mut batch, MetaKey::IdsUpto(*slot), raised)?;
        }
        self.write_synced(batch, OPERATION)?;
        Ok(count)
    }

    /// Where the events with these ids stand, if `ids` has them. Fastest when the keys are sorted.
    pub fn lookup_ids(&self, keys: &[IdKey]) -> Result<Vec<Option<Position>>, StoreError> {
        let sorted = keys.is_sorted();
        let stored: Vec<_> = keys.iter().map(|key| key.to_bytes()).collect();
        let family = self.family(Family::Ids)?;
        self.db
            .batched_multi_get_cf(family, &stored, sorted)
            .into_iter()
            .map(|found| match found.map_err(self.engine(LOOKING_UP))? {
                Some(value) => read_position(&value).map(Some).map_err(self.damaged(LOOKING_UP)),
                None => Ok(None),
            })
            .collect()
    }

    /// The events of a slot with this hash of (organisation, transaction), at most so many.
    pub fn ids_of_transaction(
        &self,
        slot: u8,
        transaction: u64,
        limit: usize,
    ) -> Result<Vec<(IdKey, Position)>, StoreError> {
        let mut prefix = vec![slot];
        prefix.extend(transaction.to_be_bytes());
        let mut walk = self.walk(Family::Ids, &prefix)?;
        walk.seek_to_first();
        let mut found = Vec::new();
        while let Some((key, value)) = walk.item() {
            if found.len() >= limit {
                return Ok(found);
            }
            let key = IdKey::from_bytes(key).ok_or(Damage::Unreadable("id key"));
            let key = key.map_err(self.damaged(LOOKING_UP))?;
            found.push((key, read_position(value).map_err(self.damaged(LOOKING_UP))?));
            walk.next();
        }
        walk.status().map_err(self.engine(LOOKING_UP))?;
        Ok(found)
    }

    /// Visits all ids of a slot, in the order of their keys.
    pub fn each_id(
        &self,
        slot: u8,
        mut visit: impl FnMut(IdKey, Position),
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "reading the ids";
        let mut walk = self.walk(Family::Ids, &[slot])?;
        walk.seek_to_first();
        while let Some((key, value)) = walk.item() {
            let key = IdKey::from_bytes(key).ok_or(Damage::Unreadable("id key"));
            let key = key.map_err(self.damaged(OPERATION))?;
            visit(key, read_position(value).map_err(self.damaged(OPERATION))?);
            walk.next();
        }
        walk.status().map_err(self.engine(OPERATION))
    }

    /// How many sorted files of ids stand side by side: what a negative look-up has to ask. Grows
    /// while merging does not keep up; whoever brings ids in should then wait.
    pub fn id_runs(&self) -> Result<u64, StoreError> {
        let family = self.family(Family::Ids)?;
        let runs = self.db.property_int_value_cf(family, "rocksdb.num-files-at-level0");
        Ok(runs.map_err(self.engine("counting files of ids"))?.unwrap_or(0))
    }

    /// Refuses a sequence that the slot's committed head has not reached.
    pub(super) fn check_committed(
        &self,
        operation: &'static str,
        slot: u8,
        found: u64,
    ) -> Result<(), StoreError> {
        self.check_slot(slot)?;
        let committed = locked(&self.state).next_sequences[usize::from(slot)];
        if found > committed {
            return Err(StoreError::Ahead { operation, slot, committed, found });
        }
        Ok(())
    }
}
