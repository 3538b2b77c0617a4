//! A percentage of the units, with fixed fees and allowances (specification 6.9, pricing details
//! 4.5 and 5).

use crate::core::catalog::Aggregation;
use crate::core::decimal::Decimal;
use crate::core::planted::{Fault, planted};
use crate::core::value::Value;

use super::Quantity;
use super::member::{number, number_or_zero, object, shown, shown_integer};
use super::running::FreePrefix;

/// A percentage with its fixed fee per event, its allowances and its bounds per event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Percentage {
    /// Percent of the units.
    pub rate: Decimal,
    /// Due for every event that is not free.
    pub fixed_amount: Decimal,
    /// Free events; 0 without such an allowance.
    pub free_events: i64,
    /// Free units; 0 without such an allowance.
    pub free_units: Decimal,
    /// The least that an event costs.
    pub min: Option<Decimal>,
    /// The most that an event costs. Where both apply, the minimum goes first.
    pub max: Option<Decimal>,
}

/// The parts of an amount before bounds.
struct Parts {
    free_units: Decimal,
    free_events: Decimal,
    usage: Decimal,
    fixed: Decimal,
}

impl Percentage {
    pub(super) fn read(properties: &Value) -> Self {
        // No integer is too large for it, and no count of events comes near the largest here.
        let whole = |free: Decimal| free.trunc_i64().unwrap_or(i64::MAX);
        let free_events = number(properties.get("free_units_per_events"));
        Self {
            rate: number_or_zero(properties.get("rate")),
            fixed_amount: number_or_zero(properties.get("fixed_amount")),
            free_events: free_events.filter(Decimal::is_positive).map_or(0, whole),
            free_units: number_or_zero(properties.get("free_units_per_total_aggregation")),
            min: number(properties.get("per_transaction_min_amount")),
            max: number(properties.get("per_transaction_max_amount")),
        }
    }

    /// Whether every event is priced on its own.
    pub fn is_bounded(&self) -> bool {
        self.min.is_some() || self.max.is_some()
    }

    pub(super) fn amount(&self, quantity: &Quantity) -> Decimal {
        if self.is_bounded() { self.bounded(&quantity.entries) } else { self.plain(quantity) }
    }

    /// The amount as if there were no bounds.
    pub(super) fn plain(&self, quantity: &Quantity) -> Decimal {
        let parts = self.parts(quantity);
        parts.usage + parts.fixed
    }

    /// What one event of this value costs, bounds applied after the fixed amount.
    pub(super) fn one(&self, value: &Decimal) -> Decimal {
        let amount = (value * &self.rate).div_pow10(2) + &self.fixed_amount;
        match (&self.min, &self.max) {
            (Some(min), _) if amount < *min => min.clone(),
            (_, Some(max)) if amount > *max => max.clone(),
            _ => amount,
        }
    }

    fn parts(&self, quantity: &Quantity) -> Parts {
        let prefix = self.free_prefix(&quantity.running_totals);
        let free_units = self.units_free(&prefix);
        let free_events = self.events_free(&prefix);
        let units = &quantity.units;
        let usage = if free_units > *units {
            Decimal::ZERO
        } else {
            ((units - &free_units) * &self.rate).div_pow10(2)
        };
        let fixed = if units.is_zero() || free_events >= quantity.count {
            Decimal::ZERO
        } else {
            (&quantity.count - &free_events) * &self.fixed_amount
        };
        Parts { free_units, free_events, usage, fixed }
    }

    fn units_free(&self, prefix: &FreePrefix) -> Decimal {
        if prefix.last.is_zero() {
            return Decimal::ZERO;
        }
        match &prefix.at_free_events {
            Some(total) => total.clone(),
            None if self.free_units.is_zero() => prefix.last.clone(),
            None => (&prefix.last).min(&self.free_units).clone(),
        }
    }

    fn events_free(&self, prefix: &FreePrefix) -> Decimal {
        let below = i64::try_from(prefix.below).unwrap_or(i64::MAX);
        let free = [self.free_events, below].into_iter().filter(|count| *count != 0).min();
        let more = i64::from(planted(Fault::OneMoreFreeEvent));
        Decimal::from_i64(free.map_or(0, |free| free.saturating_add(more)))
    }

    pub(super) fn details(&self, quantity: &Quantity, amount: &Decimal) -> Value {
        let Parts { free_units, free_events, usage, fixed } = self.parts(quantity);
        let free_events = free_events.min(quantity.count.clone());
        let paid_events = &quantity.count - &free_events;
        let paid_units = (&quantity.units - &free_units).max(Decimal::ZERO);
        let zero = Decimal::ZERO;
        let fixed_unit = if paid_events.is_positive() { &self.fixed_amount } else { &zero };
        let counted = |events: &Decimal| {
            if quantity.metric == Aggregation::UniqueCount {
                shown(events)
            } else {
                shown_integer(events)
            }
        };
        object([
            ("units", shown(&quantity.units)),
            ("free_units", shown(&free_units)),
            ("free_events", counted(&free_events)),
            ("paid_units", shown(&paid_units)),
            ("rate", shown(&self.rate)),
            ("per_unit_total_amount", shown(&usage)),
            ("paid_events", counted(&paid_events)),
            ("fixed_fee_unit_amount", shown(fixed_unit)),
            ("fixed_fee_total_amount", shown(&fixed)),
            ("min_max_adjustment_total_amount", shown(&(amount - usage - fixed))),
        ])
    }
}
