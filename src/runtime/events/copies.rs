//! Where the copies of a transaction id lie that count: by the index of ids, then in the ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::away::with_away;
use super::owner::{Ask, Located};
use super::{Events, Refusal, blocking};
use crate::core::event::UsageBuf;
use crate::core::instant::{Instant, SECOND};
use crate::core::position::Position;
use crate::engine::keys::{SlotNumber, numbers};
use crate::engine::ledger::{AccountKey, Row, RowKind};
use crate::runtime::scan::{Cut, ScanError, usage};
use crate::runtime::worker::Command;
use crate::store::{IdKey as StoreIdKey, Store, StoreError};

/// Subscriptions that may share a transaction id and are all looked at.
pub const COPIES_MAX: usize = 100;
/// Rows of the ledger that one question about events looks at; beyond, it is refused with its
/// name. A few seconds of reading.
pub const ROWS_LOOKED_AT_MAX: u64 = 10_000_000;
/// How far around its log time an event is looked for first: most events are sent soon.
const NEAR_BEFORE_MICROS: i64 = 32 * 86_400 * SECOND;
/// Clocks of producers run ahead by less than this.
const NEAR_AFTER_MICROS: i64 = 86_400 * SECOND;

/// An event that counts as far as its transaction id goes.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCopy {
    /// External subscription id; none for events that carry none.
    pub subscription: Option<String>,
    /// The event as it was kept.
    pub event: UsageBuf,
    /// Copies that are known to have lost against it, by position: one that counted before it was
    /// read, and those that lost lately.
    pub duplicates: BTreeSet<Position>,
}

/// The copies of a transaction id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredCopies {
    /// By position, the first one first.
    pub copies: Vec<StoredCopy>,
    /// Whether there are more than are told.
    pub more: bool,
}

/// Where an event stands that the index of ids knows.
struct Known {
    slot: SlotNumber,
    identity: u128,
    position: Position,
}

