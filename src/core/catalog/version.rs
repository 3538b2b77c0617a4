//! Which catalogue record last wrote an entity.

use std::ops::Deref;
use std::sync::Arc;

use super::{Customer, LifetimeUsage, Subscription};
use crate::core::instant::Instant;

/// An entity with the record that last wrote it.
///
/// The version is that record's offset in the catalogue log plus one, so that 0 means "never
/// written" and versions of one entity only grow.
#[derive(Debug, PartialEq)]
pub struct Versioned<T> {
    /// The entity; shared, so that snapshots are cheap.
    pub entity: Arc<T>,
    /// Offset of the last change plus one.
    pub version: u64,
    /// Log time of the last change (specification 10.5).
    pub log_time: Instant,
}

impl<T> Versioned<T> {
    /// An entity as a record at this version left it.
    pub fn new(entity: T, version: u64, log_time: Instant) -> Self {
        Self { entity: Arc::new(entity), version, log_time }
    }
}

// Derived, this would ask for `T: Clone`.
impl<T> Clone for Versioned<T> {
    fn clone(&self) -> Self {
        Self { entity: Arc::clone(&self.entity), version: self.version, log_time: self.log_time }
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.entity
    }
}

/// A customer as the directory keeps it.
pub type CustomerRow = Versioned<Customer>;

/// A lifetime usage as the directory keeps it.
pub type LifetimeRow = Versioned<LifetimeUsage>;

/// All rows that share one external subscription id, in ascending order of (creation, id): rows
/// that follow one another after a plan change, or after a termination. Usually one.
pub type SubscriptionRows = Arc<[Versioned<Subscription>]>;
