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
            Entries::Filled(kept) => return kept.amount(&self.ranges),
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
        walk.paid.max(Decimal::ZERO) + flats(ranges, &walk.peak)
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

/// Σ of the flat fees of the tiers up to the one that holds the most units there were.
fn flats(ranges: &[Range], peak: &Decimal) -> Decimal {
    let holds = |range: &Range| range.to.as_ref().is_none_or(|to| *peak <= to.value);
    let last = ranges.iter().position(holds).unwrap_or(ranges.len());
    ranges.iter().take(last + 1).map(|range| &range.flat).sum()
}

/// What events of one unit each have filled tiers with, whatever these cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Σ of all full units, those of skipped events included.
    pub units: Decimal,
    /// The most full units there were.
    pub peak: Decimal,
    /// Prorated units by tier; none of the tiers after them.
    pub tiers: Box<[Decimal]>,
}

impl Filled {
    /// What they cost together, nothing below 0, with the flat fee of every tier reached.
    fn amount(&self, ranges: &[Range]) -> Decimal {
        let paid: Decimal =
            self.tiers.iter().zip(ranges).map(|(units, range)| units * &range.price).sum();
        paid.max(Decimal::ZERO) + flats(ranges, &self.peak)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::value::Value;

    /// The amount as pricing details 6 writes it down, with all entries at hand.
    fn written_down(tiers: &[Range], full: &[Decimal], pror: &[Decimal]) -> Decimal {
        let zero = Decimal::ZERO;
        let coef = |i: usize| Double::from_decimal(&pror[i]).fd().quo(&full[i]).unwrap_or_default();
        let (mut level, mut peak, mut spill) = (zero.clone(), zero.clone(), zero.clone());
        let (mut pending, mut paid) = (zero.clone(), zero.clone());
        let (mut i, mut t, mut last) = (0, 0, 0);
        let mut filled = vec![false; tiers.len()];
        while i < full.len() || !spill.is_zero() {
            t = tier(tiers, &level, &spill, full.get(i));
            let to = tiers[t].to.as_ref().map(|to| &to.value);
            if !spill.is_zero() {
                pending += &spill * &coef(last);
                if let Some(to) = to.filter(|to| level >= **to && !filled[t]) {
                    filled[t] = true;
                    spill = &level - to;
                    paid += (&pending - &spill * &coef(last)) * &tiers[t].price;
                    pending = zero.clone();
                    continue;
                }
                spill = zero.clone();
            }
            if i == full.len() {
                break;
            }
            let sinks = full[i].is_negative() && (&level + &full[i]).is_negative();
            if pror[i].is_zero() && (full[i].is_positive() || sinks) {
                i += 1;
                continue;
            }
            level += &full[i];
            peak = peak.max(level.clone());
            pending += &pror[i];
            last = i;
            i += 1;
            let from = &tiers[t].from.value;
            let inside =
                to.map_or_else(|| level >= from - Decimal::ONE, |to| *from <= level && level < *to);
            if !inside {
                spill = match to.filter(|to| level >= **to) {
                    Some(to) => &level - to,
                    None => &level - from + Decimal::ONE,
                };
                filled.fill(false);
                paid += (&pending - &spill * &coef(last)) * &tiers[t].price;
                pending = zero.clone();
            }
        }
        paid += pending * &tiers[t].price;
        if level.is_negative() {
            return zero;
        }
        let holds = |range: &Range| range.to.as_ref().is_none_or(|to| peak <= to.value);
        let last = tiers.iter().position(holds).unwrap_or(tiers.len());
        paid.max(zero) + tiers.iter().take(last + 1).map(|range| &range.flat).sum::<Decimal>()
    }

    fn tier(tiers: &[Range], level: &Decimal, spill: &Decimal, next: Option<&Decimal>) -> usize {
        if !level.is_positive() {
            return 0;
        }
        let x = match spill.signum() {
            0 => level.clone(),
            1.. => level - spill + Decimal::ONE,
            ..0 => level + spill,
        };
        for (k, range) in tiers.iter().enumerate() {
            let to = range.to.as_ref().map(|to| &to.value);
            if to == Some(&x) {
                let grows = next.is_some_and(Decimal::is_positive);
                return (k + usize::from(grows)).min(tiers.len() - 1);
            }
            if range.from.value <= x && to.is_none_or(|to| x < *to) {
                return k;
            }
        }
        0
    }

    fn tables() -> impl Strategy<Value = Vec<Range>> {
        let tier = (1_u32..60, 0_u32..30, 0_i64..9, 0_i64..20);
        let coarse = prop::sample::select(vec![1_u32, 5, 10]);
        (prop::collection::vec(tier, 1..6), coarse).prop_map(|(tiers, coarse)| {
            let bound = |tenths: u32| Value::Number(format!("{}.{}", tenths / 10, tenths % 10));
            let (mut from, last) = (0, tiers.len() - 1);
            let range = |(at, (width, gap, price, flat)): (usize, (u32, u32, i64, i64))| {
                let to = from + width * coarse;
                let members = [
                    ("from_value", bound(from)),
                    ("to_value", if at == last { Value::Null } else { bound(to) }),
                    ("per_unit_amount", Value::Text(price.to_string())),
                    ("flat_amount", Value::Text(flat.to_string())),
                ];
                from = to + gap / 10 * coarse;
                Value::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
            };
            let list = Value::List(tiers.into_iter().enumerate().map(range).collect());
            let properties = Value::Object(vec![("ranges".to_owned(), list)]);
            Range::list(&properties, "ranges", "per_unit_amount")
        })
    }

    proptest! {
        /// Entry by entry, the walk pays at every entry what the whole list up to it does.
        #[test]
        fn a_walk_is_what_is_written_down(
            ranges in tables(),
            entries in prop::collection::vec((-80_i128..120, 0_i128..6), 0..20),
        ) {
            let mut walk = Walk::default();
            let (mut full, mut pror) = (Vec::new(), Vec::new());
            for (tenths, share) in entries {
                let units = Decimal::from_i128(tenths, 1);
                let prorated = &units * &Decimal::from_i128(share, 1);
                walk.push(&ranges, &units, &prorated);
                full.push(units);
                pror.push(prorated);
                prop_assert_eq!(walk.amount(&ranges), written_down(&ranges, &full, &pror));
            }
        }
    }
}
