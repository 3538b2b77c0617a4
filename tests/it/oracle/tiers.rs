//! Prorated graduated prices: the walk of pricing details 6.

use odometer::core::decimal::Decimal;
use odometer::core::double::Double;

use super::bucket::Figures;
use super::price::Range;

/// Walks the entries of a group through the tiers.
pub fn walk(tiers: &[Range], figures: &Figures) -> Decimal {
    if figures.units.is_zero() {
        return tiers[0].flat.clone();
    }
    let (full, prorated) = (&figures.listed, &figures.listed_prorated);
    let coefficient = |i: usize| {
        let double = Double::from_decimal(&prorated[i]).fd();
        double.quo(&full[i]).unwrap_or_default()
    };
    let zero = || Decimal::ZERO;
    let (mut level, mut peak, mut spill) = (zero(), zero(), zero());
    let (mut pending, mut paid) = (zero(), zero());
    let mut filled: Vec<usize> = Vec::new();
    let mut i = 0;
    let mut at = 0;
    while i < full.len() || !spill.is_zero() {
        at = tier(tiers, &level, &spill, full.get(i));
        let t = &tiers[at];
        if !spill.is_zero() {
            pending += &spill * &coefficient(i - 1);
            if let Some(to) = t.to.as_ref().filter(|to| level >= **to)
                && !filled.contains(&at)
            {
                filled.push(at);
                spill = &level - to;
                paid += (&pending - &spill * &coefficient(i - 1)) * &t.price;
                pending = zero();
                continue;
            }
            spill = zero();
        }
        filled.clear();
        if i == full.len() {
            break;
        }
        let (entry, share) = (&full[i], &prorated[i]);
        let sinks = entry.is_negative() && (&level + entry).is_negative();
        if share.is_zero() && (entry.is_positive() || sinks) {
            i += 1;
            continue;
        }
        level += entry;
        peak = peak.max(level.clone());
        pending += share;
        i += 1;
        let inside = match &t.to {
            None => level >= &t.from - Decimal::ONE,
            Some(to) => t.from <= level && level < *to,
        };
        if !inside {
            spill = match &t.to {
                Some(to) if level >= *to => &level - to,
                _ => &level - &t.from + Decimal::ONE,
            };
            paid += (&pending - &spill * &coefficient(i - 1)) * &t.price;
            pending = zero();
        }
    }
    paid += pending * &tiers[at].price;
    if level.is_negative() {
        return Decimal::ZERO;
    }
    let mut amount = paid.max(Decimal::ZERO);
    for t in tiers {
        amount += &t.flat;
        if t.to.as_ref().is_none_or(|to| peak <= *to) {
            break;
        }
    }
    amount
}

fn tier(tiers: &[Range], level: &Decimal, spill: &Decimal, next: Option<&Decimal>) -> usize {
    if !level.is_positive() {
        return 0;
    }
    let x = if spill.is_zero() {
        level.clone()
    } else if spill.is_positive() {
        level - spill + Decimal::ONE
    } else {
        level + spill
    };
    for (at, t) in tiers.iter().enumerate() {
        if t.to.as_ref() == Some(&x) {
            return if next.is_some_and(Decimal::is_positive) { at + 1 } else { at };
        }
        if t.from <= x && t.to.as_ref().is_none_or(|to| x < *to) {
            return at;
        }
    }
    0
}
