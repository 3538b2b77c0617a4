//! One window with all that prices it: a closed one under the catalogue as it stood when it closed,
//! the running one under that of today (specification 8.1 and 8.3).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use uuid::Uuid;

use super::catalogue::Resolved;
use super::past_catalogue::AsOf;
use super::past_windows::RowWindow;
use super::rows::Rows;
use super::scan::settle;
use crate::core::aggregate::{self, Records, Stint};
use crate::core::catalog::book::Tenant;
use crate::core::catalog::ingestion::Ingestion;
use crate::core::catalog::version::SubscriptionRows;
use crate::core::catalog::{Aggregation, BillableMetric, Charge, Plan, Tax};
use crate::core::event::{Usage, UsageBuf};
use crate::core::period::{self, Date, Window, Zone};
use crate::core::tax;
use crate::core::usage::{
    ByTime, Context, CurrentUsage, Request, Scan, ScanLimits, Terms, UsageError, compute, past,
};
use crate::engine::digest::StableHasher;

/// A window with what prices it.
pub struct Period {
    /// The subscription row.
    pub subscription: Uuid,
    /// The window.
    pub window: Window,
    days: i64,
    fewer_days: i64,
    zone: Zone,
    issuing_date: Date,
    context: Context,
    plan: Arc<Plan>,
    metrics: HashMap<Uuid, Arc<BillableMetric>>,
    taxes: BTreeMap<Uuid, Arc<Tax>>,
    customer_taxes: Vec<Uuid>,
    organization_taxes: Vec<Uuid>,
    stints: Vec<(Uuid, Vec<Stint>)>,
    ingestion: Option<Arc<Ingestion>>,
    /// All of this and the versions it is taken from, as text.
    mark: String,
}

impl Period {
    /// A closed window. None if its plan was not there.
    pub fn closed(
        as_of: &mut AsOf<'_>,
        rows: &Rows,
        tenant: &Tenant,
        of_id: &SubscriptionRows,
        window: &RowWindow,
    ) -> Result<Option<Self>, String> {
        let RowWindow { row, closed, fewer_days, .. } = window;
        let at = closed.closes_at;
        let Some(plan) = as_of.plan(window.plan, at)? else { return Ok(None) };
        let mut mark = String::new();
        let after = closed.window.to.plus_micros(1);
        let mut period = Self {
            subscription: row.id,
            window: closed.window,
            days: i64::from(closed.charges_duration),
            fewer_days: *fewer_days,
            zone: closed.zone.clone(),
            issuing_date: closed.zone.date(after),
            context: Context::Past,
            plan: Arc::clone(&plan.entity),
            metrics: HashMap::new(),
            taxes: BTreeMap::new(),
            customer_taxes: Vec::new(),
            organization_taxes: Vec::new(),
            stints: Vec::new(),
            ingestion: None,
            mark: String::new(),
        };
        let _ = write!(mark, "{} {}", plan.id, plan.version);
        for charge in &plan.charges {
            let metric = as_of.metric(charge.metric, at)?;
            let _ = write!(mark, " {:?}", metric.as_ref().map(|metric| metric.version));
            period.metrics.extend(metric.map(|metric| (charge.metric, metric.entity)));
        }
        if let Some(customer) = as_of.customer(&row.customer, at)? {
            period.customer_taxes.clone_from(&customer.taxes);
        }
        if let Some(organization) = as_of.organization(at)? {
            period.organization_taxes.clone_from(&organization.taxes);
        }
        for id in period.tax_ids() {
            let tax = as_of.tax(id, at)?;
            let _ = write!(mark, " {id} {:?}", tax.as_ref().map(|tax| tax.version));
            period.taxes.extend(tax.map(|tax| (id, tax.entity)));
        }
        period.stints = period.stints_as_of(as_of, rows, tenant, of_id, window)?;
        let organization = &tenant.organization.external_id;
        let codes = period.metrics.values().map(|metric| metric.code.as_str());
        period.ingestion = Ingestion::of(&tenant.past, codes, |void| {
            // A deletion after the close leaves the window alone.
            void.upto <= at
                && rows
                    .subscriptions_before(organization, &row.external_id, void.version)
                    .iter()
                    .any(|row| void.plans.binary_search(&row.plan).is_ok())
        });
        let _ = write!(mark, " {:?}", (&period.customer_taxes, &period.organization_taxes));
        period.mark = mark;
        Ok(Some(period))
    }

    /// The running window of an active subscription, taxes aside.
    pub fn running(resolved: &Resolved, running: &period::Period) -> Self {
        let Resolved { tenant, plan, frame, .. } = resolved;
        let metrics = plan.charges.iter().filter_map(|charge| {
            Some((charge.metric, Arc::clone(&tenant.metrics.get(charge.metric)?.entity)))
        });
        let stints = frame.stints.iter().filter_map(|(charge, stints)| {
            Some((plan.charges.get(usize::from(*charge))?.id, stints.clone()))
        });
        Self {
            subscription: resolved.subscription.id,
            window: running.charges,
            days: i64::from(running.charges_duration),
            fewer_days: 0,
            zone: frame.terms.zone.clone(),
            issuing_date: running.issuing_date,
            context: Context::CurrentUsage,
            plan: Arc::clone(plan),
            metrics: metrics.collect(),
            taxes: BTreeMap::new(),
            customer_taxes: Vec::new(),
            organization_taxes: Vec::new(),
            stints: stints.collect(),
            ingestion: frame.ingestion.clone(),
            mark: String::new(),
        }
    }

