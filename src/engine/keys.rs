//! Hashes that stand for names: slots, accounts and transaction ids.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128, SipHasher13};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::dedup::IdKey;
use super::ledger::AccountKey;
use crate::core::aggregate::kept::SetKey;

/// Number of a slot, below the slot count of the store.
pub type SlotNumber = u8;

/// A fixed, unkeyed hash of an account's names, the same on every store and every instance.
pub fn names_hash(organization: &str, subscription: Option<&str>) -> u64 {
    // The seed of the second hash is the first: ("a", "bc") and ("ab", "c") differ. No subscription
    // and an empty one have the same hash, which does no harm.
    let tenant = xxh3_64_with_seed(organization.as_bytes(), 0);
    xxh3_64_with_seed(subscription.unwrap_or_default().as_bytes(), tenant)
}

/// The slot of an account, by the hash of its names.
pub fn slot_of(names: u64, slots: u16) -> SlotNumber {
    remainder(names, slots)
}

/// A number modulo the slot count.
#[allow(clippy::cast_possible_truncation)] // the slot count is at most 256, so the remainder fits
pub fn remainder(number: u64, slots: u16) -> SlotNumber {
    (number % u64::from(slots.clamp(1, 256))) as SlotNumber
}

/// The numbers of all slots of a store.
pub fn numbers(slots: u16) -> impl Iterator<Item = SlotNumber> {
    (0..=SlotNumber::MAX).take(usize::from(slots))
}

/// Keyed 128-bit hashes under the secret of one store, so that nobody can make two names collide.
#[derive(Clone)]
pub struct KeyHasher {
    secret: [u8; 16],
}

impl KeyHasher {
    /// Hashes under this secret.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// Hashes the values of unique counts.
    pub const fn values(&self) -> SetKey {
        SetKey::new(self.secret)
    }

    /// The key of an account.
    pub fn account(&self, organization: &str, subscription: Option<&str>) -> AccountKey {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(organization.as_bytes());
        if let Some(subscription) = subscription {
            hasher.write(&[0xff]);
            hasher.write(subscription.as_bytes());
        }
        AccountKey(hasher.finish128().as_u128())
    }

    /// The identity of an event: its account and its transaction id, and the hash under which it is
    /// found by its transaction id alone.
    pub fn id(&self, account: AccountKey, organization: &str, transaction: &str) -> IdKey {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(&account.0.to_le_bytes());
        hasher.write(transaction.as_bytes());
        let identity = hasher.finish128().as_u128();
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(organization.as_bytes());
        hasher.write(&[0xff]);
        hasher.write(transaction.as_bytes());
        IdKey { transaction: hasher.finish128().h1, identity }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_fixed_for_ever() {
        // A changed figure here means that existing stores look for accounts in the wrong slot.
        let slot = |n: i32| slot_of(names_hash("org", Some(&format!("sub_{n}"))), 64);
        let slots: Vec<_> = (0..6).map(slot).collect();
        assert_eq!(slots, [55, 15, 3, 5, 17, 49]);
    }

    #[test]
    fn boundaries_between_names_matter() {
        let hasher = KeyHasher::new([7; 16]);
        assert_ne!(hasher.account("a", Some("bc")), hasher.account("ab", Some("c")));
        assert_ne!(hasher.account("a", None), hasher.account("a", Some("")));
        assert_ne!(
            hasher.account("a", Some("b")),
            KeyHasher::new([8; 16]).account("a", Some("b")),
            "another store, another key"
        );
    }
}
