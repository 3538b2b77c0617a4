//! Events over HTTP: accepted into the log, found again in the ledger.
//!
//! An accepted event is durable in the log and folded before it is answered, so the caller's next
//! read has it. A request reserves its transaction ids, asks the owners of the slots whether they
//! are taken, appends one record for all of its events, and waits until the fold is past it.
//! Requests for one id are thus one after the other, whatever thread or connection they come by.
//!
//! A producer that writes an id to Kafka directly, while a request for the same id is under way, is
//! seen by neither check. Then the copy with the smaller position counts, as always (specification
//! 10.4): the request was answered with 200 and its event may turn out to be the duplicate.

mod away;
pub mod copies;
pub mod draft;
pub mod estimate;
mod ledger;
mod owner;
pub mod record;
pub mod refused;
mod reserve;
pub mod story;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

pub use self::draft::{Draft, Fault, NewEvent, Order};
pub use self::ledger::{Filter, Page};
pub use self::owner::{Ask, answer};

use self::draft::Checker;
use self::reserve::{Reservations, Reserved};
use super::clock::Stopwatch;
use super::publish::{Appended, PublishError, Publisher};
use super::shared::Shared;
use super::worker::Command;
use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::engine::dedup::IdKey;
use crate::engine::keys::SlotNumber;
use crate::log::decode::Decoder;
use crate::store::IdKey as StoreIdKey;
use crate::telemetry::events::{Emit, LimitHit};

/// Most events of one request (specification 9.7).
pub const BATCH_EVENTS_MAX: usize = 100;
/// Events that may be on their way into the log at once. Each holds its text and a reservation; so
/// many full batches are about what one write to disk takes.
pub const EVENTS_IN_FLIGHT_MAX: usize = 16_384;
/// Longest time until a request is answered. The record goes its way even so, and holds its ids
/// until it has arrived.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Longest time that ids are held for a record that is in the log and is not folded: its partition
/// stands still, which is reported elsewhere.
const FOLD_WAIT: Duration = Duration::from_mins(5);
/// How often a wait looks again without being told to.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Names the events in answers: nobody else makes identifiers from this one.
const NAMESPACE: Uuid = Uuid::from_u128(0x0d03_e7e2_91c5_4b7e_8a41_6f0a_5e1d_c0de);

/// An event as it is in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Derived from the place in the log: the same on every instance.
    pub id: Uuid,
    /// When it was received: the time of its record.
    pub created_at: Instant,
    /// The event.
    pub event: NewEvent,
}

/// Events that were accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// In the order of the request.
    pub events: Vec<Recorded>,
    /// Where their record stands: `topic-partition:offset`.
    pub position: String,
}

/// Why nothing was accepted, or nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What is wrong, by index in the request.
    #[error("events are refused")]
    Invalid(Vec<(usize, Fault)>),
    /// Too many events are under way.
    #[error("too many events are under way")]
    Overloaded,
    /// The slots are behind, or the record is not folded in time.
    #[error("not ready")]
    NotReady,
    /// The record would be longer than the log takes.
    #[error("the request is too large")]
    TooLarge,
    /// Events are not taken over HTTP here.
    #[error("no topic for accepted events is configured")]
    Off,
    /// What the event is about is not there: the resource.
    #[error("{0}_not_found")]
    NotFound(&'static str),
    /// More events than one read may hold.
    #[error("the read holds too much")]
    LimitExceeded,
    /// Something that is ours to mend.
    #[error("{0}")]
    Internal(String),
}

/// Accepts and finds events.
pub struct Events {
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
    reservations: Arc<Reservations>,
    in_flight: Arc<Semaphore>,
    reads: Semaphore,
}

/// The ids of a request, by index: events without a subscription id have none.
type Ids = Vec<(SlotNumber, Option<IdKey>)>;

impl Events {
    /// Over a running service.
    pub fn new(shared: Arc<Shared>, publisher: Arc<Publisher>) -> Self {
        Self {
            shared,
            publisher,
            reservations: Arc::default(),
            in_flight: Arc::new(Semaphore::new(EVENTS_IN_FLIGHT_MAX)),
            reads: Semaphore::new(ledger::READS_MAX),
        }
    }

