//! Time-weighted sums (specification 5.9, aggregation details 8).

use std::collections::BTreeMap;

use super::frame::Frame;
use super::select::Sample;
use crate::core::decimal::Decimal;
use crate::core::instant::{Instant, SECOND};
use crate::core::matching::Group;

/// Decimals of an interval: microseconds.
const INTERVAL_SCALE: u32 = 6;

/// Where the initial value of a recurring weighted sum comes from.
#[derive(Clone, Copy, Debug)]
pub enum Carry<'a> {
    /// Σ of the bucket's events inside any of these stretches, both ends included; see
    /// [`stretches`].
    Stretches(&'a [(Instant, Instant)]),
    /// Totals that somebody else keeps, per group.
    Given(&'a [(Group, Decimal)]),
}

impl Carry<'_> {
    /// The carried value of every group that has any, `group_of` telling the group of a sample.
    pub fn groups(
        &self,
        samples: &[Sample<'_>],
        group_of: impl Fn(&Sample<'_>) -> Group,
    ) -> BTreeMap<Group, Decimal> {
        let mut carried: BTreeMap<Group, Decimal> = BTreeMap::new();
        match self {
            Self::Given(totals) => carried.extend(totals.iter().cloned()),
            Self::Stretches(stretches) => {
                let counts = |sample: &&Sample<'_>| is_inside(stretches, sample.event.timestamp);
                for sample in samples.iter().filter(counts) {
                    let total = carried.entry(group_of(sample)).or_insert(Decimal::ZERO);
                    *total = &*total + &sample.value;
                }
            }
        }
        carried
    }
}

/// Whether one of these stretches holds an instant, both ends included.
pub fn is_inside(stretches: &[(Instant, Instant)], at: Instant) -> bool {
    stretches.iter().any(|(from, to)| *from <= at && at <= *to)
}

/// A subscription row as the carry sees it, oldest first in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stint {
    /// `started_at`.
    pub started_at: Instant,
    /// When it ended; none for the one that is read.
    pub ended_at: Option<Instant>,
    /// Whether a plan change led to it.
    pub has_previous: bool,
}

/// The stretches of time whose events make up the carry at `from`, both ends included.
///
/// `stints`: the rows with this external id whose plan holds the charge, oldest first, the one
/// being read last. Each contributes its closed time; what lies before the first one counts only if
/// a plan change led to it, and then without its last second.
pub fn stretches(stints: &[Stint], from: Instant) -> Vec<(Instant, Instant)> {
    let mut stretches = Vec::with_capacity(stints.len() + 1);
    if let Some(first) = stints.first().filter(|first| first.has_previous) {
        stretches.push((Instant::MIN, first.started_at.min(from).plus_micros(-SECOND)));
    }
    let before = from.floor_ms().plus_micros(-1);
    for stint in stints {
        let end = stint.ended_at.map_or(before, |end| end.min(before));
        if stint.started_at.floor_ms() <= end {
            stretches.push((stint.started_at.floor_ms(), end));
        }
    }
    stretches
}

/// Σ value × time over the seconds of the full period, each step divided and rounded on its own.
///
/// `samples`: the valid events of the window in order.
pub fn weigh(frame: &Frame<'_>, initial: &Decimal, samples: &[Sample<'_>]) -> Decimal {
    let whole = Decimal::from_i64(frame.seconds());
    let mut level = initial.clone();
    let mut since = frame.lower();
    let mut sum = Decimal::ZERO;
    let last = (frame.end(), Decimal::ZERO);
    let rows = samples.iter().map(|sample| (sample.event.timestamp, &sample.value));
    for (at, value) in rows.chain([(last.0, &last.1)]) {
        let micros = at.micros().saturating_sub(since.micros());
        if micros > 0 {
            let held = Decimal::from_i128(i128::from(micros), INTERVAL_SCALE);
            let term = Decimal::pgdiv(&(&level * &held), &whole).unwrap_or(Decimal::ZERO);
            sum = &sum + &term;
            since = at;
        }
        level = &level + value;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400 * SECOND;
    const fn day(number: i64) -> Instant {
        Instant(number * DAY)
    }

    #[test]
    fn a_first_row_carries_its_own_closed_time_only() {
        let stint = Stint { started_at: day(9), ended_at: None, has_previous: false };
        assert_eq!(stretches(&[stint], day(60)), [(day(9), day(60).plus_micros(-1))]);
        assert_eq!(stretches(&[stint], day(9)), []);
    }

    #[test]
    fn a_plan_change_carries_all_before_it_but_one_second() {
        let stint = Stint { started_at: day(9), ended_at: None, has_previous: true };
        let before = (Instant::MIN, day(9).plus_micros(-SECOND));
        assert_eq!(stretches(&[stint], day(60)), [before, (day(9), day(60).plus_micros(-1))]);
    }

    #[test]
    fn time_between_two_rows_is_skipped() {
        let stints = [
            Stint { started_at: day(1), ended_at: Some(day(5)), has_previous: false },
            Stint { started_at: day(9), ended_at: None, has_previous: false },
        ];
        let expected = [(day(1), day(5)), (day(9), day(60).plus_micros(-1))];
        assert_eq!(stretches(&stints, day(60)), expected);
    }
}
