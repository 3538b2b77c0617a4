//! What percentages read of the single events of a sum: running totals up to what is free, and the
//! price of every event within its bounds (specification 6.9, pricing details 5).

use super::bytes::{put_at, put_option, put_varint, put_zigzag};
use super::bytes::{take_at, take_option, take_varint, take_zigzag};
use super::latest::At;
use super::ordered::{Amount, Machine, Ordered};
use crate::core::decimal::Decimal;
use crate::core::instant::Instant;
use crate::core::pricing::percentage::Percentage;
use crate::core::pricing::{Entries, FreePrefix, Meter, RunningTotals};

/// The events of a sum under a percentage, up to some moment.
///
/// Fed with the valid events of the bucket, of all time if the metric recurs, else of the window.
/// In a group only those count that its values find ([`Group::finds`]): others must not be fed.
///
/// Once nothing more is free, events are taken in any order, and none is kept.
///
/// [`Group::finds`]: crate::core::matching::Group::finds
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    totals: FreePrefix,
    /// The last event that is in the totals.
    totals_to: Option<At>,
    /// The events of the window, if events have bounds.
    meter: Option<Meter>,
    /// The last event that found something free.
    meter_to: Option<At>,
}

/// What the prices of single events depend on.
#[derive(Clone, Copy, Debug)]
pub struct Prices<'a> {
    /// The percentage. Contents that were kept under another one mean nothing.
    pub percentage: &'a Percentage,
    /// First instant of the window; only bounds look at it.
    pub lower: Instant,
}

impl Prices<'_> {
    fn meter(&self) -> Option<Meter> {
        self.percentage.is_bounded().then(|| Meter::new(self.percentage))
    }

    /// Whether running totals are of any use.
    fn gives_away(&self) -> bool {
        self.percentage.free_events > 0 || !self.percentage.free_units.is_zero()
    }
}

impl Spent {
    /// The running totals; empty if nothing is given away.
    pub fn running_totals(&self) -> RunningTotals {
        RunningTotals::Kept(self.totals.clone())
    }

    /// The prices of the window's events, if they have bounds.
    pub fn entries(&self) -> Option<Entries> {
        self.meter.clone().map(Entries::Metered)
    }

    fn totals_are_complete(&self, context: &Prices<'_>) -> bool {
        !context.gives_away() || self.totals.is_complete(context.percentage)
    }
}

impl Ordered<Spent> {
    /// Goes on to a later window of a metric that recurs: running totals go on, events are priced
    /// anew. `context` is that of the new window.
    pub fn roll(&mut self, context: &Prices<'_>) {
        for machine in self.machines_mut() {
            machine.meter = context.meter();
            machine.meter_to = None;
        }
    }
}

impl Machine for Spent {
    type Entry = Amount;
    type Context<'a> = Prices<'a>;

    fn begin(context: &Prices<'_>) -> Self {
        let meter = context.meter();
        Self { totals: FreePrefix::default(), totals_to: None, meter, meter_to: None }
    }

    fn step(&mut self, context: &Prices<'_>, entry: &Amount) {
        if !self.totals_are_complete(context) {
            let total = &self.totals.last + &entry.value;
            self.totals.push(context.percentage, total);
            self.totals_to = Some(entry.at);
        }
        if let Some(meter) = self.meter.as_mut().filter(|_| entry.at.0 >= context.lower) {
            if meter.gives_away() {
                self.meter_to = Some(entry.at);
            }
            meter.push(context.percentage, &entry.value);
        }
    }

    fn absorbs(&self, context: &Prices<'_>, entry: &Amount) -> bool {
        let after = |last: Option<At>| last.is_none_or(|last| last < entry.at);
        let by_totals = self.totals_are_complete(context) && after(self.totals_to);
        let by_meter = entry.at.0 < context.lower
            || self.meter.as_ref().is_none_or(|meter| !meter.gives_away() && after(self.meter_to));
        by_totals && by_meter
    }

    fn write_bytes(&self, out: &mut Vec<u8>) {
        put_varint(out, self.totals.count);
        self.totals.last.write_bytes(out);
        put_option(out, self.totals.at_free_events.as_ref(), |out, total| total.write_bytes(out));
        put_varint(out, self.totals.below);
        put_option(out, self.totals_to, put_at);
        put_option(out, self.meter.as_ref(), |out, meter| {
            put_zigzag(out, meter.free_events);
            meter.free_units.write_bytes(out);
            meter.total.write_bytes(out);
        });
        put_option(out, self.meter_to, put_at);
    }

