//! What the owners of the slots are asked about events: they alone know what is applied and not in
//! the store's index yet.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::super::owner::Owned;
use super::super::scan::Cut;
use super::super::shared::Shared;
use crate::core::position::Position;
use crate::engine::dedup::IdKey;
use crate::engine::ledger::AccountKey;

/// A question for the owner of a slot. Whoever has asked may have gone away.
pub enum Ask {
    /// Whether these ids are taken, as far as memory can tell.
    Known(Vec<IdKey>, oneshot::Sender<Vec<Option<bool>>>),
    /// Positions of events with this transaction hash that the store's index lacks, by identity.
    Unmerged(u64, oneshot::Sender<Vec<(u128, Position)>>),
    /// The accounts in memory of which these are identities of this transaction.
    Locate {
        /// External id of the organisation.
        organization: String,
        /// The producer's id.
        transaction: String,
        /// What is looked for.
        identities: HashSet<u128>,
        /// Where to.
        reply: oneshot::Sender<Located>,
    },
    /// Copies of these identities that lost lately, with their identities.
    Duplicates(HashSet<u128>, oneshot::Sender<Vec<(u128, Position)>>),
    /// All accounts of an organisation that are in memory.
    Accounts(String, oneshot::Sender<Located>),
}

/// Accounts of one slot, with their external subscription ids, and the slot's ledger.
pub struct Located {
    /// The accounts.
    pub accounts: Vec<(AccountKey, Option<String>)>,
    /// The ledger at the moment of the answer.
    pub cut: Cut,
}

/// Answers for one slot; on its owner's thread.
pub fn answer(shared: &Shared, owned: &Owned, cut: impl FnOnce() -> Cut, ask: Ask) {
    let ids = &owned.slot.ids;
    match ask {
        Ask::Known(keys, reply) => {
            let known = keys.iter().map(|key| ids.knows(key.identity)).collect();
            let _ = reply.send(known);
        }
        Ask::Unmerged(transaction, reply) => {
            let found = ids.unmerged_of(transaction);
            let pairs = found.map(|id| (id.key.identity, id.position)).collect();
            let _ = reply.send(pairs);
        }
        Ask::Locate { organization, transaction, identities, reply } => {
            let wanted = |key: &&AccountKey| {
                let id = shared.hasher.id(**key, &organization, &transaction);
                identities.contains(&id.identity)
            };
            let accounts = owned.accounts.iter().filter(wanted).filter_map(|key| {
                let name = shared.board.peek(*key, |account| account.subscription.clone());
                Some((*key, name?.map(|name| name.to_string())))
            });
            let _ = reply.send(Located { accounts: accounts.collect(), cut: cut() });
        }
        Ask::Duplicates(identities, reply) => {
            let lately = ids.duplicates.iter();
            let _ = reply.send(lately.filter(|(id, _)| identities.contains(id)).collect());
        }
        Ask::Accounts(organization, reply) => {
            let accounts = owned.accounts.iter().filter_map(|key| {
                let name = shared.board.peek(*key, |account| {
                    let ours = *account.organization == *organization;
                    ours.then(|| account.subscription.as_ref().map(ToString::to_string))
                });
                Some((*key, name??))
            });
            let _ = reply.send(Located { accounts: accounts.collect(), cut: cut() });
        }
    }
}
