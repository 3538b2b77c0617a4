//! Events as the states of a bucket see them.

use super::Span;
use super::key::{SetKey, ValueKey};
use super::recipe::Rules;
use crate::core::aggregate::select::numeric;
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;

/// One event as the states of a bucket see it.
pub struct Seen<'e> {
    /// The event.
    pub event: &'e Usage<'e>,
    /// The number in the field, for aggregations of numbers.
    pub value: Decimal,
    /// The value's name, for unique counts.
    pub key: ValueKey,
    /// Whether it lies in the window rather than before it.
    pub in_window: bool,
}

impl<'e> Seen<'e> {
    /// None if the event is invisible to the bucket: after the window, before it where that does
    /// not matter, or without a number where one is needed.
    pub fn of(rules: &Rules, span: &Span<'_>, keys: &SetKey, event: &'e Usage<'e>) -> Option<Self> {
        let in_window = event.timestamp >= span.frame.lower();
        if event.timestamp > span.frame.to || !(in_window || rules.looks_back()) {
            return None;
        }
        let mut seen = Self { event, value: Decimal::ZERO, key: ValueKey::default(), in_window };
        match rules.aggregation {
            Aggregation::Count => {}
            Aggregation::UniqueCount => {
                seen.key = keys.text(event.properties.text(&rules.field));
            }
            _ => seen.value = numeric(event, &rules.field)?,
        }
        Some(seen)
    }
}