    fn read_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let totals = FreePrefix {
            count: take_varint(bytes)?,
            last: Decimal::read_bytes(bytes)?,
            at_free_events: take_option(bytes, Decimal::read_bytes)?,
            below: take_varint(bytes)?,
        };
        let totals_to = take_option(bytes, take_at)?;
        let meter = take_option(bytes, |bytes| {
            let free_events = take_zigzag(bytes)?;
            let free_units = Decimal::read_bytes(bytes)?;
            Some(Meter { free_events, free_units, total: Decimal::read_bytes(bytes)? })
        })?;
        Some(Self { totals, totals_to, meter, meter_to: take_option(bytes, take_at)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::aggregate::kept::trial::{self, Trial};
    use crate::core::aggregate::select::{samples, since};
    use crate::core::aggregate::{Allowance, Listing, list, running};
    use crate::core::catalog::Aggregation;
    use crate::core::currency::Currency;
    use crate::core::pricing::{Model, Quantity};

    fn percentages() -> impl Strategy<Value = Percentage> {
        let some = |most: i128| prop::option::of(0..most);
        (0_i64..100, some(60), some(9_000), some(30), some(40)).prop_map(
            |(rate, events, units, min, max)| Percentage {
                rate: Decimal::from_i64(rate),
                fixed_amount: Decimal::from_i128(25, 2),
                free_events: events.and_then(|events| i64::try_from(events).ok()).unwrap_or(0),
                free_units: Decimal::from_i128(units.unwrap_or(0), 1),
                min: min.map(|min| Decimal::from_i128(min, 1)),
                max: max.map(|max| Decimal::from_i128(max, 0)),
            },
        )
    }

    /// The price of what the scan lists, and of what is kept, in every detail.
    fn check(
        trial: &Trial,
        percentage: &Percentage,
        sorted: bool,
    ) -> Result<(), proptest::test_runner::TestCaseError> {
        trial.check(|terms, events, arrivals| {
            let mut terms = terms.clone();
            terms.allowance = Allowance {
                events: u64::try_from(percentage.free_events).unwrap(),
                total: percentage.free_units.clone(),
            };
            let context = Prices { percentage, lower: terms.frame.lower() };
            let mut kept = Ordered::<Spent>::default();
            for amount in trial::amounts(&terms, if sorted { events } else { arrivals }) {
                if amount.at.0 >= terms.lower() {
                    kept.insert(&context, amount);
                }
            }
            prop_assert!(kept.since(&context).is_none());
            trial::check_bytes(&kept, Ordered::write_bytes, Ordered::<Spent>::read_bytes)?;
            let found = kept.reading(&context);

            let selected = samples(since(events, terms.lower()), terms.field());
            let model = Model::Percentage(percentage.clone());
            let mut scanned =
                Quantity::new(Aggregation::Sum, selected.iter().map(|sample| &sample.value).sum());
            scanned.count = Decimal::from(selected.len() as u64);
            scanned.running_totals = running::summed(&terms, &selected, None);
            let listed = list(&terms, events, Listing::default()).unwrap();
            scanned.entries = Entries::Listed { full: listed.full, prorated: Vec::new() };
            let own = Quantity {
                running_totals: found.running_totals(),
                entries: found.entries().unwrap_or(Entries::NONE),
                ..scanned.clone()
            };
            let price = |quantity| model.price(quantity, false, Currency::of("EUR"));
            prop_assert_eq!(price(&own), price(&scanned));
            Ok(())
        })
    }

    proptest! {
        #[test]
        fn a_percentage_of_a_sum_is_that_of_the_scan(
            trial in trial::trial(Aggregation::Sum), percentage in percentages(),
            recurring in any::<bool>(), sorted in any::<bool>(),
        ) {
            let mut trial = trial;
            trial.sheet.metric.recurring = recurring;
            check(&trial, &percentage, sorted)?;
        }

        /// Bounds without anything free are taken in whatever order the events come.
        #[test]
        fn without_allowances_any_order_will_do(
            trial in trial::trial(Aggregation::Sum), percentage in percentages(),
            order in any::<u64>(),
        ) {
            let mut trial = trial;
            let mut percentage = percentage;
            percentage.free_events = 0;
            percentage.free_units = Decimal::ZERO;
            percentage.min = Some(Decimal::ONE);
            let place = |at: u64| (at ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50;
            trial.delays = (0..300).map(|at| usize::try_from(place(at)).unwrap()).collect();
            check(&trial, &percentage, false)?;
        }
    }

    #[test]
    fn what_comes_after_all_that_is_free_is_never_late() {
        let values: Vec<(&str, i64)> = (0..300).map(|at| ("2", at / 10)).collect();
        let trial = Trial::of_days(Aggregation::Sum, 31, &values);
        // The eleventh event is the last one that is free; or nothing ever ends it.
        for (free, at, repairs) in [(20, 15, false), (20, 3, true), (650, 15, true)] {
            let percentage = Percentage {
                rate: Decimal::ONE,
                fixed_amount: Decimal::ONE,
                free_events: 0,
                free_units: Decimal::from_i64(free),
                min: Some(Decimal::ZERO),
                max: None,
            };
            trial
                .check(|terms, events, _| {
                    let context = Prices { percentage: &percentage, lower: terms.frame.lower() };
                    let mut kept = Ordered::<Spent>::default();
                    let mut amounts = trial::amounts(terms, events);
                    let late = amounts.remove(at);
                    amounts.push(late);
                    for amount in amounts {
                        kept.insert(&context, amount);
                    }
                    prop_assert_eq!(kept.since(&context).is_some(), repairs);
                    Ok(())
                })
                .unwrap();
        }
    }

    #[test]
    fn the_next_window_is_priced_anew_and_totals_go_on() {
        let percentage = Percentage {
            rate: Decimal::from_i64(100),
            fixed_amount: Decimal::ZERO,
            free_events: 0,
            free_units: Decimal::from_i64(5),
            min: Some(Decimal::ZERO),
            max: None,
        };
        let values: Vec<(&str, i64)> = (0..150).map(|at| ("2", at / 10)).collect();
        let trial = Trial::of_days(Aggregation::Sum, 31, &values);
        trial
            .check(|terms, events, _| {
                let frame = &terms.frame;
                let old = Prices { percentage: &percentage, lower: frame.lower() };
                let new = Prices { lower: frame.to.plus_micros(1), ..old };
                let mut kept = Ordered::<Spent>::default();
                for amount in trial::amounts(terms, events) {
                    kept.insert(&old, amount);
                }
                let before = kept.reading(&old);
                prop_assert_eq!(
                    before.meter.map(|meter| meter.total),
                    Some(Decimal::from_i64(295))
                );
                kept.roll(&new);
                let after = kept.reading(&new);
                prop_assert_eq!(after.totals, before.totals);
                prop_assert_eq!(after.meter, Some(Meter::new(&percentage)));
                Ok(())
            })
            .unwrap();
    }
}
