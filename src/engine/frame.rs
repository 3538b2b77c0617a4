//! Frames: the rules that an account is folded under.

use std::sync::Arc;

use super::shape::Shape;
use crate::core::catalog::ingestion::Ingestion;
use crate::core::event::Usage;
use crate::core::instant::Instant;
use crate::core::period::{self, Terms, Window};

/// The lower bound for events of a window: its start without the fraction of a millisecond (4.7).
pub fn floor(window: Window) -> Instant {
    window.from.floor_ms()
}

/// How far an instant lies outside of a window, in microseconds; 0 inside.
pub fn distance(window: Window, at: Instant) -> i64 {
    if at < window.from {
        window.from.micros().saturating_sub(at.micros())
    } else {
        at.micros().saturating_sub(window.to.micros()).max(0)
    }
}

/// The rules that an account is folded under: the active subscription's windows and its plan's
/// shape.
#[derive(Debug)]
pub struct Frame {
    /// Identity of all that decides the totals: equal digests, equal totals.
    pub digest: u64,
    /// The plan's charges, compiled; shared by all accounts on the plan.
    pub shape: Arc<Shape>,
    /// What the windows are computed from.
    pub terms: Terms,
    /// The rules under which events were taken in; none if all count as they were kept.
    pub ingestion: Option<Arc<Ingestion>>,
}

impl Frame {
    /// The charges window that holds an instant; none outside the calendar or in a skipped hour.
    pub fn window_holding(&self, at: Instant) -> Option<Window> {
        period::containing(&self.terms, at)
    }

    /// Calls `count` with an event as it counts (10.5), unless it is void.
    pub fn settle(&self, code: &str, usage: &Usage<'_>, count: impl FnOnce(&Usage<'_>)) {
        match &self.ingestion {
            None => count(usage),
            Some(ingestion) => ingestion.each(code, usage, count),
        }
    }

    /// Whether events are folded into this window. Windows of which this holds share no instant.
    pub fn folds_into(&self, window: Window) -> bool {
        self.window_holding(window.to) == Some(window)
    }
}