    /// Accepts the events of one request, all or none (specification 9.7). `batch` says which of
    /// the two requests it is, for the order of checks and the form of the record.
    ///
    /// # Errors
    ///
    /// See [`Refusal`]. Nothing is stored then, save after [`Refusal::NotReady`], when the log may
    /// have the record yet: the request can be repeated, for its ids are told from new ones.
    pub async fn create(
        &self,
        organization: &str,
        drafts: &[Draft],
        batch: bool,
    ) -> Result<Accepted, Refusal> {
        if self.publisher.topic().is_none() {
            return Err(Refusal::Off);
        }
        let now = self.shared.clock.now();
        let order = if batch { Order::PresenceFirst } else { Order::ExpressionFirst };
        let events = self.check(organization, drafts, now, order)?;
        let record = record::of_events(organization, &events, batch, now).into_bytes();
        if record.len() > self.publisher.limits.record_bytes_max {
            return Err(Refusal::TooLarge);
        }
        let permit = self.permit(events.len())?;
        let request = Request {
            shared: Arc::clone(&self.shared),
            publisher: Arc::clone(&self.publisher),
            reservations: Arc::clone(&self.reservations),
            organization: organization.to_owned(),
            ids: self.ids(organization, &events),
            events,
            _permit: permit,
        };
        // A task of its own: a caller who hangs up must not set free the ids of a record that is
        // on its way.
        let task = tokio::spawn(request.run(record));
        match tokio::time::timeout(ANSWER_WAIT, task).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(Refusal::Internal(error.to_string())),
            Err(_) => Err(Refusal::NotReady),
        }
    }

    /// The events, if nothing is wrong with any.
    fn check(
        &self,
        organization: &str,
        drafts: &[Draft],
        now: Instant,
        order: Order,
    ) -> Result<Vec<NewEvent>, Refusal> {
        let book = self.shared.catalogue.book();
        let tenant = book.tenant(organization).ok_or(Refusal::NotReady)?;
        let limits = self.publisher.limits;
        let checker = Checker { organization, tenant, now, limits, order };
        let mut decoder = Decoder::new();
        let mut events = Vec::with_capacity(drafts.len());
        let mut faults = Vec::new();
        for (at, draft) in drafts.iter().enumerate() {
            match checker.check(&mut decoder, draft) {
                Ok(event) => events.push(event),
                Err(fault) => faults.push((at, fault)),
            }
        }
        if faults.is_empty() { Ok(events) } else { Err(Refusal::Invalid(faults)) }
    }

    fn permit(&self, events: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let places = u32::try_from(events.max(1)).unwrap_or(u32::MAX);
        Arc::clone(&self.in_flight).try_acquire_many_owned(places).map_err(|_| {
            LimitHit { limit: "EVENTS_IN_FLIGHT_MAX" }.emit(&self.shared.metrics);
            Refusal::Overloaded
        })
    }

    fn ids(&self, organization: &str, events: &[NewEvent]) -> Ids {
        let ids = events.iter().map(|event| {
            let subscription = event.subscription.as_deref();
            let (slot, account) = self.shared.account(organization, subscription);
            let id = subscription
                .map(|_| self.shared.hasher.id(account, organization, &event.transaction));
            (slot, id)
        });
        ids.collect()
    }
}

/// One request on its way.
struct Request {
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
    reservations: Arc<Reservations>,
    organization: String,
    ids: Ids,
    events: Vec<NewEvent>,
    _permit: OwnedSemaphorePermit,
}

impl Request {
    async fn run(self, record: Vec<u8>) -> Result<Accepted, Refusal> {
        let watch = Stopwatch::start();
        self.await_slots(&watch).await?;
        // Held to the end: whoever wants one of these ids next sees it applied.
        let _reserved = self.reserve(&watch).await?;
        let taken = self.taken().await?;
        if !taken.is_empty() {
            let faults = taken.into_iter().map(|at| (at, Fault::taken()));
            return Err(Refusal::Invalid(faults.collect()));
        }
        let key = self.key();
        let appended = self.publisher.publish(record, &key).await.map_err(|error| match error {
            PublishError::Busy => {
                LimitHit { limit: "RECORDS_WAITING_MAX" }.emit(&self.shared.metrics);
                Refusal::Overloaded
            }
            PublishError::TooLarge => Refusal::TooLarge,
            PublishError::Unacknowledged(reason) => {
                tracing::error!(%reason, "accepted events did not reach the log");
                Refusal::NotReady
            }
        })?;
        self.await_fold(&appended).await?;
        Ok(self.accepted(&appended))
    }

    fn slots(&self) -> BTreeSet<SlotNumber> {
        self.ids.iter().map(|(slot, _)| *slot).collect()
    }

    /// Waits until the slots have applied all of our own log that was there at start: before, an id
    /// that is in the log would be taken for a new one.
    async fn await_slots(&self, watch: &Stopwatch) -> Result<(), Refusal> {
        let topic = self.publisher.topic().unwrap_or_default();
        let ready = |slot: SlotNumber| {
            let view = self.shared.board.slot(slot);
            let own = |source| self.shared.sources.is_of(source, topic);
            view.ready && self.shared.ends.applied_start(&view.progress, own)
        };
        for slot in self.slots() {
            loop {
                let moved = self.shared.moved.notified();
                if ready(slot) {
                    break;
                }
                self.shared.ask_for(slot);
                self.wait(moved, watch, ANSWER_WAIT).await?;
            }
        }
        Ok(())
    }

    async fn wait(
        &self,
        moved: impl Future<Output = ()>,
        watch: &Stopwatch,
        longest: Duration,
    ) -> Result<(), Refusal> {
        let _ = tokio::time::timeout(LOOK_AGAIN, moved).await;
        if watch.elapsed() > longest || self.shared.is_stopping() {
            return Err(Refusal::NotReady);
        }
        Ok(())
    }

