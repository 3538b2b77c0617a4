//! Billable metrics (specification 5.1).

use uuid::Uuid;

use crate::core::instant::Instant;

/// How the events of a metric become one quantity. `custom_agg` is refused everywhere (5.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// Number of events (5.5).
    Count,
    /// Sum of a field (5.6).
    Sum,
    /// Greatest value of a field (5.7).
    Max,
    /// Number of distinct active values (5.8).
    UniqueCount,
    /// Time-weighted sum (5.9).
    WeightedSum,
    /// Latest value (5.7).
    Latest,
}

impl Aggregation {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count_agg",
            Self::Sum => "sum_agg",
            Self::Max => "max_agg",
            Self::UniqueCount => "unique_count_agg",
            Self::WeightedSum => "weighted_sum_agg",
            Self::Latest => "latest_agg",
        }
    }

    /// The aggregation with this name; none for `custom_agg` and unknown names.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Count, Self::Sum, Self::Max, Self::UniqueCount, Self::WeightedSum, Self::Latest]
            .into_iter()
            .find(|aggregation| aggregation.name() == name)
    }
}

/// Which way a metric rounds its quantity (5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoundingMode {
    /// Half away from zero.
    Round,
    /// Toward positive infinity.
    Ceil,
    /// Toward negative infinity.
    Floor,
}

impl RoundingMode {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Round => "round",
            Self::Ceil => "ceil",
            Self::Floor => "floor",
        }
    }

    /// The mode with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Round, Self::Ceil, Self::Floor].into_iter().find(|mode| mode.name() == name)
    }
}

/// Rounding of a metric's quantity: mode and number of decimals, negative for tens and hundreds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rounding {
    /// Direction.
    pub mode: RoundingMode,
    /// Decimals kept.
    pub precision: i32,
}

/// A property whose values charges may filter by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricFilter {
    /// Property key.
    pub key: String,
    /// Declared values.
    pub values: Vec<String>,
}

/// A billable metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillableMetric {
    /// Identifier.
    pub id: Uuid,
    /// Code that events carry, unique in the organisation.
    pub code: String,
    /// Display name; answers are sorted by it.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The aggregation.
    pub aggregation: Aggregation,
    /// The property that is aggregated; none for count.
    pub field_name: Option<String>,
    /// Whether the quantity carries over from period to period.
    pub recurring: bool,
    /// Rounding of the quantity.
    pub rounding: Option<Rounding>,
    /// Expression that computes the field at ingestion (4.5).
    pub expression: Option<String>,
    /// Declared filters.
    pub filters: Vec<MetricFilter>,
    /// Creation.
    pub created_at: Instant,
}
