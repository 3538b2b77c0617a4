//! The catalogue: entities with all their versions, newest first, written with the place in the
//! catalogue log that they lead up to.

use std::ops::ControlFlow;

use rocksdb::{DBRawIterator, ReadOptions, WriteBatch};

use crate::core::instant::Instant;

use super::codec::{Damage, Input, put_bytes, put_varint, put_zigzag};
use super::error::StoreError;
use super::keys::{Family, Key, MetaKey, after_prefix, catalog_prefix};
use super::rocks::Store;

const FORMAT: u8 = 1;
const PROGRESS: &str = "catalogue progress";
const READING: &str = "reading the catalogue";

/// One version of one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogEntry<'a> {
    /// Entity kind; its numbers belong to the catalogue's codec.
    pub kind: u8,
    /// The tenant.
    pub organization: &'a str,
    /// The entity's id.
    pub id: &'a str,
    /// Its version; greater is newer.
    pub version: u64,
    /// The entity.
    pub value: &'a [u8],
}

/// How far the catalogue log is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogProgress {
    /// The offset to be read next.
    pub next_offset: i64,
    /// Log time reached.
    pub log_time: Instant,
    /// Version of the catalogue as a whole.
    pub version: u64,
}

impl Store {
    /// Writes versions of entities and how far the log is applied with them: all or nothing.
    pub fn commit_catalog(
        &self,
        entries: &[CatalogEntry<'_>],
        progress: CatalogProgress,
    ) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for entry in entries {
            let CatalogEntry { kind, organization, id, version, value } = *entry;
            self.put(&mut batch, Key::Catalog { kind, organization, id, version }, value)?;
        }
        let mut value = vec![FORMAT];
        put_zigzag(&mut value, progress.next_offset);
        put_zigzag(&mut value, progress.log_time.0);
        put_varint(&mut value, progress.version);
        self.put(&mut batch, Key::Meta(MetaKey::CatalogProgress), value)?;
        self.write_synced(batch, "the catalogue commit")
    }

    /// How far the catalogue log is applied; from its beginning if it never was.
    pub fn catalog_progress(&self) -> Result<CatalogProgress, StoreError> {
        let Some(bytes) = self.get(Key::Meta(MetaKey::CatalogProgress), READING)? else {
            return Ok(CatalogProgress::default());
        };
        let read = || {
            let mut input = Input(&bytes);
            input.version(FORMAT, PROGRESS)?;
            let progress = CatalogProgress {
                next_offset: input.zigzag(PROGRESS)?,
                log_time: Instant(input.zigzag(PROGRESS)?),
                version: input.varint(PROGRESS)?,
            };
            input.end(PROGRESS)?;
            Ok(progress)
        };
        read().map_err(self.damaged(READING))
    }

    /// The newest version of an entity: its number and value.
    pub fn catalog_get(
        &self,
        kind: u8,
        organization: &str,
        id: &str,
    ) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let walk = self.catalog_versions_walk(kind, organization, id)?;
        let Some((key, value)) = walk.item() else {
            walk.status().map_err(self.engine(READING))?;
            return Ok(None);
        };
        let entry = read_entry(key, value).map_err(self.damaged(READING))?;
        Ok(Some((entry.version, entry.value.to_vec())))
    }

    /// Visits the versions of an entity, newest first, until told to stop.
    pub fn catalog_versions(
        &self,
        kind: u8,
        organization: &str,
        id: &str,
        visit: impl FnMut(CatalogEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.catalog_walk(&catalog_prefix(kind, organization, id), visit)
    }

    /// Visits the newest version of every entity of a kind, of one tenant or of all, until told to
    /// stop. The order is the same every time and otherwise says nothing.
    pub fn catalog_newest(
        &self,
        kind: u8,
        organization: Option<&str>,
        mut visit: impl FnMut(CatalogEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut prefix = vec![kind];
        if let Some(organization) = organization {
            put_bytes(&mut prefix, organization.as_bytes());
        }
        let mut last: Option<(String, String)> = None;
        self.catalog_walk(&prefix, |entry| {
            let seen = last.as_ref().is_some_and(|(organization, id)| {
                organization == entry.organization && id == entry.id
            });
            if seen {
                return ControlFlow::Continue(());
            }
            last = Some((entry.organization.to_owned(), entry.id.to_owned()));
            visit(entry)
        })
    }

    /// A walk over the versions of one entity, placed at the newest. Files that do not hold the
    /// entity are passed over by their filters.
    fn catalog_versions_walk(
        &self,
        kind: u8,
        organization: &str,
        id: &str,
    ) -> Result<DBRawIterator<'_>, StoreError> {
        let prefix = catalog_prefix(kind, organization, id);
        let mut options = ReadOptions::default();
        if let Some(end) = after_prefix(&prefix) {
            options.set_iterate_upper_bound(end);
        }
        options.set_prefix_same_as_start(true);
        let mut walk = self.db.raw_iterator_cf_opt(self.family(Family::Catalog)?, options);
        let newest = Key::Catalog { kind, organization, id, version: u64::MAX };
        walk.seek(newest.to_bytes());
        Ok(walk)
    }

    fn catalog_walk(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(CatalogEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut walk = self.walk(Family::Catalog, prefix)?;
        walk.seek_to_first();
        while let Some((key, value)) = walk.item() {
            let entry = read_entry(key, value).map_err(self.damaged(READING))?;
            if visit(entry).is_break() {
                return Ok(());
            }
            walk.next();
        }
        walk.status().map_err(self.engine(READING))
    }
}

fn read_entry<'a>(key: &'a [u8], value: &'a [u8]) -> Result<CatalogEntry<'a>, Damage> {
    const WHAT: &str = "catalogue key";
    let mut input = Input(key);
    let entry = CatalogEntry {
        kind: input.byte(WHAT)?,
        organization: input.text(WHAT)?,
        id: input.text(WHAT)?,
        version: !u64::from_be_bytes(input.array(WHAT)?),
        value,
    };
    input.end(WHAT)?;
    Ok(entry)
}
