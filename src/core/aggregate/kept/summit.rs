//! The maximum with its place among the events, for percentages that bound the price of every event
//! and give some away (specification 6.9).
//!
//! The first event that equals the maximum carries it. Without anything free its place does not
//! matter, and number and maximum are enough.

use super::bytes::{put_varint, take_varint};
use super::ordered::{Amount, Machine};
use crate::core::decimal::Decimal;
use crate::core::pricing::{Entries, Peak};

/// The events of a maximum. Fed with the valid events of the window; in a group, with those that
/// its values find ([`Group::finds`]).
///
/// [`Group::finds`]: crate::core::matching::Group::finds
#[derive(Clone, Debug, PartialEq)]
pub struct Summit(Peak);

impl Summit {
    /// The events as prices read them.
    pub fn entries(self) -> Entries {
        Entries::Peak(self.0)
    }
}

impl Machine for Summit {
    type Entry = Amount;
    type Context<'a> = ();

    fn begin((): &()) -> Self {
        Self(Peak::default())
    }

    fn step(&mut self, (): &(), entry: &Amount) {
        let peak = &mut self.0;
        if peak.count == 0 || entry.value > peak.max {
            peak.max = entry.value.clone();
            peak.before = peak.count;
        }
        peak.count = peak.count.saturating_add(1);
    }

    fn write_bytes(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.count);
        put_varint(out, self.0.before);
        self.0.max.write_bytes(out);
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let (count, before) = (take_varint(bytes)?, take_varint(bytes)?);
        Some(Self(Peak { count, before, max: Decimal::read_bytes(bytes)? }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::aggregate::kept::ordered::Ordered;
    use crate::core::aggregate::kept::trial;
    use crate::core::aggregate::{Listing, list};
    use crate::core::catalog::Aggregation;

    proptest! {
        #[test]
        fn the_maximum_stands_where_the_scan_lists_it(trial in trial::trial(Aggregation::Max)) {
            trial.check(|terms, events, arrivals| {
                let mut kept = Ordered::<Summit>::default();
                for amount in trial::amounts(terms, arrivals) {
                    if amount.at.0 >= terms.frame.lower() {
                        kept.insert(&(), amount);
                    }
                }
                prop_assert!(kept.since(&()).is_none());
                trial::check_bytes(&kept, Ordered::write_bytes, Ordered::<Summit>::read_bytes)?;
                let Peak { count, before, max } = kept.reading(&()).0;
                let value = |at| if at == before { max.clone() } else { Decimal::ZERO };
                let found: Vec<Decimal> = (0..count).map(value).collect();
                prop_assert_eq!(found, list(terms, events, Listing::default()).unwrap().full);
                Ok(())
            })?;
        }
    }
}
