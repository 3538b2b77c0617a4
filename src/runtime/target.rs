//! One subscription at one moment of the catalogue, and how its usage is priced.

use std::cell::Cell;

use xxhash_rust::xxh3::Xxh3;

use super::catalogue::Resolved;
use crate::core::aggregate::kept::Span;
use crate::core::aggregate::{self, Records, Stint};
use crate::core::catalog::{BillableMetric, Charge, Tax};
use crate::core::event::{Usage, UsageBuf};
use crate::core::instant::Instant;
use crate::core::period::{Period, Window, around, day_diff};
use crate::core::tax;
use crate::core::usage::{
    Ask, Context, CurrentUsage, Elapsed, Measured, ProjectedUsage, Quantities, Request, Scan,
    ScanLimits, Terms, UsageError, compute, measure, project,
};
use crate::engine::frame::Spell;
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::AccountKey;
use crate::engine::totals::Cells;

/// What is asked of one account at one moment of the catalogue.
pub struct Target {
    /// Subscription, plan and rules.
    pub resolved: Resolved,
    /// Slot of the account.
    pub slot: SlotNumber,
    /// Key of the account.
    pub key: AccountKey,
    /// The running period.
    pub period: Period,
    /// The window that is asked for.
    pub window: Window,
    /// The moment of the question.
    pub now: Instant,
    /// Next offset of the catalogue log.
    pub catalog_version: u64,
}

impl Target {
    /// Whether the window is one for which totals are kept.
    pub fn is_kept(&self) -> bool {
        self.resolved.frame.folds_into(self.window)
    }

    fn metric(&self, id: uuid::Uuid) -> Option<&BillableMetric> {
        self.resolved.tenant.metrics.get(id).map(|metric| &*metric.entity)
    }

    /// Taxes of the first level that has any (specification 7.1).
    pub(super) fn taxes<'a>(&'a self, charge: &'a Charge) -> Vec<&'a Tax> {
        let Resolved { tenant, customer, plan, .. } = &self.resolved;
        let find = |ids: &'a [uuid::Uuid]| -> Vec<&'a Tax> {
            ids.iter().filter_map(|id| tenant.tax(*id)).map(|tax| &*tax.entity).collect()
        };
        let customer = customer.as_ref().map(|customer| find(&customer.taxes));
        let levels = [
            find(&charge.taxes),
            find(&plan.taxes),
            customer.unwrap_or_default(),
            find(&tenant.organization.taxes),
        ];
        tax::applicable(&levels.each_ref().map(Vec::as_slice))
    }

