//! One pass over the ledger for many windows (specification 8.1).

use std::collections::HashSet;

use super::past_period::Period;
use super::scan::{Cut, EVENTS_BYTES_MAX, ScanError, usage};
use crate::core::event::UsageBuf;
use crate::core::instant::Instant;
use crate::core::usage::UsageError;
use crate::engine::ledger::AccountKey;
use crate::store::Store;

/// Makes something of a window and of events that hold all that it may need.
pub type Price<'p, R> = dyn Fn(&Period, &[UsageBuf]) -> Result<R, UsageError> + 'p;

/// One pass over the events of an account, which prices windows as it goes past their ends.
pub struct Pass<'p, R> {
    periods: &'p [Period],
    price: &'p Price<'p, R>,
    /// Places of the periods that are not priced yet, the one that ends first last.
    left: Vec<usize>,
    priced: Vec<Option<R>>,
    held: Vec<UsageBuf>,
    bytes: usize,
}

impl<'p, R> Pass<'p, R> {
    /// A pass that prices these periods by `price`, each with all events that it may need.
    pub fn new(periods: &'p [Period], price: &'p Price<'p, R>) -> Self {
        let mut left: Vec<usize> = (0..periods.len()).collect();
        left.sort_by_key(|place| std::cmp::Reverse(periods[*place].window.to));
        let priced = periods.iter().map(|_| None).collect();
        Self { periods, price, left, priced, held: Vec::new(), bytes: 0 }
    }

    /// Prices all periods; the results are in their order.
    ///
    /// # Errors
    ///
    /// That the ledger cannot be read, or holds too much; what pricing reports.
    pub fn over(
        mut self,
        cut: &Cut,
        store: &Store,
        account: AccountKey,
    ) -> Result<Vec<R>, ScanError> {
        let codes: HashSet<&str> =
            self.periods.iter().flat_map(|period| period.codes().map(|(code, _)| code)).collect();
        let from = self.reach();
        let to = self.periods.iter().map(|period| period.window.to).max();
        let (Some(from), Some(to)) = (from, to) else { return Ok(Vec::new()) };
        cut.each_event(store, account, (from, to), &mut |row| {
            self.close_before(row.timestamp)?;
            if codes.contains(row.code) {
                self.hold(UsageBuf::of(row.code, &usage(row)))?;
            }
            Ok(())
        })?;
        self.close_before(Instant::MAX)?;
        Ok(self.priced.into_iter().flatten().collect())
    }

    /// The first instant whose events a period that is left may need; none without one.
    fn reach(&self) -> Option<Instant> {
        let reach = |place: &usize| {
            let period = &self.periods[*place];
            let looks_back = period.codes().any(|(_, recurring)| recurring);
            if looks_back { Instant::MIN } else { period.window.from.floor_ms() }
        };
        self.left.iter().map(reach).min()
    }

    fn hold(&mut self, event: UsageBuf) -> Result<(), ScanError> {
        self.bytes += event.weight();
        if self.bytes > EVENTS_BYTES_MAX {
            return Err(ScanError::TooLarge);
        }
        self.held.push(event);
        Ok(())
    }

    /// Prices the periods that end before an instant, and lets go what none after them needs.
    fn close_before(&mut self, at: Instant) -> Result<(), ScanError> {
        let before = self.left.len();
        while let Some(place) =
            self.left.pop_if(|place| self.periods[*place].window.to < at || at == Instant::MAX)
        {
            self.priced[place] = Some((self.price)(&self.periods[place], &self.held)?);
        }
        if self.left.len() < before {
            self.let_go();
        }
        Ok(())
    }

    fn let_go(&mut self) {
        let left = || self.left.iter().map(|place| &self.periods[*place]);
        let first = left().map(|period| period.window.from.floor_ms()).min();
        let carried: HashSet<&str> = left()
            .flat_map(Period::codes)
            .filter_map(|(code, recurring)| recurring.then_some(code))
            .collect();
        self.held.retain(|event| {
            first.is_some_and(|first| event.timestamp >= first) || carried.contains(&*event.code)
        });
        self.bytes = self.held.iter().map(UsageBuf::weight).sum();
    }
}
