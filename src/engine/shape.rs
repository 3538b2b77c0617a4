//! Shapes: what decides, event by event, which buckets of a plan an event feeds and with what value.
//!
//! Prices, names and taxes are no part of it, so a price change costs nothing per event.

use std::hash::{Hash, Hasher};

use hashbrown::HashMap;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use crate::core::aggregate::{Fold, Incremental};
use crate::core::catalog::{BillableMetric, Charge, Plan};
use crate::core::event::Usage;
use crate::core::matching::{Bucket, Buckets, Matcher, TARGET_WALLET_KEY};

/// One charge, compiled for the fold.
#[derive(Debug)]
struct Line {
    charge: u16,
    /// How totals of it are kept; if not at all, it is computed by a scan when asked for.
    fold: Option<Fold>,
    matcher: Matcher,
    /// Pricing group keys of each filter, then those of the default bucket.
    group_keys: Vec<Vec<String>>,
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
        let mut digest = Digest(Xxh3::new());
        let mut lines: HashMap<Box<str>, Vec<Line>> = HashMap::new();
        for (index, charge) in (0_u16..).zip(&plan.charges) {
            let Some(metric) = metric(charge.metric) else { continue };
            let line = Line::compile(index, charge, metric);
            line.describe(charge, metric, &mut digest);
            lines.entry(metric.code.as_str().into()).or_default().push(line);
        }
        Self { digest: digest.0.digest(), lines }
    }

    /// Whether an event with this code feeds a kept total.
    pub fn folds(&self, code: &str) -> bool {
        self.lines.get(code).is_some_and(|lines| lines.iter().any(|line| line.fold.is_some()))
    }

    /// How a charge is folded; none if it is computed by a scan, or is not there.
    pub fn fold_of(&self, charge: u16) -> Option<&Fold> {
        self.lines.values().flatten().find(|line| line.charge == charge)?.fold.as_ref()
    }

    /// Calls `visit` with (charge, bucket, its group keys, fold) for every kept bucket that an event
    /// feeds. `buckets` is scratch memory.
    pub fn each(
        &self,
        code: &str,
        usage: &Usage<'_>,
        buckets: &mut Buckets,
        mut visit: impl FnMut(u16, Bucket, &[String], &Fold),
    ) {
        for line in self.lines.get(code).into_iter().flatten() {
            let Some(fold) = line.fold.as_ref().filter(|fold| fold.sees(usage)) else { continue };
            line.matcher.classify(usage.properties, buckets);
            for bucket in buckets.taken() {
                visit(line.charge, *bucket, line.keys(*bucket), fold);
            }
        }
    }
}

impl Line {
    fn compile(index: u16, charge: &Charge, metric: &BillableMetric) -> Self {
        let keys = |own: &[String]| {
            let mut keys = own.to_vec();
            if charge.accepts_target_wallet {
                keys.push(TARGET_WALLET_KEY.to_owned());
            }
            keys
        };
        let filters = charge.filters.iter().map(|filter| keys(&filter.pricing_group_keys));
        Self {
            charge: index,
            fold: Incremental::for_charge(metric, charge),
            matcher: Matcher::compile(&charge.filters, &metric.filters),
            group_keys: filters.chain([keys(&charge.pricing_group_keys)]).collect(),
        }
    }

    fn keys(&self, bucket: Bucket) -> &[String] {
        let at = match bucket {
            Bucket::Filter(index) => index,
            Bucket::Default => self.group_keys.len() - 1,
        };
        &self.group_keys[at]
    }

    fn describe(&self, charge: &Charge, metric: &BillableMetric, digest: &mut Digest) {
        (charge.id, metric.id, &metric.code, metric.aggregation, &metric.field_name).hash(digest);
        (metric.recurring, charge.prorated, charge.pay_in_advance, &self.fold).hash(digest);
        (&metric.filters, &self.group_keys, self.charge).hash(digest);
        for filter in &charge.filters {
            (filter.id, &filter.values, filter.created_at).hash(digest);
        }
    }
}

/// An unkeyed hash, the same on every store and in every run: digests enter entity tags.
struct Digest(Xxh3);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.digest()
    }
}
