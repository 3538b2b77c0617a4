//! Graduated prices of prorated units: the walk through the tiers (pricing details 6).
//!
//! Full units fill the tiers in order of the events; each costs its tier's price times the share of
//! the period that its event is charged for.

use crate::core::decimal::Decimal;
use crate::core::double::Double;

use super::graduated::Graduated;
use super::range::Range;
use super::{Entries, Quantity};

impl Graduated {
    /// The amount of a prorated charge. Reads the entries of the quantity, carried one first;
    /// entries without a prorated value count as prorated to nothing.
    pub(super) fn prorated_amount(&self, quantity: &Quantity) -> Decimal {
        let Some(first) = self.ranges.first() else {
            return Decimal::ZERO;
        };
        if quantity.units.is_zero() {
            return first.flat.clone();
        }
        let mut walk = Walk::default();
        match &quantity.entries {
            Entries::Walked(kept) => return kept.amount(&self.ranges),
            Entries::Listed { full, prorated } => {
                let none = Decimal::ZERO;
                let shares = prorated.iter().chain(std::iter::repeat(&none));
                for (full, share) in full.iter().zip(shares) {
                    walk.push(&self.ranges, full, share);
                }
            }
            // Made for percentages: no tier was entered.
            Entries::Ones(_) | Entries::Peak(_) | Entries::Metered(_) => {}
        }
        walk.amount(&self.ranges)
    }
}

/// The way through the tiers up to some entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Σ of all full units, those of skipped entries included.
    pub units: Decimal,
    /// Full units so far.
    pub level: Decimal,
    /// The most full units there were.
    pub peak: Decimal,
    /// Units of the last entry that have no tier yet: where they go depends on the next entry.
    pub spill: Decimal,
    /// The share of the period that each of these is charged for.
    pub coefficient: Decimal,
    /// Prorated units collected for the current tier.
    pub pending: Decimal,
    /// What the tiers before cost.
    pub paid: Decimal,
    /// Place of the current tier.
    pub tier: usize,
}

impl Walk {
    /// Takes the next entry: what an event adds to the level, and to what is charged.
    pub fn push(&mut self, ranges: &[Range], full: &Decimal, prorated: &Decimal) {
        self.place_spill(ranges, full.is_positive());
        self.units += full;
        // Entries that are charged for no time change nothing when they add units, nor when they
        // would take the level below 0.
        let sinks = full.is_negative() && (&self.level + full).is_negative();
        if prorated.is_zero() && (full.is_positive() || sinks) {
            return;
        }
        self.level += full;
        if self.level > self.peak {
            self.peak = self.level.clone();
        }
        self.pending += prorated;
        let Some(range) = ranges.get(self.tier) else {
            return;
        };
        let from = &range.from.value;
        self.spill = match &range.to {
            Some(to) if self.level >= to.value => &self.level - &to.value,
            Some(_) if *from <= self.level => return,
            None if self.level >= from - Decimal::ONE => return,
            _ => &self.level - from + Decimal::ONE,
        };
        // The share as a double, so that its digits are those of the upstream; 0 without units.
        self.coefficient = Double::from_decimal(prorated).fd().quo(full).unwrap_or_default();
        self.settle(ranges);
    }

    /// What all entries cost together, nothing below 0, with the flat fee of every tier reached.
    pub fn amount(&self, ranges: &[Range]) -> Decimal {
        if self.level.is_negative() {
            return Decimal::ZERO;
        }
        let mut walk = self.clone();
        if !walk.spill.is_zero() {
            walk.place_spill(ranges, false);
        }
        walk.settle(ranges);
        let holds = |range: &Range| range.to.as_ref().is_none_or(|to| walk.peak <= to.value);
        let last = ranges.iter().position(holds).unwrap_or(ranges.len());
        let flats: Decimal = ranges.iter().take(last + 1).map(|range| &range.flat).sum();
        walk.paid.max(Decimal::ZERO) + flats
    }

    /// Enters the tier of the next units, all of the last entry's being placed.
    fn place_spill(&mut self, ranges: &[Range], grows: bool) {
        // Tiers that this spill has filled. A table with fractional bounds could send it round for
        // ever; a tier that meets it twice keeps the rest.
        let mut filled = vec![false; if self.spill.is_zero() { 0 } else { ranges.len() }];
        loop {
            self.tier = self.next_tier(ranges, grows);
            if self.spill.is_zero() {
                return;
            }
            self.pending += &self.spill * &self.coefficient;
            let to = ranges.get(self.tier).and_then(|range| range.to.as_ref());
            match (to, filled.get_mut(self.tier)) {
                (Some(to), Some(filled)) if self.level >= to.value && !*filled => {
                    *filled = true;
                    self.spill = &self.level - &to.value;
                    self.settle(ranges);
                }
                _ => {
                    self.spill = Decimal::ZERO;
                    return;
                }
            }
        }
    }

    /// Charges what was collected for a tier, without the part that goes on to another one.
    fn settle(&mut self, ranges: &[Range]) {
        let own = &self.pending - &self.spill * &self.coefficient;
        if let Some(range) = ranges.get(self.tier) {
            self.paid += own * &range.price;
        }
        self.pending = Decimal::ZERO;
    }

    /// The tier that the next units belong to.
    fn next_tier(&self, ranges: &[Range], grows: bool) -> usize {
        if !self.level.is_positive() {
            return 0;
        }
        let position = match self.spill.signum() {
            0 => self.level.clone(),
            1.. => &self.level - &self.spill + Decimal::ONE,
            ..0 => &self.level + &self.spill,
        };
        for (index, range) in ranges.iter().enumerate() {
            let below = match &range.to {
                Some(to) if position == to.value => {
                    let last = ranges.len() - 1;
                    return if grows { (index + 1).min(last) } else { index };
                }
                Some(to) => position < to.value,
                None => true,
            };
            if below && range.from.value <= position {
                return index;
            }
        }
        0
    }
}
