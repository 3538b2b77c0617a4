//! One subscription at one moment of the catalogue, and how its usage is priced.

use std::cell::Cell;

use xxhash_rust::xxh3::Xxh3;

use super::catalogue::Resolved;
use super::scan::StoredEvent;
use super::shared::Shared;
use crate::core::aggregate::{Frame as AggregateFrame, Stint, Totals};
use crate::core::catalog::directory::Directory;
use crate::core::catalog::{BillableMetric, Charge, Tax};
use crate::core::event::Usage;
use crate::core::matching::{Bucket, Group};
use crate::core::period::{Period, Window};
use crate::core::tax;
use crate::core::usage::{
    Ask, Context, CurrentUsage, Measured, Quantities, Request, Scan, Terms, UsageError, compute,
    folded,
};
use crate::engine::frame::Frame;
use crate::engine::keys::SlotNumber;
use crate::engine::ledger::AccountKey;
use crate::engine::totals::{Cells, Content};

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

    /// Prices what a source says was used.
    pub fn compute<'a>(
        &'a self,
        request: &Request,
        source: &impl Quantities,
    ) -> Result<CurrentUsage<'a>, UsageError> {
        let terms = Terms {
            plan: &self.resolved.plan,
            metrics: |id| self.metric(id),
            taxes: |charge| self.taxes(charge),
            window: self.window,
            issuing_date: self.period.issuing_date,
            context: Context::CurrentUsage,
        };
        compute(&terms, request, source)
    }

    /// Prices what the events themselves say.
    pub fn compute_scanned<'a>(
        &'a self,
        request: &Request,
        events: &[StoredEvent],
        shared: &Shared,
    ) -> Result<CurrentUsage<'a>, UsageError> {
        let usages: Vec<(&str, Usage<'_>)> =
            events.iter().map(|event| (&*event.code, event.usage())).collect();
        let mut by_code: Vec<(&str, Vec<Usage<'_>>)> = Vec::new();
        for (code, usage) in usages {
            match by_code.iter_mut().find(|(known, _)| *known == code) {
                Some((_, list)) => list.push(usage),
                None => by_code.push((code, vec![usage])),
            }
        }
        let frame = AggregateFrame {
            from: self.window.from,
            to: self.window.to,
            days: i64::from(self.period.charges_duration),
            zone: &self.resolved.frame.terms.zone,
        };
        let scan = Scan {
            events: |metric: &BillableMetric| {
                let found = by_code.iter().find(|(code, _)| *code == metric.code);
                Ok(found.map_or(&[][..], |(_, list)| list.as_slice()))
            },
            stints: |charge: &Charge| self.stints(charge, shared),
            frame,
            current_usage: true,
            fewer_days: 0,
            limits: shared.scan_limits,
        };
        self.compute(request, &scan)
    }

    /// The rows with this external id whose plan holds the charge, up to the one that is read.
    fn stints(&self, charge: &Charge, shared: &Shared) -> Vec<Stint> {
        let Resolved { tenant, subscription, .. } = &self.resolved;
        let organization = &tenant.organization.external_id;
        let rows = shared.catalogue.rows.subscriptions(organization, &subscription.external_id);
        let holds = |plan| {
            tenant.plan(plan).is_some_and(|plan| plan.charges.iter().any(|c| c.id == charge.id))
        };
        let mut stints: Vec<Stint> = rows
            .iter()
            .filter(|row| holds(row.plan))
            .filter_map(|row| {
                let started_at = row.started_at?;
                (started_at <= subscription.started_at?).then_some(Stint {
                    started_at,
                    ended_at: row.terminated_at.filter(|_| row.id != subscription.id),
                    has_previous: row.previous.is_some(),
                })
            })
            .collect();
        stints.sort_by_key(|stint| stint.started_at);
        stints
    }

    /// Everything that determines the figures, the same on every store: the subscription's rules
    /// and window, the versions of what is priced with, the account's events, and the question.
    pub fn tag(&self, request: &Request, state: u128) -> u128 {
        use std::fmt::Write;
        let Resolved { tenant, customer, plan, frame, .. } = &self.resolved;
        let mut text = String::new();
        let versions = |ids: &[uuid::Uuid]| -> Vec<Option<u64>> {
            ids.iter().map(|id| tenant.tax(*id).map(|tax| tax.version)).collect()
        };
        let _ = write!(
            text,
            "{:x} {:?} {} {:?} {:?} {:?} {state:x} {request:?}",
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
    /// The rules they were folded under.
    pub frame: &'a Frame,
    /// Whether a bucket needs the events.
    pub lacks: Cell<bool>,
}

impl Quantities for Kept<'_> {
    fn measure(&self, ask: &Ask<'_>) -> Result<Vec<Measured>, UsageError> {
        let measured = ask.buckets.iter().map(|bucket| {
            let charge = u16::try_from(ask.index).ok()?;
            let kept = self.frame.shape.kept(charge, bucket.bucket)?;
            let fold = kept.fold.as_ref()?;
            self.totals(charge, bucket.bucket, |totals| {
                folded::measure(ask, bucket, fold, &kept.keys, totals.iter().copied())
            })
        });
        let measured: Option<Vec<Measured>> = measured.collect();
        measured.ok_or_else(|| {
            self.lacks.set(true);
            UsageError::Unavailable("the totals do not tell".to_owned())
        })
    }
}

impl Kept<'_> {
    fn totals<R>(
        &self,
        charge: u16,
        bucket: Bucket,
        read: impl FnOnce(&[(&Group, &Totals)]) -> Option<R>,
    ) -> Option<R> {
        match self.cells.get(charge, bucket) {
            None => read(&[]),
            Some(Content::Whole(totals)) => read(&[(&Group::default(), totals)]),
            Some(Content::Groups(groups)) => read(&groups.iter().collect::<Vec<_>>()),
            Some(Content::TooManyGroups) => None,
        }
    }
}
