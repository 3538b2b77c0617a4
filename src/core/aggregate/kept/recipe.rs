//! How a bucket is kept.
//!
//! Prorated unique counts under graduated prices keep each operation that changes whether a value is
//! present, in order: their rows (specification 5.10) fill the tiers (6.8) in order of (timestamp,
//! value), each one unit more or less with a share of its own, and one event can change any number
//! of rows that lie before others. See [`Rows`](super::rows::Rows).
//!
//! They are not kept where a bound between tiers has a fraction: there one row can be split between
//! several tiers.

use super::singles::Singles;
use super::steps::Steps;
use crate::core::aggregate::terms::breakdown_keys;
use crate::core::catalog::{Aggregation, BillableMetric, Charge};
use crate::core::pricing::percentage::Percentage;
use crate::core::pricing::range::Range;
use crate::core::pricing::{Model, ModelKind};

/// How the buckets of a charge, or of one of its filters, are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// They are not kept: the events are read whenever somebody asks. Of all that the catalogue
    /// accepts only prorated unique counts are, under graduated prices of which a bound has a
    /// fraction; see the module.
    Scanned,
    /// They are kept by these rules.
    Kept(Rules),
}

/// What of a price decides what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Price {
    /// Nothing: the price is that of the whole quantity.
    Whole,
    /// The price depends on single events, or on the order in which something is free.
    Percentage(Box<Percentage>),
    /// Prorated tiers, which are filled event by event.
    Tiers(Box<[Range]>),
    /// The bounds of prorated tiers, which are filled unit by unit, whatever these cost.
    Steps(Steps),
}

impl Price {
    fn of(aggregation: Aggregation, model: &Model, prorated: bool) -> Self {
        match model {
            Model::Graduated(graduated) if prorated => {
                let by_unit = aggregation == Aggregation::UniqueCount;
                let steps = by_unit.then(|| Steps::of(&graduated.ranges)).flatten();
                steps.map_or_else(|| Self::Tiers(graduated.ranges.clone().into()), Self::Steps)
            }
            Model::Percentage(percentage) => {
                let gives = percentage.free_events > 0 || !percentage.free_units.is_zero();
                if gives || percentage.is_bounded() {
                    Self::Percentage(Box::new(percentage.clone()))
                } else {
                    Self::Whole
                }
            }
            _ => Self::Whole,
        }
    }
}

/// All that decides what a bucket keeps of its events. Equal rules, equal contents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own, told by the catalogue
pub struct Rules {
    pub(super) aggregation: Aggregation,
    /// Property that is aggregated; empty for count, which reads none.
    pub(super) field: Box<str>,
    pub(super) recurring: bool,
    pub(super) prorated: bool,
    pub(super) pay_in_advance: bool,
    /// Whether the price is the sum of the events' own amounts.
    pub(super) dynamic: bool,
    pub(super) price: Price,
    /// Keys that split the price.
    pub(super) group_keys: Box<[String]>,
    /// Keys that split what is shown: those of the price first, then the others.
    pub(super) shown_keys: Box<[String]>,
    /// How what is shown is kept, where states cannot be put together from finer ones.
    pub(super) shown: Option<Box<Self>>,
}

impl Recipe {
    /// The recipe of a bucket with this price, split by `group_keys`, shown by them and
    /// `presentation_keys`.
    pub fn new(
        metric: &BillableMetric,
        charge: &Charge,
        model: &Model,
        group_keys: Vec<String>,
        presentation_keys: &[String],
    ) -> Self {
        let shown_keys = breakdown_keys(&group_keys, presentation_keys);
        let rules = Rules {
            aggregation: metric.aggregation,
            field: match metric.aggregation {
                Aggregation::Count => Box::default(),
                _ => metric.field_name.as_deref().unwrap_or_default().into(),
            },
            recurring: metric.recurring,
            prorated: charge.prorated,
            pay_in_advance: charge.pay_in_advance,
            dynamic: metric.aggregation == Aggregation::Sum && model.kind() == ModelKind::Dynamic,
            price: Price::of(metric.aggregation, model, charge.prorated),
            group_keys: group_keys.into(),
            shown_keys: shown_keys.into(),
            shown: None,
        };
        if rules.is_kept() { Self::Kept(rules.with_shown()) } else { Self::Scanned }
    }

    /// Whether the content of a window depends on events before it.
    pub fn looks_back(&self) -> bool {
        match self {
            Self::Scanned => false,
            Self::Kept(rules) => rules.looks_back(),
        }
    }
}

impl Rules {
    fn is_kept(&self) -> bool {
        match (self.aggregation, &self.price) {
            // See the module: a bound has a fraction.
            (Aggregation::UniqueCount, Price::Tiers(_)) => false,
            // Percentages are never prorated; their running totals would be another matter.
            (Aggregation::Sum, Price::Percentage(_)) => !self.prorated,
            (Aggregation::Sum | Aggregation::UniqueCount, _) => true,
            // Proration is for sums and unique counts alone.
            (_, price) => !matches!(price, Price::Tiers(_)),
        }
    }

    /// Whether events are billed as they come, by the levels that they raise.
    pub(super) const fn has_levels(&self) -> bool {
        self.pay_in_advance
            && matches!(self.aggregation, Aggregation::Sum | Aggregation::UniqueCount)
    }

    /// Adds how the quantities that are only shown are kept, if not as the priced ones.
    fn with_shown(mut self) -> Self {
        if self.is_mergeable() || self.shown_keys == self.group_keys {
            return self;
        }
        let window_only = self.prorated && self.aggregation == Aggregation::Sum;
        self.shown = Some(Box::new(Self {
            recurring: self.recurring && !window_only,
            prorated: false,
            pay_in_advance: false,
            dynamic: false,
            price: Price::Whole,
            group_keys: self.shown_keys.clone(),
            ..self.clone()
        }));
        self
    }

    /// Whether the state of several groups together can be told from theirs. Then groups are kept
    /// by the keys that split what is shown.
    pub(super) fn is_mergeable(&self) -> bool {
        let by_order =
            matches!(self.aggregation, Aggregation::UniqueCount | Aggregation::WeightedSum);
        !by_order && !self.has_levels() && Singles::new(self).is_none()
    }

    /// The keys by which groups are kept.
    pub fn split_keys(&self) -> &[String] {
        if self.is_mergeable() { &self.shown_keys } else { &self.group_keys }
    }

    /// Whether events before the window count in it.
    pub(super) fn looks_back(&self) -> bool {
        match self.aggregation {
            Aggregation::Sum => self.recurring || self.prorated,
            Aggregation::UniqueCount | Aggregation::WeightedSum => self.recurring,
            Aggregation::Count | Aggregation::Max | Aggregation::Latest => false,
        }
    }
}
