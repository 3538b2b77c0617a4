//! Which events an aggregation reads (aggregation details 1).

use super::terms::Terms;
use crate::core::catalog::{Aggregation, BillableMetric};
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::planted::{Fault, planted};

/// A numerically valid event with its value (4.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'e> {
    /// The event.
    pub event: &'e Usage<'e>,
    /// The number in the metric's field.
    pub value: Decimal,
}

/// The number in an event's field: none if the event is invisible to numeric aggregations.
pub fn numeric(event: &Usage<'_>, field: &str) -> Option<Decimal> {
    let text = event.properties.text(field)?;
    Decimal::parse_numeric(if planted(Fault::SpacedNumber) { text.trim() } else { text })
}

/// The numerically valid ones of these events.
pub fn samples<'e>(events: &[&'e Usage<'e>], field: &str) -> Vec<Sample<'e>> {
    let sample = |event: &&'e Usage<'e>| Some(Sample { event, value: numeric(event, field)? });
    events.iter().filter_map(sample).collect()
}

/// Σ of values, exact.
pub fn sum<'s, 'e: 's>(samples: impl IntoIterator<Item = &'s Sample<'e>>) -> Decimal {
    samples.into_iter().fold(Decimal::ZERO, |sum, sample| sum + &sample.value)
}

/// A number of things as a decimal.
pub fn number(count: usize) -> Decimal {
    Decimal::from_i64(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Whether the quantity takes in every event of the external id before the window, too (5.4).
/// Weighted sums carry a value of their own, see [`stretches`](super::stretches).
pub fn looks_back(metric: &BillableMetric) -> bool {
    let sums = matches!(metric.aggregation, Aggregation::Sum | Aggregation::UniqueCount);
    metric.recurring && sums
}

impl Terms<'_> {
    /// The field that is aggregated; empty for count, where it is never read.
    pub fn field(&self) -> &str {
        self.metric.field_name.as_deref().unwrap_or_default()
    }

    /// The earliest instant of the non-prorated quantity (5.4).
    pub fn lower(&self) -> Instant {
        if looks_back(self.metric) { Instant::MIN } else { self.frame.lower() }
    }

    /// The events up to the upper bound that the values looked up find. `events` in order of
    /// (timestamp, position); they may go beyond the window on both sides.
    pub fn history<'e>(&self, events: &[&'e Usage<'e>]) -> Vec<&'e Usage<'e>> {
        let upper = self.max_timestamp.unwrap_or(self.frame.to);
        let received = self.trigger.filter(|trigger| trigger.stored).map(|t| t.event.position);
        let in_time = |event: &Usage<'_>| match received {
            // Of several events at the very bound, those after the triggering one do not count yet.
            Some(position) if self.max_timestamp == Some(event.timestamp) => {
                event.position <= position
            }
            _ => event.timestamp <= upper,
        };
        let found = |event: &Usage<'_>| {
            self.only.is_none_or(|(keys, group)| group.finds(event.properties, keys))
        };
        events.iter().copied().filter(|event| in_time(event) && found(event)).collect()
    }
}

/// The events from `lower` on.
pub fn since<'s, 'e>(events: &'s [&'e Usage<'e>], lower: Instant) -> &'s [&'e Usage<'e>] {
    &events[events.partition_point(|event| event.timestamp < lower)..]
}

/// The samples from `lower` on.
pub fn samples_since<'s, 'e>(samples: &'s [Sample<'e>], lower: Instant) -> &'s [Sample<'e>] {
    &samples[samples.partition_point(|sample| sample.event.timestamp < lower)..]
}

/// The samples up to `upper`, inclusive.
pub fn samples_until<'s, 'e>(samples: &'s [Sample<'e>], upper: Instant) -> &'s [Sample<'e>] {
    &samples[..samples.partition_point(|sample| sample.event.timestamp <= upper)]
}