    /// Reserves all ids. What another request has reserved is waited for: whether it is taken is
    /// not known before that request is through.
    async fn reserve(&self, watch: &Stopwatch) -> Result<Reserved, Refusal> {
        let ids: HashSet<u128> =
            self.ids.iter().filter_map(|(_, id)| id.map(|id| id.identity)).collect();
        loop {
            let freed = self.reservations.freed();
            if let Some(reserved) = self.reservations.try_all(ids.iter().copied().collect()) {
                return Ok(reserved);
            }
            self.wait(freed, watch, ANSWER_WAIT).await?;
        }
    }

    /// The events whose ids are taken: stored already, or used before in the request, there under
    /// whatever subscription id.
    async fn taken(&self) -> Result<BTreeSet<usize>, Refusal> {
        let mut taken = BTreeSet::new();
        let mut used = HashSet::new();
        for (at, event) in self.events.iter().enumerate() {
            if !used.insert(event.transaction.as_str()) {
                taken.insert(at);
            }
        }
        let mut by_slot: BTreeMap<SlotNumber, Vec<(usize, IdKey)>> = BTreeMap::new();
        for (at, (slot, id)) in self.ids.iter().enumerate() {
            if let Some(id) = id {
                by_slot.entry(*slot).or_default().push((at, *id));
            }
        }
        let mut doubtful = Vec::new();
        for (slot, ids) in by_slot {
            let keys = ids.iter().map(|(_, id)| *id).collect();
            let known = ask(&self.shared, slot, |reply| Ask::Known(keys, reply)).await?;
            for ((at, id), known) in ids.into_iter().zip(known) {
                match known {
                    Some(true) => drop(taken.insert(at)),
                    Some(false) => {}
                    None => doubtful.push((
                        at,
                        StoreIdKey { slot, transaction: id.transaction, id: id.identity },
                    )),
                }
            }
        }
        if !doubtful.is_empty() {
            taken.extend(self.stored(doubtful).await?);
        }
        Ok(taken)
    }

    /// Those of these ids that the store's index has. Asked after memory, which forgets only what
    /// the index has.
    async fn stored(&self, ids: Vec<(usize, StoreIdKey)>) -> Result<Vec<usize>, Refusal> {
        let store = Arc::clone(&self.shared.store);
        let look = move || {
            let keys: Vec<StoreIdKey> = ids.iter().map(|(_, key)| *key).collect();
            let found = store.lookup_ids(&keys)?;
            let taken = ids.iter().zip(found).filter_map(|((at, _), found)| found.map(|_| *at));
            Ok::<_, crate::store::StoreError>(taken.collect())
        };
        let found = tokio::task::spawn_blocking(look).await;
        let found = found.map_err(|error| Refusal::Internal(error.to_string()))?;
        found.map_err(|error| Refusal::Internal(error.to_string()))
    }

    /// The key of the record, as Lago's own producer makes it (4.8). A batch goes by its first
    /// event.
    fn key(&self) -> String {
        let first = self.events.first().and_then(|event| event.subscription.as_deref());
        format!("{}-{}", self.organization, first.unwrap_or_default())
    }

    async fn await_fold(&self, appended: &Appended) -> Result<(), Refusal> {
        let watch = Stopwatch::start();
        for slot in self.slots() {
            loop {
                let moved = self.shared.moved.notified();
                let progress = Arc::clone(&self.shared.board.slot(slot).progress);
                if progress.next(appended.source) > appended.offset {
                    break;
                }
                self.wait(moved, &watch, FOLD_WAIT).await?;
            }
        }
        Ok(())
    }

    fn accepted(self, appended: &Appended) -> Accepted {
        let place = self.shared.sources.name(appended.source);
        let position = |index| Position {
            log_time: appended.stamp,
            source: appended.source,
            offset: appended.offset,
            index,
        };
        let events = (0..).zip(self.events).map(|(index, event)| Recorded {
            id: id_of(&self.organization, &place, &position(index)),
            created_at: appended.stamp,
            event,
        });
        Accepted { events: events.collect(), position: format!("{place}:{}", appended.offset) }
    }
}

/// The identifier of the event at a position of a partition with this name.
fn id_of(organization: &str, place: &str, position: &Position) -> Uuid {
    let name = format!("{organization}\0{place}\0{}\0{}", position.offset, position.index);
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// Asks the owner of a slot.
async fn ask<R>(
    shared: &Shared,
    slot: SlotNumber,
    question: impl FnOnce(oneshot::Sender<R>) -> Ask,
) -> Result<R, Refusal> {
    let (reply, answer) = oneshot::channel();
    let command = Command::Events(slot, question(reply));
    shared.owner(slot).try_send(command).map_err(|_| Refusal::Overloaded)?;
    answer.await.map_err(|_| Refusal::NotReady)
}

/// Runs something that waits for the disk.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::Internal(error.to_string()))
}
