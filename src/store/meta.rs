//! Who this store is, and the small records of slots.
//!
//! Identity, formats 1 and 2: version u8 | slots u8 | store id 16 bytes | hash secret 16 bytes.

use rocksdb::WriteBatch;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::codec::head::SlotHead;
use super::codec::{Damage, Input, put_varint};
use super::error::{OpenError, StoreError};
use super::keys::{Family, Key, MetaKey};
use super::options::StoreOptions;
use super::rocks::Store;

/// Version of everything in the store. It is raised with every change that an older release would
/// misread.
///
/// 2: blocks of the tail are merged into the history and dropped.
pub const STORE_FORMAT: u8 = 2;
const IDENTITY: &str = "store identity";

/// What a store is made with and keeps for ever.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity {
    /// Number of slots.
    pub slots: u8,
    /// Name of this store among others.
    pub store_id: Uuid,
    /// Key of all hashes that are stored.
    pub hash_secret: [u8; 16],
}

impl std::fmt::Debug for Identity {
    /// The secret stays out of logs: who knows it can make ids that collide.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("slots", &self.slots)
            .field("store_id", &self.store_id)
            .finish_non_exhaustive()
    }
}

impl Identity {
    fn create(slots: u8) -> Self {
        // A random UUID has six bits that are not random; a digest of two spreads what is.
        let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
        let digest = Sha256::new().chain_update(one).chain_update(two).finalize();
        let mut hash_secret = [0; 16];
        hash_secret.copy_from_slice(&digest[..16]);
        Self { slots, store_id: Uuid::new_v4(), hash_secret }
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut out = vec![STORE_FORMAT, self.slots];
        out.extend(self.store_id.as_bytes());
        out.extend(self.hash_secret);
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input(bytes);
        input.version(STORE_FORMAT, IDENTITY)?;
        let identity = Self {
            slots: input.byte(IDENTITY)?,
            store_id: Uuid::from_bytes(input.array(IDENTITY)?),
            hash_secret: input.array(IDENTITY)?,
        };
        input.end(IDENTITY)?;
        Ok(identity)
    }
}

/// What is known of a slot at restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotState {
    /// The committed head; a slot that was never committed has the default one.
    pub head: SlotHead,
    /// `ids` has what all blocks before this sequence hold; later ones may be missing.
    pub ids_upto: u64,
    /// Totals include at least all blocks before this sequence; see [`super::SavedTotals`].
    pub totals_upto: u64,
    /// Chunks of the history hold all blocks before this sequence; the tail has the others.
    pub history_upto: u64,
}

impl Store {
    /// Number of slots.
    pub fn slots(&self) -> u8 {
        self.identity.slots
    }

    /// Name of this store among others; made at creation.
    pub fn store_id(&self) -> Uuid {
        self.identity.store_id
    }

    /// Key of all hashes that are stored; made at creation, never logged.
    pub fn hash_secret(&self) -> [u8; 16] {
        self.identity.hash_secret
    }

    /// What is true of a slot: the starting point of its recovery.
    pub fn slot(&self, slot: u8) -> Result<SlotState, StoreError> {
        self.check_slot(slot)?;
        Ok(SlotState {
            head: self.head(slot)?.unwrap_or_default(),
            ids_upto: self.cursor(MetaKey::IdsUpto(slot))?,
            totals_upto: self.cursor(MetaKey::TotalsUpto(slot))?,
            history_upto: self.cursor(MetaKey::HistoryUpto(slot))?,
        })
    }

    /// A small record of the caller, written by [`super::Commit::meta`].
    pub fn named(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.get(Key::Meta(MetaKey::Named(name)), "reading a named record")?;
        Ok(value.map(|value| value.to_vec()))
    }

    pub(super) fn head(&self, slot: u8) -> Result<Option<SlotHead>, StoreError> {
        const OPERATION: &str = "reading a slot head";
        let Some(bytes) = self.get(Key::Meta(MetaKey::Head(slot)), OPERATION)? else {
            return Ok(None);
        };
        SlotHead::from_bytes(&bytes).map(Some).map_err(self.damaged(OPERATION))
    }

    /// A record that is one number; absent is 0.
    pub(super) fn cursor(&self, key: MetaKey<'_>) -> Result<u64, StoreError> {
        const OPERATION: &str = "reading a cursor";
        let Some(bytes) = self.get(Key::Meta(key), OPERATION)? else { return Ok(0) };
        self.cursor_value(&bytes, OPERATION)
    }

    /// Reads a record that is one number.
    pub(super) fn cursor_value(
        &self,
        bytes: &[u8],
        operation: &'static str,
    ) -> Result<u64, StoreError> {
        let mut input = Input(bytes);
        let value = input.varint("cursor").map_err(self.damaged(operation))?;
        input.end("cursor").map_err(self.damaged(operation))?;
        Ok(value)
    }

    pub(super) fn put_cursor(
        &self,
        batch: &mut WriteBatch,
        key: MetaKey<'_>,
        value: u64,
    ) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        self.put(batch, Key::Meta(key), bytes)
    }

    /// Reads who the store is, whatever the number of its slots.
    pub(super) fn stored_identity(&self) -> Result<Identity, OpenError> {
        const OPERATION: &str = "reading the identity";
        let path = self.path.clone();
        let Some(bytes) = self.get(Key::Meta(MetaKey::Identity), OPERATION)? else {
            return Err(OpenError::Missing { path });
        };
        Identity::from_bytes(&bytes).map_err(|damage| match damage {
            Damage::Newer { .. } => OpenError::Newer { path, detail: damage.to_string() },
            damage => self.damaged(OPERATION)(damage).into(),
        })
    }

    /// Reads who the store is, or decides it for a new one.
    pub(super) fn load_identity(&self, options: &StoreOptions) -> Result<Identity, OpenError> {
        const OPERATION: &str = "reading the identity";
        let slots = options.slots;
        let key = Key::Meta(MetaKey::Identity);
        let path = self.path.clone();
        if let Some(bytes) = self.get(key, OPERATION)? {
            return match Identity::from_bytes(&bytes) {
                Ok(identity) if identity.slots == slots => {
                    if bytes.first() != Some(&STORE_FORMAT) {
                        // From now on an older release would misread what is written.
                        let mut batch = WriteBatch::default();
                        self.put(&mut batch, key, identity.to_bytes())?;
                        self.write_synced(batch, "raising the format of the store")?;
                    }
                    Ok(identity)
                }
                Ok(identity) => {
                    Err(OpenError::Slots { path, stored: identity.slots, wanted: slots })
                }
                Err(damage @ Damage::Newer { .. }) => {
                    Err(OpenError::Newer { path, detail: damage.to_string() })
                }
                Err(damage) => Err(self.damaged(OPERATION)(damage).into()),
            };
        }
        // Creation ends with the identity, so data without one is not ours to add to.
        for family in Family::ALL {
            let mut walk = self.walk(family, &[])?;
            walk.seek_to_first();
            if walk.valid() {
                let detail = format!("data in {} without an identity", family.name());
                return Err(OpenError::Foreign { path, detail });
            }
            walk.status().map_err(self.engine(OPERATION))?;
        }
        let identity = options.identity.unwrap_or_else(|| Identity::create(slots));
        let identity = Identity { slots, ..identity };
        let mut batch = WriteBatch::default();
        self.put(&mut batch, key, identity.to_bytes())?;
        self.write_synced(batch, "creating the store")?;
        Ok(identity)
    }
}
