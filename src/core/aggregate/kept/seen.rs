//! Events as the states of a bucket see them.

use super::Span;
use super::key::{SetKey, ValueKey};
use super::latest::At;
use super::recipe::Rules;
use crate::core::aggregate::select::numeric;
use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::event::Usage;
use crate::core::planted::{Fault, planted};
use crate::core::properties::{Kind, Property};

/// One event as the states of a bucket see it.
pub struct Seen<'e> {
    /// The event.
    pub event: &'e Usage<'e>,
    /// The number in the field, for aggregations of numbers.
    pub value: Decimal,
    /// The value's name, for unique counts.
    pub key: ValueKey,
    /// Names values.
    pub keys: &'e SetKey,
    /// Whether it lies in the window rather than before it.
    pub in_window: bool,
    /// Whether it was counted before: then only what is being repaired takes it.
    pub again: bool,
}

impl<'e> Seen<'e> {
    /// None if the event is invisible to the bucket: after the window, before it where that does
    /// not matter, or without a number where one is needed.
    pub fn of(
        rules: &Rules,
        span: &Span<'_>,
        keys: &'e SetKey,
        event: &'e Usage<'e>,
        again: bool,
    ) -> Option<Self> {
        let (at, lower) = (event.timestamp, span.frame.lower());
        let in_window = at >= lower && !(at == lower && planted(Fault::WindowOpensLate));
        let after =
            at > span.frame.to || (at == span.frame.to && planted(Fault::WindowClosesEarly));
        if after || !(in_window || rules.looks_back()) {
            return None;
        }
        let mut seen =
            Self { event, value: Decimal::ZERO, key: ValueKey::default(), keys, in_window, again };
        match rules.aggregation {
            Aggregation::Count => {}
            Aggregation::UniqueCount => {
                seen.key = keys.text(event.properties.text(&rules.field));
            }
            Aggregation::WeightedSum if !in_window && !span.carries(event.timestamp) => {
                return None;
            }
            _ => seen.value = numeric(event, &rules.field)?,
        }
        Some(seen)
    }

    /// Its place in the order of events.
    pub const fn at(&self) -> At {
        (self.event.timestamp, self.event.position)
    }

    /// Whether a look-up by the values of its group finds it: they have to be texts.
    pub fn is_found(&self, keys: &[String]) -> bool {
        keys.iter().all(|key| {
            let property = self.event.properties.get(key);
            property.and_then(Property::text).is_none_or(str::is_empty)
                || property.is_some_and(|property| property.kind == Kind::Text)
        })
    }
}
