//! Prorated sums and unique counts (specification 5.10, aggregation details 7).

use super::advance::{Levels, PRORATED_PLACES};
use super::select::{Sample, samples_since, samples_until, sum};
use super::terms::Terms;
use crate::core::decimal::Decimal;

/// Units that are charged for the days they are present: what was carried into the window, by the
/// share of the period that the window covers, and each event of the window by what remained of it.
///
/// `history`: valid events of all time up to the upper bound.
pub fn sum_shares(terms: &Terms<'_>, history: &[Sample<'_>]) -> Decimal {
    let before = samples_until(history, terms.frame.from.plus_micros(-1));
    let ratio = terms.frame.ratio(terms.fewer_days).shortest();
    let current = samples_since(history, terms.frame.lower());
    let shares = current.iter().fold(Decimal::ZERO, |total, sample| {
        total + &sample.value * &terms.frame.share_from(sample.event.timestamp)
    });
    (&(&sum(before) * &ratio) + &shares).ceil(PRORATED_PLACES)
}

/// The quantities of one group before and after proration.
pub struct Prorated<'l> {
    /// The quantity without proration, raised if the charge is pay in advance.
    pub plain: Decimal,
    /// What is shown of it (aggregation details 6).
    pub shown: Decimal,
    /// The prorated quantity.
    pub shares: Decimal,
    /// What was billed in advance.
    pub levels: Option<&'l Levels>,
}

impl Prorated<'_> {
    /// Priced quantity, shown quantity, full quantity: the table of aggregation details 7.
    pub fn resolve(&self, terms: &Terms<'_>) -> (Decimal, Option<Decimal>, Option<Decimal>) {
        if !terms.current_usage {
            return if terms.pay_in_advance && terms.trigger.is_none() {
                (self.plain.clone(), None, None)
            } else {
                (self.shares.clone(), None, Some(self.plain.clone()))
            };
        }
        let zero = Decimal::ZERO;
        let ratio = terms.frame.ratio(terms.fewer_days);
        let partial = ratio.shortest() < Decimal::ONE;
        let (priced, shown) = match (terms.pay_in_advance, self.levels) {
            (false, _) => (self.shares.clone(), self.plain.clone()),
            (true, None) if partial => (self.shares.clone(), self.shown.clone()),
            (true, None) => (self.plain.clone(), self.shown.clone()),
            (true, Some(levels)) => {
                let carried = &self.shown - &levels.current.clone().max(Decimal::ZERO);
                let carried =
                    if partial { (&carried * &ratio.fd()).ceil(PRORATED_PLACES) } else { carried };
                (&carried + &levels.max_prorated, self.shown.clone())
            }
        };
        (priced.max(zero.clone()), Some(shown.max(zero)), Some(self.plain.clone()))
    }
}
