//! Transaction ids that requests under way have reserved: of several requests for one id only one
//! goes on, the others wait for what becomes of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The reserved ids. As many as there are events under way, which are bounded by
/// [`super::EVENTS_IN_FLIGHT_MAX`].
#[derive(Debug, Default)]
pub struct Reservations {
    ids: Mutex<HashSet<u128>>,
    freed: Notify,
}

/// Ids that are reserved until this value goes out of scope.
#[derive(Debug)]
pub struct Reserved {
    of: Arc<Reservations>,
    ids: Vec<u128>,
}

impl Reservations {
    fn locked(&self) -> MutexGuard<'_, HashSet<u128>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves all of these distinct ids, or none if one of them is reserved already.
    pub fn try_all(self: &Arc<Self>, ids: Vec<u128>) -> Option<Reserved> {
        let mut reserved = self.locked();
        if ids.iter().any(|id| reserved.contains(id)) {
            return None;
        }
        reserved.extend(&ids);
        drop(reserved);
        Some(Reserved { of: Arc::clone(self), ids })
    }

    /// Completes once some ids are free again. Made before [`Reservations::try_all`] is asked, it
    /// misses nothing.
    pub fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.freed.notified()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut reserved = self.of.locked();
        for id in &self.ids {
            reserved.remove(id);
        }
        drop(reserved);
        self.of.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_none_are_reserved_and_freed_together() {
        let reservations = Arc::new(Reservations::default());
        let first = reservations.try_all(vec![1, 2]).unwrap();
        assert!(reservations.try_all(vec![3, 2]).is_none());
        let third = reservations.try_all(vec![3]).unwrap();
        drop(first);
        assert!(reservations.try_all(vec![1, 3]).is_none(), "3 is still taken");
        assert!(reservations.try_all(vec![1, 2]).is_some());
        drop(third);
        assert!(reservations.try_all(vec![1, 2, 3]).is_some());
        assert!(reservations.locked().is_empty());
    }
}
