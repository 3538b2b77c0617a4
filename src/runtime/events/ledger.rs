//! Events read back from the ledger: one by its transaction id, or a page of many (specification
//! 9.7).

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::away::with_away;
use super::copies::{StoredCopy, count};
use super::owner::{Ask, Located};
use super::{Events, NewEvent, Recorded, Refusal, ask, blocking, id_of};
use crate::core::catalog::Subscription;
use crate::core::catalog::directory::Directory;
use crate::core::event::UsageBuf;
use crate::core::instant::Instant;
use crate::engine::keys::{SlotNumber, numbers};
use crate::engine::ledger::{AccountKey, Row};
use crate::runtime::scan::{Cut, EVENTS_BYTES_MAX, ScanError, usage};
use crate::runtime::shared::Shared;
use crate::runtime::worker::Command;

/// Reads of the ledger that run at once; each may hold a whole account in memory.
pub(super) const READS_MAX: usize = 2;
/// Accounts that one list looks at: each costs a few reads, whether or not it has events. Beyond,
/// the list is refused, and a subscription has to be named.
const ACCOUNTS_MAX: usize = 100_000;
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
        let first = self.first(organization, transaction).await?;
        Ok(first.map(|StoredCopy { subscription, event, .. }| {
            recorded(&self.shared, organization, subscription, event)
        }))
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
        if ledgers.iter().map(|located| located.accounts.len()).sum::<usize>() > ACCOUNTS_MAX {
            return Err(Refusal::LimitExceeded);
        }
        let store = Arc::clone(&self.shared.store);
        let pile = blocking(move || {
            let bounds = pile.bounds();
            for Located { mut accounts, cut } in ledgers {
                accounts.sort_unstable();
                let keys: Vec<AccountKey> = accounts.iter().map(|(key, _)| *key).collect();
                cut.walk(&store, &keys, bounds, &mut |place, row| {
                    pile.add(accounts[place].1.as_deref(), row)?;
                    Ok(ControlFlow::Continue(()))
                })?;
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
            let (shared, max) = (&self.shared, ACCOUNTS_MAX);
            let located = with_away(shared, slot, located, organization, max, |_| true).await?;
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
        blocking(move || cut.events(&store, key)).await?.map_err(refuse)
    }
}

/// Events that may be on the page, while accounts are read.
struct Pile {
    filter: Filter,
    kept: Vec<(Option<String>, UsageBuf)>,
    bytes: usize,
    total: usize,
    rows: u64,
}

impl Pile {
    fn new(filter: Filter) -> Self {
        Self { filter, kept: Vec::new(), bytes: 0, total: 0, rows: 0 }
    }

    /// The stretch of time that is read: only chunks that reach into it are.
    fn bounds(&self) -> (Instant, Instant) {
        let Filter { from, to, .. } = self.filter;
        (from.unwrap_or(Instant::MIN), to.unwrap_or(Instant::MAX))
    }

    fn add(&mut self, subscription: Option<&str>, row: &Row<'_>) -> Result<(), ScanError> {
        count(&mut self.rows)?;
        if self.filter.code.as_deref().is_some_and(|code| code != row.code) {
            return Ok(());
        }
        self.total += 1;
        let event = UsageBuf::of(row.code, &usage(row));
        self.bytes += event.weight();
        self.kept.push((subscription.map(str::to_owned), event));
        let full = self.kept.len() >= self.needed().saturating_mul(2).saturating_add(SLACK);
        if full || self.bytes > EVENTS_BYTES_MAX {
            self.trim();
        }
        if self.bytes > EVENTS_BYTES_MAX { Err(ScanError::TooLarge) } else { Ok(()) }
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

pub(super) fn refuse(error: ScanError) -> Refusal {
    match error {
        ScanError::TooLarge => Refusal::LimitExceeded,
        error => Refusal::Internal(error.to_string()),
    }
}
