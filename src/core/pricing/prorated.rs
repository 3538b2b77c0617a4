//! Graduated prices of prorated units: the walk through the tiers (pricing details 6).
//!
//! Full units fill the tiers in order of the events; each costs its tier's price times the share of
//! the period that its event is charged for.

use crate::core::decimal::Decimal;
use crate::core::double::Double;

use super::Quantity;
use super::graduated::Graduated;
use super::range::Range;

impl Graduated {
    /// The amount of a prorated charge. Reads the entries of the quantity, carried one first; entries
    /// without a prorated value count as prorated to nothing.
    pub(super) fn prorated_amount(&self, quantity: &Quantity) -> Decimal {
        let Some(first) = self.ranges.first() else {
            return Decimal::ZERO;
        };
        if quantity.units.is_zero() {
            return first.flat.clone();
        }
        let entries = quantity
            .events
            .iter()
            .zip(quantity.prorated_events.iter().map(Some).chain(std::iter::repeat(None)))
            .map(|(full, prorated)| Entry { full, prorated: prorated.cloned().unwrap_or_default() })
            .collect();
        let mut walk = Walk {
            ranges: &self.ranges,
            entries,
            next: 0,
            level: Decimal::ZERO,
            peak: Decimal::ZERO,
            spill: Decimal::ZERO,
            coefficient: Decimal::ZERO,
            filled: vec![false; self.ranges.len()],
            pending: Decimal::ZERO,
            paid: Decimal::ZERO,
        };
        walk.run();
        walk.amount()
    }
}

/// What one event adds to the level, and to what is charged.
struct Entry<'a> {
    full: &'a Decimal,
    prorated: Decimal,
}

impl Entry<'_> {
    /// Share of the period that a unit of this entry is charged for; 0 without units.
    fn coefficient(&self) -> Decimal {
        Double::from_decimal(&self.prorated).fd().quo(self.full).unwrap_or_default()
    }

    /// Entries that are charged for no time change nothing when they add units, nor when they would
    /// take the level below 0.
    fn is_skipped(&self, level: &Decimal) -> bool {
        self.prorated.is_zero()
            && (self.full.is_positive()
                || (self.full.is_negative() && (level + self.full).is_negative()))
    }
}

struct Walk<'a> {
    ranges: &'a [Range],
    entries: Vec<Entry<'a>>,
    /// The entry to take next.
    next: usize,
    /// Full units so far, and the most there were.
    level: Decimal,
    peak: Decimal,
    /// Units of the last entry that have no tier yet, and the share each of them is charged for.
    spill: Decimal,
    coefficient: Decimal,
    /// Tiers that the current spill has filled. A table with fractional bounds could send a spill
    /// round for ever; a tier that meets it twice keeps the rest.
    filled: Vec<bool>,
    /// Prorated units collected for the current tier.
    pending: Decimal,
    paid: Decimal,
}

impl Walk<'_> {
    fn run(&mut self) {
        let mut tier = 0;
        while self.next < self.entries.len() || !self.spill.is_zero() {
            tier = self.tier();
            if !self.spill.is_zero() && !self.place_spill(tier) {
                continue;
            }
            if self.next < self.entries.len() {
                self.take_entry(tier);
            }
        }
        self.settle(tier);
    }

    /// Puts the rest of the last entry into a tier. False if the tier keeps its part only.
    fn place_spill(&mut self, tier: usize) -> bool {
        self.pending += &self.spill * &self.coefficient;
        if let Some(to) = &self.ranges[tier].to
            && self.level >= to.value
            && !self.filled[tier]
        {
            self.filled[tier] = true;
            self.spill = &self.level - &to.value;
            self.settle(tier);
            return false;
        }
        self.spill = Decimal::ZERO;
        true
    }

    fn take_entry(&mut self, tier: usize) {
        let entry = &self.entries[self.next];
        self.next += 1;
        if entry.is_skipped(&self.level) {
            return;
        }
        self.level += entry.full;
        self.peak = self.peak.clone().max(self.level.clone());
        self.pending += &entry.prorated;
        let range = &self.ranges[tier];
        let from = &range.from.value;
        let spill = match &range.to {
            Some(to) if self.level >= to.value => &self.level - &to.value,
            Some(_) if *from <= self.level => return,
            None if self.level >= from - Decimal::ONE => return,
            _ => &self.level - from + Decimal::ONE,
        };
        self.coefficient = entry.coefficient();
        self.spill = spill;
        self.filled.fill(false);
        self.settle(tier);
    }

    /// Charges what was collected for a tier, without the part that goes on to another one.
    fn settle(&mut self, tier: usize) {
        let own = &self.pending - &self.spill * &self.coefficient;
        self.paid += own * &self.ranges[tier].price;
        self.pending = Decimal::ZERO;
    }

    /// The tier that the next units belong to.
    fn tier(&self) -> usize {
        if !self.level.is_positive() {
            return 0;
        }
        let position = match self.spill.signum() {
            0 => self.level.clone(),
            1.. => &self.level - &self.spill + Decimal::ONE,
            ..0 => &self.level + &self.spill,
        };
        let grows = self.entries.get(self.next).is_some_and(|entry| entry.full.is_positive());
        for (index, range) in self.ranges.iter().enumerate() {
            let below = match &range.to {
                Some(to) if position == to.value => {
                    let last = self.ranges.len() - 1;
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

    fn amount(self) -> Decimal {
        if self.level.is_negative() {
            return Decimal::ZERO;
        }
        let holds = |range: &Range| range.to.as_ref().is_none_or(|to| self.peak <= to.value);
        let last = self.ranges.iter().position(holds).unwrap_or(self.ranges.len());
        let flats: Decimal = self.ranges.iter().take(last + 1).map(|range| &range.flat).sum();
        self.paid.max(Decimal::ZERO) + flats
    }
}