    fn terms<'a>(
        &'a self,
    ) -> Terms<
        'a,
        impl Fn(uuid::Uuid) -> Option<&'a BillableMetric>,
        impl Fn(&'a Charge) -> Vec<&'a Tax>,
    > {
        Terms {
            plan: &self.resolved.plan,
            metrics: |id| self.metric(id),
            taxes: |charge| self.taxes(charge),
            window: self.window,
            issuing_date: self.period.issuing_date,
            context: Context::CurrentUsage,
        }
    }

    /// Prices what a source says was used.
    pub fn compute<'a>(
        &'a self,
        request: &Request,
        source: &dyn Quantities,
    ) -> Result<CurrentUsage<'a>, UsageError> {
        compute(&self.terms(), request, source)
    }

    /// Prices what a source says was used, and what it will come to; `whole` knows the plan's
    /// period.
    pub fn project<'a>(
        &'a self,
        request: &Request,
        source: &dyn Quantities,
        whole: &dyn Quantities,
    ) -> Result<ProjectedUsage<'a>, UsageError> {
        project(&self.terms(), request.apply_taxes, source, whole, self.elapsed())
    }

    /// The share of the plan's period that is over.
    pub fn elapsed(&self) -> Elapsed {
        Elapsed::of(self.period.plan, &self.resolved.frame.terms.zone, self.now)
    }

    /// Has `price` look at what the events themselves say about the window, and about the plan's
    /// period.
    pub fn scanned<R>(
        &self,
        events: &[UsageBuf],
        limits: ScanLimits,
        price: impl FnOnce(&dyn Quantities, &dyn Quantities) -> R,
    ) -> R {
        let usages: Vec<(&str, Usage<'_>)> =
            events.iter().map(|event| (&*event.code, event.usage())).collect();
        let mut by_code: Vec<(&str, Vec<Usage<'_>>)> = Vec::new();
        for (code, usage) in usages {
            match by_code.iter_mut().find(|(known, _)| *known == code) {
                Some((_, list)) => list.push(usage),
                None => by_code.push((code, vec![usage])),
            }
        }
        let zone = &self.resolved.frame.terms.zone;
        let scan = |window: Window, days: i64, current_usage: bool| Scan {
            events: |metric: &BillableMetric| {
                let found = by_code.iter().find(|(code, _)| *code == metric.code);
                Ok(found.map_or(&[][..], |(_, list)| list.as_slice()))
            },
            stints: |charge: &Charge| self.stints(charge),
            frame: aggregate::Frame { from: window.from, to: window.to, days, zone },
            current_usage,
            fewer_days: 0,
            records: Records::Replay,
            limits,
        };
        let whole = around(&self.resolved.frame.terms, self.now);
        let days = day_diff(zone, whole.current_beginning, whole.next_end);
        price(
            &scan(self.window, i64::from(self.period.charges_duration), true),
            &scan(self.period.plan, days, false),
        )
    }

    /// The window as aggregations read it.
    fn aggregated(&self) -> aggregate::Frame<'_> {
        let days = i64::from(self.period.charges_duration);
        self.resolved.frame.aggregated(Spell { window: self.window, days })
    }

    /// The rows of this external id whose plan holds the charge, up to the one that is read.
    fn stints(&self, charge: &Charge) -> Vec<Stint> {
        let charges = &self.resolved.plan.charges;
        let index = charges.iter().position(|own| own.id == charge.id);
        let index = index.and_then(|index| u16::try_from(index).ok());
        let stints = &self.resolved.frame.stints;
        let own = stints.iter().find(|(charge, _)| Some(*charge) == index);
        own.map_or_else(Vec::new, |(_, stints)| stints.clone())
    }

    /// Everything that determines the figures, the same on every store: the subscription's rules
    /// and window, the versions of what is priced with, the account's events, the question, and the
    /// `mark` of its view.
    pub fn tag(&self, request: &Request, state: u128, mark: &str) -> u128 {
        use std::fmt::Write;
        let Resolved { tenant, customer, plan, frame, .. } = &self.resolved;
        let mut text = String::new();
        let versions = |ids: &[uuid::Uuid]| -> Vec<Option<u64>> {
            ids.iter().map(|id| tenant.tax(*id).map(|tax| tax.version)).collect()
        };
        let _ = write!(
            text,
            "{mark}{:x} {:?} {} {:?} {:?} {:?} {state:x} {request:?}",
            frame.digest,
            self.window,
            self.period.issuing_date,
            tenant.plan(plan.id).map(|plan| plan.version),
            customer.as_ref().map(|customer| versions(&customer.taxes)),
            (versions(&plan.taxes), versions(&tenant.organization.taxes)),
        );
        for charge in &plan.charges {
            let metric = tenant.metrics.get(charge.metric).map(|metric| metric.version);
            let _ = write!(text, " {metric:?} {:?}", versions(&charge.taxes));
        }
        let mut hasher = Xxh3::new();
        hasher.update(text.as_bytes());
        hasher.digest128()
    }
}

/// Quantities of the kept totals. `lacks` is set if a bucket needs the events; what was returned
/// for it is then of no use.
pub struct Kept<'a> {
    /// The totals.
    pub cells: &'a Cells,
    /// What is asked.
    pub target: &'a Target,
    /// Whether a bucket needs the events.
    pub lacks: Cell<bool>,
}

impl Quantities for Kept<'_> {
    fn measure(&self, ask: &Ask<'_>) -> Result<Vec<Measured>, UsageError> {
        let frame = &self.target.resolved.frame;
        let measured = ask.buckets.iter().map(|bucket| {
            let charge = u16::try_from(ask.index).ok()?;
            let recipe = frame.shape.recipe(charge, bucket.bucket)?;
            let stretches = frame.stretches(charge, self.target.window);
            let span = Span { frame: self.target.aggregated(), stretches: &stretches };
            let content = self.cells.get(charge, bucket.bucket);
            measure(recipe, &span, ask, bucket, content)
        });
        let measured: Option<Vec<Measured>> = measured.collect();
        measured.ok_or_else(|| {
            self.lacks.set(true);
            UsageError::Unavailable("the totals do not tell".to_owned())
        })
    }
}
