//! Shapes: what decides, event by event, which buckets of a plan an event feeds and with what
//! value.
//!
//! Prices, names and taxes are no part of it, so a price change costs nothing per event.

use std::hash::{Hash, Hasher};

use hashbrown::HashMap;
use uuid::Uuid;

use super::digest::StableHasher;
use crate::core::aggregate::{Fold, numeric};
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter, Plan};
use crate::core::event::Usage;
use crate::core::matching::{Bucket, Buckets, Matcher};
use crate::core::usage::{folded, total_keys};

/// One charge, compiled for the fold.
#[derive(Debug)]
struct Line {
    charge: u16,
    matcher: Matcher,
    /// The buckets of the filters in order, then the default one.
    buckets: Vec<Kept>,
}

/// How one bucket is kept.
#[derive(Debug)]
pub struct Kept {
    /// What is added up; none if the bucket is computed by a scan when asked for.
    pub fold: Option<Fold>,
    /// Keys whose values split the totals; empty for one total.
    pub keys: Vec<String>,
}

/// All charges of one plan, compiled for the fold.
#[derive(Debug)]
pub struct Shape {
    /// Identity of everything that decides how events are folded.
    pub digest: u64,
    lines: HashMap<Box<str>, Vec<Line>>,
}

impl Shape {
    /// Compiles a plan. Charges whose metric is not known (any more) receive nothing.
    pub fn compile<'a>(plan: &Plan, metric: impl Fn(Uuid) -> Option<&'a BillableMetric>) -> Self {
        let mut digest = StableHasher::default();
        let mut lines: HashMap<Box<str>, Vec<Line>> = HashMap::new();
        for (index, charge) in (0_u16..).zip(&plan.charges) {
            let Some(metric) = metric(charge.metric) else { continue };
            let line = Line::compile(index, charge, metric);
            line.describe(charge, metric, &mut digest);
            lines.entry(metric.code.as_str().into()).or_default().push(line);
        }
        Self { digest: digest.finish(), lines }
    }

    /// Whether an event with this code feeds a kept total.
    pub fn folds(&self, code: &str) -> bool {
        let kept = |line: &Line| line.buckets.iter().any(|bucket| bucket.fold.is_some());
        self.lines.get(code).is_some_and(|lines| lines.iter().any(kept))
    }

    /// How a bucket of a charge is kept; none if there is no such charge.
    pub fn kept(&self, charge: u16, bucket: Bucket) -> Option<&Kept> {
        self.lines.values().flatten().find(|line| line.charge == charge)?.kept(bucket)
    }

    /// Calls `visit` with (charge, bucket, its keys, fold) for every kept bucket that an event
    /// feeds.
    /// `buckets` is scratch memory.
    pub fn each(
        &self,
        code: &str,
        usage: &Usage<'_>,
        buckets: &mut Buckets,
        mut visit: impl FnMut(u16, Bucket, &[String], &Fold),
    ) {
        for line in self.lines.get(code).into_iter().flatten() {
            line.matcher.classify(usage.properties, buckets);
            for bucket in buckets.taken() {
                let Some(Kept { fold: Some(fold), keys }) = line.kept(*bucket) else { continue };
                if counts(fold, usage) {
                    visit(line.charge, *bucket, keys, fold);
                }
            }
        }
    }
}

impl Line {
    fn compile(index: u16, charge: &Charge, metric: &BillableMetric) -> Self {
        let kept = |filter: Option<&ChargeFilter>| {
            let model = filter.map_or(&charge.model, |filter| &filter.model);
            Kept { fold: folded::fold(metric, charge, model), keys: total_keys(charge, filter) }
        };
        Self {
            charge: index,
            matcher: Matcher::compile(&charge.filters, &metric.filters),
            buckets: charge.filters.iter().map(Some).chain([None]).map(kept).collect(),
        }
    }

    fn kept(&self, bucket: Bucket) -> Option<&Kept> {
        match bucket {
            Bucket::Filter(index) => self.buckets.get(index),
            Bucket::Default => self.buckets.last(),
        }
    }

    fn describe(&self, charge: &Charge, metric: &BillableMetric, digest: &mut StableHasher) {
        (charge.id, metric.id, &metric.code, metric.aggregation, &metric.field_name).hash(digest);
        (metric.recurring, charge.prorated, charge.pay_in_advance, self.charge).hash(digest);
        metric.filters.hash(digest);
        for bucket in &self.buckets {
            (&bucket.fold, &bucket.keys).hash(digest);
        }
        for filter in &charge.filters {
            (filter.id, &filter.values, filter.created_at).hash(digest);
        }
    }
}

/// Whether an event is visible to a fold: a group exists only if one is.
fn counts(fold: &Fold, usage: &Usage<'_>) -> bool {
    match fold {
        Fold::Count => true,
        Fold::Sum(field) => numeric(usage, field).is_some(),
    }
}