    /// Codes of the metrics that are charged, and whether these look back over all history.
    pub fn codes(&self) -> impl Iterator<Item = (&str, bool)> {
        self.metrics.values().map(|metric| (metric.code.as_str(), metric.recurring))
    }

    /// Whether the window is still running.
    pub fn is_running(&self) -> bool {
        self.context == Context::CurrentUsage
    }

    /// Puts everything that determines the figures, the events aside, into a digest that is the
    /// same on every store.
    pub fn hash(&self, digest: &mut StableHasher) {
        (self.subscription, self.window, self.days, self.fewer_days).hash(digest);
        (self.zone.name(), Zone::database_version()).hash(digest);
        digest.write(self.mark.as_bytes());
        (&self.stints, &self.ingestion).hash(digest);
    }

    /// Prices events, which are sorted and hold all that the window may need.
    pub fn usage(
        &self,
        events: &[UsageBuf],
        metric: Option<Uuid>,
        limits: ScanLimits,
    ) -> Result<CurrentUsage<'_>, UsageError> {
        let settled = match &self.ingestion {
            None => Cow::Borrowed(events),
            Some(ingestion) => {
                let mut events = events.to_vec();
                events.retain_mut(|event| settle(ingestion, event));
                Cow::Owned(events)
            }
        };
        let mut by_code: HashMap<&str, Vec<Usage<'_>>> = HashMap::new();
        for event in settled.iter() {
            by_code.entry(&*event.code).or_default().push(event.usage());
        }
        let Window { from, to } = self.window;
        let scan = |current_usage: bool| Scan {
            events: |metric: &BillableMetric| {
                Ok(by_code.get(metric.code.as_str()).map_or(&[][..], Vec::as_slice))
            },
            stints: |charge: &Charge| {
                let own = self.stints.iter().find(|(id, _)| *id == charge.id);
                own.map_or_else(Vec::new, |(_, stints)| stints.clone())
            },
            frame: aggregate::Frame { from, to, days: self.days, zone: &self.zone },
            current_usage,
            fewer_days: self.fewer_days,
            records: Records::Replay,
            limits,
        };
        let terms = Terms {
            plan: &self.plan,
            metrics: |id| self.metrics.get(&id).map(|metric| &**metric),
            taxes: |charge| self.taxes_of(charge),
            window: self.window,
            issuing_date: self.issuing_date,
            context: self.context,
        };
        if self.is_running() {
            let request = Request { apply_taxes: false, ..Request::default() };
            return compute(&terms, &request, &scan(true));
        }
        past(&terms, metric, &ByTime { in_advance: &scan(true), in_arrears: &scan(false) })
    }

    /// Taxes of the first level that has any (7.1).
    fn taxes_of<'a>(&'a self, charge: &'a Charge) -> Vec<&'a Tax> {
        let find = |ids: &[Uuid]| -> Vec<&'a Tax> {
            ids.iter().filter_map(|id| self.taxes.get(id)).map(|tax| &**tax).collect()
        };
        let levels =
            [&charge.taxes, &self.plan.taxes, &self.customer_taxes, &self.organization_taxes]
                .map(|ids| find(ids));
        tax::applicable(&levels.each_ref().map(Vec::as_slice))
    }

    fn tax_ids(&self) -> Vec<Uuid> {
        let of_charges = self.plan.charges.iter().flat_map(|charge| &charge.taxes);
        let others = [&self.plan.taxes, &self.customer_taxes, &self.organization_taxes];
        let mut ids: Vec<Uuid> = of_charges.chain(others.into_iter().flatten()).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// For every charge with a carry of its own: the rows of the external id whose plan held it
    /// when the window closed, oldest first, up to the one that is read (5.9).
    fn stints_as_of(
        &self,
        as_of: &mut AsOf<'_>,
        rows: &Rows,
        tenant: &Tenant,
        of_id: &SubscriptionRows,
        window: &RowWindow,
    ) -> Result<Vec<(Uuid, Vec<Stint>)>, String> {
        let carries = |charge: &&Charge| {
            self.metrics.get(&charge.metric).is_some_and(|metric| {
                metric.recurring && metric.aggregation == Aggregation::WeightedSum
            })
        };
        let mut found: Vec<(Uuid, Vec<Stint>)> =
            self.plan.charges.iter().filter(carries).map(|own| (own.id, Vec::new())).collect();
        if found.is_empty() {
            return Ok(found);
        }
        let own = &window.row;
        let on = rows.row_plans(&tenant.organization.external_id, &own.external_id)?;
        let mut sorted: Vec<_> = of_id.iter().collect();
        sorted.sort_by_key(|row| row.started_at);
        let at = window.closed.closes_at;
        for row in sorted {
            let Some(started_at) = row.started_at.filter(|at| Some(*at) <= own.started_at) else {
                continue;
            };
            let plans = on.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            let Some((_, plan)) = plans.iter().rfind(|(since, _)| *since <= at) else { continue };
            let Some(plan) = as_of.plan(*plan, at)? else { continue };
            let stint = Stint {
                started_at,
                ended_at: row.ends_at().filter(|_| row.id != own.id),
                has_previous: row.previous.is_some(),
            };
            for (charge, stints) in &mut found {
                if plan.charges.iter().any(|own| own.id == *charge) {
                    stints.push(stint);
                }
            }
        }
        Ok(found)
    }
}
