//! Events read back from the ledger: one by its transaction id, or a page of many (specification
//! 9.7).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::owner::{Ask, Located};
use super::{Events, NewEvent, Recorded, Refusal, ask, id_of};
use crate::core::catalog::Subscription;
use crate::core::catalog::directory::Directory;
use crate::core::event::UsageBuf;
use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::engine::keys::{SlotNumber, numbers};
use crate::engine::ledger::AccountKey;
use crate::runtime::scan::{Cut, EVENTS_BYTES_MAX, ScanError};
use crate::runtime::shared::Shared;
use crate::runtime::worker::Command;
use crate::store::Store;

/// Reads of the ledger that run at once; each may hold a whole account in memory.
pub(super) const READS_MAX: usize = 2;
/// Subscriptions of one slot that may share a transaction id and are all looked at.
const NAMESAKES_MAX: usize = 1024;
/// Events kept beyond those that a page needs before the rest is dropped.
const SLACK: usize = 4096;

/// Which events are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Code of the billable metric.
    pub code: Option<String>,
    /// External subscription id.
    pub subscription: Option<String>,
    /// Earliest timestamp.
    pub from: Option<Instant>,
    /// Whether the earliest timestamp is the start of the subscription.
    pub from_started_at: bool,
    /// Latest timestamp.
    pub to: Option<Instant>,
    /// Events to leave out: those of earlier pages.
    pub skip: usize,
    /// Events of a page.
    pub take: usize,
}

/// A page of events.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// By timestamp, the latest first, then by transaction id.
    pub events: Vec<Recorded>,
    /// Events of all pages.
    pub total: usize,
}

impl Events {
    /// The first event with this transaction id, of whatever subscription.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub async fn find(
        &self,
        organization: &str,
        transaction: &str,
    ) -> Result<Option<Recorded>, Refusal> {
        let _permit = self.reads.acquire().await.map_err(|_| Refusal::NotReady)?;
        let mut first = self.without_subscription(organization, transaction).await?;
        if let Some((slot, identity, position)) = self.first_id(organization, transaction).await?
            && first.as_ref().is_none_or(|(_, event)| position < event.position)
        {
            let located = ask(&self.shared, slot, |reply| Ask::Locate {
                organization: organization.to_owned(),
                transaction: transaction.to_owned(),
                identities: HashSet::from([identity]),
                reply,
            });
            let Located { accounts, cut } = located.await?;
            for account in accounts {
                let events = self.read(cut.clone(), account.0).await?;
                let found = events.into_iter().find(|event| *event.transaction == *transaction);
                first = found.map(|event| (account.1, event)).or(first);
            }
        }
        Ok(first
            .map(|(subscription, event)| recorded(&self.shared, organization, subscription, event)))
    }

    /// Where the first event with this id stands: slot, identity, position.
    async fn first_id(
        &self,
        organization: &str,
        transaction: &str,
    ) -> Result<Option<(SlotNumber, u128, Position)>, Refusal> {
        let hash = self.shared.hasher.id(AccountKey(0), organization, transaction).transaction;
        // Memory first: it forgets only what the store's index has.
        let mut unmerged = BTreeMap::new();
        for slot in numbers(self.shared.slots) {
            let found = ask(&self.shared, slot, |reply| Ask::Unmerged(hash, reply)).await?;
            unmerged.extend(found.into_iter().map(|(id, position)| ((slot, id), position)));
        }
        let (store, slots) = (Arc::clone(&self.shared.store), self.shared.slots);
        let merged = blocking(move || {
            let mut merged = BTreeMap::new();
            for slot in numbers(slots) {
                let found = store.ids_of_transaction(slot, hash, NAMESAKES_MAX)?;
                merged.extend(found.into_iter().map(|(key, at)| ((slot, key.id), at)));
            }
            Ok::<_, crate::store::StoreError>(merged)
        });
        let mut all = merged.await?.map_err(|error| Refusal::Internal(error.to_string()))?;
        all.extend(unmerged);
        let first = all.into_iter().min_by_key(|(_, position)| *position);
        Ok(first.map(|((slot, identity), position)| (slot, identity, position)))
    }

    /// The first event with this id that has no subscription id. Such events are in no index.
    async fn without_subscription(
        &self,
        organization: &str,
        transaction: &str,
    ) -> Result<Option<(Option<String>, UsageBuf)>, Refusal> {
        let (slot, key) = self.shared.account(organization, None);
        if self.shared.board.peek(key, |_| ()).is_none() {
            return Ok(None);
        }
        let events = self.read(self.cut(slot, key).await?, key).await?;
        let of_id = events.into_iter().filter(|event| *event.transaction == *transaction);
        Ok(of_id.min_by_key(|event| event.position).map(|event| (None, event)))
    }

    /// A page of the events that a filter lets through.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub async fn list(&self, organization: &str, filter: Filter) -> Result<Page, Refusal> {
        let _permit = self.reads.acquire().await.map_err(|_| Refusal::NotReady)?;
        let mut pile = Pile::new(self.resolved(organization, filter));
        let ledgers = self.accounts(organization, pile.filter.subscription.as_deref()).await?;
        let store = Arc::clone(&self.shared.store);
        let pile = blocking(move || {
            for Located { accounts, cut } in ledgers {
                for account in accounts {
                    pile.add(account.1.as_deref(), account_events(&cut, &store, account.0)?)?;
                }
            }
            Ok::<_, ScanError>(pile)
        });
        let (events, total) = pile.await?.map_err(refuse)?.page();
        let events = events
            .into_iter()
            .map(|(subscription, event)| recorded(&self.shared, organization, subscription, event));
        Ok(Page { events: events.collect(), total })
    }

    /// The filter with the subscription's start in its place.
    fn resolved(&self, organization: &str, mut filter: Filter) -> Filter {
        if let Some(id) = filter.subscription.as_deref().filter(|_| filter.from_started_at) {
            let rows = self.shared.catalogue.rows.subscriptions(organization, id);
            let newest = |row: &&Subscription| {
                // One that runs comes before all that have ended.
                (row.terminated_at.is_none(), row.terminated_at, row.started_at)
            };
            let row = rows.iter().map(|row| &*row.entity).max_by_key(newest);
            filter.from = row.and_then(|row| row.started_at);
        }
        filter
    }

    /// The accounts that a filter looks at, slot by slot.
    async fn accounts(
        &self,
        organization: &str,
        subscription: Option<&str>,
    ) -> Result<Vec<Located>, Refusal> {
        if let Some(id) = subscription {
            let (slot, key) = self.shared.account(organization, Some(id));
            let cut = self.cut(slot, key).await?;
            return Ok(vec![Located { accounts: vec![(key, Some(id.to_owned()))], cut }]);
        }
        let mut all = Vec::new();
        for slot in numbers(self.shared.slots) {
            let of = |reply| Ask::Accounts(organization.to_owned(), reply);
            let located = ask(&self.shared, slot, of).await?;
            if !located.accounts.is_empty() {
                all.push(located);
            }
        }
        Ok(all)
    }

    pub(super) async fn cut(&self, slot: SlotNumber, key: AccountKey) -> Result<Cut, Refusal> {
        let (reply, cut) = oneshot::channel();
        let command = Command::Cut(slot, key, reply);
        self.shared.owner(slot).try_send(command).map_err(|_| Refusal::Overloaded)?;
        cut.await.map(|account| account.cut).map_err(|_| Refusal::NotReady)
    }

    pub(super) async fn read(&self, cut: Cut, key: AccountKey) -> Result<Vec<UsageBuf>, Refusal> {
        let store = Arc::clone(&self.shared.store);
        blocking(move || account_events(&cut, &store, key)).await?.map_err(refuse)
    }
}

