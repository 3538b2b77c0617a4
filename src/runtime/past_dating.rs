//! When usage thresholds were reached (specification 8.3).

use std::cell::Cell;

use crate::core::event::UsageBuf;
use crate::core::instant::Instant;
use crate::core::period::Window;
use crate::core::usage::{Threshold, UsageError, crossed};

/// How often one answer prices windows in part to find out when thresholds were reached. Each
/// halves a stretch of events; once there are none left, the end of the stretch has to do.
const PRICINGS_MAX: usize = 64;

/// Finds out when thresholds were reached. Windows are shown to it in the order of time.
pub struct Dating {
    thresholds: Vec<Threshold>,
    /// Σ of what was used so far.
    sum: Cell<i64>,
    /// How often windows may still be priced in part.
    pricings: Cell<usize>,
}

impl Dating {
    /// For these thresholds, after so many cents.
    pub fn new(thresholds: Vec<Threshold>, before: i64) -> Self {
        Self { thresholds, sum: Cell::new(before), pricings: Cell::new(PRICINGS_MAX) }
    }

    /// The amounts that the total reaches with a window of `sum` cents, each with the timestamp of
    /// the event that reached it. `cents` prices the first events of the window.
    pub fn reached(
        &self,
        window: Window,
        events: &[UsageBuf],
        sum: i64,
        cents: &impl Fn(&[UsageBuf]) -> Result<i64, UsageError>,
    ) -> Result<Vec<(i64, Instant)>, UsageError> {
        let before = self.sum.get();
        let after = before.saturating_add(sum);
        self.sum.set(after);
        let mut found = Vec::new();
        for amount in crossed(&self.thresholds, before, after) {
            let missing = amount.saturating_sub(before);
            let (mut low, mut high) = (0, events.len());
            while low < high && self.pricings.get() > 0 {
                self.pricings.set(self.pricings.get() - 1);
                let middle = low.midpoint(high);
                if cents(&events[..middle])? >= missing { high = middle } else { low = middle + 1 }
            }
            let event = high.checked_sub(1).and_then(|last| events.get(last));
            let at = event.map_or(window.from, |event| event.timestamp.max(window.from));
            found.push((amount, at));
        }
        Ok(found)
    }
}
