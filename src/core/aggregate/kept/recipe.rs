//! How a bucket is kept.

use crate::core::aggregate::terms::breakdown_keys;
use crate::core::catalog::{Aggregation, BillableMetric, Charge};
use crate::core::pricing::{Model, ModelKind};

/// How the buckets of a charge, or of one of its filters, are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// They are not kept: the events are read whenever somebody asks.
    Scanned,
    /// They are kept by these rules.
    Kept(Rules),
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
            group_keys: group_keys.into(),
            shown_keys: shown_keys.into(),
            shown: None,
        };
        if rules.is_kept(model) { Self::Kept(rules.with_shown()) } else { Self::Scanned }
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
    fn is_kept(&self, model: &Model) -> bool {
        if model.reads_events(self.prorated) {
            return false;
        }
        let gives_nothing = match model {
            Model::Percentage(price) => price.free_events == 0 && price.free_units.is_zero(),
            _ => true,
        };
        match self.aggregation {
            Aggregation::Count | Aggregation::Max | Aggregation::Latest => true,
            Aggregation::Sum => !self.pay_in_advance && (self.prorated || gives_nothing),
            Aggregation::UniqueCount => !self.pay_in_advance && !self.prorated,
            Aggregation::WeightedSum => false,
        }
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
            group_keys: self.shown_keys.clone(),
            ..self.clone()
        }));
        self
    }

    /// Whether the state of several groups together can be told from theirs. Then groups are kept
    /// by the keys that split what is shown.
    pub(super) const fn is_mergeable(&self) -> bool {
        !matches!(self.aggregation, Aggregation::UniqueCount | Aggregation::WeightedSum)
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
