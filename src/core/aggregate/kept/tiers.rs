//! Prorated sums that fill tiers in the order of their events (specification 6.8, pricing details
//! 6).
//!
//! Unique counts under the same prices are kept row by row; see `rows.rs`.

use super::bytes::{put_varint, take_varint};
use super::ordered::{Amount, Machine};
use crate::core::aggregate::frame::Frame;
use crate::core::decimal::Decimal;
use crate::core::pricing::range::Range;
use crate::core::pricing::{Entries, Walk};

/// A sum on its way through the tiers. Fed with the valid events of the window; in a group, with
/// those that its values find ([`Group::finds`]).
///
/// [`Group::finds`]: crate::core::matching::Group::finds
#[derive(Clone, Debug, PartialEq)]
pub struct Tiers {
    /// What was carried into the window.
    carried: Decimal,
    walk: Walk,
}

/// What the way depends on.
#[derive(Clone, Copy, Debug)]
pub struct Slope<'a> {
    /// The tiers. Contents that were kept under others mean nothing.
    pub ranges: &'a [Range],
    /// The window.
    pub frame: &'a Frame<'a>,
    /// Days taken off the window's share of the period; see [`Frame::ratio`].
    pub fewer_days: i64,
    /// Σ of the valid values before `from`, of all groups of the bucket together, whether or not
    /// their values find them: the upstream gives it to every group (aggregation details 9). An
    /// event before the window changes it, and then every group of which something is folded has to
    /// be folded again.
    pub carried: &'a Decimal,
}

impl Tiers {
    /// The events as prices read them.
    pub fn entries(self) -> Entries {
        Entries::Walked(Box::new(self.walk))
    }
}

impl Machine for Tiers {
    type Entry = Amount;
    type Context<'a> = Slope<'a>;

    fn begin(context: &Slope<'_>) -> Self {
        let mut walk = Walk::default();
        if !context.carried.is_zero() {
            let share = context.carried * &context.frame.ratio(context.fewer_days).fd();
            walk.push(context.ranges, context.carried, &share);
        }
        Self { carried: context.carried.clone(), walk }
    }

    fn began_with(&self, context: &Slope<'_>) -> bool {
        self.carried == *context.carried
    }

    fn step(&mut self, context: &Slope<'_>, entry: &Amount) {
        let share = &entry.value * &context.frame.share_from(entry.at.0);
        self.walk.push(context.ranges, &entry.value, &share);
    }

    fn write_bytes(&self, out: &mut Vec<u8>) {
        let walk = &self.walk;
        let numbers = [&self.carried, &walk.units, &walk.level, &walk.peak];
        let rest = [&walk.spill, &walk.coefficient, &walk.pending, &walk.paid];
        numbers.into_iter().chain(rest).for_each(|number| number.write_bytes(out));
        put_varint(out, walk.tier as u64);
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            carried: Decimal::read_bytes(bytes)?,
            walk: Walk {
                units: Decimal::read_bytes(bytes)?,
                level: Decimal::read_bytes(bytes)?,
                peak: Decimal::read_bytes(bytes)?,
                spill: Decimal::read_bytes(bytes)?,
                coefficient: Decimal::read_bytes(bytes)?,
                pending: Decimal::read_bytes(bytes)?,
                paid: Decimal::read_bytes(bytes)?,
                tier: usize::try_from(take_varint(bytes)?).ok()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::aggregate::kept::ordered::{FOLDED_AT_ONCE, Ordered};
    use crate::core::aggregate::kept::trial;
    use crate::core::aggregate::select::{samples, samples_until, sum};
    use crate::core::aggregate::{Listing, list};
    use crate::core::catalog::Aggregation;
    use crate::core::currency::Currency;
    use crate::core::pricing::{Model, ModelKind, Quantity};
    use crate::core::value::Value;

    /// Tables of tiers with bounds in tenths, touching or one unit apart, or with gaps.
    fn tables() -> impl Strategy<Value = Model> {
        let width = prop_oneof![3 => (1_u32..30).prop_map(|n| n * 10), 1 => 1_u32..200];
        let tier = (width, 0_u32..3, 0_i64..9, 0_i64..20);
        (prop::collection::vec(tier, 1..5), any::<bool>()).prop_map(|(tiers, touching)| {
            let text = |tenths: u32| Value::Number(format!("{}.{}", tenths / 10, tenths % 10));
            let (mut from, last) = (0, tiers.len() - 1);
            let range = |(at, (width, gap, price, flat)): (usize, (u32, u32, i64, i64))| {
                let to = from + width;
                let members = vec![
                    ("from_value".to_owned(), text(from)),
                    ("to_value".to_owned(), if at == last { Value::Null } else { text(to) }),
                    ("per_unit_amount".to_owned(), Value::Text(price.to_string())),
                    ("flat_amount".to_owned(), Value::Text(flat.to_string())),
                ];
                from = if touching { to } else { to + gap * 5 };
                Value::Object(members)
            };
            let ranges = Value::List(tiers.into_iter().enumerate().map(range).collect());
            let properties = Value::Object(vec![("graduated_ranges".to_owned(), ranges)]);
            Model::from_properties(ModelKind::Graduated, &properties)
        })
    }

    proptest! {
        #[test]
        fn prorated_tiers_are_those_of_the_scan(
            trial in trial::trial(Aggregation::Sum), model in tables(),
        ) {
            let Model::Graduated(graduated) = &model else {
                unreachable!("tables are of one kind");
            };
            let mut trial = trial;
            trial.sheet = trial.sheet.prorated();
            trial.check(|terms, events, arrivals| {
                let all = samples(events, terms.field());
                let carried = sum(samples_until(&all, terms.frame.from.plus_micros(-1)));
                let context = Slope {
                    ranges: &graduated.ranges,
                    frame: &terms.frame,
                    fewer_days: terms.fewer_days,
                    carried: &carried,
                };
                let mut kept = Ordered::<Tiers>::default();
                let mut amounts = trial::amounts(terms, arrivals);
                amounts.retain(|amount| amount.at.0 >= terms.frame.lower());
                for amount in &amounts {
                    kept.insert(&context, amount.clone());
                }
                prop_assert!(kept.since(&context).is_none());
                trial::check_bytes(&kept, Ordered::write_bytes, Ordered::<Tiers>::read_bytes)?;
                let changed = &carried + Decimal::ONE;
                let other = Slope { carried: &changed, ..context };
                let folds = amounts.len() >= 2 * FOLDED_AT_ONCE;
                prop_assert_eq!(kept.since(&other).is_some(), folds);

                let listed = list(terms, events, Listing::default()).unwrap();
                let mut scanned = Quantity::new(Aggregation::Sum, Decimal::ONE);
                scanned.entries =
                    Entries::Listed { full: listed.full, prorated: listed.prorated.unwrap() };
                let mut own = scanned.clone();
                own.entries = kept.reading(&context).entries();
                let price = |quantity| model.price(quantity, true, Currency::of("EUR"));
                prop_assert_eq!(price(&own), price(&scanned));
                Ok(())
            })?;
        }
    }
}