impl Events {
    /// The events of an organisation with a transaction id, one per subscription: of the named
    /// one, or of all, those without a subscription id included.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub(super) async fn copies(
        &self,
        organization: &str,
        transaction: &str,
        subscription: Option<&str>,
    ) -> Result<StoredCopies, Refusal> {
        let mut known = match subscription {
            Some(id) => self.known_in(organization, transaction, id).await?,
            None => self.known_anywhere(organization, transaction).await?,
        };
        known.sort_by_key(|known| known.position);
        let mut more = known.len() > COPIES_MAX;
        known.truncate(COPIES_MAX);
        let mut copies = self.read_known(organization, transaction, known).await?;
        if subscription.is_none() {
            let homeless = self.homeless(organization, transaction).await?;
            more |= homeless.len() > COPIES_MAX;
            copies.extend(homeless);
        }
        copies.sort_by_key(|copy| copy.event.position);
        more |= copies.len() > COPIES_MAX;
        copies.truncate(COPIES_MAX);
        Ok(StoredCopies { copies, more })
    }

    /// The first event with this transaction id, of whatever subscription.
    pub(super) async fn first(
        &self,
        organization: &str,
        transaction: &str,
    ) -> Result<Option<StoredCopy>, Refusal> {
        let known = self.known_anywhere(organization, transaction).await?;
        let first = known.into_iter().min_by_key(|known| known.position);
        let mut copies = match first {
            Some(first) => self.read_known(organization, transaction, vec![first]).await?,
            None => Vec::new(),
        };
        copies.extend(self.homeless(organization, transaction).await?);
        Ok(copies.into_iter().min_by_key(|copy| copy.event.position))
    }

    async fn known_in(
        &self,
        organization: &str,
        transaction: &str,
        subscription: &str,
    ) -> Result<Vec<Known>, Refusal> {
        let (slot, key) = self.shared.account(organization, Some(subscription));
        let id = self.shared.hasher.id(key, organization, transaction);
        // Memory first: it forgets only what the store's index has.
        let unmerged = self.unmerged(vec![slot], id.transaction).await?;
        // Of one identity the entry that was accepted last counts.
        let last = unmerged.into_iter().rfind(|known| known.identity == id.identity);
        if let Some(last) = last {
            return Ok(vec![last]);
        }
        let key = StoreIdKey { slot, transaction: id.transaction, id: id.identity };
        let store = Arc::clone(&self.shared.store);
        let found =
            blocking(move || store.lookup_ids(&[key])).await?.map_err(|error| internal(&error))?;
        let known = |position| Known { slot, identity: id.identity, position };
        Ok(found.into_iter().flatten().map(known).collect())
    }

    async fn known_anywhere(
        &self,
        organization: &str,
        transaction: &str,
    ) -> Result<Vec<Known>, Refusal> {
        let hash = self.shared.hasher.id(AccountKey(0), organization, transaction).transaction;
        let slots = self.shared.slots;
        let unmerged = self.unmerged(numbers(slots).collect(), hash).await?;
        let store = Arc::clone(&self.shared.store);
        let merged = blocking(move || {
            let mut merged = BTreeMap::new();
            for slot in numbers(slots) {
                // One more than is told, so that it can be told that there are more.
                let found = store.ids_of_transaction(slot, hash, COPIES_MAX + 1)?;
                merged.extend(found.into_iter().map(|(key, at)| ((slot, key.id), at)));
            }
            Ok::<_, StoreError>(merged)
        });
        let mut all = merged.await?.map_err(|error| internal(&error))?;
        all.extend(unmerged.into_iter().map(|own| ((own.slot, own.identity), own.position)));
        let known = |((slot, identity), position)| Known { slot, identity, position };
        Ok(all.into_iter().map(known).collect())
    }

    /// What the owners of slots know of a transaction hash and the store's index lacks, in the
    /// order in which it was accepted.
    async fn unmerged(&self, slots: Vec<SlotNumber>, hash: u64) -> Result<Vec<Known>, Refusal> {
        // All are asked before the first is waited for.
        let mut asked = Vec::with_capacity(slots.len());
        for slot in slots {
            let (reply, answer) = oneshot::channel();
            let command = Command::Events(slot, Ask::Unmerged(hash, reply));
            self.shared.owner(slot).try_send(command).map_err(|_| Refusal::Overloaded)?;
            asked.push((slot, answer));
        }
        let mut found = Vec::new();
        for (slot, answer) in asked {
            let pairs = answer.await.map_err(|_| Refusal::NotReady)?;
            let known = |(identity, position)| Known { slot, identity, position };
            found.extend(pairs.into_iter().map(known));
        }
        Ok(found)
    }

    /// The events behind entries of the index.
    async fn read_known(
        &self,
        organization: &str,
        transaction: &str,
        known: Vec<Known>,
    ) -> Result<Vec<StoredCopy>, Refusal> {
        let mut by_slot: BTreeMap<SlotNumber, HashMap<u128, Position>> = BTreeMap::new();
        for Known { slot, identity, position } in known {
            by_slot.entry(slot).or_default().insert(identity, position);
        }
        let mut copies = Vec::new();
        for (slot, positions) in by_slot {
            let identities: HashSet<u128> = positions.keys().copied().collect();
            let of = identities.clone();
            let lost = super::ask(&self.shared, slot, |reply| Ask::Duplicates(of, reply)).await?;
            let located = super::ask(&self.shared, slot, |reply| Ask::Locate {
                organization: organization.to_owned(),
                transaction: transaction.to_owned(),
                identities: identities.clone(),
                reply,
            });
            let mut located = located.await?;
            if located.accounts.len() < positions.len() {
                let hasher = self.shared.hasher.clone();
                let (own, id, of) =
                    (organization.to_owned(), transaction.to_owned(), identities.clone());
                let wanted = move |key| of.contains(&hasher.id(key, &own, &id).identity);
                let (shared, max) = (&self.shared, positions.len());
                located = with_away(shared, slot, located, organization, max, wanted).await?;
            }
            let Located { accounts, cut } = located;
            let (store, hasher) = (Arc::clone(&self.shared.store), self.shared.hasher.clone());
            let (organization, wanted) = (organization.to_owned(), transaction.to_owned());
            let read = move || {
                let mut copies = Vec::new();
                for (account, subscription) in accounts {
                    let id = hasher.id(account, &organization, &wanted);
                    let Some(position) = positions.get(&id.identity) else { continue };
                    let found = find_near(&cut, &store, account, &wanted, position.log_time)?;
                    let own = lost.iter().filter(|(identity, _)| *identity == id.identity);
                    let own = own.map(|(_, position)| *position);
                    copies.extend(found.map(|(event, replaced)| StoredCopy {
                        duplicates: own.chain(replaced).collect(),
                        subscription,
                        event,
                    }));
                }
                Ok::<_, ScanError>(copies)
            };
            copies.extend(blocking(read).await?.map_err(super::ledger::refuse)?);
        }
        Ok(copies)
    }

    /// The events with this id that carry no subscription id, the first ones. They are in no index.
    async fn homeless(
        &self,
        organization: &str,
        transaction: &str,
    ) -> Result<Vec<StoredCopy>, Refusal> {
        let (slot, key) = self.shared.account(organization, None);
        if self.shared.board.peek(key, |_| ()).is_none() {
            let away = self.shared.is_away(slot, key).map_err(|error| internal(&error))?;
            if !away {
                return Ok(Vec::new());
            }
        }
        let cut = self.cut(slot, key).await?;
        let (store, wanted) = (Arc::clone(&self.shared.store), transaction.to_owned());
        let read = move || {
            let (mut found, mut rows): (Vec<StoredCopy>, u64) = (Vec::new(), 0);
            cut.each_event(&store, key, (Instant::MIN, Instant::MAX), &mut |row| {
                count(&mut rows)?;
                if row.transaction == wanted {
                    let event = UsageBuf::of(row.code, &usage(row));
                    found.push(StoredCopy {
                        subscription: None,
                        event,
                        duplicates: BTreeSet::new(),
                    });
                    if found.len() > 2 * COPIES_MAX {
                        found.sort_by_key(|copy| copy.event.position);
                        // One more than is told, so that it can be told that there are more.
                        found.truncate(COPIES_MAX + 1);
                    }
                }
                Ok(())
            })?;
            Ok::<_, ScanError>(found)
        };
        blocking(read).await?.map_err(super::ledger::refuse)
    }
}

