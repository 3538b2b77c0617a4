//! Percentages with bounds per event: what every event costs by itself (specification 6.9, pricing
//! details 5).

use crate::core::decimal::Decimal;

use super::percentage::Percentage;
use super::quantity::{Entries, Peak};

/// The events of a bounded percentage, priced one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Free events that are left.
    pub free_events: i64,
    /// Free units that are left.
    pub free_units: Decimal,
    /// What the events cost so far.
    pub total: Decimal,
}

impl Meter {
    /// Before the first event.
    pub fn new(percentage: &Percentage) -> Self {
        Self {
            free_events: percentage.free_events,
            free_units: percentage.free_units.clone(),
            total: Decimal::ZERO,
        }
    }

    /// Whether an allowance is left, so that the order of the events still matters.
    pub fn gives_away(&self) -> bool {
        self.free_events > 0 || self.free_units.is_positive()
    }

    /// Prices one event.
    pub fn push(&mut self, percentage: &Percentage, value: &Decimal) {
        if !self.gives_away() {
            self.total += percentage.one(value);
            return;
        }
        self.free_events = self.free_events.saturating_sub(1);
        if !self.free_units.is_positive() {
            return;
        }
        if self.free_units > *value {
            self.free_units -= value;
            return;
        }
        self.total += percentage.one(&(value - &self.free_units));
        self.free_units = Decimal::ZERO;
        self.free_events = 0;
    }

    /// Prices so many events of 0 or of 1 unit each, in no more time than one.
    fn push_alike(&mut self, percentage: &Percentage, one: bool, count: u64) {
        let value = if one { Decimal::ONE } else { Decimal::ZERO };
        let skipped = if self.free_units.is_positive() {
            // Events of 0 units use up nothing; events of 1 unit, all that is free but its last
            // unit, or a part of one, which the next event shares.
            let free = self.free_units.ceil(0).to_i64().and_then(|n| u64::try_from(n).ok());
            let skipped = match free.filter(|_| one) {
                Some(free) => count.min(free.saturating_sub(1)),
                None => count,
            };
            self.free_units -= &value * Decimal::from(skipped);
            skipped
        } else {
            count.min(u64::try_from(self.free_events).unwrap_or(0))
        };
        let taken = i64::try_from(skipped).unwrap_or(i64::MAX);
        self.free_events = self.free_events.saturating_sub(taken);
        let mut rest = count - skipped;
        if rest > 0 && self.gives_away() {
            self.push(percentage, &value);
            rest -= 1;
        }
        self.total += percentage.one(&value) * Decimal::from(rest);
    }
}

impl Percentage {
    /// Σ over the events, those of the allowance left out (6.9).
    pub(super) fn bounded(&self, entries: &Entries) -> Decimal {
        let mut meter = Meter::new(self);
        match entries {
            Entries::Listed { full, .. } => {
                for value in full {
                    meter.push(self, value);
                }
            }
            Entries::Ones(count) => meter.push_alike(self, true, *count),
            Entries::Peak(Peak { count: count @ 1.., before, max }) => {
                meter.push_alike(self, false, *before);
                meter.push(self, max);
                meter.push_alike(self, false, count.saturating_sub(before.saturating_add(1)));
            }
            Entries::Metered(kept) => return kept.total.clone(),
            // No event; or made for tiers, where none stands by itself.
            Entries::Peak(_) | Entries::Walked(_) | Entries::Filled(_) => {}
        }
        meter.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::value::Value;

    fn percentage(free_events: u32, free_tenths: i32, min: &str, max: &str) -> Percentage {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut percentage = Percentage::read(&Value::Object(vec![
            ("rate".into(), text("150")),
            ("fixed_amount".into(), text("0.3")),
            ("free_units_per_events".into(), Value::Number(free_events.to_string())),
            ("per_transaction_min_amount".into(), text(min)),
            ("per_transaction_max_amount".into(), text(max)),
        ]));
        percentage.free_units = Decimal::from_i128(i128::from(free_tenths), 1);
        percentage
    }

    fn listed(values: Vec<Decimal>) -> Entries {
        Entries::Listed { full: values, prorated: Vec::new() }
    }

    proptest! {
        /// Events that are only counted cost what they cost when they are listed.
        #[test]
        fn counted_events_are_listed_ones(
            free_events in 0_u32..6, free_tenths in -10_i32..60, min in 0_u32..3,
            count in 0_u64..12, before in 0_u64..12, max in -20_i64..80,
        ) {
            let percentage = percentage(free_events, free_tenths, &min.to_string(), "2");
            let ones = listed((0..count).map(|_| Decimal::ONE).collect());
            prop_assert_eq!(percentage.bounded(&Entries::Ones(count)), percentage.bounded(&ones));

            let before = before.min(count.saturating_sub(1));
            let max = Decimal::from_i128(i128::from(max), 1);
            let value = |at| if at == before { max.clone() } else { Decimal::ZERO };
            let list = listed((0..count).map(value).collect());
            let peak = Entries::Peak(Peak { count, before, max: max.clone() });
            prop_assert_eq!(percentage.bounded(&peak), percentage.bounded(&list));
        }
    }

    #[test]
    fn any_number_of_events_takes_no_time() {
        let percentage = percentage(0, 15, "1", "");
        assert!(percentage.bounded(&Entries::Ones(u64::MAX)) > Decimal::from(u64::MAX));
    }
}
