//! Weighted sums, whose steps are divided and rounded one by one (specification 5.9).

use super::bytes::{put_option, put_varint, put_zigzag, take_option, take_varint, take_zigzag};
use super::ordered::{Amount, Machine};
use crate::core::aggregate::frame::Frame;
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;

/// Decimals of an interval: microseconds.
const INTERVAL_SCALE: u32 = 6;

/// A weighted sum after the events of the window up to some moment. Fed with the valid events of
/// the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    /// The value at the window's start.
    initial: Decimal,
    /// The value since the last change.
    level: Decimal,
    /// When that was.
    since: Instant,
    /// Σ of the steps before.
    sum: Decimal,
    /// Σ of the values.
    variation: Decimal,
    /// Number of events.
    count: u64,
    /// Timestamp of the last event.
    latest: Option<Instant>,
}

/// What a weighted sum depends on.
#[derive(Clone, Debug)]
pub struct Weights<'a> {
    /// The window.
    pub frame: &'a Frame<'a>,
    /// The value carried into it; 0 unless the metric recurs. A bucket whose events before the
    /// window change it has to be folded again once something is folded.
    pub initial: &'a Decimal,
}

impl Weighted {
    /// Σ value × time over the seconds of the full period, up to the window's end.
    pub fn value(&self, frame: &Frame<'_>) -> Decimal {
        &self.sum + &self.term(frame, frame.end())
    }

    /// Σ of the values of the window.
    pub const fn variation(&self) -> &Decimal {
        &self.variation
    }

    /// Σ of the values with the one carried into the window.
    pub fn total(&self) -> Decimal {
        &self.variation + &self.initial
    }

    /// Number of events in the window.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Timestamp of the latest event of the window.
    pub const fn latest(&self) -> Option<Instant> {
        self.latest
    }

    /// What the current value adds if it lasts until `until`.
    fn term(&self, frame: &Frame<'_>, until: Instant) -> Decimal {
        let micros = until.micros().saturating_sub(self.since.micros());
        if micros <= 0 {
            return Decimal::ZERO;
        }
        let held = Decimal::from_i128(i128::from(micros), INTERVAL_SCALE);
        let whole = Decimal::from_i64(frame.seconds());
        Decimal::pgdiv(&(&self.level * &held), &whole).unwrap_or(Decimal::ZERO)
    }
}

impl Machine for Weighted {
    type Entry = Amount;
    type Context<'a> = Weights<'a>;

    fn begin(context: &Weights<'_>) -> Self {
        Self {
            initial: context.initial.clone(),
            level: context.initial.clone(),
            since: context.frame.lower(),
            sum: Decimal::ZERO,
            variation: Decimal::ZERO,
            count: 0,
            latest: None,
        }
    }

    fn began_with(&self, context: &Weights<'_>) -> bool {
        self.initial == *context.initial
    }

    fn step(&mut self, context: &Weights<'_>, entry: &Amount) {
        let at = entry.at.0;
        if at > self.since {
            let term = self.term(context.frame, at);
            self.sum += term;
            self.since = at;
        }
        self.level += &entry.value;
        self.variation += &entry.value;
        self.count = self.count.saturating_add(1);
        self.latest = Some(at);
    }

    fn write_bytes(&self, out: &mut Vec<u8>) {
        for value in [&self.initial, &self.level, &self.sum, &self.variation] {
            value.write_bytes(out);
        }
        put_zigzag(out, self.since.micros());
        put_varint(out, self.count);
        put_option(out, self.latest, |out, at| put_zigzag(out, at.micros()));
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            initial: Decimal::read_bytes(bytes)?,
            level: Decimal::read_bytes(bytes)?,
            sum: Decimal::read_bytes(bytes)?,
            variation: Decimal::read_bytes(bytes)?,
            since: Instant(take_zigzag(bytes)?),
            count: take_varint(bytes)?,
            latest: take_option(bytes, |bytes| take_zigzag(bytes).map(Instant))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::aggregate::kept::ordered::Ordered;
    use crate::core::aggregate::kept::trial::{self, Trial};
    use crate::core::aggregate::select::{samples, samples_since, sum};
    use crate::core::aggregate::weighted::weigh;
    use crate::core::catalog::Aggregation;

    proptest! {
        /// Kept event by event, a weighted sum is what the scan gives, down to the last digit.
        #[test]
        fn a_weighted_sum_is_that_of_the_scan(
            trial in trial::trial(Aggregation::WeightedSum), initial in trial::number(),
        ) {
            trial.check(|terms, events, arrivals| {
                let lower = terms.frame.lower();
                let context = Weights { frame: &terms.frame, initial: &initial };
                let mut kept = Ordered::<Weighted>::default();
                for amount in trial::amounts(terms, arrivals) {
                    if amount.at.0 >= lower {
                        kept.insert(&context, amount);
                    }
                }
                prop_assert!(kept.since(&context).is_none());
                trial::check_bytes(
                    &kept, Ordered::write_bytes, Ordered::<Weighted>::read_bytes,
                )?;
                let all = samples(events, terms.field());
                let selected = samples_since(&all, lower);
                let found = kept.reading(&context);
                prop_assert_eq!(found.value(&terms.frame), weigh(&terms.frame, &initial, selected));
                prop_assert_eq!(found.variation(), &sum(selected));
                prop_assert_eq!(found.total(), sum(selected) + &initial);
                prop_assert_eq!(found.count(), selected.len() as u64);
                prop_assert_eq!(found.latest(), selected.last().map(|last| last.event.timestamp));
                Ok(())
            })?;
        }
    }

    /// The worked examples of specification 5.9, in a month of 31 days.
    #[test]
    fn worked_examples() {
        for (initial, lines, expected) in [
            ("0", &[("0", 0), ("2500", 4)][..], "2177.4193548387096774"),
            ("10", &[("5", 10), ("-3", 20)], "12.3225806451612903"),
        ] {
            let trial = Trial::of_days(Aggregation::WeightedSum, 31, lines);
            let initial = Decimal::parse_literal(initial).unwrap();
            trial
                .check(|terms, _, arrivals| {
                    let context = Weights { frame: &terms.frame, initial: &initial };
                    let mut kept = Ordered::<Weighted>::default();
                    for amount in trial::amounts(terms, arrivals) {
                        kept.insert(&context, amount);
                    }
                    let value = kept.reading(&context).value(&terms.frame);
                    prop_assert_eq!(value, Decimal::parse_literal(expected).unwrap());
                    Ok(())
                })
                .unwrap();
        }
    }

    #[test]
    fn another_carry_is_taken_until_something_is_folded() {
        let lines: Vec<(&str, i64)> = (0..200).map(|at| ("1", at % 31)).collect();
        let (one, two) = (Decimal::ONE, Decimal::from_i64(2));
        for (count, repairs) in [(100, false), (200, true)] {
            let trial = Trial::of_days(Aggregation::WeightedSum, 31, &lines[..count]);
            trial
                .check(|terms, events, _| {
                    let context = |initial| Weights { frame: &terms.frame, initial };
                    let mut kept = Ordered::<Weighted>::default();
                    for amount in trial::amounts(terms, events) {
                        kept.insert(&context(&one), amount);
                    }
                    prop_assert!(kept.since(&context(&one)).is_none());
                    prop_assert_eq!(kept.since(&context(&two)).is_some(), repairs);
                    Ok(())
                })
                .unwrap();
        }
    }
}