/// The event of an account with a transaction id, and the copy that it replaced. Looked for around
/// its log time before anywhere else.
fn find_near(
    cut: &Cut,
    store: &Store,
    account: AccountKey,
    transaction: &str,
    log_time: Instant,
) -> Result<Option<(UsageBuf, Option<Position>)>, ScanError> {
    let from = log_time.plus_micros(-NEAR_BEFORE_MICROS);
    let to = log_time.plus_micros(NEAR_AFTER_MICROS);
    let bounds =
        [(from, to), (Instant::MIN, from.plus_micros(-1)), (to.plus_micros(1), Instant::MAX)];
    let mut rows = 0;
    for bounds in bounds {
        let mut found = None;
        cut.walk(store, &[account], bounds, &mut |_, row| {
            count(&mut rows)?;
            if row.transaction != transaction {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some((UsageBuf::of(row.code, &usage(row)), replaced(row)));
            Ok(ControlFlow::Break(()))
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn replaced(row: &Row<'_>) -> Option<Position> {
    match row.kind {
        RowKind::Accepted => None,
        RowKind::Replacement { retracted } => Some(retracted),
    }
}

/// Counts a row that was looked at, up to a bound.
pub(super) fn count(rows: &mut u64) -> Result<(), ScanError> {
    *rows += 1;
    if *rows > ROWS_LOOKED_AT_MAX { Err(ScanError::TooLarge) } else { Ok(()) }
}

fn internal(error: &StoreError) -> Refusal {
    Refusal::Internal(error.to_string())
}
