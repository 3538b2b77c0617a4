//! What one charge makes of one event (specification 4.2, 4.7, 6.3 and 6.4).
//!
//! Nothing is decided here: the matcher, the keys of a bucket, the reading of numbers and the
//! bounds of a quantity are those that figures are computed with.

use crate::core::aggregate::{adds, is_inside, looks_back, numeric};
use crate::core::catalog::{Aggregation, BillableMetric, Charge, ChargeFilter};
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::matching::{Bucket, Buckets, Group, Matcher};
use crate::core::period::Window;
use crate::core::usage::{Ask, Request};

/// What became of an event at one charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FateKind {
    /// It counts in the window.
    Applied,
    /// It lies before the window, and what it added is carried into it: the metric is recurring.
    Carried,
    /// The metric's field holds no number, so the aggregation does not see it (4.2).
    NotNumeric,
    /// Neither a filter nor the default bucket takes it.
    Unmatched,
    /// It lies outside of the window.
    Outside,
}

impl FateKind {
    /// The name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Carried => "carried",
            Self::NotNumeric => "not_numeric",
            Self::Unmatched => "unmatched",
            Self::Outside => "outside_window",
        }
    }

    /// Whether the event is part of the quantity.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Applied | Self::Carried)
    }
}

/// What an event is worth to an aggregation.
#[derive(Clone, Debug, PartialEq)]
pub enum Worth {
    /// The number that is added, compared or counted; 1 for counts.
    Number(Decimal),
    /// A value that becomes present or absent; none if the property is missing or null (5.8).
    Distinct {
        /// The value.
        value: Option<Box<str>>,
        /// Whether it becomes present.
        adds: bool,
    },
}

/// One bucket that an event counts in.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken<'a> {
    /// The filter; none for the default bucket.
    pub filter: Option<&'a ChargeFilter>,
    /// Values by pricing group key, in key order; empty if the bucket is not grouped.
    pub group: Vec<(String, Option<Box<str>>)>,
}

/// What one charge makes of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Fate<'a> {
    /// The charge.
    pub charge: &'a Charge,
    /// Its metric.
    pub metric: &'a BillableMetric,
    /// What became of the event.
    pub kind: FateKind,
    /// What it is worth; none where the field holds no number.
    pub worth: Option<Worth>,
    /// Where it counts, or would count were it inside the window.
    pub buckets: Vec<Taken<'a>>,
}

/// The fate of an event at the charge with this place in its plan. `stretches` are those whose
/// events a recurring weighted sum carries into the window.
pub fn fate<'a>(
    (index, charge, metric): (usize, &'a Charge, &'a BillableMetric),
    window: Window,
    stretches: &[(Instant, Instant)],
    event: &Usage<'_>,
) -> Fate<'a> {
    let ask = Ask::new(index, charge, metric, &Request::default());
    let mut taken = Buckets::default();
    Matcher::compile(&charge.filters, &metric.filters).classify(event.properties, &mut taken);
    let place = |bucket: &Bucket| match bucket {
        Bucket::Filter(at) => *at,
        Bucket::Default => charge.filters.len(),
    };
    let buckets: Vec<Taken<'a>> = taken
        .taken()
        .iter()
        .filter_map(|bucket| ask.buckets.get(place(bucket)))
        .map(|bucket| {
            let Group(values) = Group::of(event.properties, &bucket.group_keys);
            Taken {
                filter: bucket.filter,
                group: bucket.group_keys.iter().cloned().zip(values).collect(),
            }
        })
        .collect();
    let worth = worth(metric, event);
    let kind = match (&worth, when(metric, window, stretches, event.timestamp)) {
        (None, _) => FateKind::NotNumeric,
        _ if buckets.is_empty() => FateKind::Unmatched,
        (Some(_), kind) => kind,
    };
    Fate { charge, metric, kind, worth, buckets }
}

fn worth(metric: &BillableMetric, event: &Usage<'_>) -> Option<Worth> {
    let field = metric.field_name.as_deref().unwrap_or_default();
    match metric.aggregation {
        Aggregation::Count => Some(Worth::Number(Decimal::from_i64(1))),
        Aggregation::UniqueCount => Some(Worth::Distinct {
            value: event.properties.text(field).map(Box::from),
            adds: adds(event),
        }),
        Aggregation::Sum | Aggregation::Max | Aggregation::Latest | Aggregation::WeightedSum => {
            numeric(event, field).map(Worth::Number)
        }
    }
}

fn when(
    metric: &BillableMetric,
    window: Window,
    stretches: &[(Instant, Instant)],
    at: Instant,
) -> FateKind {
    let carries = match metric.aggregation {
        Aggregation::WeightedSum => metric.recurring && is_inside(stretches, at),
        _ => looks_back(metric),
    };
    if window.holds(at) {
        FateKind::Applied
    } else if carries && at < window.from {
        FateKind::Carried
    } else {
        FateKind::Outside
    }
}