/// The events of one account that count: the one place that reads the ledger here.
fn account_events(cut: &Cut, store: &Store, key: AccountKey) -> Result<Vec<UsageBuf>, ScanError> {
    cut.events(store, key)
}

/// Events that may be on the page, while accounts are read.
struct Pile {
    filter: Filter,
    kept: Vec<(Option<String>, UsageBuf)>,
    bytes: usize,
    total: usize,
}

impl Pile {
    fn new(filter: Filter) -> Self {
        Self { filter, kept: Vec::new(), bytes: 0, total: 0 }
    }

    fn wants(&self, event: &UsageBuf) -> bool {
        let Filter { code, from, to, .. } = &self.filter;
        code.as_deref().is_none_or(|code| *event.code == *code)
            && from.is_none_or(|from| from <= event.timestamp)
            && to.is_none_or(|to| event.timestamp <= to)
    }

    fn add(&mut self, subscription: Option<&str>, events: Vec<UsageBuf>) -> Result<(), ScanError> {
        for event in events {
            if !self.wants(&event) {
                continue;
            }
            self.total += 1;
            self.bytes += event.weight();
            self.kept.push((subscription.map(str::to_owned), event));
            if self.kept.len() >= self.needed().saturating_mul(2).saturating_add(SLACK) {
                self.trim();
            }
            if self.bytes > EVENTS_BYTES_MAX {
                self.trim();
            }
            if self.bytes > EVENTS_BYTES_MAX {
                return Err(ScanError::TooLarge);
            }
        }
        Ok(())
    }

    /// Events up to the end of the page.
    fn needed(&self) -> usize {
        self.filter.skip.saturating_add(self.filter.take)
    }

    fn trim(&mut self) {
        self.sort();
        self.kept.truncate(self.needed());
        self.bytes = self.kept.iter().map(|(_, event)| event.weight()).sum();
    }

    /// The latest first; the position makes the order total.
    fn sort(&mut self) {
        self.kept.sort_unstable_by(|(_, a), (_, b)| {
            let times = b.timestamp.cmp(&a.timestamp);
            times.then_with(|| a.transaction.cmp(&b.transaction)).then(a.position.cmp(&b.position))
        });
    }

    fn page(mut self) -> (Vec<(Option<String>, UsageBuf)>, usize) {
        self.sort();
        let Filter { skip, take, .. } = self.filter;
        (self.kept.into_iter().skip(skip).take(take).collect(), self.total)
    }
}

fn recorded(
    shared: &Shared,
    organization: &str,
    subscription: Option<String>,
    event: UsageBuf,
) -> Recorded {
    let place = shared.sources.name(event.position.source);
    Recorded {
        id: id_of(organization, &place, &event.position),
        created_at: event.position.log_time,
        event: NewEvent {
            transaction: event.transaction.into(),
            subscription,
            code: event.code.into(),
            timestamp: event.timestamp,
            precise_cents: event.precise_cents,
            properties: event.properties,
        },
    }
}

fn refuse(error: ScanError) -> Refusal {
    match error {
        ScanError::TooLarge => Refusal::LimitExceeded,
        error => Refusal::Internal(error.to_string()),
    }
}

/// Runs something that waits for the disk.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::Internal(error.to_string()))
}
