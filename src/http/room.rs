//! Room that requests of all tenants share, and of which none gets more than half.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many places, or bytes. Who holds nothing and asks while there is room gets it, however much
/// it is, so that no answer is too large for ever.
#[derive(Debug)]
pub struct Room {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only those who hold something.
    by: HashMap<Box<str>, usize>,
}

/// Part of a room; it is free again when this is dropped.
#[derive(Debug)]
pub struct Held {
    room: Arc<Room>,
    who: Box<str>,
    amount: usize,
}

impl Room {
    /// A room of which one tenant may hold half, rounded up.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// Takes so much for a tenant; none if the room or the tenant's part of it is full.
    pub fn take(self: &Arc<Self>, who: &str, amount: usize) -> Option<Held> {
        let mut taken = self.taken();
        let own = taken.by.get(who).copied().unwrap_or(0);
        if taken.all >= self.max || own > 0 && !self.fits(taken.all, own, amount) {
            return None;
        }
        taken.all += amount;
        *taken.by.entry(who.into()).or_default() += amount;
        drop(taken);
        Some(Held { room: Arc::clone(self), who: who.into(), amount })
    }

    fn fits(&self, all: usize, own: usize, amount: usize) -> bool {
        all.saturating_add(amount) <= self.max && own.saturating_add(amount) <= self.max.div_ceil(2)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Takes so much more; false if there is no room for it.
    pub fn grow(&mut self, amount: usize) -> bool {
        let mut taken = self.room.taken();
        let own = taken.by.get(&self.who).copied().unwrap_or(0);
        if !self.room.fits(taken.all, own, amount) {
            return false;
        }
        taken.all += amount;
        *taken.by.entry(self.who.clone()).or_default() += amount;
        self.amount += amount;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.all = taken.all.saturating_sub(self.amount);
        if let Some(own) = taken.by.get_mut(&self.who) {
            *own = own.saturating_sub(self.amount);
            if *own == 0 {
                taken.by.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_more_than_half_and_nobody_is_kept_out() {
        let room = Room::new(5);
        let mut held: Vec<_> = (0..3).map(|_| room.take("a", 1).unwrap()).collect();
        assert!(room.take("a", 1).is_none(), "half is taken");
        held.extend((0..2).map(|_| room.take("b", 1).unwrap()));
        assert!(room.take("c", 1).is_none(), "all is taken");
        held.truncate(1);
        held.push(room.take("c", 100).unwrap());
        assert!(room.take("b", 1).is_none(), "a large one is let in, and then there is no room");
        held.clear();
        assert_eq!(room.taken().all, 0);
        assert!(room.taken().by.is_empty(), "who holds nothing is forgotten");
    }

    #[test]
    fn what_is_held_grows_within_the_part_of_its_tenant() {
        let room = Room::new(10);
        let mut held = room.take("a", 0).unwrap();
        assert!(held.grow(5) && !held.grow(1));
        let mut other = room.take("b", 1).unwrap();
        assert!(other.grow(4) && !other.grow(1));
        drop(held);
        assert!(!other.grow(1), "half is the most");
        drop(other);
        assert_eq!(room.taken().all, 0);
    }
}
