//! One kind of entity of one organisation, found by id and by code.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::version::Versioned;
use super::{BillableMetric, Plan, Tax};
use crate::core::instant::Instant;

/// What a [`Table`] has to know of its entities.
pub trait Coded {
    /// Identifier.
    fn id(&self) -> Uuid;
    /// The code it is found by; none if it is only found by id.
    fn code(&self) -> Option<&str>;
}

impl Coded for BillableMetric {
    fn id(&self) -> Uuid {
        self.id
    }

    fn code(&self) -> Option<&str> {
        Some(&self.code)
    }
}

impl Coded for Tax {
    fn id(&self) -> Uuid {
        self.id
    }

    fn code(&self) -> Option<&str> {
        Some(&self.code)
    }
}

impl Coded for Plan {
    fn id(&self) -> Uuid {
        self.id
    }

    // A plan that overrides another for one subscription shares its code and is no plan to
    // subscribe to.
    fn code(&self) -> Option<&str> {
        self.parent.is_none().then_some(self.code.as_str())
    }
}

/// Entities by id, with an index by code.
///
/// Accepted facts keep codes unique. Should a log nevertheless hold two entities of one code, the
/// one with the greatest (version, id) is found, whatever the order in which they are loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T> {
    by_id: BTreeMap<Uuid, Versioned<T>>,
    by_code: BTreeMap<Arc<str>, Uuid>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { by_id: BTreeMap::new(), by_code: BTreeMap::new() }
    }
}

impl<T: Coded> Table<T> {
    /// The entity with this id.
    pub fn get(&self, id: Uuid) -> Option<&Versioned<T>> {
        self.by_id.get(&id)
    }

    /// The entity with this code, compared exactly.
    pub fn by_code(&self, code: &str) -> Option<&Versioned<T>> {
        self.by_code.get(code).and_then(|id| self.by_id.get(id))
    }

    /// All entities in ascending order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Versioned<T>> {
        self.by_id.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Adds or replaces an entity.
    pub(super) fn put(&mut self, entity: T, version: u64, log_time: Instant) {
        let id = entity.id();
        let row = Versioned::new(entity, version, log_time);
        let old = self.by_id.insert(id, row.clone());
        if let Some(code) = old.as_ref().and_then(|old| old.code())
            && row.code() != Some(code)
        {
            self.index(code);
        }
        if let Some(code) = row.code() {
            let holder = self.by_code(code).map(|held| (held.version, held.id()));
            if holder.is_none_or(|holder| holder <= (version, id)) {
                self.by_code.insert(Arc::from(code), id);
            }
        }
    }

    /// Takes an entity out.
    pub(super) fn remove(&mut self, id: Uuid) {
        if let Some(code) = self.by_id.remove(&id).as_ref().and_then(|old| old.code()) {
            self.index(code);
        }
    }

    /// Finds anew who holds a code, after its holder may have given it up.
    fn index(&mut self, code: &str) {
        let holder = self
            .by_id
            .values()
            .filter(|row| row.code() == Some(code))
            .max_by_key(|row| (row.version, row.id()))
            .map(|row| row.id());
        match holder {
            Some(id) => {
                self.by_code.insert(Arc::from(code), id);
            }
            None => {
                self.by_code.remove(code);
            }
        }
    }
}
