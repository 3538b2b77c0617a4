//! Running totals, and what free units need to know of them (specification 6.9, R).

use crate::core::decimal::Decimal;

use super::percentage::Percentage;

/// Cumulative quantities, event by event, as far as free units need them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunningTotals {
    /// 1, 2, … up to this number.
    Counted(u64),
    /// As listed.
    Listed(Vec<Decimal>),
    /// Not listed: what allowances read of the list.
    Kept(FreePrefix),
}

impl RunningTotals {
    /// No running total, hence no free unit.
    pub const EMPTY: Self = Self::Counted(0);
}

/// All that allowances read of running totals, kept total by total in a fixed size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreePrefix {
    /// Number of totals.
    pub count: u64,
    /// The last total; 0 if there is none.
    pub last: Decimal,
    /// The total after as many events as are free, if more events follow.
    pub at_free_events: Option<Decimal>,
    /// Number of totals strictly below the free units.
    pub below: u64,
}

impl FreePrefix {
    /// Continues the totals with one more, under the allowances of a percentage.
    pub fn push(&mut self, percentage: &Percentage, total: Decimal) {
        if self.count > 0 && self.count == free_events(percentage) {
            self.at_free_events = Some(self.last.clone());
        }
        self.count = self.count.saturating_add(1);
        if total < percentage.free_units {
            self.below = self.below.saturating_add(1);
        }
        self.last = total;
    }

    /// Whether an event changes running totals no more: as many events as are free were taken, or,
    /// without free events, the free units were exceeded.
    pub fn is_complete(&self, percentage: &Percentage) -> bool {
        match free_events(percentage) {
            0 => self.last > percentage.free_units,
            free => self.count >= free,
        }
    }

    /// What a list of totals comes to.
    fn listed(percentage: &Percentage, totals: &[Decimal]) -> Self {
        let mut prefix = Self::default();
        for total in totals {
            prefix.push(percentage, total.clone());
        }
        prefix
    }

    /// What 1, 2, … `count` comes to.
    fn counted(percentage: &Percentage, count: u64) -> Self {
        let free = free_events(percentage);
        let below = if percentage.free_units.is_positive() {
            // The integers below the free units: one less than the first that is not.
            let first = percentage.free_units.ceil(0).to_i64().and_then(|n| u64::try_from(n).ok());
            first.map_or(count, |first| count.min(first.saturating_sub(1)))
        } else {
            0
        };
        Self {
            count,
            last: Decimal::from(count),
            at_free_events: (0 < free && free < count).then(|| Decimal::from(free)),
            below,
        }
    }
}

fn free_events(percentage: &Percentage) -> u64 {
    u64::try_from(percentage.free_events).unwrap_or(0)
}

impl Percentage {
    /// What the allowances read of running totals.
    pub(super) fn free_prefix(&self, totals: &RunningTotals) -> FreePrefix {
        match totals {
            RunningTotals::Counted(count) => FreePrefix::counted(self, *count),
            RunningTotals::Listed(totals) => FreePrefix::listed(self, totals),
            RunningTotals::Kept(prefix) => prefix.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::value::Value;

    fn percentage(free_events: u32, free_tenths: u32) -> Percentage {
        let total = format!("{}.{}", free_tenths / 10, free_tenths % 10);
        Percentage::read(&Value::Object(vec![
            ("rate".into(), Value::Text("10".into())),
            ("free_units_per_events".into(), Value::Number(free_events.to_string())),
            ("free_units_per_total_aggregation".into(), Value::Text(total)),
        ]))
    }

    proptest! {
        /// Counted totals come to what the same totals do when they are listed.
        #[test]
        fn counted_totals_are_listed_ones(
            count in 0_u64..40, free_events in 0_u32..12, free_tenths in 0_u32..120,
        ) {
            let percentage = percentage(free_events, free_tenths);
            let list = RunningTotals::Listed((1..=count).map(Decimal::from).collect());
            prop_assert_eq!(
                percentage.free_prefix(&RunningTotals::Counted(count)),
                percentage.free_prefix(&list)
            );
        }
    }

    #[test]
    fn free_units_beyond_all_counts_hold_them_all() {
        let mut percentage = percentage(0, 0);
        percentage.free_units = Decimal::from_i64(1).mul_pow10(30);
        assert_eq!(percentage.free_prefix(&RunningTotals::Counted(u64::MAX)).below, u64::MAX);
    }
}
