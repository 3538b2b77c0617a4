//! Where an event went: its copies from the ledger and from the refused records, each told by the
//! rules of the core.

use std::sync::Arc;

use super::copies::StoredCopy;
use super::refused::{RefusedCopies, refused_copies};
use super::{Events, Refusal, blocking};
use crate::core::catalog::book::Tenant;
use crate::core::catalog::directory::Directory;
use crate::core::catalog::ingestion::Ingestion;
use crate::core::catalog::serving;
use crate::core::event::UsageBuf;
use crate::core::instant::Instant;
use crate::core::position::Position;
use crate::core::usage::explain::{Case, Standing, Story};
use crate::runtime::catalogue::Resolved;

/// The stories of all copies of a transaction id.
pub struct Told<'a> {
    /// The transaction id.
    pub transaction: &'a str,
    /// The external subscription id that was asked for; none for all.
    pub subscription: Option<&'a str>,
    /// The moment of the question.
    pub now: Instant,
    /// Copies that were kept, the first one first.
    pub copies: Vec<ToldCopy<'a>>,
    /// Whether more were kept than are told.
    pub more: bool,
    /// Copies that were refused, and where they were looked for.
    pub refused: &'a RefusedCopies,
}

/// The story of a copy that was kept.
pub struct ToldCopy<'a> {
    /// External subscription id; none if it carries none.
    pub subscription: Option<&'a str>,
    /// The event as it was kept.
    pub event: &'a UsageBuf,
    /// Where its record stands.
    pub place: String,
    /// Where copies stand that are known to have lost against it.
    pub duplicates: Vec<(String, Position)>,
    /// Where it went; none for an event without a subscription id, which never counts.
    pub story: Option<Story<'a>>,
}

/// What was found of a transaction id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its printed stories.
    Told(String),
    /// Neither the ledger nor the refused records that were looked at have it.
    Nothing {
        /// Refused records looked at, the newest ones.
        looked_at: u64,
        /// Refused records kept in all.
        kept: u64,
    },
}

/// Prints [`Told`]; handed in because stories borrow from the catalogue.
pub type PrintStory = fn(&Told<'_>) -> String;

/// The catalogue around one copy.
struct Context {
    rows: Vec<(Resolved, bool)>,
    ingestion: Option<Arc<Ingestion>>,
}

impl Events {
    /// Tells where the events with a transaction id went, of one external subscription id or of
    /// all.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub async fn story(
        &self,
        organization: &str,
        transaction: &str,
        subscription: Option<&str>,
        print: PrintStory,
    ) -> Result<Found, Refusal> {
        let permit = self.reads.acquire().await.map_err(|_| Refusal::NotReady)?;
        let stored = self.copies(organization, transaction, subscription).await?;
        let refused = self.refused(organization, transaction, subscription).await?;
        drop(permit);
        if stored.copies.is_empty() && refused.records.is_empty() {
            let RefusedCopies { looked_at, kept, .. } = refused;
            return Ok(Found::Nothing { looked_at, kept });
        }
        let now = self.shared.clock.now();
        let book = self.shared.catalogue.book();
        let tenant = book.tenant(organization).ok_or(Refusal::NotReady)?;
        let failures = self.shared.catalogue.rows.failures();
        let contexts: Vec<Context> =
            stored.copies.iter().map(|copy| self.context(tenant, copy, now)).collect();
        if self.shared.catalogue.rows.failures() != failures {
            // An absence in between may be a failure to read.
            return Err(Refusal::Internal("the catalogue cannot be read".to_owned()));
        }
        let copies = stored.copies.iter().zip(&contexts);
        let copies = copies.map(|(copy, context)| self.told(tenant, copy, context, now)).collect();
        let more = stored.more;
        let refused = &refused;
        Ok(Found::Told(print(&Told { transaction, subscription, now, copies, more, refused })))
    }

    async fn refused(
        &self,
        organization: &str,
        transaction: &str,
        subscription: Option<&str>,
    ) -> Result<RefusedCopies, Refusal> {
        let store = Arc::clone(&self.shared.store);
        let (organization, transaction) = (organization.to_owned(), transaction.to_owned());
        let subscription = subscription.map(str::to_owned);
        let found = blocking(move || {
            refused_copies(&store, &organization, &transaction, subscription.as_deref())
        });
        found.await?.map_err(|error| Refusal::Internal(error.to_string()))
    }

    fn context(&self, tenant: &Arc<Tenant>, copy: &StoredCopy, now: Instant) -> Context {
        let catalogue = &self.shared.catalogue;
        let Some(id) = copy.subscription.as_deref() else {
            return Context { rows: Vec::new(), ingestion: None };
        };
        let rows = catalogue.rows.subscriptions(&tenant.organization.external_id, id);
        let serving = serving(&rows, now).map(|row| row.id);
        let resolved = rows
            .iter()
            .filter_map(|row| Some((catalogue.resolve_row(tenant, row)?, Some(row.id) == serving)));
        let codes = [&*copy.event.code];
        Context { rows: resolved.collect(), ingestion: catalogue.ingestion(tenant, id, codes) }
    }

    fn told<'a>(
        &self,
        tenant: &'a Tenant,
        copy: &'a StoredCopy,
        context: &'a Context,
        now: Instant,
    ) -> ToldCopy<'a> {
        let standings: Vec<Standing<'a>> = context
            .rows
            .iter()
            .map(|(resolved, serves)| Standing {
                subscription: &resolved.subscription,
                plan: &resolved.plan,
                terms: &resolved.frame.terms,
                stints: &resolved.frame.stints,
                serves: *serves,
            })
            .collect();
        let case = Case {
            event: &copy.event,
            standings: &standings,
            metric: tenant.metric(&copy.event.code).map(|metric| &*metric.entity),
            ingestion: context.ingestion.as_deref(),
            now,
        };
        let name = |position: Position| self.shared.sources.name(position.source);
        ToldCopy {
            subscription: copy.subscription.as_deref(),
            event: &copy.event,
            place: name(copy.event.position),
            duplicates: copy.duplicates.iter().map(|lost| (name(*lost), *lost)).collect(),
            story: copy.subscription.is_some().then(|| case.story()),
        }
    }
}
