//! Shapes: what decides, event by event, which buckets of a plan an event feeds and with what
//! value.
//!
//! Prices, names and taxes are no part of it, so a price change costs nothing per event.

use std::hash::{Hash, Hasher};

use hashbrown::HashMap;
use uuid::Uuid;

use super::digest::StableHasher;
use crate::core::aggregate::kept::Recipe;
use crate::core::catalog::{BillableMetric, Charge, ChargeFilter, Plan};
use crate::core::event::Usage;
use crate::core::matching::{Bucket, Buckets, Matcher};
use crate::core::usage::recipe;

/// One charge, compiled for the fold.
#[derive(Debug)]
struct Line {
    charge: u16,
    matcher: Matcher,
    /// How the buckets are kept: those of the filters in order, then the default one.
    recipes: Vec<Recipe>,
}

/// All charges of one plan, compiled for the fold.
#[derive(Debug)]
pub struct Shape {
    /// Identity of everything that decides how events are folded.
    pub digest: u64,
    lines: HashMap<Box<str>, Vec<Line>>,
    looks_back: bool,
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
        let looks_back = lines.values().flatten().any(Line::looks_back);
        Self { digest: digest.finish(), lines, looks_back }
    }

    /// Whether an event with this code feeds a kept total.
    pub fn folds(&self, code: &str) -> bool {
        self.on(code).any(|line| line.recipes.iter().any(is_kept))
    }

    /// Whether the totals of a window depend on events before it.
    pub const fn looks_back(&self) -> bool {
        self.looks_back
    }

    /// Whether those of this code do.
    pub fn looks_back_on(&self, code: &str) -> bool {
        self.looks_back && self.on(code).any(Line::looks_back)
    }

    /// How a bucket of a charge is kept; none if it is not, or there is no such charge.
    pub fn recipe(&self, charge: u16, bucket: Bucket) -> Option<&Recipe> {
        self.lines.values().flatten().find(|line| line.charge == charge)?.kept(bucket)
    }

    /// Calls `visit` with (charge, bucket, its recipe) for every kept bucket that an event belongs
    /// to. `buckets` is scratch memory.
    pub fn each(
        &self,
        code: &str,
        usage: &Usage<'_>,
        buckets: &mut Buckets,
        mut visit: impl FnMut(u16, Bucket, &Recipe),
    ) {
        for line in self.on(code) {
            line.matcher.classify(usage.properties, buckets);
            for bucket in buckets.taken() {
                if let Some(recipe) = line.kept(*bucket) {
                    visit(line.charge, *bucket, recipe);
                }
            }
        }
    }

    fn on(&self, code: &str) -> impl Iterator<Item = &Line> {
        self.lines.get(code).into_iter().flatten()
    }
}

impl Line {
    fn compile(index: u16, charge: &Charge, metric: &BillableMetric) -> Self {
        let kept = |filter: Option<&ChargeFilter>| recipe(metric, charge, filter);
        Self {
            charge: index,
            matcher: Matcher::compile(&charge.filters, &metric.filters),
            recipes: charge.filters.iter().map(Some).chain([None]).map(kept).collect(),
        }
    }

    fn kept(&self, bucket: Bucket) -> Option<&Recipe> {
        let (default, filters) = self.recipes.split_last()?;
        match bucket {
            Bucket::Filter(index) => filters.get(index),
            Bucket::Default => Some(default),
        }
        .filter(|recipe| is_kept(recipe))
    }

    fn looks_back(&self) -> bool {
        self.recipes.iter().any(Recipe::looks_back)
    }

    fn describe(&self, charge: &Charge, metric: &BillableMetric, digest: &mut StableHasher) {
        (charge.id, metric.id, &metric.code, metric.aggregation, &metric.field_name).hash(digest);
        (metric.recurring, charge.prorated, charge.pay_in_advance, self.charge).hash(digest);
        metric.filters.hash(digest);
        self.recipes.hash(digest);
        for filter in &charge.filters {
            (filter.id, &filter.values, filter.created_at).hash(digest);
        }
    }
}

const fn is_kept(recipe: &Recipe) -> bool {
    matches!(recipe, Recipe::Kept(_))
}
