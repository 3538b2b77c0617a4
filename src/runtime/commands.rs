//! The write path of the catalogue: decides a command, appends its record, and answers once the
//! fold has applied it.
//!
//! One command at a time is under way on an instance, so that each is decided on what the one
//! before has left. Other instances write to the same log: the fold lets only one of two records
//! win that rest on the same versions, and the loser is decided again on what the winner has left.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use uuid::Uuid;

use super::catalog_apply::CatalogWriter;
use super::clock::Stopwatch;
use super::fatal::Fatal;
use super::ignored::Verdict;
use super::shared::Shared;
use super::supervisor::Service;
use crate::config::Settings;
use crate::core::catalog::commands::{Command, Refusal, State};
use crate::core::instant::{Instant, SECOND};
use crate::engine::keys::numbers;

/// How often a command is decided before it is given up: each time another instance has written
/// something that it rests on, in the few milliseconds between its decision and its record.
const ATTEMPTS_MAX: usize = 16;
/// Longest wait until an appended record is applied.
const APPLIED_WAIT: Duration = Duration::from_secs(30);
/// Records are not stamped later than this beyond the clock, whatever producers of events claim: a
/// clock that is far ahead would take the catalogue's log time with it for good.
const AHEAD_MAX: i64 = 300 * SECOND;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request is refused.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// The organisation is gone.
    #[error("the organization is gone")]
    NoOrganization,
    /// Others were faster every time.
    #[error("others changed the same things {ATTEMPTS_MAX} times in a row")]
    Contended,
    /// The record was appended, and it is not known yet whether it has won.
    #[error("the catalogue log is not read on")]
    Unconfirmed,
    /// The log or the store failed.
    #[error("{0}")]
    Log(String),
}

/// Carries out commands.
pub struct Commands {
    shared: Arc<Shared>,
    writer: Arc<CatalogWriter>,
    turn: Mutex<()>,
}

/// A command that has been decided and, if there was anything to change, appended.
struct Appended<R> {
    reply: R,
    /// Next offset after its record; none if nothing changes.
    next: Option<i64>,
}

impl Commands {
    /// Writes to the catalogue log of a running service.
    pub fn of(service: &Service, settings: &Settings) -> Result<Self, Fatal> {
        let writer = match &service.catalog_log {
            Some(log) => CatalogWriter::Embedded(log.clone()),
            None if service.shared.ends.catalogue_stop().is_some() => CatalogWriter::Stopped,
            None => CatalogWriter::kafka(settings)?,
        };
        Ok(Self::new(Arc::clone(&service.shared), writer))
    }

    /// Writes with this writer, which leads to the log that the service reads.
    pub fn new(shared: Arc<Shared>, writer: CatalogWriter) -> Self {
        Self { shared, writer: Arc::new(writer), turn: Mutex::new(()) }
    }

    /// Carries out a command of an organisation. Once this returns, every read sees it.
    ///
    /// A caller that goes away meanwhile undoes nothing: a record that is on its way is applied.
    pub async fn run<C: Command>(
        &self,
        organization: &str,
        command: C,
    ) -> Result<C::Reply, Failure> {
        let command = Arc::new(command);
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let appended = self.decide_and_append(organization, &command).await?;
            let Some(next) = appended.next else { return Ok(appended.reply) };
            self.await_applied(next).await?;
            match self.shared.ignored.verdict(next - 1) {
                Verdict::Applied => return Ok(appended.reply),
                Verdict::Ignored => {}
                Verdict::Forgotten => return Err(Failure::Unconfirmed),
            }
        }
        Err(Failure::Contended)
    }

    /// Reads the store and waits for the log, so this is done on a thread that may block.
    async fn decide_and_append<C: Command>(
        &self,
        organization: &str,
        command: &Arc<C>,
    ) -> Result<Appended<C::Reply>, Failure> {
        let (shared, writer) = (Arc::clone(&self.shared), Arc::clone(&self.writer));
        let (command, organization) = (Arc::clone(command), organization.to_owned());
        let work = move || decide_and_append(&shared, &writer, &organization, &*command);
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(Failure::Log(error.to_string())))
    }

    async fn await_applied(&self, next: i64) -> Result<(), Failure> {
        let wanted = u64::try_from(next).unwrap_or(0);
        let watch = Stopwatch::start();
        loop {
            // Made before the look, so that what happens in between wakes it.
            let moved = self.shared.moved.notified();
            if self.shared.catalogue.version() >= wanted {
                return Ok(());
            }
            let left = APPLIED_WAIT.saturating_sub(watch.elapsed());
            if self.shared.is_stopping() || tokio::time::timeout(left, moved).await.is_err() {
                return Err(Failure::Unconfirmed);
            }
        }
    }
}

fn decide_and_append<C: Command>(
    shared: &Shared,
    writer: &CatalogWriter,
    organization: &str,
    command: &C,
) -> Result<Appended<C::Reply>, Failure> {
    if let Some(stop) = shared.ends.catalogue_stop() {
        return Err(Failure::Log(format!("the catalogue log is not read: {stop}")));
    }
    let rows = &shared.catalogue.rows;
    let failures = rows.failures();
    let book = shared.catalogue.book();
    let tenant = book.tenant(organization).ok_or(Failure::NoOrganization)?;
    let now = shared.clock.now();
    let decided = command.decide(&State::new(tenant, rows, now, Uuid::new_v4()));
    if rows.failures() != failures {
        return Err(Failure::Log("a row of the catalogue cannot be read".to_owned()));
    }
    let decision = decided.map_err(Failure::Refused)?;
    if decision.record.changes.is_empty() {
        return Ok(Appended { reply: decision.reply, next: None });
    }
    let next = writer.append(&[decision.record], stamp(shared, now)?);
    let next = next.map_err(|error| Failure::Log(error.to_string()))?;
    Ok(Appended { reply: decision.reply, next: Some(next) })
}

/// No earlier than anything that is applied already, so that what comes after it in time comes
/// after it in the logs.
fn stamp(shared: &Shared, now: Instant) -> Result<Instant, Failure> {
    let progress = shared.store.catalog_progress();
    let progress = progress.map_err(|error| Failure::Log(error.to_string()))?;
    let latest = now.plus_micros(AHEAD_MAX);
    let events = numbers(shared.slots)
        .flat_map(|slot| shared.board.slot(slot).progress.iter().collect::<Vec<_>>())
        .map(|reached| reached.log_time)
        .filter(|at| *at <= latest);
    Ok(events.fold(now.max(progress.log_time), Instant::max))
}
